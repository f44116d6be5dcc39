//! One commit, one set of keys: whatever the checkout, the machine's settings and what was done in it
//! since.

use std::collections::BTreeMap;
use std::fs::{File, FileTimes};
use std::time::{Duration, SystemTime};

use shim_tests::Sandbox;

use crate::{all_keys, keys, project};

/// Commits the workspace.
fn commit(sandbox: &Sandbox) {
    let app = sandbox.workspace();
    sandbox.git(&app, &["init", "--quiet"]);
    sandbox.git(&app, &["add", "."]);
    sandbox.git(&app, &["commit", "--quiet", "--message=all of it"]);
}

/// The keys of a clone at `place`, made by `git $options clone`.
fn keys_of_clone(sandbox: &Sandbox, options: &[&str], place: &str) -> BTreeMap<String, String> {
    let (from, to) = (sandbox.workspace(), sandbox.path(place));
    let clone =
        sandbox.command("git", "").args(options).args(["clone", "--quiet"]).arg(from).arg(&to);
    clone.run().expect_code(0);
    // Globs are relative to where one stands.
    let run = all_keys(sandbox).cwd(&to).run();
    keys(&run)
}

#[test]
fn clones_have_the_same_keys() {
    let sandbox = project();
    commit(&sandbox);
    let here = keys(&all_keys(&sandbox).run());
    assert_eq!(here.len(), 4, "{here:?}");
    assert_eq!(keys_of_clone(&sandbox, &[], "clone"), here);
    assert_eq!(keys_of_clone(&sandbox, &[], "somewhere/else/deep"), here);
}

#[test]
fn line_ends_of_a_checkout_do_not_count() {
    let sandbox = project();
    commit(&sandbox);
    let here = keys(&all_keys(&sandbox).run());
    let crlf = ["-c", "core.autocrlf=true"];
    assert_eq!(keys_of_clone(&sandbox, &crlf, "crlf"), here);
    for file in [
        "lean-toolchain",
        "App.lean",
        "ci/Dockerfile",
        ".dockerignore",
        "ci/data/table",
        "docs/a.md",
    ] {
        assert!(
            sandbox.read(format!("crlf/{file}")).contains("\r\n"),
            "{file} is not what is tested"
        );
    }
    assert_eq!(sandbox.read("crlf/ci/data/binary"), "\0\r\n\n", "binary files are not touched");
}

#[test]
fn umask_owner_and_age_do_not_count() {
    let sandbox = project();
    let here = keys(&all_keys(&sandbox).run());
    sandbox.copy("app", "before");
    let old = FileTimes::new().set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1));
    for (file, mode) in [("ci/install.sh", 0o700), ("ci/data/table", 0o600), ("App.lean", 0o666)] {
        let path = sandbox.path("app").join(file);
        let open = File::options().append(true).open(&path).expect("a file");
        open.set_times(old).expect("times");
        sandbox.chmod(path, mode);
    }
    assert_eq!(keys(&all_keys(&sandbox).run()), here);
}

#[test]
fn what_was_built_or_restored_since_does_not_count() {
    let sandbox = project();
    commit(&sandbox);
    let fresh = keys(&all_keys(&sandbox).run());
    sandbox.clone_packages(&sandbox.packages());
    sandbox.lake_shim("restore").env("LAKE_SHIM_NETWORK", "never").run().expect_code(0);
    sandbox.expect_all_restored();
    sandbox
        .write("app/.lake/build/lib/App.olean", "built")
        .write("app/.lake/build/ir/App.c", "built")
        .write("app/scratch/Try.lean", "ignored by git")
        .write("app/.hidden/Try.lean", "hidden");
    assert_eq!(keys(&all_keys(&sandbox).run()), fresh);
}

#[test]
fn it_does_not_matter_where_one_stands() {
    let sandbox = project();
    let here = keys(&all_keys(&sandbox).run());
    let line = "key --dockerfile Dockerfile --context .. --files *.sh ../docs/ ../README.md";
    assert_eq!(keys(&sandbox.lake_shim(line).cwd("app/ci").run()), here);
    let line = "-d app key --dockerfile app/ci/Dockerfile --context app --files app/ci/install.sh app/docs/**/*.md \
                app/README.md";
    assert_eq!(keys(&sandbox.lake_shim(line).cwd("").run()), here);
}

#[test]
fn threads_and_settings_do_not_count() {
    let sandbox = project();
    let here = keys(&all_keys(&sandbox).run());
    let call = all_keys(&sandbox).env("LAKE_SHIM_STORE", "/nowhere").env("LANG", "tr_TR.UTF-8");
    assert_eq!(keys(&call.env("HOME", "/nowhere").env("RAYON_NUM_THREADS", "1").run()), here);
}

#[test]
fn what_differs_in_every_checkout_is_warned_of() {
    let sandbox = project();
    commit(&sandbox);
    let call = || sandbox.lake_shim("key image-tag");
    sandbox.write("app/Dockerfile", "FROM debian:12\nCOPY . /app\n").remove("app/.dockerignore");
    sandbox.write("app/ci/.lake/x", "");
    let run = call().run();
    run.expect_code(0)
        .stdout_contains("image-tag=")
        .stderr_contains("warning: the image takes `.git`, so");
    run.stderr_contains("warning: the image takes `.lake`, so").stderr_contains("\nhint: ");
    sandbox.write("app/.dockerignore", ".git\n**/.lake\n");
    call().run().expect_code(0).expect_stderr("");
    sandbox.write("app/.gitattributes", "").write("app/.gitmodules", "");
    call().run().expect_code(0).expect_stderr("");
}

#[test]
fn packages_are_no_sources_wherever_they_lie() {
    let sandbox = project();
    let manifest = sandbox.read("app/lake-manifest.json");
    sandbox.write("app/lake-manifest.json", manifest.replace(".lake/packages", "packages"));
    let before = keys(&sandbox.lake_shim("key build").run());
    sandbox.write("app/packages/mathlib/Mathlib.lean", "");
    assert_eq!(keys(&sandbox.lake_shim("key build").run()), before);
    sandbox.write("app/Packages/mathlib/Mathlib.lean", "");
    assert_ne!(keys(&sandbox.lake_shim("key build").run()), before);
}

#[test]
fn packages_are_not_needed() {
    let sandbox = project();
    assert!(!sandbox.packages().exists(), "nothing is cloned yet");
    all_keys(&sandbox).without_network().run().expect_code(0);
    assert!(!sandbox.path("app/.lake").exists(), "and nothing is written");
}
