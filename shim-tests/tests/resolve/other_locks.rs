//! Locks of other workspaces: in another order, with other packages besides, required by other packages. What is at hand
//! tells all that; without it nothing is guessed.

use std::fs;

use serde_json::{Value, json};
use shim_tests::{Tree, mini_mathlib};

use crate::case::{Case, Way};

/// The same git packages in the manifest of another workspace, which has them in another order, all required by itself
/// or none.
fn in_another_order(case: &Case, inherited: bool) -> Value {
    let mut lock: Value = serde_json::from_str(&case.golden()).expect("JSON");
    let packages_dir = lock["packagesDir"].as_str().expect("packagesDir").to_owned();
    let packages = lock["packages"].as_array_mut().expect("packages");
    // Directories of its own the other workspace has elsewhere, if at all.
    packages.retain(|entry| entry["dir"].as_str().is_none_or(|dir| dir.starts_with(&packages_dir)));
    packages.reverse();
    packages.iter_mut().for_each(|entry| entry["inherited"] = json!(inherited));
    if inherited {
        packages.insert(0, path_entry("requirer"));
    }
    lock["name"] = json!("another");
    lock
}

/// The same with a package that only the other workspace's own library requires.
fn with_more(case: &Case, inherited: bool) -> Value {
    let mut lock = in_another_order(case, inherited);
    let more = json!({
        "url": "https://example.org/org/more", "type": "git", "subDir": null, "scope": "", "rev": "0".repeat(40),
        "name": "more", "manifestFile": "lake-manifest.json", "inputRev": null, "inherited": true,
        "configFile": "lakefile.toml",
    });
    let packages = lock["packages"].as_array_mut().expect("packages");
    packages.extend([path_entry("library"), more]);
    lock
}

fn path_entry(name: &str) -> Value {
    json!({
        "type": "path", "scope": "", "name": name, "manifestFile": "lake-manifest.json", "inherited": false, "dir": name,
        "configFile": "lakefile.toml",
    })
}

/// Those with git packages enough to stand in another order.
fn cases() -> Vec<Case> {
    let folders = ["resolve", "resolve-more"].map(|folder| mini_mathlib::fixtures().join(folder));
    let entries = folders.map(|folder| fs::read_dir(folder).expect("fixtures"));
    let fixtures = entries.into_iter().flatten().map(|entry| entry.expect("entry").path());
    let fixtures = fixtures.filter(|fixture| {
        let golden = fs::read_to_string(fixture.join("lake-manifest.json")).expect("a manifest");
        golden.matches("\"type\": \"git\"").count() > 1
    });
    let names = fixtures.filter_map(|fixture| Some(fixture.file_name()?.to_owned()));
    names.map(|name| Case::of(&name.to_string_lossy())).collect()
}

type OtherLock = fn(&Case, bool) -> Value;

/// Asserts that such locks lead to Lake's manifest, or, without files, to none.
#[track_caller]
fn assert_as_good(way: Way, lock: OtherLock) {
    let mut guessed = Vec::new();
    for case in cases() {
        for inherited in [true, false] {
            drop(case.prepare(way));
            let file = case.sandbox.path("golden.json");
            case.sandbox.write(&file, lock(&case, inherited).to_string());
            let before = Tree::of(case.sandbox.workspace());
            let run = case.resolve("--lock").arg(file).run();
            if run.code != Some(0) && way == Way::Lock {
                run.expect_code(1).stderr_contains("\nhint: ");
                before.assert_unchanged();
            } else if run.code != Some(0) || case.sandbox.read(case.manifest()) != case.golden() {
                guessed.push((case.name(), inherited));
            }
        }
    }
    assert!(guessed.is_empty(), "{guessed:?}");
}

#[test]
#[cfg_attr(not(has = "unshare"), ignore = "needs unshare")]
fn with_clones_at_hand_a_lock_of_another_workspace_is_as_good() {
    assert_as_good(Way::Clones, with_more);
}

#[test]
#[cfg_attr(not(has = "unshare"), ignore = "needs unshare")]
fn without_files_nothing_is_guessed_from_the_order_of_another_workspaces_lock() {
    assert_as_good(Way::Lock, in_another_order);
}

#[test]
#[cfg_attr(not(has = "unshare"), ignore = "needs unshare")]
fn without_files_nothing_is_guessed_from_what_else_another_workspaces_lock_has() {
    assert_as_good(Way::Lock, with_more);
}
