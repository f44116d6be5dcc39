//! Restoring from a baked store: sources, cache files and builds.

use std::fs;

use serde_json::json;
use shim_tests::{NOBODY, Tree, tools};

use crate::{
    baked, baked_and_fresh, built, clear, edit_manifest, expect_clones, expect_no_leftovers, lake,
    object, restore,
};

const BOTH: [&str; 2] = ["mathlib", "batteries"];

#[test]
#[cfg_attr(not(all(has = "setpriv", has = "unshare")), ignore = "needs setpriv, unshare")]
fn a_checkout_of_four_files_becomes_a_built_workspace_for_anybody_anywhere_offline() {
    let sandbox = baked_and_fresh();
    sandbox.rename("baked", "elsewhere/opt/mathlib-cache");
    let store = sandbox.path("elsewhere/opt/mathlib-cache");
    sandbox.command("chmod", "-R a-w").arg(&store).run().expect_code(0);
    // A checkout of the four files, and his.
    // Nor any log of the fakes that is root's.
    for name in ["store", "cloud", "home/.cache", "logs/lake.jsonl", "logs/leantar.jsonl"] {
        if sandbox.path(name).exists() {
            sandbox.remove(name);
        }
    }
    sandbox.chown("app", NOBODY);
    sandbox.chown("logs", NOBODY); // the fakes write there as him
    let before = Tree::of(&store);
    let run = sandbox
        .lake_shim("restore --network never --store")
        .arg(&store)
        .as_user(NOBODY)
        .without_network()
        .run();
    run.expect_code(0)
        .expect_stdout("")
        .stderr_contains("restored 11 modules, 2 packages")
        .stderr_contains(&format!("from {}", store.display()))
        .stderr_contains("(offline)");
    before.assert_unchanged();
    sandbox.expect_all_restored();
    expect_clones(&sandbox, &BOTH);
    expect_no_leftovers(&sandbox);
    let owned = Tree::of(sandbox.workspace());
    assert!(owned.entries().values().all(|entry| entry.owner == NOBODY), "all of it is his");
    let run = sandbox
        .lake("build --no-build Mathlib")
        .env("LAKE_SHIM_STORE", &store)
        .as_user(NOBODY)
        .without_network()
        .run();
    run.expect_code(0).stderr_lacks("warning").stderr_lacks("deleting");
}

#[test]
fn the_second_restore_has_nothing_to_do() {
    let sandbox = baked_and_fresh();
    restore(&sandbox, "").run().expect_code(0);
    let before = Tree::of(sandbox.workspace());
    restore(&sandbox, "").run().expect_code(0).stderr_contains("nothing to do");
    before.assert_unchanged();
}

#[test]
fn cache_get_unpacks_sources_too() {
    let sandbox = baked_and_fresh();
    lake(&sandbox, "exe cache get").run().expect_code(0).expect_stdout("");
    sandbox.expect_all_restored();
    expect_clones(&sandbox, &BOTH);
    if tools::real_lake().is_none() {
        let calls = sandbox.lake_calls();
        assert!(calls.iter().all(|call| !call.line().contains("resolve-deps")));
    }
}

#[test]
fn a_dry_run_on_a_fresh_checkout_says_what_would_be_unpacked() {
    let sandbox = baked_and_fresh();
    let before = Tree::of(sandbox.workspace());
    let run = restore(&sandbox, "--dry-run").run();
    run.expect_code(0).stdout_contains("mathlib").stdout_contains("batteries");
    before.assert_unchanged();
}

#[test]
fn the_result_as_an_object_counts_packages() {
    let sandbox = baked_and_fresh();
    let outcome = object(restore(&sandbox, "--json").run().expect_code(0));
    for (key, value) in [
        ("restored", json!(11)),
        ("packages", json!(2)),
        ("offline", json!(true)),
        ("missing", json!([])),
    ] {
        assert_eq!(outcome[key], value, "{key} of {outcome}");
    }
}

#[test]
fn packages_that_are_there_stay_as_they_are() {
    let sandbox = baked_and_fresh();
    sandbox.clone_packages(&sandbox.packages()).remove(sandbox.package("batteries"));
    sandbox.write(sandbox.package("mathlib").join("mine"), "work in progress");
    let git = Tree::of(sandbox.package("mathlib").join(".git"));
    restore(&sandbox, "").run().expect_code(0);
    git.assert_unchanged();
    assert_eq!(sandbox.read(sandbox.package("mathlib").join("mine")), "work in progress");
    expect_clones(&sandbox, &["batteries"]);
    sandbox.expect_all_restored();
}

#[test]
fn sources_of_another_revision_are_not_used() {
    let sandbox = baked_and_fresh();
    edit_manifest(&sandbox, |manifest| {
        crate::packages(manifest)[1]["rev"] = json!("0123456789012345678901234567890123456789");
    });
    restore(&sandbox, "").run().expect_code(1).stderr_contains("hint: ");
    assert!(!sandbox.package("batteries").exists());
    expect_clones(&sandbox, &["mathlib"]);
}

#[test]
fn sources_of_a_fork_are_not_used_under_anothers_url() {
    // Lake would delete the clone: its origin is not what the manifest says.
    let sandbox = baked_and_fresh();
    let fork = "https://github.com/somebody/batteries";
    edit_manifest(&sandbox, |manifest| crate::packages(manifest)[1]["url"] = json!(fork));
    restore(&sandbox, "").run().expect_code(1).stderr_contains("hint: ");
    assert!(!sandbox.package("batteries").exists());
    expect_clones(&sandbox, &["mathlib"]);
}

#[test]
fn the_packages_directory_may_be_shared() {
    let sandbox = baked_and_fresh();
    sandbox.mkdir("shared").copy("app", "app2");
    let get = |cwd| {
        lake(&sandbox, "exe cache get").env("LAKE_PKG_DIR", sandbox.path("shared")).cwd(cwd).run()
    };
    get("app").expect_code(0).stderr_contains("restored 11 modules");
    assert!(sandbox.packages().is_symlink());
    sandbox.expect_all_restored();
    expect_clones(&sandbox, &BOTH);
    let before = Tree::of(sandbox.path("shared"));
    get("app2").expect_code(0).stderr_contains("nothing to do");
    before.assert_unchanged();
}

#[test]
fn two_restores_of_a_fresh_checkout_at_once_are_both_whole() {
    let sandbox = baked_and_fresh();
    for _ in 0..8 {
        let running = [(); 3].map(|()| restore(&sandbox, "").spawn());
        for run in running.map(shim_tests::Running::wait) {
            run.expect_code(0).stderr_lacks("warning");
        }
        sandbox.expect_all_restored();
        expect_clones(&sandbox, &BOTH);
        expect_no_leftovers(&sandbox);
        clear(&sandbox);
    }
}

#[test]
#[cfg_attr(not(has = "setpriv"), ignore = "needs setpriv")]
fn a_workspace_that_may_not_be_written_is_an_error_that_names_it() {
    let sandbox = baked_and_fresh();
    let before = Tree::of(sandbox.workspace());
    let run = restore(&sandbox, "").as_user(NOBODY).run();
    run.expect_code(1).stderr_contains("Permission denied").stderr_contains(".lake");
    before.assert_unchanged();
}

#[test]
fn a_store_baked_from_a_shared_directory_is_the_same() {
    let sandbox = built();
    crate::bake(&sandbox, "").run().expect_code(0);
    let plain = crate::files(baked(&sandbox));
    sandbox.remove(baked(&sandbox)).rename("app/.lake/packages", "shared");
    sandbox.symlink(sandbox.path("shared"), "app/.lake/packages");
    crate::bake(&sandbox, "").run().expect_code(0);
    assert_eq!(crate::files(baked(&sandbox)), plain);
    assert!(fs::symlink_metadata(sandbox.packages()).is_ok_and(|meta| meta.is_symlink()));
}
