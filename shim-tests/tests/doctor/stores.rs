//! Stores: missing, unreadable, damaged, for something else.

use serde_json::{Value, json};
use shim_tests::{NOBODY, Sandbox};

use crate::{
    bake, baked_and_fresh, doctor, edit, findings_of, findings_of_nobody, follow, move_head, none,
    of_nobody, only, says, sound, the_only, type_in,
};

#[test]
#[cfg_attr(not(has = "no-image-store"), ignore = "needs no-image-store")]
fn no_store() {
    let mut sandbox = sound();
    sandbox.set_env("LAKE_SHIM_STORE", "");
    says(&only(&sandbox, "note", "no-store"), &["lake exe cache get", "LAKE_SHIM_STORE"]);
    sandbox.set_env("LAKE_SHIM_NETWORK", "never");
    only(&sandbox, "error", "no-store");
    let cache = sandbox.home().join(".cache/mathlib");
    sandbox.copy("store", cache);
    none(&sandbox);
}

#[test]
fn a_named_store_that_is_not_there() {
    let mut sandbox = sound();
    sandbox.write("file", "");
    for (place, why) in [("missing", "no such directory"), ("file", "no directory")] {
        let stores = [sandbox.store(), sandbox.path(place)];
        let stores = std::env::join_paths(stores).expect("no colon in them");
        sandbox.set_env("LAKE_SHIM_STORE", stores);
        let finding = only(&sandbox, "error", "store-missing");
        says(&finding, &[&format!("/{place}`"), why, "LAKE_SHIM_STORE"]);
    }
    let store = sandbox.store();
    sandbox.set_env("LAKE_SHIM_STORE", store);
    none(&sandbox);
}

#[test]
#[cfg_attr(not(has = "setpriv"), ignore = "needs setpriv")]
fn a_store_that_may_not_be_read() {
    let sandbox = sound();
    sandbox.chown("app", NOBODY).chmod("store", 0o700);
    let look = || findings_of_nobody(&sandbox);
    let finding = the_only(look(), "error", "store-unreadable");
    says(&finding, &["permission denied"]);
    type_in(&sandbox, &finding);
    assert!(look().is_empty());
}

#[test]
fn an_index_that_nobody_understands() {
    let sandbox = sound();
    for (index, why) in [
        ("{", "cannot understand"),
        (r#"{"schema":99,"locks":{}}"#, "has schema 99, and this shim reads 1"),
        (r#"{"schema":1}"#, "cannot understand"),
    ] {
        sandbox.write("store/lake-shim/index.json", index);
        let finding = only(&sandbox, "error", "store-index");
        says(&finding, &[why, "store/lake-shim/index.json"]);
    }
    sandbox.remove("store/lake-shim");
    none(&sandbox);
}

#[test]
fn a_baked_store_that_lost_something() {
    let sandbox = baked_and_fresh();
    let name = sandbox.ltar("Mathlib.Init");
    let ltar = sandbox.path("baked").join(name.file_name().expect("a name"));
    sandbox.rename(&ltar, "home/ltar");
    let finding = only(&sandbox, "warning", "store-not-whole");
    says(&finding, &["1 module missing: `Mathlib.Init`", "lake-shim bake --store"]);
    sandbox.rename("home/ltar", &ltar);
    none(&sandbox);
    let packs = std::fs::read_dir(sandbox.path("baked/lake-shim/packs")).expect("packs");
    let pack = packs.flatten().next().expect("a pack").path();
    sandbox.truncate(&pack);
    says(&only(&sandbox, "warning", "store-not-whole"), &["bytes, not"]);
    // Which bakes it anew: sources from the packages, cache files from the other store.
    sandbox.clone_packages(&sandbox.packages());
    let finding = only(&sandbox, "warning", "store-not-whole");
    let _ = type_in_with_cache(&sandbox, &finding);
    none(&sandbox);
}

/// As [`type_in`]; what the baked store lacks comes from a user's cache.
fn type_in_with_cache<'a>(sandbox: &'a Sandbox, finding: &Value) -> &'a Sandbox {
    sandbox.copy("store", sandbox.home().join(".cache/mathlib"));
    type_in(sandbox, finding);
    sandbox
}

#[test]
fn a_store_that_is_baked_for_another_lock() {
    let mut sandbox = sound();
    bake(&sandbox);
    let store = sandbox.path("baked");
    sandbox.set_env("LAKE_SHIM_STORE", store);
    none(&sandbox);
    let (_, old) = sandbox.locked("batteries");
    let new = move_head(&sandbox, &sandbox.package("batteries"));
    edit(&sandbox, "app/lake-manifest.json", &old, &new);
    // The cache files are the same: `cache get` is answered, and builds are not prepared.
    let finding = only(&sandbox, "note", "store-other-lock");
    says(&finding, &[&format!("`batteries` is at {}, not {}", &old[..10], &new[..10])]);
    sandbox.rename(sandbox.package("batteries"), "away");
    only(&sandbox, "warning", "store-other-lock");
    sandbox.set_env("LAKE_SHIM_NETWORK", "never");
    only(&sandbox, "error", "store-other-lock");
    sandbox.rename("away", sandbox.package("batteries"));
    follow(&sandbox, &finding);
}

#[test]
fn a_module_in_no_store() {
    let mut sandbox = sound().with_cloud();
    sandbox.remove(sandbox.ltar("Batteries.Data.N"));
    let finding = only(&sandbox, "note", "modules-missing");
    says(&finding, &["1 of 11 modules", "`Batteries.Data.N`"]);
    sandbox.set_env("LAKE_SHIM_NETWORK", "never");
    only(&sandbox, "error", "modules-missing");
    sandbox.set_env("LAKE_SHIM_NETWORK", "");
    follow(&sandbox, &finding);
}

#[test]
fn a_cache_file_that_is_damaged() {
    let sandbox = sound().with_cloud();
    let ltar = sandbox.ltar("Mathlib.Init");
    for (bytes, why) in
        [(&b""[..], "it is empty"), (b"LTAR12", "cut short"), (b"gzip", "no `.ltar`")]
    {
        sandbox.write(&ltar, bytes);
        let finding = only(&sandbox, "warning", "store-damaged");
        says(&finding, &[why, &ltar.display().to_string()]);
    }
    let finding = only(&sandbox, "warning", "store-damaged");
    sandbox.remove(&ltar);
    follow(&sandbox, &finding);
}

#[test]
fn a_cache_recipe_that_nobody_knows() {
    let sandbox = sound();
    let clone = sandbox.package("mathlib");
    let (_, old) = sandbox.locked("mathlib");
    sandbox.git(&clone, &["rm", "--quiet", "Cache/Hashing.lean"]);
    let new = sandbox.commit(&clone);
    edit(&sandbox, "app/lake-manifest.json", &old, &new);
    let finding = only(&sandbox, "warning", "cache-recipe");
    says(&finding, &["is not one we know"]);
    sandbox.git(&clone, &["checkout", "--quiet", &old]);
    edit(&sandbox, "app/lake-manifest.json", &new, &old);
    none(&sandbox);
}

#[test]
fn release_files_that_no_store_has() {
    let mut sandbox = sound();
    // A mathlib whose cache tool fetches them, and the package itself.
    let mathlib = sandbox.package("mathlib");
    let (url, old) = sandbox.locked("mathlib");
    let tool = mathlib.join("Cache/IO.lean");
    sandbox.write(&tool, sandbox.read(&tool) + "\n\ndef getProofWidgets : IO Unit := pure ()\n");
    sandbox.git(&mathlib, &["commit", "--quiet", "--all", "--message", "fetch"]);
    let new = sandbox.git(&mathlib, &["rev-parse", "HEAD"]);
    edit(&sandbox, "app/lake-manifest.json", &old, &new);
    sandbox.copy(sandbox.package("batteries"), sandbox.package("proofwidgets"));
    let (_, rev) = sandbox.locked("batteries");
    let mut manifest: Value =
        serde_json::from_str(&sandbox.read("app/lake-manifest.json")).expect("a manifest");
    let url = url.replace("mathlib4", "proofwidgets");
    crate::set_origin(&sandbox, &sandbox.package("proofwidgets"), &url);
    manifest["packages"].as_array_mut().expect("packages").insert(
        1,
        json!({ "type": "git", "name": "proofwidgets", "url": url, "rev": rev, "inherited": true }),
    );
    sandbox.write("app/lake-manifest.json", manifest.to_string());
    let finding = only(&sandbox, "note", "native-targets");
    says(&finding, &["`proofwidgets:release`"]);
    sandbox.set_env("LAKE_SHIM_NETWORK", "never");
    only(&sandbox, "error", "native-targets");
    sandbox.mkdir(sandbox.package("proofwidgets").join(".lake/build/js"));
    none(&sandbox);
}

#[test]
fn pipes_and_directories_in_a_store_are_not_opened() {
    let sandbox = sound();
    let names = ["0000000000000000.ltar", "leantar-9.9.9", "lake-shim/index.json"];
    for name in names {
        let path = sandbox.store().join(name);
        sandbox.mkdir(path.parent().expect("it has one"));
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
    }
    // It ends.
    doctor(&sandbox, "").run().stdout_contains("index.json` is a pipe or a");
    for name in names {
        sandbox.remove(sandbox.store().join(name)).mkdir(sandbox.store().join(name));
    }
    doctor(&sandbox, "").run().stdout_contains("index.json` is a directory");
}

#[test]
#[cfg_attr(not(has = "setpriv"), ignore = "needs setpriv")]
fn a_cache_directory_that_may_not_be_written() {
    let sandbox = sound();
    sandbox.chown("app", NOBODY);
    let look = |dir: &str, network: &str| {
        let call = of_nobody(doctor(&sandbox, "--json --network").arg(network));
        findings_of(&sandbox, call.env("MATHLIB_CACHE_DIR", sandbox.path(dir)))
    };
    for dir in ["store", "store/below/it"] {
        let finding = the_only(look(dir, "auto"), "note", "cache-dir-unwritable");
        says(&finding, &["`MATHLIB_CACHE_DIR`", "Permission denied", "LAKE_SHIM_STORE"]);
        // Nothing is downloaded, and a store is only read.
        assert!(look(dir, "never").is_empty());
    }
    assert!(look("tmp", "auto").is_empty());
}
