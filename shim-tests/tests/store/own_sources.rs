//! Packed builds, and packages in which the user has been at work.

use shim_tests::Sandbox;

use crate::{bake, baked, built, lake, restore};

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

/// A clean checkout would get another build, or lack modules.
#[test]
fn nothing_is_baked_of_sources_that_are_not_the_locked_ones() {
    type Edit = fn(&Sandbox);
    let edits: [(&str, Edit); 6] = [
        ("changed `Mathlib/Order/Lattice.lean`", |sandbox| {
            sandbox.write(LATTICE, sandbox.read(LATTICE) + "-- mine\n");
        }),
        ("changed `Mathlib/Order/Lattice.lean`", |sandbox| {
            sandbox.write(LATTICE, sandbox.read(LATTICE) + "-- mine\n");
            let hide = ["update-index", "--skip-worktree", "Mathlib/Order/Lattice.lean"];
            sandbox.git(&sandbox.package("mathlib"), &hide);
        }),
        ("changed `Mathlib/Order/Lattice.lean`", |sandbox| {
            sandbox.remove(LATTICE);
        }),
        ("untracked `Mathlib/Mine.lean`", |sandbox| {
            sandbox.write("app/.lake/packages/mathlib/Mathlib/Mine.lean", "");
        }),
        ("untracked `docs/lakefile.toml`", |sandbox| {
            sandbox.write("app/.lake/packages/mathlib/docs/lakefile.toml", "");
        }),
        ("changed `lake-manifest.json`", |sandbox| {
            let manifest = "app/.lake/packages/mathlib/lake-manifest.json";
            sandbox.write(manifest, sandbox.read(manifest) + "\n");
        }),
    ];
    for (reason, edit) in edits {
        let sandbox = built();
        edit(&sandbox);
        for format in ["ltar", "pack", "both"] {
            let run = bake(&sandbox, &format!("--format {format}")).run();
            run.expect_code(1).stderr_contains(&format!(
                "the sources of `mathlib` are not those of its locked revision: {reason}\nhint: "
            ));
            assert!(!baked(&sandbox).exists(), "{run}");
        }
    }
}

#[test]
fn what_no_build_reads_may_be_changed() {
    let sandbox = built();
    let mathlib = sandbox.package("mathlib");
    for file in ["notes.txt", ".DS_Store", "Mathlib/.#Init.lean~"] {
        sandbox.write(mathlib.join(file), "mine");
    }
    sandbox.git(&mathlib, &["config", "core.fileMode", "true"]);
    sandbox.chmod(LATTICE, 0o755);
    bake(&sandbox, "--format both").run().expect_code(0);
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
    for line in ["exe cache get", "cache get", "build"] {
        let sandbox = built();
        bake(&sandbox, "--format pack").run().expect_code(0);
        // As Lake would have made it: no archive, no pack, and the files a little different.
        for package in ["mathlib", "batteries"] {
            sandbox.remove(sandbox.package(package).join(".lake/build/.lake-shim.ledger"));
        }
        let mine = "app/.lake/packages/mathlib/.lake/build/ir/Mathlib/Order/Lattice.c";
        sandbox.write(mine, "an hour of work");
        let run = lake(&sandbox, line).run();
        run.expect_code(0).stderr_contains("asking the real lake");
        assert_eq!(sandbox.read(mine), "an hour of work", "{run}");
        // Once is enough.
        let run = lake(&sandbox, line).run();
        run.expect_code(0).stderr_lacks("asking").stderr_lacks("unpacking");
        assert_eq!(sandbox.read(mine), "an hour of work", "{run}");
        // `--force` is the user's word for the store's.
        restore(&sandbox, "--force").run().expect_code(0);
        sandbox.expect_all_restored();
    }
}

#[test]
fn nothing_goes_into_a_package_that_lake_will_delete() {
    for line in ["exe cache get", "cache get"] {
        let sandbox = packed();
        sandbox.remove(sandbox.package("mathlib").join(".git"));
        let run = lake(&sandbox, line).run();
        run.expect_code(1).stderr_contains("`mathlib` in `").stderr_contains("has no `.git`");
        assert!(!sandbox.package("mathlib").join(".lake/build").exists(), "{run}");
    }
}

#[test]
fn a_dry_run_knows_packs_and_what_is_in_their_way() {
    let sandbox = packed();
    let dry = || {
        let store = sandbox.path("baked");
        sandbox.lake_shim("restore --dry-run --network never --store").arg(store).run()
    };
    let run = dry();
    run.expect_code(0).stdout_contains("unpack the build of mathlib from ");
    assert!(run.stdout.ends_with("\n0 to unpack, 11 in packs to unpack\n"), "{run}");
    let text = sandbox.read(LATTICE);
    sandbox.write(LATTICE, text.clone() + "-- mine\n");
    let run = dry();
    run.expect_code(1).stderr_contains(REFUSED).stdout_contains("in no store");
    run.stdout_lacks("unpack the build of mathlib");
    sandbox.write(LATTICE, text).remove(sandbox.package("mathlib").join(".git"));
    dry().expect_code(1).stderr_contains("has no `.git`");
}

/// Builds of two stores need not fit each other.
#[test]
fn packs_come_from_the_store_that_has_all_of_them() {
    let sandbox = packed();
    sandbox.copy("baked", "half");
    sandbox.edit_json("half/lake-shim/index.json", |index| {
        let packs = index["packs"].as_array_mut().expect("an array");
        packs.retain(|pack| pack["package"] != "batteries");
    });
    let list = std::env::join_paths(["half", "baked"].map(|store| sandbox.path(store)));
    let run = restore(&sandbox, "").env("LAKE_SHIM_STORE", list.expect("a list")).run();
    let from = format!("2 packages from {} in ", sandbox.path("baked").display());
    run.expect_code(0).stderr_contains(&from);
    sandbox.expect_all_restored();
}
