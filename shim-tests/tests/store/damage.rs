//! Restoring from baked stores that are damaged.

use serde_json::json;
use shim_tests::{Sandbox, modules};

use crate::{
    baked_and_fresh, baked_and_fresh_from, built, edit_index, expect_clones, expect_no_leftovers,
    ltar, object, restore, shard,
};

const LATTICE: &str = "Mathlib.Order.Lattice";

fn all_but(other: &str) -> Vec<&'static str> {
    modules().iter().map(|module| module.name.as_str()).filter(|name| *name != other).collect()
}

#[test]
fn a_damaged_cache_file_keeps_no_other_module_from_being_restored() {
    type Damage = fn(&Sandbox);
    let damages: [Damage; 4] = [
        |sandbox| {
            sandbox.remove(ltar(sandbox, LATTICE));
        },
        |sandbox| {
            sandbox.truncate(ltar(sandbox, LATTICE));
        },
        |sandbox| {
            sandbox.flip_bit(ltar(sandbox, LATTICE));
        },
        |sandbox| {
            sandbox.write(ltar(sandbox, LATTICE), "");
        },
    ];
    let sandbox = baked_and_fresh();
    sandbox.copy("baked", "whole");
    for damage in damages {
        sandbox.remove("baked").copy("whole", "baked");
        damage(&sandbox);
        let store = shim_tests::Tree::of(sandbox.path("baked"));
        let run = restore(&sandbox, "").run();
        run.expect_code(1).stderr_contains(LATTICE);
        sandbox.expect_restored(&all_but(LATTICE));
        store.assert_unchanged();
        expect_clones(&sandbox, &["mathlib", "batteries"]);
        expect_no_leftovers(&sandbox);
        crate::clear(&sandbox);
    }
}

#[test]
fn sources_from_a_damaged_shard_are_not_published() {
    type Damage = fn(&Sandbox);
    let damages: [Damage; 4] = [
        |sandbox| {
            sandbox.remove(shard(sandbox, "mathlib", "source"));
        },
        |sandbox| {
            sandbox.truncate(shard(sandbox, "mathlib", "source"));
        },
        |sandbox| {
            sandbox.flip_bit(shard(sandbox, "mathlib", "source"));
        },
        // Of another package.
        |sandbox| {
            let (one, other) = ("mathlib", "batteries");
            let (one, other) = (shard(sandbox, one, "source"), shard(sandbox, other, "source"));
            sandbox.copy(one, other);
        },
    ];
    let sandbox = baked_and_fresh();
    sandbox.copy("baked", "whole");
    for (number, damage) in damages.into_iter().enumerate() {
        sandbox.remove("baked").copy("whole", "baked");
        damage(&sandbox);
        let (bad, good) =
            if number == 3 { ("batteries", "mathlib") } else { ("mathlib", "batteries") };
        let run = restore(&sandbox, "").run();
        run.expect_code(1).expect_stdout("");
        run.stderr_contains(&format!("the sources of `{bad}`")).stderr_contains("hint: ");
        assert!(!sandbox.package(bad).exists(), "{number}");
        expect_clones(&sandbox, &[good]);
        expect_no_leftovers(&sandbox);
        // A whole store mends it.
        sandbox.remove("baked").copy("whole", "baked");
        restore(&sandbox, "").run().expect_code(0);
        sandbox.expect_all_restored();
        crate::clear(&sandbox);
    }
}

#[test]
fn a_build_from_a_damaged_shard_is_not_published_nor_taken_for_done() {
    let sandbox = built();
    sandbox.add_extra();
    let sandbox = baked_and_fresh_from(sandbox, "");
    sandbox.copy("baked", "whole").flip_bit(shard(&sandbox, "extra", "build"));
    let run = restore(&sandbox, "").run();
    run.stderr_contains("the build of `extra`");
    let build = sandbox.package("extra").join(".lake/build");
    let found = shim_tests::Tree::of(&build).files();
    assert!(found.is_empty(), "{found:?}");
    expect_no_leftovers(&sandbox);
    sandbox.expect_all_restored();
    assert_eq!(run.code, Some(1), "a build that is wanted and cannot be had is no success\n{run}");
    sandbox.remove("baked").copy("whole", "baked");
    restore(&sandbox, "").run().expect_code(0);
    assert!(build.join("lib/lean/Extra.olean").exists());
}

#[test]
fn an_unusable_index_stops_a_restore_and_no_build() {
    for (schema, message) in [(json!(2), "schema 2"), (json!("one"), "cannot understand")] {
        let sandbox = baked_and_fresh();
        sandbox.clone_packages(&sandbox.packages());
        edit_index(&sandbox, |index| index["schema"] = schema);
        restore(&sandbox, "")
            .run()
            .expect_code(1)
            .expect_stdout("")
            .stderr_contains(message)
            .stderr_contains("hint: ");
        sandbox.expect_restored(&[]);
        // The shim must never be why a build that worked stops working.
        crate::lake(&sandbox, "env true").run().expect_code(0).expect_stdout("");
        sandbox.remove("baked/lake-shim/index.json");
        restore(&sandbox, "").run().expect_code(0);
        sandbox.expect_all_restored();
    }
}

#[test]
fn a_second_store_stands_in_for_a_damaged_one() {
    let sandbox = baked_and_fresh();
    sandbox
        .copy("baked", "second")
        .flip_bit(shard(&sandbox, "mathlib", "source"))
        .truncate(ltar(&sandbox, LATTICE));
    let stores =
        format!("{}:{}", sandbox.path("baked").display(), sandbox.path("second").display());
    let run = sandbox.lake_shim("restore --json --network never --store").arg(stores).run();
    let outcome = object(run.expect_code(0));
    assert_eq!(outcome["restored"], 11);
    sandbox.expect_all_restored();
    expect_clones(&sandbox, &["mathlib", "batteries"]);
}
