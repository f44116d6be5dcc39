//! Packed builds, and packages in which the user has been at work.

use shim_tests::Sandbox;

use crate::{bake, built, lake, restore};

const LATTICE: &str = "app/.lake/packages/mathlib/Mathlib/Order/Lattice.lean";
const REFUSED: &str = "the build of `mathlib` is not unpacked";

/// A store of whole builds, and the workspace with its sources and nothing built.
fn packed() -> Sandbox {
    let sandbox = built();
    bake(&sandbox, "--format both").run().expect_code(0);
    for package in ["mathlib", "batteries"] {
        sandbox.remove(sandbox.package(package).join(".lake"));
    }
    sandbox
}

#[test]
fn no_build_goes_into_changed_sources() {
    type Edit = fn(&Sandbox);
    let edits: [(&str, Edit); 4] = [
        ("changed", |sandbox| {
            sandbox.write(LATTICE, sandbox.read(LATTICE) + "-- mine\n");
        }),
        ("untracked", |sandbox| {
            sandbox.write("app/.lake/packages/mathlib/Mathlib/Mine.lean", "");
        }),
        ("changed", |sandbox| {
            sandbox.remove(LATTICE);
        }),
        ("changed", |sandbox| {
            sandbox.write(LATTICE, sandbox.read(LATTICE) + "-- mine\n");
            sandbox.git(&sandbox.package("mathlib"), &["add", "--all"]);
        }),
    ];
    for (kind, edit) in edits {
        for line in ["build", "exe cache get", "env true"] {
            let sandbox = packed();
            edit(&sandbox);
            let run = lake(&sandbox, line).run();
            run.stderr_contains(REFUSED).stderr_contains(kind).stderr_contains("hint: ");
            assert!(
                !sandbox.package("mathlib").join(".lake/build/.lake-shim.pack").exists(),
                "{line}: {run}"
            );
            // The other package has no changes.
            assert!(sandbox.package("batteries").join(".lake/build/.lake-shim.pack").exists());
        }
    }
}

#[test]
fn changes_that_are_taken_back_let_the_build_in() {
    let sandbox = packed();
    let text = sandbox.read(LATTICE);
    sandbox.write(LATTICE, text.clone() + "-- mine\n");
    lake(&sandbox, "env true").run().stderr_contains(REFUSED);
    sandbox.write(LATTICE, text);
    lake(&sandbox, "env true").run().expect_code(0).stderr_lacks(REFUSED);
    sandbox.expect_all_restored();
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn where_git_cannot_tell_only_a_build_is_in_the_way_fake_lake_only() {
    let broken = "[user\n";
    let sandbox = packed();
    sandbox.write("home/.gitconfig", broken);
    restore(&sandbox, "").run().expect_code(0);
    sandbox.expect_all_restored();
    let sandbox = packed();
    sandbox.write("app/.lake/packages/mathlib/.lake/build/lib/lean/Mathlib/Mine.trace", "1");
    sandbox.write("home/.gitconfig", broken);
    restore(&sandbox, "").run().stderr_contains(REFUSED);
    assert!(!sandbox.path("app/.lake/packages/mathlib/.lake/build/.lake-shim.pack").exists());
    assert!(
        sandbox.path("app/.lake/packages/mathlib/.lake/build/lib/lean/Mathlib/Mine.trace").exists()
    );
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn a_build_of_the_users_that_is_up_to_date_stays_fake_lake_only() {
    let sandbox = built();
    bake(&sandbox, "--format pack").run().expect_code(0);
    // As Lake would have made it: no archive, no pack, and the files a little different.
    for package in ["mathlib", "batteries"] {
        sandbox.remove(sandbox.package(package).join(".lake/build/.lake-shim.ledger"));
    }
    let mine = "app/.lake/packages/mathlib/.lake/build/ir/Mathlib/Order/Lattice.c";
    sandbox.write(mine, "an hour of work");
    let run = restore(&sandbox, "").run();
    run.expect_code(0).stderr_contains("asking the real lake");
    assert_eq!(sandbox.read(mine), "an hour of work");
    // Once is enough.
    let run = restore(&sandbox, "").run();
    run.expect_code(0).stderr_lacks("asking").stderr_lacks("unpacking");
    assert_eq!(sandbox.read(mine), "an hour of work");
    // Who wants the store's, says so.
    restore(&sandbox, "--force").run().expect_code(0);
    sandbox.expect_all_restored();
}
