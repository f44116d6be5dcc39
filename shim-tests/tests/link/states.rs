//! What may be at the place of the link beforehand.

use std::fs;

use serde_json::json;
use shim_tests::{Sandbox, Tmpfs, Tree};

use crate::{bare, expect_link, expect_no_leftovers, identity, link, write_package};

#[test]
fn a_fresh_checkout_is_linked() {
    let (sandbox, shared) = bare();
    let packages = sandbox.packages();
    link(&sandbox, &shared).run().expect_code(0).expect_stdout("").expect_stderr(&format!(
        "lake-shim: linked `{}` to `{}`\n",
        packages.display(),
        shared.display()
    ));
    expect_link(&packages, &shared);
    expect_no_leftovers(&sandbox);
}

#[test]
fn a_shared_directory_deep_in_nowhere_is_made() {
    let (sandbox, _) = bare();
    let shared = sandbox.path("no/such/place/yet");
    link(&sandbox, &shared).run().expect_code(0);
    expect_link(&sandbox.packages(), &shared);
}

#[test]
fn what_is_linked_already_is_not_written() {
    let (sandbox, shared) = bare();
    link(&sandbox, &shared).run().expect_code(0);
    write_package(&sandbox, "shared/a", "shared");
    let packages = sandbox.packages();
    let places = [
        packages.clone(),
        sandbox.path("app/.lake"),
        sandbox.path("app"),
        shared.clone(),
        shared.join("a"),
    ];
    let before: Vec<_> = places.iter().map(|place| identity(place)).collect();
    for _ in 0..3 {
        link(&sandbox, &shared).run().expect_code(0).expect_stdout("").expect_stderr("");
    }
    let after: Vec<_> = places.iter().map(|place| identity(place)).collect();
    assert_eq!(before, after);
}

#[test]
fn a_link_there_by_another_spelling_is_left_alone() {
    for spelling in ["../../shared", "ROOT/shared/", "ROOT/./shared", "ROOT/alias"] {
        let (sandbox, shared) = bare();
        sandbox.mkdir("shared").symlink("shared", "alias");
        let root = sandbox.path("").display().to_string();
        let spelling = spelling.replace("ROOT", root.trim_end_matches('/'));
        sandbox.symlink(&spelling, "app/.lake/packages");
        let before = identity(&sandbox.packages());
        link(&sandbox, &shared).run().expect_code(0).expect_stderr("");
        assert_eq!(identity(&sandbox.packages()), before, "{spelling}");
    }
}

#[test]
fn a_link_to_elsewhere_is_replaced_and_its_target_kept() {
    let (sandbox, shared) = bare();
    write_package(&sandbox, "elsewhere/a", "elsewhere");
    sandbox.symlink(sandbox.path("elsewhere"), "app/.lake/packages");
    let elsewhere = Tree::of(sandbox.path("elsewhere"));
    link(&sandbox, &shared).run().expect_code(0).stderr_contains("linked `");
    expect_link(&sandbox.packages(), &shared);
    elsewhere.assert_unchanged();
    expect_no_leftovers(&sandbox);
}

#[test]
fn a_link_that_leads_nowhere_is_replaced() {
    for target in ["/nonexistent/shared", "packages"] {
        let (sandbox, shared) = bare();
        sandbox.symlink(target, "app/.lake/packages");
        link(&sandbox, &shared).run().expect_code(0);
        expect_link(&sandbox.packages(), &shared);
        expect_no_leftovers(&sandbox);
    }
}

#[test]
fn a_link_to_a_shared_directory_that_was_removed_is_mended() {
    let (sandbox, shared) = bare();
    link(&sandbox, &shared).run().expect_code(0);
    sandbox.remove("shared");
    link(&sandbox, &shared).run().expect_code(0);
    expect_link(&sandbox.packages(), &shared);
}

#[test]
fn an_empty_directory_is_replaced() {
    let (sandbox, shared) = bare();
    sandbox.mkdir("app/.lake/packages");
    link(&sandbox, &shared).run().expect_code(0);
    expect_link(&sandbox.packages(), &shared);
}

#[test]
fn packages_move_into_the_shared_directory_with_all_they_are() {
    let sandbox = Sandbox::mini_mathlib();
    let shared = sandbox.path("shared");
    let before = Tree::of(sandbox.packages());
    link(&sandbox, &shared)
        .run()
        .expect_code(0)
        .stderr_contains("after moving")
        .stderr_contains("`batteries`")
        .stderr_contains("`mathlib`");
    expect_link(&sandbox.packages(), &shared);
    let after = Tree::of(&shared);
    for (path, entry) in before.entries().iter().filter(|(path, _)| path.components().count() > 0) {
        assert_eq!(after.entries().get(path), Some(entry), "{}", path.display());
    }
    let status = sandbox.git(&sandbox.package("mathlib"), &["status", "--porcelain"]);
    assert_eq!(status, "");
    sandbox
        .real_lake("resolve-deps")
        .run()
        .expect_code(0)
        .stderr_lacks("deleting")
        .stderr_lacks("changes");
}

#[test]
#[cfg_attr(not(has = "mount"), ignore = "needs mount")]
fn packages_move_across_file_systems() {
    let sandbox = Sandbox::mini_mathlib();
    let disk = Tmpfs::mount(sandbox.path("disk"), "64m");
    let shared = sandbox.path("disk/shared");
    sandbox.symlink("Mathlib.lean", sandbox.package("mathlib").join("a-link"));
    sandbox.chmod(sandbox.package("mathlib").join("Mathlib.lean"), 0o555);
    let before = Tree::of(sandbox.packages());
    link(&sandbox, &shared).run().expect_code(0).stderr_contains("after moving");
    expect_link(&sandbox.packages(), &shared);
    let after = Tree::of(&shared);
    for (path, entry) in before.entries().iter().filter(|(path, _)| path.components().count() > 0) {
        let moved = after.entries().get(path);
        let moved = moved.map(|moved| (&moved.kind, moved.mode));
        assert_eq!(moved, Some((&entry.kind, entry.mode)), "{}", path.display());
    }
    expect_no_leftovers(&sandbox);
    drop(disk);
}

#[test]
#[cfg_attr(not(all(has = "mount", has = "setpriv")), ignore = "needs mount, setpriv")]
fn a_read_only_directory_in_a_package_moves_across_file_systems() {
    let (sandbox, _) = bare();
    let disk = Tmpfs::mount(sandbox.path("disk"), "16m");
    write_package(&sandbox, "app/.lake/packages/a", "mine");
    sandbox
        .write("app/.lake/packages/a/deep/file", "content")
        .chmod("app/.lake/packages/a/deep/file", 0o444);
    sandbox.chmod("disk", 0o1777).chown("app", shim_tests::NOBODY);
    let shared = sandbox.path("disk/shared");
    link(&sandbox, &shared).as_user(shim_tests::NOBODY).run().expect_code(0);
    expect_link(&sandbox.packages(), &shared);
    assert_eq!(sandbox.read(shared.join("a/deep/file")), "content");
    drop(disk);
}

/// Such as a container leaves.
#[test]
#[cfg_attr(not(all(has = "mount", has = "setpriv")), ignore = "needs mount, setpriv")]
fn what_cannot_be_deleted_after_a_move_is_not_half_a_package() {
    let (sandbox, _) = bare();
    let disk = Tmpfs::mount(sandbox.path("disk"), "16m");
    let package = sandbox.package("a");
    write_package(&sandbox, &package, "mine");
    sandbox.write(package.join(".lake/build/file"), "of root");
    sandbox.chmod("disk", 0o1777).chown("app", shim_tests::NOBODY);
    sandbox.chown(package.join(".lake/build"), 0);
    let shared = sandbox.path("disk/shared");
    let before = Tree::of(&package);
    let run = link(&sandbox, &shared).as_user(shim_tests::NOBODY).run();
    run.expect_code(0).stderr_contains("after moving `a` there");
    expect_link(&sandbox.packages(), &shared);
    assert_eq!(Tree::of(shared.join("a")).files(), before.files());
    drop(disk);
}

#[test]
fn a_directory_with_a_package_that_the_shared_one_has_too_is_kept() {
    let (sandbox, shared) = bare();
    for name in ["a", "b", "c"] {
        write_package(&sandbox, format!("app/.lake/packages/{name}"), "mine");
    }
    write_package(&sandbox, "shared/b", "theirs");
    let theirs = Tree::of(shared.join("b"));
    let mine = Tree::of(sandbox.package("b"));
    let run = link(&sandbox, &shared).run();
    run.stderr_contains("warning: ")
        .stderr_contains("is not linked")
        .stderr_contains("`b`")
        .stderr_contains("hint: ");
    run.stderr_lacks("`a`").stderr_lacks("`c`");
    assert!(fs::symlink_metadata(sandbox.packages()).is_ok_and(|meta| meta.is_dir()), "kept");
    theirs.assert_unchanged();
    mine.assert_unchanged();
    // What was moved is where Lake looks for it all the same.
    for name in ["a", "b", "c"] {
        assert_eq!(sandbox.read(sandbox.package(name).join("lakefile.toml")), "mine");
    }
    // And so it stays, until there is nothing left to keep.
    link(&sandbox, &shared).run().stderr_contains("`b`").stderr_lacks("`a`");
    for name in ["a", "b", "c"] {
        assert_eq!(sandbox.read(sandbox.package(name).join("lakefile.toml")), "mine");
    }
    sandbox.remove(sandbox.package("b"));
    link(&sandbox, &shared).run().expect_code(0).stderr_contains("linked `");
    expect_link(&sandbox.packages(), &shared);
    assert_eq!(sandbox.read(shared.join("b/lakefile.toml")), "theirs");
    expect_no_leftovers(&sandbox);
}

#[test]
fn a_symlinked_package_of_the_users_is_never_deleted() {
    let (sandbox, shared) = bare();
    write_package(&sandbox, "checkouts/mathlib4", "mine");
    sandbox.symlink("../../../checkouts/mathlib4", "app/.lake/packages/mathlib");
    let checkout = Tree::of(sandbox.path("checkouts"));
    link(&sandbox, &shared).run();
    checkout.assert_unchanged();
    assert_eq!(
        sandbox.read(sandbox.package("mathlib").join("lakefile.toml")),
        "mine",
        "still found by Lake"
    );
}

#[test]
fn another_packages_directory_is_linked_where_it_is() {
    for by_manifest in [true, false] {
        let (sandbox, shared) = bare();
        match by_manifest {
            true => {
                let manifest = json!({"version": "1.1.0", "packagesDir": "deps", "packages": [], "name": "app"});
                sandbox.write("app/lake-manifest.json", manifest.to_string());
            }
            false => {
                sandbox.write("app/lakefile.toml", "name = \"app\"\npackagesDir = \"deps\"\n");
            }
        }
        write_package(&sandbox, "app/deps/a", "mine");
        link(&sandbox, &shared).run().expect_code(0).stderr_contains("after moving `a`");
        expect_link(&sandbox.path("app/deps"), &shared);
        assert!(!sandbox.packages().exists());
    }
}

#[test]
fn a_directory_that_leads_there_through_a_linked_parent_is_right() {
    let (sandbox, _) = bare();
    sandbox.mkdir("big/lake/packages").symlink("../big/lake", "app/.lake");
    let before = Tree::of(sandbox.path("big"));
    let shared = sandbox.path("big/lake/packages");
    link(&sandbox, &shared).run().expect_code(0);
    before.assert_unchanged();
    assert!(!sandbox.packages().is_symlink());
}
