//! Baking a store, proving it, unpacking it and clearing it up, through the real binary.
//! With `SHIM_TEST_REAL_LAKE` the archives are real ones and so are lake and leantar.

mod bake;
mod bake_faults;
mod before_build;
mod builds;
mod damage;
mod gc;
mod leantars;
mod locks;
mod mixtures;
mod own_sources;
mod sources;
mod trials;
mod unpack;
mod verify;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use shim_tests::{Call, Run, Sandbox, Tree, modules};

/// Where tests bake to.
fn baked(sandbox: &Sandbox) -> PathBuf {
    sandbox.path("baked")
}

/// `lake-shim bake --store baked …`, at a level that takes no time.
fn bake<'a>(sandbox: &'a Sandbox, words: &str) -> Call<'a> {
    sandbox.lake_shim("bake --level 1 --store").arg(baked(sandbox)).args(words.split_whitespace())
}

fn verify<'a>(sandbox: &'a Sandbox, words: &str) -> Call<'a> {
    sandbox.lake_shim("verify --store").arg(baked(sandbox)).args(words.split_whitespace())
}

/// `lake-shim restore` from the baked store, and no network wanted.
fn restore<'a>(sandbox: &'a Sandbox, words: &str) -> Call<'a> {
    let call = sandbox.lake_shim("restore --network never --store").arg(baked(sandbox));
    call.args(words.split_whitespace())
}

/// A lake command where the baked store is the only one, and no network wanted.
fn lake<'a>(sandbox: &'a Sandbox, line: &str) -> Call<'a> {
    sandbox.lake(line).env("LAKE_SHIM_STORE", baked(sandbox)).env("LAKE_SHIM_NETWORK", "never")
}

/// The fixture's workspace, cloned and built.
fn built() -> Sandbox {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.lake_shim("restore --network never").run().expect_code(0);
    sandbox
}

/// A store baked from the fixture's workspace, which is then a fresh checkout again.
fn baked_and_fresh() -> Sandbox {
    baked_and_fresh_from(built(), "")
}

fn baked_and_fresh_from(sandbox: Sandbox, words: &str) -> Sandbox {
    bake(&sandbox, words).run().expect_code(0);
    clear(&sandbox);
    sandbox
}

/// Makes the workspace a fresh checkout.
fn clear(sandbox: &Sandbox) {
    sandbox.remove("app/.lake");
}

/// Moves the workspace to another revision of batteries, of which a cache has all that changed. Returns the cache
/// files that both revisions need not share: those before, those after.
fn move_batteries(sandbox: &Sandbox) -> [Vec<String>; 2] {
    let before = names(sandbox);
    let batteries = sandbox.package("batteries");
    let root = batteries.join("Batteries.lean");
    let source = sandbox.read(&root);
    sandbox.write(&root, format!("{source}\n-- another day\n"));
    let rev = sandbox.commit(&batteries);
    edit_manifest(sandbox, |manifest| {
        let entries = packages(manifest).iter_mut();
        for entry in entries.filter(|entry| entry["name"] == "batteries") {
            entry["rev"] = json!(rev);
        }
    });
    let after = names(sandbox);
    // What the cloud is asked for from now on.
    sandbox.write("names.json", json!(after).to_string());
    let changed = before.iter().filter(|(module, file)| after[*module] != **file);
    let changed: Vec<_> =
        changed.map(|(module, file)| (file.clone(), after[module].clone())).collect();
    for (old, new) in &changed {
        sandbox.copy(sandbox.store().join(old), sandbox.home().join(".cache/mathlib").join(new));
    }
    let (mut old, mut new): (Vec<_>, Vec<_>) = changed.into_iter().unzip();
    old.sort();
    new.sort();
    assert!(!new.is_empty() && new.len() < modules().len(), "some change and some do not: {new:?}");
    [old, new]
}

/// Covered modules and their cache files.
fn names(sandbox: &Sandbox) -> BTreeMap<String, String> {
    let run = sandbox.lake_shim("names --json").run();
    run.expect_code(0);
    serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}\n{run}"))
}

/// The baked store's index.
fn index(sandbox: &Sandbox) -> Value {
    serde_json::from_str(&sandbox.read("baked/lake-shim/index.json")).expect("an index")
}

/// The only shard of a package's pack.
#[track_caller]
fn shard(sandbox: &Sandbox, package: &str, content: &str) -> PathBuf {
    let index = index(sandbox);
    let packs = index["packs"].as_array().into_iter().flatten();
    let found: Vec<_> =
        packs.filter(|pack| pack["package"] == package && pack["content"] == content).collect();
    assert_eq!(found.len(), 1, "{content} of {package} in {index:#}");
    let shards = found[0]["shards"].as_array().expect("shards");
    assert_eq!(shards.len(), 1, "one shard");
    let sha256 = shards[0]["sha256"].as_str().expect("a digest");
    baked(sandbox).join(format!("lake-shim/packs/{sha256}.tar.zst"))
}

/// Names and contents of the store's files.
fn files(store: impl AsRef<Path>) -> BTreeMap<PathBuf, String> {
    Tree::of(store).files()
}

/// The files of the baked store that end so.
fn files_ending(sandbox: &Sandbox, suffix: &str) -> Vec<String> {
    let paths = files(baked(sandbox)).into_keys();
    let names = paths.filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
    names.filter(|name| name.ends_with(suffix)).collect()
}

/// The cache file of a module in the baked store.
fn ltar(sandbox: &Sandbox, module: &str) -> PathBuf {
    baked(sandbox).join(sandbox.ltar(module).file_name().expect("a file"))
}

/// What `--json` printed.
#[track_caller]
fn object(run: &Run) -> Value {
    serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}\n{run}"))
}

/// Asserts that the packages' sources are clones as Lake wants them, and unchanged.
#[track_caller]
fn expect_clones(sandbox: &Sandbox, names: &[&str]) {
    for name in names {
        let (url, rev) = sandbox.locked(name);
        let clone = sandbox.package(name);
        let git = |args: &[&str]| {
            let safe = ["-c", "safe.directory=*"];
            sandbox.git(&clone, &[&safe, args].concat())
        };
        assert_eq!(git(&["rev-parse", "HEAD"]), rev, "{name}");
        assert_eq!(git(&["rev-parse", "--abbrev-ref", "HEAD"]), "HEAD", "{name} is detached");
        assert_eq!(git(&["remote", "get-url", "origin"]), url, "{name}");
        assert_eq!(git(&["status", "--porcelain", "--untracked-files=no"]), "", "{name}");
        assert_eq!(git(&["diff", "HEAD", "--exit-code"]), "", "{name}");
        git(&["fsck"]);
    }
}

/// Asserts that nothing is left in the workspace under a name of what is not finished.
#[track_caller]
fn expect_no_leftovers(sandbox: &Sandbox) {
    let mut found = sandbox.leftovers("app");
    // The mark of a build that was unpacked is no leftover.
    found.retain(|path| !path.ends_with(".lake-shim.pack"));
    assert!(found.is_empty(), "left behind: {found:?}");
}

/// Changes the manifest of the workspace.
fn edit_manifest(sandbox: &Sandbox, edit: impl FnOnce(&mut Value)) {
    sandbox.edit_json("app/lake-manifest.json", edit);
}

fn edit_index(sandbox: &Sandbox, edit: impl FnOnce(&mut Value)) {
    sandbox.edit_json("baked/lake-shim/index.json", edit);
}

fn packages(manifest: &mut Value) -> &mut Vec<Value> {
    manifest["packages"].as_array_mut().expect("packages")
}
