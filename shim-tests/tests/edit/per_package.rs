//! Packages that are links, one by one, into a directory that others use (lean4#14476: Lake's delete follows them).

use std::path::Path;

use shim_tests::{Sandbox, Tree, tools};

use crate::MATHLIB;
use crate::clones::{
    FORK, Keepsake, expect_own, forked, make_other, names, shared, spelled_otherwise,
};

/// A workspace with a packages directory of its own, its packages links into `shared/`.
fn linked(prepare: impl Fn(Sandbox) -> Sandbox, is_relative: bool) -> Sandbox {
    let mut sandbox = prepare(shared());
    sandbox.remove(sandbox.packages()).mkdir(sandbox.packages());
    for package in ["mathlib", "batteries"] {
        let target = match is_relative {
            true => Path::new("../../../shared").join(package),
            false => sandbox.path("shared").join(package),
        };
        sandbox.symlink(target, sandbox.package(package));
    }
    sandbox.set_env("LAKE_PKG_DIR", "");
    sandbox
}

fn without_manifest(sandbox: Sandbox) -> Sandbox {
    sandbox.remove("app/lake-manifest.json");
    sandbox
}

#[test]
fn a_linked_clone_spelled_otherwise_is_kept_in_every_command() {
    for words in ["resolve-deps", "build", "update", "env true"] {
        let bare = linked(spelled_otherwise, false);
        let keepsake = Keepsake::leave(&bare, "shared/mathlib");
        let run = bare.real_lake(words).run();
        assert!(
            keepsake.is_lost(),
            "this lake deletes nothing, so that the test shows nothing\n{run}"
        );
        for is_relative in [false, true] {
            let sandbox = linked(spelled_otherwise, is_relative);
            let keepsake = Keepsake::leave(&sandbox, "shared/mathlib");
            let run = sandbox.lake(words).run();
            run.stderr_lacks("deleting");
            // The real one would have to run mathlib's lakefile.lean for an update.
            if words != "update" || tools::real_lake().is_none() {
                run.expect_code(0);
            }
            keepsake.assert_kept(&run);
            assert!(sandbox.package("mathlib").is_symlink());
        }
    }
}

#[test]
fn a_linked_fork_is_refused_and_nothing_is_deleted() {
    for words in ["resolve-deps", "build", "update"] {
        let bare = linked(forked, false);
        let keepsake = Keepsake::leave(&bare, "shared/mathlib");
        let run = bare.real_lake(words).run();
        assert!(
            keepsake.is_lost(),
            "this lake deletes nothing, so that the test shows nothing\n{run}"
        );
        for is_relative in [false, true] {
            let sandbox = linked(forked, is_relative);
            let everything = Tree::of(sandbox.path("shared"));
            let run = sandbox.lake(words).run();
            run.expect_code(1).expect_stdout("").stderr_contains(FORK).stderr_contains(MATHLIB);
            run.stderr_contains(
                "hint: `lake-shim unlink` gives this workspace a packages directory",
            );
            run.stderr_lacks("LAKE_SHIM_PRIVATE"); // which leaves the user's links alone
            everything.assert_unchanged();
        }
    }
}

#[test]
fn a_linked_fork_is_refused_without_a_manifest_too() {
    let sandbox = without_manifest(linked(forked, false));
    let everything = Tree::of(sandbox.path("shared"));
    let run = sandbox.lake("build").run();
    run.expect_code(1).stderr_contains(FORK);
    everything.assert_unchanged();
}

#[test]
fn links_of_packages_go_as_the_hint_says() {
    let sandbox = linked(forked, false);
    let everything = Tree::of(sandbox.path("shared"));
    sandbox.lake_shim("unlink").run().expect_code(0);
    sandbox.lake("build").run().expect_code(0).stderr_lacks("deleting");
    for package in ["mathlib", "batteries"] {
        expect_own(&sandbox.package(package));
    }
    everything.assert_unchanged();
}

#[test]
fn a_setting_leaves_links_of_packages_alone() {
    let sandbox = linked(forked, false);
    let everything = Tree::of(sandbox.path("shared"));
    let run = sandbox.lake("build").env("LAKE_SHIM_PRIVATE", "1").run();
    run.expect_code(1).expect_stdout("").stderr_contains(FORK);
    for package in ["mathlib", "batteries"] {
        assert!(sandbox.package(package).is_symlink(), "{run}");
    }
    everything.assert_unchanged();
}

#[test]
fn unlink_says_that_links_of_packages_are_gone() {
    let sandbox = linked(|sandbox| sandbox, false);
    let run = sandbox.lake_shim("unlink").run();
    run.expect_code(0).stderr_contains("`mathlib`").stderr_contains("`batteries`");
    assert_eq!(names(&sandbox.packages()), [".lake-shim.private"]);
}

#[test]
fn unlink_copies_packages_that_are_links_if_asked_to() {
    for is_relative in [false, true] {
        let sandbox = linked(|sandbox| sandbox, is_relative);
        let everything = Tree::of(sandbox.path("shared"));
        sandbox.lake_shim("unlink --copy").run().expect_code(0);
        for package in ["mathlib", "batteries"] {
            expect_own(&sandbox.package(package));
        }
        everything.assert_unchanged();
    }
}

/// A linked packages directory in which a package is a link itself.
fn twice_linked(is_relative: bool) -> Sandbox {
    let sandbox = shared();
    let absolute = sandbox.path("shared-too/mathlib");
    let target = if is_relative { Path::new("../shared-too/mathlib") } else { &absolute };
    sandbox.rename("shared/mathlib", &absolute).symlink(target, "shared/mathlib");
    sandbox
}

#[test]
fn unlink_copies_what_a_package_of_the_shared_directory_leads_to() {
    for is_relative in [true, false] {
        let sandbox = twice_linked(is_relative);
        let before = [Tree::of(sandbox.path("shared")), Tree::of(sandbox.path("shared-too"))];
        sandbox.lake_shim("unlink --copy").run().expect_code(0);
        expect_own(&sandbox.package("mathlib"));
        assert!(sandbox.package("mathlib/.git").is_dir());
        before.iter().for_each(Tree::assert_unchanged);
    }
}

#[test]
fn a_fork_behind_two_links_is_refused() {
    let sandbox = twice_linked(true);
    make_other(&sandbox, &sandbox.path("shared-too/mathlib"), FORK);
    let before = Tree::of(sandbox.path("shared-too"));
    sandbox.lake("build").run().expect_code(1).stderr_contains(FORK);
    before.assert_unchanged();
}

#[test]
fn a_linked_package_at_the_right_revision_is_fine() {
    let sandbox = linked(|sandbox| sandbox, false);
    let everything = Tree::of(sandbox.path("shared"));
    sandbox.lake("resolve-deps").run().expect_code(0).expect_stderr("");
    everything.assert_same_content();
    assert!(sandbox.package("mathlib").is_symlink());
}
