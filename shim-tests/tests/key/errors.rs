//! What cannot have a key says why, and what to do.

use shim_tests::Sandbox;

use crate::project;

/// Asserts that it fails with all of these parts on stderr, a hint among the lines, and prints nothing.
#[track_caller]
fn expect_error(sandbox: &Sandbox, line: &str, parts: &[&str]) {
    let run = sandbox.lake_shim(line).run();
    run.expect_code(1)
        .expect_stdout("")
        .stderr_contains("lake-shim: error: ")
        .stderr_contains("\nhint: ");
    for part in parts {
        run.stderr_contains(part);
    }
}

#[test]
fn workspaces_that_are_not_locked() {
    let sandbox = project();
    sandbox.rename("app/lake-manifest.json", "manifest");
    for line in ["key --context .", "key packages", "key build", "key image-tag --context ."] {
        expect_error(&sandbox, line, &["has no `lake-manifest.json`", "`lake update`"]);
    }
    sandbox.lake_shim("key files --files README.md").run().expect_code(0);
    sandbox.rename("manifest", "app/lake-manifest.json").write("app/lean-toolchain", "\n");
    expect_error(&sandbox, "key packages", &["names no toolchain", "`lean-toolchain`"]);
    sandbox.remove("app/lean-toolchain");
    expect_error(&sandbox, "key --context .", &["names no toolchain"]);
    let nothing = Sandbox::empty();
    expect_error(&nothing, "key", &["no `lakefile.lean` or `lakefile.toml`"]);
}

#[test]
fn a_project_without_mathlib_has_keys() {
    let sandbox = Sandbox::empty();
    sandbox
        .write("app/lakefile.toml", "name = \"app\"\n")
        .write("app/lean-toolchain", "org/fork:nightly-2025-01-01\n")
        .write("app/lake-manifest.json", r#"{"version": "1.1.0", "name": "app", "packages": []}"#)
        .write("app/Dockerfile", "FROM debian:12\n");
    let run = sandbox.lake_shim("key").run();
    run.expect_code(0).stdout_contains("image-tag=org-fork-nightly-2025-01-01-");
    run.stdout_contains("\npackages=").stdout_contains("\nbuild=");
}

#[test]
fn sources_that_are_not_there_name_file_and_line() {
    for (dockerfile, parts) in [
        (
            "FROM a\n\nCOPY x \\\n  y /\n",
            &["ci/Dockerfile:3`: `COPY` takes `x`, which is not in the build context"][..],
        ),
        (
            "FROM a\nADD *.tgz /\n",
            &["ci/Dockerfile:2`: `ADD` takes `*.tgz`, which matches nothing"],
        ),
        (
            "FROM a\nCOPY noise.log /\n",
            &[
                "Dockerfile:2`: `COPY` takes `noise.log`, which is left out",
                "ci/.dockerignore`",
                "`!noise.log`",
            ],
        ),
        (
            "FROM a\nARG V\nCOPY bin/$V /\n",
            &["Dockerfile:3`: `COPY` takes `bin/$V`, but `V` has no value", "--build-arg V=…"],
        ),
        (
            "FROM a\nRUN --mount=source=x,target=/y true\n",
            &["Dockerfile:2`: `RUN --mount` takes `x`"],
        ),
    ] {
        let sandbox = project();
        sandbox.write("app/ci/Dockerfile", dockerfile);
        sandbox.write("app/ci/.dockerignore", "*.log").write("app/ci/noise.log", "");
        expect_error(&sandbox, "key --dockerfile ci/Dockerfile", parts);
        // Who does not ask for the tag is not bothered.
        sandbox.lake_shim("key packages build").run().expect_code(0);
    }
}

#[test]
fn files_that_docker_would_not_take_either() {
    for (file, text, part) in [
        (
            "ci/Dockerfile",
            "FROM a\nRUN <<E\necho\n",
            "ci/Dockerfile:2`: the here-document `E` has no end",
        ),
        ("ci/Dockerfile", "# escape=x\nFROM a\n", "ci/Dockerfile:1`: `x` is no escape character"),
        ("ci/Dockerfile", "RUN a\n", "ci/Dockerfile:1`: there is no `FROM`"),
        ("ci/Dockerfile", "FROM a\nCOPY [x /\n", "ci/Dockerfile:2`: `[x` is no pattern"),
        ("ci/.dockerignore", "a\n!\n", "ci/.dockerignore`: line 2: `!` takes back nothing"),
    ] {
        let sandbox = project();
        sandbox.write("app/ci/Dockerfile", "FROM a\n").write(format!("app/{file}"), text);
        let run = sandbox.lake_shim("key image-tag --dockerfile ci/Dockerfile").run();
        run.expect_code(1).expect_stdout("").stderr_contains(part);
    }
}

#[test]
fn files_that_are_not_there() {
    let sandbox = project();
    let run = sandbox.lake_shim("key --dockerfile nope/Dockerfile").run();
    run.expect_code(1).expect_stdout("").stderr_contains("nope");
    expect_error(
        &sandbox,
        "key --context nope",
        &["no build context at `", "nope`", "--context DIR"],
    );
    expect_error(&sandbox, "key files --files nope/**", &["`nope/**` matches no file in `"]);
    expect_error(
        &sandbox,
        "key files --files README.md *.nope",
        &["`*.nope` matches no file in `"],
    );
    expect_error(
        &sandbox,
        "key files --files README.md/*",
        &["`README.md/*` matches no file in `"],
    );
    expect_error(&sandbox, "key files", &["`files` of which files?", "--files GLOB"]);
    let run = sandbox.lake_shim("key files --files [").run();
    run.expect_code(1).stderr_contains("`[` is no pattern");
}

#[test]
fn arguments_that_contradict() {
    let sandbox = project();
    for flag in ["--with", "--build-arg"] {
        let line = format!("key image-tag --context . {flag} a=1 {flag} b=1 {flag} a=1");
        expect_error(&sandbox, &line, &[&format!("`{flag}` has more than one value for `a`")]);
    }
    expect_error(
        &sandbox,
        "key packages --with a=1",
        &["go into `image-tag`, which is not asked for"],
    );
    for line in ["key --with a", "key --with =a", "key --build-arg a"] {
        let run = sandbox.lake_shim(line).run();
        run.expect_code(2).expect_stdout("").stderr_contains("it has to be `NAME=VALUE`");
    }
    let run = sandbox.lake_shim("key pakages").run();
    run.expect_code(2).expect_stdout("").stderr_contains("did you mean `packages`?");
}
