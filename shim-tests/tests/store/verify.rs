//! `lake-shim verify`: that a store is whole, or what of it is not.

use serde_json::{Value, json};
use shim_tests::{Sandbox, Tree, modules};

use crate::{
    bake, baked, baked_and_fresh, built, edit_index, ltar, move_batteries, object, shard, verify,
};

const LATTICE: &str = "Mathlib.Order.Lattice";

/// A damage, what `verify` must say of it, and whether it shows without reading.
struct Damage {
    name: &'static str,
    do_it: fn(&Sandbox),
    message: fn(&Sandbox) -> String,
    quick: bool,
}

fn file_name(path: std::path::PathBuf) -> String {
    path.file_name().expect("a name").to_string_lossy().into_owned()
}

const DAMAGES: [Damage; 7] = [
    Damage {
        name: "a cache file is gone",
        do_it: |sandbox| {
            sandbox.remove(ltar(sandbox, LATTICE));
        },
        message: |_| LATTICE.to_owned(),
        quick: true,
    },
    Damage {
        name: "a cache file is cut",
        do_it: |sandbox| {
            sandbox.truncate(ltar(sandbox, LATTICE));
        },
        message: |sandbox| file_name(sandbox.ltar(LATTICE)),
        quick: true,
    },
    Damage {
        name: "a cache file is empty",
        do_it: |sandbox| {
            sandbox.write(ltar(sandbox, LATTICE), "");
        },
        message: |sandbox| file_name(sandbox.ltar(LATTICE)),
        quick: true,
    },
    Damage {
        name: "a bit of a cache file is flipped",
        do_it: |sandbox| {
            sandbox.flip_bit(ltar(sandbox, LATTICE));
        },
        message: |sandbox| format!("{LATTICE}: `{}`", ltar(sandbox, LATTICE).display()),
        quick: false,
    },
    Damage {
        name: "a shard is gone",
        do_it: |sandbox| {
            sandbox.remove(shard(sandbox, "mathlib", "source"));
        },
        message: |sandbox| file_name(shard(sandbox, "mathlib", "source")),
        quick: true,
    },
    Damage {
        name: "a shard is cut",
        do_it: |sandbox| {
            sandbox.truncate(shard(sandbox, "mathlib", "source"));
        },
        message: |sandbox| file_name(shard(sandbox, "mathlib", "source")),
        quick: true,
    },
    Damage {
        name: "a bit of a shard is flipped",
        do_it: |sandbox| {
            sandbox.flip_bit(shard(sandbox, "mathlib", "source"));
        },
        message: |sandbox| file_name(shard(sandbox, "mathlib", "source")),
        quick: false,
    },
];

#[test]
fn a_whole_store_is_said_to_be_whole() {
    let sandbox = built();
    bake(&sandbox, "").run().expect_code(0);
    sandbox.mkdir("nowhere");
    let before = ["baked", "app", "home", "tmp"].map(|place| Tree::of(sandbox.path(place)));
    for words in ["", "--quick"] {
        let run = verify(&sandbox, words).cwd("nowhere").run();
        run.expect_code(0).expect_stdout("").stderr_contains("is whole: 11 of 11 covered modules");
        let run = verify(&sandbox, "--json").args(words.split_whitespace()).cwd("nowhere").run();
        let found = object(run.expect_code(0));
        assert_eq!(found["whole"], true);
        let locks = found["locks"].as_array().expect("locks");
        assert_eq!(locks.len(), 1);
        let expected = [
            ("covered", json!(11)),
            ("present", json!(11)),
            ("missing", json!([])),
            ("corrupt", json!([])),
            ("packs", json!(2)),
            ("bad_packs", json!([])),
            ("toolchain", json!(sandbox.read("app/lean-toolchain").trim())),
        ];
        for (key, value) in expected {
            assert_eq!(locks[0][key], value, "{key} of {found}");
        }
    }
    before.iter().for_each(Tree::assert_unchanged);
}

#[test]
#[cfg_attr(not(has = "unshare"), ignore = "needs unshare")]
fn the_network_is_not_needed() {
    let sandbox = baked_and_fresh();
    sandbox.command("chmod", "-R a-w").arg(baked(&sandbox)).run().expect_code(0);
    let lake_calls = || match shim_tests::tools::real_lake() {
        Some(_) => 0,
        None => sandbox.lake_calls().len(),
    };
    let baking = lake_calls();
    verify(&sandbox, "").without_network().run().expect_code(0);
    assert_eq!(lake_calls(), baking, "lake was called");
}

#[test]
fn each_damage_is_found_and_named() {
    let sandbox = baked_and_fresh();
    sandbox.copy("baked", "whole");
    for Damage { name, do_it, message, quick } in DAMAGES {
        sandbox.remove("baked").copy("whole", "baked");
        let message = message(&sandbox);
        do_it(&sandbox);
        let before = Tree::of(baked(&sandbox));
        let run = verify(&sandbox, "").run();
        assert_eq!(run.code, Some(1), "{name}: {run}");
        run.expect_stdout("").stderr_contains(&message).stderr_contains("is not whole");
        let run = verify(&sandbox, "--json").run();
        let found = object(run.expect_code(1));
        assert_eq!(found["whole"], false, "{name}: {found}");
        let run = verify(&sandbox, "--quick").run();
        assert_eq!(run.code, Some(i32::from(quick)), "--quick, {name}: {run}");
        before.assert_unchanged();
    }
}

#[test]
fn what_is_wrong_is_in_the_object() {
    let sandbox = baked_and_fresh();
    sandbox
        .remove(ltar(&sandbox, "Batteries"))
        .truncate(ltar(&sandbox, LATTICE))
        .flip_bit(shard(&sandbox, "mathlib", "source"));
    let found = object(verify(&sandbox, "--json").run().expect_code(1));
    let lock = &found["locks"][0];
    assert_eq!(lock["missing"], json!(["Batteries"]));
    assert_eq!(lock["corrupt"], json!([LATTICE]));
    assert_eq!(lock["bad_packs"], json!(["mathlib"]));
    assert_eq!(lock["covered"], 11);
    assert_eq!(lock["present"], 10);
    assert_eq!(lock["packs"], 1);
}

#[test]
fn an_index_that_cannot_be_used_is_an_error_that_names_it() {
    type Damage = fn(&Sandbox);
    let damages: [(Damage, &str); 7] = [
        (|sandbox| edit_index(sandbox, |index| index["schema"] = json!(2)), "schema 2"),
        (
            |sandbox| {
                sandbox.truncate("baked/lake-shim/index.json");
            },
            "cannot understand",
        ),
        (
            |sandbox| {
                sandbox.write("baked/lake-shim/index.json", "");
            },
            "cannot understand",
        ),
        (
            |sandbox| {
                sandbox.write("baked/lake-shim/index.json", "PK\x03\x04");
            },
            "cannot understand",
        ),
        (
            |sandbox| {
                sandbox.write("baked/lake-shim/index.json", "[]");
            },
            "cannot understand",
        ),
        (
            |sandbox| edit_index(sandbox, |index| index["packs"][0]["rev"] = Value::Null),
            "cannot understand",
        ),
        (
            |sandbox| edit_index(sandbox, |index| index["packs"][1]["shards"] = json!([])),
            "has no shards",
        ),
    ];
    let sandbox = baked_and_fresh();
    sandbox.copy("baked", "whole");
    for (damage, message) in damages {
        sandbox.remove("baked").copy("whole", "baked");
        damage(&sandbox);
        let before = Tree::of(baked(&sandbox));
        for words in ["", "--json", "--quick"] {
            let run = verify(&sandbox, words).run();
            run.expect_code(1)
                .expect_stdout("")
                .stderr_contains(message)
                .stderr_contains("baked/lake-shim/index.json")
                .stderr_contains("hint: ");
        }
        before.assert_unchanged();
    }
}

#[test]
fn an_index_that_leads_out_of_the_store_is_not_followed() {
    let sandbox = baked_and_fresh();
    let name = file_name(ltar(&sandbox, LATTICE));
    edit_index(&sandbox, |index| {
        for lock in index["locks"].as_object_mut().expect("locks").values_mut() {
            lock["modules"][LATTICE] = json!("../outside.ltar");
        }
        index["ltars"]["../outside.ltar"] = index["ltars"][&name].clone();
    });
    sandbox.copy(ltar(&sandbox, LATTICE), "outside.ltar");
    verify(&sandbox, "").run().expect_code(1);
}

#[test]
fn a_store_without_an_index_is_verified_by_a_workspaces_names() {
    let sandbox = built();
    let plain =
        |cwd| sandbox.lake_shim("verify --json --store").arg(sandbox.store()).cwd(cwd).run();
    let found = object(plain("app").expect_code(1));
    let why = "neither the store nor the toolchain has a leantar";
    assert_eq!(found["locks"][0]["no_leantar"], why);
    sandbox.install_leantar("store/leantar-0.1.19");
    let found = object(plain("app").expect_code(0));
    assert_eq!(found["locks"][0]["no_leantar"], Value::Null);
    assert_eq!(found["locks"][0]["covered"], modules().len());
    assert_eq!(found["locks"][0]["lock"], Value::Null);
    sandbox.write(sandbox.ltar(LATTICE), "no archive").remove(sandbox.ltar("Batteries"));
    let store = Tree::of(sandbox.store());
    let found = object(plain("app").expect_code(1));
    assert_eq!(found["locks"][0]["corrupt"], json!([LATTICE]));
    assert_eq!(found["locks"][0]["missing"], json!(["Batteries"]));
    store.assert_unchanged();
    sandbox.mkdir("nowhere");
    plain("nowhere")
        .expect_code(1)
        .expect_stdout("")
        .stderr_contains("has no index")
        .stderr_contains("hint: ");
}

#[test]
fn a_cache_file_that_cannot_be_read_is_not_missing() {
    let sandbox = built();
    bake(&sandbox, "").run().expect_code(0);
    let plain = || sandbox.lake_shim("verify --json --store").arg(sandbox.store());
    for (file, call) in [
        (ltar(&sandbox, LATTICE), verify(&sandbox, "--json")),
        (ltar(&sandbox, LATTICE), verify(&sandbox, "--json --quick")),
        (sandbox.ltar(LATTICE), plain()),
    ] {
        sandbox.remove(&file).symlink(&file, &file); // a circle
        let run = call.run();
        let found = object(run.expect_code(1));
        assert_eq!(found["locks"][0]["corrupt"], json!([LATTICE]));
        assert_eq!(found["locks"][0]["missing"], json!([]));
        run.stderr_contains(&file.display().to_string()).stderr_contains("Too many levels");
    }
}

#[test]
fn every_lock_is_verified() {
    let sandbox = built();
    bake(&sandbox, "").run().expect_code(0);
    let [old, new] = move_batteries(&sandbox);
    bake(&sandbox, "").run().expect_code(0);
    let found = object(verify(&sandbox, "--json").run().expect_code(0));
    assert_eq!(found["locks"].as_array().map(Vec::len), Some(2), "{found}");
    for file in [&old[0], &new[0]] {
        sandbox.copy("baked", "kept").truncate(baked(&sandbox).join(file));
        let found = object(verify(&sandbox, "--json").run().expect_code(1));
        let locks = found["locks"].as_array().expect("locks");
        let bad = locks.iter().filter(|lock| lock["corrupt"] != json!([]));
        assert_eq!(bad.count(), 1, "{found}");
        sandbox.remove("baked").rename("kept", "baked");
    }
}

#[test]
fn a_store_that_is_none_is_an_error() {
    let sandbox = Sandbox::mini_mathlib();
    let run = verify(&sandbox, "").run();
    run.expect_code(1)
        .expect_stdout("")
        .stderr_contains(&baked(&sandbox).display().to_string())
        .stderr_contains("hint: ");
    assert!(!baked(&sandbox).exists());
}
