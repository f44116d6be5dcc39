//! What cannot be resolved: it is named, with what to do about it, nothing is written, and a build still goes on to Lake.

mod configurations;
mod locks;

use std::path::PathBuf;

use serde_json::{Value, json};
use shim_tests::{Run, Sandbox, Tree, mini_mathlib};

const M: &str = "https://example.org/org/m";
const TOOLCHAIN: &str = "leanprover/lean4:v4.27.0\n";

/// A workspace with that configuration, and `m` online, whose commits are tagged `v0`, `v1` and `v2`.
fn workspace(lakefile: &str) -> Sandbox {
    let bundle = "resolve-more/requirers_without_manifests_differ/git/m.bundle";
    let mut sandbox = Sandbox::empty().with_remote(M, &mini_mathlib::fixtures().join(bundle));
    sandbox.write("app/lakefile.toml", lakefile).write("app/lean-toolchain", TOOLCHAIN);
    let baked = sandbox.path("baked");
    sandbox.mkdir(&baked);
    sandbox.set_env("LAKE_SHIM_STORE", baked);
    sandbox
}

/// A configuration that requires `m` so.
fn requiring(how: &str) -> String {
    format!("name = \"root\"\n\n[[require]]\nname = \"m\"\n{how}\n")
}

fn at(rev: &str) -> String {
    requiring(&format!("git = \"{M}\"\nrev = \"{rev}\""))
}

fn revision(sandbox: &Sandbox, tag: &str) -> String {
    sandbox.git(&sandbox.remote(M), &["rev-parse", &format!("{tag}^{{commit}}")])
}

/// A manifest that locks `m` at a tag.
fn manifest(sandbox: &Sandbox, tag: &str) -> Value {
    let entry = json!({
        "url": M, "type": "git", "subDir": null, "scope": "", "rev": revision(sandbox, tag), "name": "m",
        "manifestFile": "lake-manifest.json", "inputRev": tag, "inherited": false, "configFile": "lakefile.toml",
    });
    let packages = [entry];
    json!({ "version": "1.1.0", "packagesDir": ".lake/packages", "packages": packages, "name": "root", "lakeDir": ".lake" })
}

/// Bakes `m` at a tag into the sandbox's store, from another workspace. The lock's id.
fn bake(sandbox: &Sandbox, tag: &str) -> String {
    let before = locks(sandbox);
    sandbox.mkdir("baker").write("baker/lakefile.toml", at(tag));
    sandbox.write("baker/lean-toolchain", TOOLCHAIN);
    sandbox.write("baker/lake-manifest.json", manifest(sandbox, tag).to_string());
    sandbox.lake_shim("bake --level 1").cwd("baker").run().expect_code(0);
    sandbox.remove("baker");
    let new = locks(sandbox).into_iter().find(|id| !before.contains(id));
    new.expect("another lock")
}

fn locks(sandbox: &Sandbox) -> Vec<String> {
    let index = sandbox.path("baked/lake-shim/index.json");
    if !index.exists() {
        return Vec::new();
    }
    let index: Value = serde_json::from_str(&sandbox.read(index)).expect("an index");
    index["locks"].as_object().expect("locks").keys().cloned().collect()
}

/// A lake that only says what it was asked for.
fn mirror(sandbox: &Sandbox) -> PathBuf {
    sandbox.script("mirror/lake", "echo \"$@\"");
    sandbox.path("mirror/lake")
}

/// Asserts that resolving fails with all of `parts` and a hint, that nothing is written, and that a build goes on.
#[track_caller]
fn assert_refused(sandbox: &Sandbox, parts: &[&str]) -> Run {
    let run = assert_named(sandbox, parts);
    run.stderr_contains("\nhint: ");
    run
}

/// The same without a hint.
#[track_caller]
fn assert_named(sandbox: &Sandbox, parts: &[&str]) -> Run {
    let all = Tree::of(sandbox.workspace());
    let runs = ["resolve --check", "resolve --json", "resolve"].map(|words| {
        let run = sandbox.lake_shim(words).run();
        run.expect_code(1).expect_stdout("").stderr_contains("lake-shim: error: ");
        parts.iter().for_each(|part| {
            run.stderr_contains(part);
        });
        all.assert_unchanged();
        run
    });
    assert_build_goes_on(sandbox);
    let [.., run] = runs;
    run
}

#[track_caller]
fn assert_build_goes_on(sandbox: &Sandbox) -> Run {
    let all = Tree::of(sandbox.workspace());
    let run = sandbox.lake("build Root").env("LAKE_SHIM_LAKE", mirror(sandbox)).run();
    run.expect_code(0).expect_stdout("build Root\n");
    all.assert_unchanged();
    run
}
