//! Clones that are not where the manifest wants them: Lake checks those out before it does anything else, so what can
//! be said of them now says nothing.

use std::path::Path;

use serde_json::Value;
use shim_tests::{Sandbox, tools};

use crate::{expect_no_leftovers, lake_lines, offline_get};

/// Has `package` at a newer commit than the locked one. It came from elsewhere, as `git fetch` brings one: nothing
/// was committed here. Returns both.
fn with_a_newer_commit(sandbox: &Sandbox, package: &str) -> (String, String) {
    let clone = sandbox.package(package);
    let locked = head(sandbox, &clone);
    sandbox.write(clone.join("NEWS"), "new\n");
    sandbox.git(&clone, &["add", "NEWS"]);
    let tree = sandbox.git(&clone, &["write-tree"]);
    let newer = sandbox.git(&clone, &["commit-tree", &tree, "-p", &locked, "-m", "news"]);
    sandbox.git(&clone, &["checkout", "--quiet", "--detach", &newer]);
    (locked, newer)
}

fn lock(sandbox: &Sandbox, package: &str, rev: &str) {
    sandbox.edit_json("app/lake-manifest.json", |manifest: &mut Value| {
        let mut packages = manifest["packages"].as_array_mut().expect("packages").iter_mut();
        let entry = packages.find(|entry| entry["name"] == package).expect("it is locked");
        entry["rev"] = rev.into();
    });
}

fn head(sandbox: &Sandbox, clone: &Path) -> String {
    sandbox.git(clone, &["rev-parse", "HEAD"]).trim().to_owned()
}

#[test]
fn without_network_another_revision_is_an_error_that_names_both() {
    let sandbox = Sandbox::mini_mathlib();
    let (locked, newer) = with_a_newer_commit(&sandbox, "batteries");
    let run = offline_get(&sandbox).run();
    run.expect_code(1)
        .expect_stdout("")
        .stderr_contains(&format!("is at {newer}"))
        .stderr_contains(&sandbox.package("batteries").display().to_string())
        .stderr_contains("hint: `lake resolve-deps` checks it out");
    sandbox.expect_restored(&[]);
    expect_no_leftovers(&sandbox);
    sandbox.git(&sandbox.package("batteries"), &["checkout", "--quiet", "--detach", &locked]);
    offline_get(&sandbox).run().expect_code(0).stderr_contains("restored 11 modules");
}

#[test]
fn cache_get_has_the_locked_revision_checked_out_first() {
    let sandbox = Sandbox::mini_mathlib().online();
    let (locked, newer) = with_a_newer_commit(&sandbox, "batteries");
    let run = sandbox.lake("exe cache get").run();
    run.expect_code(0).stderr_contains("restored 11 modules");
    assert_eq!(head(&sandbox, &sandbox.package("batteries")), locked, "not {newer}\n{run}");
    sandbox.expect_all_restored();
    if tools::real_lake().is_none() {
        assert_eq!(lake_lines(&sandbox), ["resolve-deps"]);
    }
}

#[test]
fn cache_get_leaves_no_commit_behind_that_was_made_here() {
    let sandbox = Sandbox::mini_mathlib().online();
    let clone = sandbox.package("batteries");
    sandbox.write(clone.join("NEWS"), "new\n");
    let mine = sandbox.commit(&clone);
    let run = sandbox.lake("exe cache get").run();
    run.expect_code(1)
        .expect_stdout("")
        .stderr_contains("has local work, and Lake would check out another revision")
        .stderr_contains(&format!("only here: `{}", &mine[..7]))
        .stderr_contains("hint: commit it to a branch and push");
    assert_eq!(head(&sandbox, &clone), mine);
    sandbox.expect_restored(&[]);
    // On a branch it is not lost.
    sandbox.git(&clone, &["branch", "mine"]);
    sandbox.lake("exe cache get").run().expect_code(0).stderr_contains("restored 11 modules");
    assert_eq!(sandbox.git(&clone, &["rev-parse", "mine"]), mine);
}

#[test]
fn a_build_after_a_new_lock_is_of_the_new_lock() {
    let sandbox = Sandbox::mini_mathlib().online();
    let (locked, newer) = with_a_newer_commit(&sandbox, "batteries");
    lock(&sandbox, "batteries", &newer);
    let store = sandbox.path("baked");
    let shim = |words: &str| sandbox.lake_shim(words).arg(&store).run();
    sandbox.lake("exe cache get").run().expect_code(0);
    shim("bake --level 1 --format both --store").expect_code(0);
    // What was there before `git pull`.
    let clone = sandbox.package("batteries");
    sandbox.git(&clone, &["checkout", "--quiet", "--detach", &locked]);
    sandbox.remove(clone.join(".lake"));
    let build = || sandbox.lake("build").env("LAKE_SHIM_STORE", &store).run();
    build().expect_code(0);
    assert_eq!(head(&sandbox, &clone), newer);
    sandbox.expect_all_restored();
    // And when somebody moves it once more, behind the stamp's back.
    sandbox.git(&clone, &["checkout", "--quiet", "--detach", &locked]);
    build().expect_code(0);
    assert_eq!(head(&sandbox, &clone), newer);
}
