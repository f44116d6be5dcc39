//! Which change changes which key.

use shim_tests::Sandbox;

use crate::{all_keys, changed, keys, project};

/// Replaces text that has to be there.
fn edit(sandbox: &Sandbox, path: &str, from: &str, to: &str) {
    let text = sandbox.read(path);
    assert!(text.contains(from), "no `{from}` in {path}");
    sandbox.write(path, text.replacen(from, to, 1));
}

#[test]
fn every_input_changes_the_keys_it_goes_into() {
    type Change = fn(&Sandbox);
    let every = &["build", "image-tag", "packages"][..];
    let cases: &[(&str, Change, &[&str])] = &[
        ("nothing", |_| {}, &[]),
        ("a byte of a copied file", |s| edit(s, "app/ci/data/table", "b", "c"), &["image-tag"]),
        (
            "a line end of a binary file",
            |s| {
                s.write("app/ci/data/binary", b"\0\n\n");
            },
            &["image-tag"],
        ),
        (
            "the target of a symlink",
            |s| {
                s.remove("app/ci/data/link").symlink("binary", "app/ci/data/link");
            },
            &["image-tag"],
        ),
        (
            "a new file in a copied directory",
            |s| {
                s.write("app/ci/data/new", "");
            },
            &["image-tag"],
        ),
        (
            "the name of a copied file",
            |s| {
                s.rename("app/ci/data/table", "app/ci/data/tables");
            },
            &["image-tag"],
        ),
        (
            "an executable bit",
            |s| {
                s.chmod("app/ci/data/table", 0o744);
            },
            &["image-tag"],
        ),
        ("the recipe", |s| edit(s, "app/ci/Dockerfile", "RUN", "RUN true &&"), &["image-tag"]),
        (
            "a comment of the recipe",
            |s| edit(s, "app/ci/Dockerfile", "# What", "# Which"),
            &["image-tag"],
        ),
        ("what is ignored", |s| edit(s, "app/.dockerignore", "**/*.log\n", ""), &["image-tag"]),
        ("a comment of what is ignored", |s| edit(s, "app/.dockerignore", "# Not", "# never"), &[]),
        (
            "an ignored file",
            |s| {
                s.write("app/ci/data/noise.log", "2\n");
            },
            &[],
        ),
        (
            "a file that nobody copies",
            |s| {
                s.write("app/ci/other", "another\n");
            },
            &[],
        ),
        (
            "a script that `--files` matches too",
            |s| edit(s, "app/ci/install.sh", "echo", "echo -n"),
            &["files", "image-tag"],
        ),
        (
            "a file that `--files` names",
            |s| {
                s.write("app/README.md", "!\n");
            },
            &["files"],
        ),
        (
            "a new file that `--files` matches",
            |s| {
                s.write("app/ci/new.sh", "");
            },
            &["files"],
        ),
        (
            "a file below a directory of `--files`",
            |s| {
                s.write("app/docs/deep/x", "");
            },
            &["files"],
        ),
        (
            "a source",
            |s| {
                s.write("app/App.lean", "-- empty\n");
            },
            &["build"],
        ),
        (
            "a new source",
            |s| {
                s.write("app/App/New.lean", "");
            },
            &["build"],
        ),
        (
            "a source that is linked",
            |s| {
                s.write("app/ffi/a.c", "");
            },
            &["build"],
        ),
        ("the configuration", |s| edit(s, "app/lakefile.toml", "# the", "# that"), &["build"]),
        ("the toolchain", |s| edit(s, "app/lean-toolchain", "v4.27.0", "v4.27.1"), every),
        (
            "mathlib's revision",
            |s| edit(s, "app/lake-manifest.json", "7644214d", "8644214d"),
            every,
        ),
        (
            "another package's revision",
            |s| edit(s, "app/lake-manifest.json", "8aab7d3e", "9aab7d3e"),
            every,
        ),
        (
            "the spelling of a URL",
            |s| {
                edit(s, "app/lake-manifest.json", "mathlib4\"", "mathlib4.git\"");
            },
            &["build", "image-tag"],
        ),
    ];
    for (what, change, expected) in cases {
        let sandbox = project();
        sandbox.git(&sandbox.workspace(), &["init", "--quiet"]);
        let before = keys(&all_keys(&sandbox).run());
        change(&sandbox);
        let after = keys(&all_keys(&sandbox).run());
        assert_eq!(changed(&before, &after), *expected, "{what}");
    }
}

/// The manifest is copied into the image of [`project`]; here it is not.
#[test]
fn of_the_lock_only_mathlib_goes_into_a_tag() {
    let sandbox = project();
    sandbox.write("app/Dockerfile", "FROM debian:12\nRUN make\n");
    let before = keys(&sandbox.lake_shim("key").run());
    assert!(before["image-tag"].starts_with("v4.27.0-7644214d-"), "{before:?}");
    edit(&sandbox, "app/lake-manifest.json", "8aab7d3e", "9aab7d3e");
    let after = keys(&sandbox.lake_shim("key").run());
    assert_eq!(changed(&before, &after), ["build", "packages"]);
    edit(&sandbox, "app/lake-manifest.json", "7644214d", "8644214d");
    let tag = keys(&sandbox.lake_shim("key").run());
    assert!(tag["image-tag"].starts_with("v4.27.0-8644214d-"), "{tag:?}");
}

#[test]
fn the_order_of_the_manifest_is_not_the_packages() {
    let sandbox = project();
    let before = keys(&sandbox.lake_shim("key packages").run());
    let mut manifest: serde_json::Value =
        serde_json::from_str(&sandbox.read("app/lake-manifest.json")).expect("a manifest");
    manifest["packages"].as_array_mut().expect("packages").reverse();
    sandbox.write("app/lake-manifest.json", manifest.to_string());
    assert_eq!(keys(&sandbox.lake_shim("key packages").run()), before);
}

#[test]
fn arguments_go_into_the_tag_in_any_order() {
    let sandbox = project();
    let tag = |arguments: &str| {
        let line = format!("key image-tag --dockerfile ci/Dockerfile --context . {arguments}");
        keys(&sandbox.lake_shim(&line).run())["image-tag"].clone()
    };
    let with = "--with shim=1.2 --with arch=x86=64 --build-arg A= --build-arg B=b";
    let reordered = "--build-arg B=b --with arch=x86=64 --build-arg A= --with shim=1.2";
    assert_eq!(tag(with), tag(reordered));
    let others = [
        "",
        "--with shim=1.2 --with arch=x86=64",
        "--with shim=1.3 --with arch=x86=64 --build-arg A= --build-arg B=b",
        "--with shim=1.2 --with arch=x86=64 --build-arg A=b --build-arg B=",
        "--with A= --with B=b --build-arg shim=1.2 --build-arg arch=x86=64",
    ];
    let mut tags: Vec<_> = others.into_iter().chain([with]).map(tag).collect();
    tags.sort();
    tags.dedup();
    assert_eq!(tags.len(), others.len() + 1, "{tags:?}");
}

#[test]
fn a_build_argument_chooses_what_is_copied() {
    let sandbox = project();
    sandbox.write("app/ci/more/x", "1");
    let line = "key image-tag --dockerfile ci/Dockerfile --context . --build-arg DATA=more";
    let before = keys(&sandbox.lake_shim(line).run());
    sandbox.write("app/ci/data/table", "not copied now");
    assert_eq!(keys(&sandbox.lake_shim(line).run()), before);
    sandbox.write("app/ci/more/x", "2");
    assert_ne!(keys(&sandbox.lake_shim(line).run()), before);
}

#[test]
fn sources_of_path_dependencies_go_into_the_build() {
    let sandbox = project();
    let path = r#"{"type": "path", "name": "lib", "dir": "../lib", "inherited": false, "scope": "",
                   "manifestFile": "lake-manifest.json", "configFile": "lakefile.toml"},"#;
    edit(&sandbox, "app/lake-manifest.json", "[{\"url\"", &format!("[{path}{{\"url\""));
    let run = sandbox.lake_shim("key build").run();
    let lib = sandbox.path("lib");
    run.expect_code(1).expect_stdout("").stderr_contains("the package `lib` is not there");
    run.stderr_contains(&format!("`{}`", lib.display())).stderr_contains("\nhint: ");
    sandbox.write("lib/lakefile.toml", "name = \"lib\"\n").write("lib/Lib.lean", "-- 1\n");
    let keys_now = || keys(&sandbox.lake_shim("key packages build").run());
    let before = keys_now();
    sandbox.write("lib/README.md", "unrelated");
    assert_eq!(keys_now(), before);
    sandbox.write("lib/Lib.lean", "-- 2\n");
    assert_eq!(changed(&before, &keys_now()), ["build"]);
    sandbox.write("lib/Lib.lean", "-- 1\n").write("lib/lakefile.toml", "name = \"lib\" # !\n");
    assert_eq!(changed(&before, &keys_now()), ["build"]);
}

/// Lake compiles what is behind them.
#[test]
fn sources_behind_symlinks_go_into_the_build() {
    let sandbox = project();
    sandbox
        .write("shared/Shared/A.lean", "-- 1\n")
        .write("shared/deep/B.lean", "-- 1\n")
        .write("shared/One.lean", "-- 1\n")
        .symlink("../shared/Shared", "app/Shared")
        .symlink("../deep", "shared/Shared/Deep")
        .symlink("../shared/One.lean", "app/One.lean")
        .symlink("../nowhere", "app/Broken.lean");
    // In circles: at once, through the workspace, and to and fro.
    sandbox
        .symlink(".", "shared/deep/self")
        .symlink("../..", "shared/deep/up")
        .symlink("../../app", "shared/deep/app")
        .symlink("../Shared", "shared/deep/fro");
    // What was built and fetched is no source, by whatever name.
    sandbox
        .symlink(".lake/build", "app/out")
        .symlink(".lake/packages", "app/packages")
        .write("app/.lake/build/ir/App.c", "1");
    let key = || keys(&sandbox.lake_shim("key build").run());
    let mut before = key();
    sandbox.write("app/.lake/build/ir/App.c", "2").write("app/.lake/packages/x/X.lean", "2");
    sandbox.write("shared/README.md", "unrelated");
    assert_eq!(key(), before);
    for path in ["shared/Shared/A.lean", "shared/deep/B.lean", "shared/One.lean"] {
        sandbox.write(path, "-- 2\n");
        let after = key();
        assert_eq!(changed(&before, &after), ["build"], "{path}");
        before = after;
    }
    sandbox.symlink("../shared/deep", "app/Another");
    assert_eq!(changed(&before, &key()), ["build"], "another name for what is known");
}

#[test]
fn mathlib_itself_has_a_tag() {
    let sandbox = Sandbox::mini_mathlib();
    let mathlib = sandbox.package("mathlib");
    let (_, revision) = sandbox.locked("mathlib");
    sandbox.write(mathlib.join("Dockerfile"), "FROM debian:12\n");
    let tag = keys(&sandbox.lake_shim("key image-tag").cwd(&mathlib).run())["image-tag"].clone();
    assert!(tag.contains(&format!("-{}-", &revision[..8])), "{tag}");
    sandbox.git(&mathlib, &["commit", "--quiet", "--allow-empty", "--message=next"]);
    assert_ne!(keys(&sandbox.lake_shim("key image-tag").cwd(&mathlib).run())["image-tag"], tag);
    sandbox.remove(mathlib.join(".git"));
    let run = sandbox.lake_shim("key image-tag").cwd(&mathlib).run();
    run.expect_code(1)
        .stderr_contains("cannot tell which revision of mathlib")
        .stderr_contains("\nhint: ");
}
