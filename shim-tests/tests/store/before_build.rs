//! `LAKE_SHIM_RESTORE`: a build in a fresh checkout restores by itself, once.

use std::fs;
use std::time::Duration;

use shim_tests::{Sandbox, Tree, tools};

use crate::{
    bake, baked_and_fresh, baked_and_fresh_from, built, clear, expect_clones, lake, move_batteries,
};

const STAMP: &str = "app/.lake/lake-shim/stamp";

fn leantar_runs(sandbox: &Sandbox) -> usize {
    match tools::real_leantar() {
        Some(_) => 0,
        None => sandbox.leantar_calls().iter().filter(|call| !call.list.is_null()).count(),
    }
}

#[test]
fn the_first_build_restores_and_the_next_does_not() {
    let sandbox = baked_and_fresh();
    let already = leantar_runs(&sandbox);
    let run = lake(&sandbox, "build --no-build Mathlib").run();
    run.expect_code(0).stderr_contains("restored 11 modules, 2 packages");
    sandbox.expect_all_restored();
    expect_clones(&sandbox, &["mathlib", "batteries"]);
    assert!(sandbox.path(STAMP).is_file());
    let fake = usize::from(tools::real_leantar().is_none());
    assert_eq!(leantar_runs(&sandbox), already + fake);
    let packages = Tree::of(sandbox.packages());
    let run = lake(&sandbox, "build --no-build Mathlib").run();
    run.expect_code(0).stderr_lacks("restor").stderr_lacks("nothing to do");
    assert_eq!(leantar_runs(&sandbox), already + fake);
    packages.assert_same_content();
}

#[test]
fn nothing_is_printed_on_stdout_by_us() {
    let sandbox = baked_and_fresh();
    let run = lake(&sandbox, "env printf ready").run();
    run.expect_code(0).expect_stdout("ready").stderr_contains("restored 11 modules");
}

#[test]
#[cfg_attr(not(has = "strace"), ignore = "needs strace")]
fn a_stamped_workspace_opens_neither_index_nor_modules() {
    let sandbox = baked_and_fresh();
    lake(&sandbox, "env true").run().expect_code(0);
    let log = opened(&sandbox);
    assert!(log.contains("lake-shim/stamp"), "{log}");
    for costly in ["index.json", ".ltar", "Init.lean", "Init.trace"] {
        assert!(!log.contains(costly), "{costly} in {log}");
    }
}

/// What `lake env true` opens, from strace.
fn opened(sandbox: &Sandbox) -> String {
    let log = sandbox.path("logs/strace");
    let strace = tools::find_on_path("strace").expect("strace");
    // Until it becomes the real lake.
    let run = sandbox
        .command(strace, "-e trace=open,openat,execve -o")
        .arg(&log)
        .args(["lake", "env", "true"])
        .env("LAKE_SHIM_STORE", sandbox.path("baked"))
        .run();
    run.expect_code(0);
    sandbox.read(&log)
}

#[test]
fn a_build_directory_that_was_removed_is_restored() {
    for gone in [".lake/build", ".lake/build/lib", ".lake"] {
        let sandbox = baked_and_fresh();
        lake(&sandbox, "env true").run().expect_code(0);
        sandbox.remove(sandbox.package("batteries").join(gone));
        lake(&sandbox, "env true").run().expect_code(0).stderr_contains("restored 3 modules");
        sandbox.expect_all_restored();
    }
}

#[test]
fn a_package_that_was_removed_is_restored() {
    let sandbox = baked_and_fresh();
    lake(&sandbox, "env true").run().expect_code(0);
    sandbox.remove(sandbox.package("batteries"));
    lake(&sandbox, "env true").run().expect_code(0).stderr_contains("restored 3 modules");
    sandbox.expect_all_restored();
    expect_clones(&sandbox, &["batteries"]);
}

#[test]
fn what_a_pack_alone_held_is_restored_too() {
    // `lake clean` of a package that the cache does not cover.
    let sandbox = built();
    sandbox.add_extra();
    let sandbox = baked_and_fresh_from(sandbox, "");
    let olean = sandbox.package("extra").join(".lake/build/lib/lean/Extra.olean");
    lake(&sandbox, "env true").run().expect_code(0);
    assert!(olean.exists());
    sandbox.remove(sandbox.package("extra").join(".lake/build"));
    lake(&sandbox, "env true").run().expect_code(0);
    assert!(olean.exists());
}

#[test]
fn another_lock_is_looked_at_again() {
    let sandbox = built();
    bake(&sandbox, "").run().expect_code(0);
    move_batteries(&sandbox);
    let moved = sandbox.read("app/lake-manifest.json");
    sandbox.copy(sandbox.package("batteries"), "moved-batteries");
    bake(&sandbox, "").run().expect_code(0);
    clear(&sandbox);
    // The first lock.
    sandbox.write("app/lake-manifest.json", moved);
    lake(&sandbox, "env true").run().stderr_contains("packages");
    let stamp = fs::read_to_string(sandbox.path(STAMP)).unwrap_or_default();
    let manifest = shim_tests::mini_mathlib::fixture().join("app/lake-manifest.json");
    sandbox.copy(manifest, "app/lake-manifest.json").remove(sandbox.packages());
    lake(&sandbox, "env true").run().expect_code(0).stderr_contains("restored 11 modules");
    sandbox.expect_all_restored();
    assert_ne!(sandbox.read(STAMP), stamp);
}

#[test]
fn a_lock_that_is_not_baked_is_lakes_own_affair() {
    let sandbox = built();
    bake(&sandbox, "").run().expect_code(0);
    move_batteries(&sandbox);
    sandbox.remove(sandbox.package("mathlib").join(".lake"));
    for _ in 0..2 {
        let run = lake(&sandbox, "env true").run();
        run.expect_code(0).expect_stdout("").expect_stderr("");
        assert!(sandbox.read(STAMP).starts_with("not baked for "));
        assert!(!sandbox.package("mathlib").join(".lake").exists());
    }
}

/// A workspace with builds that nobody has, and a store for the lock it had before. Returns the manifest
/// of that.
fn baked_for_another_lock() -> (Sandbox, String) {
    let sandbox = built();
    bake(&sandbox, "").run().expect_code(0);
    let manifest = sandbox.read("app/lake-manifest.json");
    move_batteries(&sandbox);
    sandbox.remove(sandbox.package("mathlib").join(".lake"));
    (sandbox, manifest)
}

#[test]
#[cfg_attr(not(has = "strace"), ignore = "needs strace")]
fn that_a_lock_is_not_baked_is_found_out_once() {
    let (sandbox, _) = baked_for_another_lock();
    assert!(opened(&sandbox).contains("index.json"));
    let log = opened(&sandbox);
    assert!(log.contains("lake-shim/stamp") && !log.contains("index.json"), "{log}");
    // An index with the same name, size and time of modification.
    sandbox.copy("baked/lake-shim/index.json", "index.json");
    let status = std::process::Command::new("touch")
        .arg("-r")
        .args([sandbox.path("baked/lake-shim/index.json"), sandbox.path("index.json")])
        .status();
    assert!(status.expect("`touch`").success());
    sandbox.rename("index.json", "baked/lake-shim/index.json");
    assert!(opened(&sandbox).contains("index.json"));
}

#[test]
fn a_store_that_is_baked_for_this_lock_is_used_by_the_next_build() {
    let (sandbox, _) = baked_for_another_lock();
    lake(&sandbox, "env true").run().expect_code(0).expect_stderr("");
    // The user's cache has the rest.
    let stores = [sandbox.store(), sandbox.home().join(".cache/mathlib")];
    let stores = std::env::join_paths(stores).expect("no colon in them");
    let restore = sandbox.copy("app", "kept").lake_shim("restore");
    restore.env("LAKE_SHIM_STORE", stores).run().expect_code(0);
    bake(&sandbox, "").run().expect_code(0);
    sandbox.remove("app").rename("kept", "app");
    lake(&sandbox, "env true").run().expect_code(0).stderr_contains("restored");
    sandbox.expect_all_restored();
    assert!(sandbox.read(STAMP).starts_with("restored "));
}

#[test]
fn a_manifest_that_goes_back_to_the_baked_lock_is_restored() {
    let (sandbox, manifest) = baked_for_another_lock();
    lake(&sandbox, "env true").run().expect_code(0).expect_stderr("");
    sandbox.write("app/lake-manifest.json", manifest).remove(sandbox.packages());
    lake(&sandbox, "env true").run().expect_code(0).stderr_contains("restored 11 modules");
    sandbox.expect_all_restored();
    assert!(sandbox.read(STAMP).starts_with("restored "));
}

#[test]
fn a_stamp_that_nothing_is_baked_does_not_stand_in_the_way_of_always() {
    let (sandbox, _) = baked_for_another_lock();
    lake(&sandbox, "env true").run().expect_code(0).expect_stderr("");
    let run = lake(&sandbox, "env true").env("LAKE_SHIM_RESTORE", "always").run();
    run.expect_code(0).stderr_contains("restored");
}

#[test]
fn a_workspace_that_cannot_be_stamped_builds_all_the_same() {
    let (sandbox, _) = baked_for_another_lock();
    // A directory in the stamp's place stops root too.
    sandbox.mkdir(STAMP).write(format!("{STAMP}/file"), "");
    for _ in 0..2 {
        lake(&sandbox, "env true").run().expect_code(0).expect_stdout("").expect_stderr("");
    }
    assert!(sandbox.path(STAMP).is_dir());
}

#[test]
fn never_means_never() {
    let sandbox = baked_and_fresh();
    sandbox.clone_packages(&sandbox.packages());
    let run = lake(&sandbox, "env true").env("LAKE_SHIM_RESTORE", "never").run();
    run.expect_code(0).expect_stderr("");
    sandbox.expect_restored(&[]);
    assert!(!sandbox.path(STAMP).exists());
}

#[test]
fn some_commands_never_restore() {
    for line in ["setup-file App.lean", "serve", "update", "--version", "help"] {
        // Online, for `update`.
        let sandbox = baked_and_fresh().online();
        sandbox.clone_packages(&sandbox.packages());
        let run = lake(&sandbox, line).timeout(Duration::from_secs(30)).run();
        run.stderr_lacks("restored");
        if tools::real_lake().is_none() {
            // A real `setup-file` builds what the file imports.
            sandbox.expect_restored(&[]);
        }
        assert!(!sandbox.path(STAMP).exists(), "{line}");
    }
}

#[test]
fn a_plain_store_restores_before_builds_only_when_asked() {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.lake("env true").run().expect_code(0).expect_stderr("");
    sandbox.expect_restored(&[]);
    let always = || sandbox.lake("env true").env("LAKE_SHIM_RESTORE", "always").run();
    always().expect_code(0).stderr_contains("restored 11 modules");
    sandbox.expect_all_restored();
}

#[test]
#[cfg_attr(not(has = "fake-leantar"), ignore = "needs the fake leantar")]
fn what_could_not_be_restored_is_tried_again_fake_leantar_only() {
    let sandbox = baked_and_fresh();
    sandbox.copy("baked", "whole").truncate(crate::ltar(&sandbox, "Mathlib.Order.Lattice"));
    let run = lake(&sandbox, "env true").run();
    run.expect_code(0).stderr_contains("Mathlib.Order.Lattice");
    assert!(!sandbox.path(STAMP).exists());
    sandbox.remove("baked").copy("whole", "baked");
    lake(&sandbox, "env true").run().expect_code(0);
    sandbox.expect_all_restored();
    assert!(sandbox.path(STAMP).exists());
}

#[test]
fn a_store_that_was_baked_again_is_looked_at_again() {
    let sandbox = built();
    sandbox.copy("app", "kept");
    let sandbox = baked_and_fresh_from(sandbox, "");
    lake(&sandbox, "env true").run().expect_code(0);
    let stamp = sandbox.read(STAMP);
    sandbox.rename("app", "done").rename("kept", "app");
    sandbox.add_extra();
    bake(&sandbox, "").run().expect_code(0);
    sandbox.remove("app").rename("done", "app");
    lake(&sandbox, "env true").run().expect_code(0).stderr_lacks("warning");
    assert_ne!(sandbox.read(STAMP), stamp);
}
