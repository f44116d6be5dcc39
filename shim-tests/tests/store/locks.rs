//! Several locks in one store.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::Value;

use crate::{
    bake, baked, built, clear, edit_manifest, expect_clones, files, index, move_batteries, restore,
    verify,
};

#[test]
fn a_lock_that_differs_in_one_package_adds_only_that() {
    let sandbox = built();
    bake(&sandbox, "").run().expect_code(0);
    let before = files(baked(&sandbox));
    let [_, new] = move_batteries(&sandbox);
    bake(&sandbox, "").run().expect_code(0);
    let after = files(baked(&sandbox));
    let index_path = PathBuf::from("lake-shim/index.json");
    for (path, sha256) in before.iter().filter(|(path, _)| **path != index_path) {
        assert_eq!(after.get(path), Some(sha256), "{}", path.display());
    }
    let added: BTreeSet<_> =
        after.keys().filter(|path| !before.contains_key(*path)).cloned().collect();
    let (packs, ltars): (Vec<_>, Vec<_>) =
        added.iter().partition(|path| path.starts_with("lake-shim"));
    assert_eq!(packs.len(), 1, "the sources of batteries: {packs:?}");
    let ltars: Vec<_> = ltars.iter().map(|path| path.display().to_string()).collect();
    assert_eq!(ltars, new);
    assert_eq!(index(&sandbox)["locks"].as_object().map(serde_json::Map::len), Some(2));
    verify(&sandbox, "").run().expect_code(0);
}

#[test]
fn the_order_in_which_locks_are_baked_does_not_show() {
    let [first, second] = [built(), built()];
    bake(&first, "").run().expect_code(0);
    move_batteries(&first);
    bake(&first, "").run().expect_code(0);

    let manifest = second.read("app/lake-manifest.json");
    move_batteries(&second);
    bake(&second, "").run().expect_code(0);
    second.write("app/lake-manifest.json", manifest);
    let (_, rev) = second.locked("batteries");
    second.git(&second.package("batteries"), &["checkout", "--quiet", "--detach", &rev]);
    bake(&second, "").run().expect_code(0);
    assert_eq!(files(baked(&first)), files(baked(&second)));
}

#[test]
fn a_workspace_gets_the_packages_of_its_own_lock() {
    let sandbox = built();
    let manifest = sandbox.read("app/lake-manifest.json");
    bake(&sandbox, "").run().expect_code(0);
    move_batteries(&sandbox);
    let moved = sandbox.read("app/lake-manifest.json");
    bake(&sandbox, "").run().expect_code(0);
    for manifest in [&manifest, &moved] {
        clear(&sandbox);
        sandbox.write("app/lake-manifest.json", manifest);
        restore(&sandbox, "").run();
        expect_clones(&sandbox, &["mathlib", "batteries"]);
    }
    clear(&sandbox);
    sandbox.write("app/lake-manifest.json", &manifest);
    restore(&sandbox, "").run().expect_code(0);
    sandbox.expect_all_restored();
}

#[test]
fn sources_are_those_of_the_manifests_url() {
    // A fork has the same revision under another URL: origin has to be the one that is locked.
    let sandbox = built();
    bake(&sandbox, "").run().expect_code(0);
    let fork = "https://github.com/somebody/batteries";
    edit_manifest(&sandbox, |manifest| {
        crate::packages(manifest)[1]["url"] = Value::from(fork);
    });
    bake(&sandbox, "").run().expect_code(0);
    clear(&sandbox);
    restore(&sandbox, "").run().expect_code(0);
    let batteries = sandbox.package("batteries");
    assert_eq!(sandbox.git(&batteries, &["remote", "get-url", "origin"]), fork);
}

#[test]
fn two_bakes_into_one_store_at_once_lose_neither_lock() {
    for _ in 0..5 {
        let [sandbox, other] = [built(), built()];
        move_batteries(&other);
        let running = [
            bake(&sandbox, "").spawn(),
            other.lake_shim("bake --level 1 --store").arg(baked(&sandbox)).spawn(),
        ];
        for run in running.map(shim_tests::Running::wait) {
            run.expect_code(0);
        }
        verify(&sandbox, "").run().expect_code(0);
        let locks = index(&sandbox)["locks"].as_object().map(serde_json::Map::len);
        assert_eq!(locks, Some(2), "the second index must not forget the first");
    }
}
