//! Restoring build files from a store: by `lake exe cache get` and by `lake-shim restore`, through the real binary.
//! With `SHIM_TEST_REAL_LAKE` the archives are real ones and so is leantar.

mod arguments;
mod cache_get;
mod cli;
mod damage;
mod endings;
mod fallback;
mod faults;
mod leantar;
mod names;
mod origins;
mod own_builds;
mod places;
mod revisions;

use std::fs;

use serde_json::Value;
use shim_tests::{Call, Sandbox, modules, tools};

/// `lake exe cache get`, and no network wanted.
fn offline_get(sandbox: &Sandbox) -> Call<'_> {
    offline(sandbox, "exe cache get")
}

fn offline<'a>(sandbox: &'a Sandbox, line: &str) -> Call<'a> {
    sandbox.lake(line).env("LAKE_SHIM_NETWORK", "never")
}

fn all() -> Vec<&'static str> {
    all_but(&[])
}

fn all_but(others: &[&str]) -> Vec<&'static str> {
    let names = modules().iter().map(|module| module.name.as_str());
    names.filter(|name| !others.contains(name)).collect()
}

/// Asserts that lake was not called, where that can be told.
#[track_caller]
fn expect_no_lake(sandbox: &Sandbox) {
    if tools::real_lake().is_none() {
        let calls: Vec<_> = sandbox.lake_calls().iter().map(|call| call.line()).collect();
        assert!(calls.is_empty(), "lake was called: {calls:?}");
    }
}

/// Asserts how often leantar unpacked something, where that can be told.
#[track_caller]
fn expect_leantar_runs(sandbox: &Sandbox, runs: usize) {
    if tools::real_leantar().is_none() {
        assert_eq!(sandbox.leantar_calls().len(), runs, "runs of leantar");
    }
}

/// The arguments of every call of the fake lake.
#[track_caller]
fn lake_lines(sandbox: &Sandbox) -> Vec<String> {
    sandbox.lake_calls().iter().map(|call| call.line()).collect()
}

/// Removes what was built or restored.
fn clean(sandbox: &Sandbox) {
    for package in ["mathlib", "batteries"] {
        let _ = fs::remove_dir_all(sandbox.package(package).join(".lake"));
    }
}

/// Asserts that no stage of the shim and no temporary of leantar is left in the sandbox.
#[track_caller]
fn expect_no_leftovers(sandbox: &Sandbox) {
    let found = sandbox.leftovers("");
    assert!(found.is_empty(), "left behind: {found:?}");
}

/// Changes the manifest of the workspace.
fn edit_manifest(sandbox: &Sandbox, edit: impl FnOnce(&mut Value)) {
    let path = "app/lake-manifest.json";
    let mut manifest = serde_json::from_str(&sandbox.read(path)).expect("a manifest");
    edit(&mut manifest);
    sandbox.write(path, manifest.to_string());
}
