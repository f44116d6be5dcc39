//! Whole manifests of others, to and fro: what needs no change gets none, and what is respelled back is what it was.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use shim_tests::{Run, Sandbox, Tree, mini_mathlib};

use crate::Identity;

/// A directory of `*.json`, each a manifest of some public project.
const REAL: &str = "SHIM_TEST_MANIFESTS";
/// As the issue asks for.
const MIN_REAL: usize = 25;

#[test]
fn manifests_of_the_fixtures_stay_byte_for_byte() {
    check_all(&fixtures(), check_stays);
}

#[test]
fn manifests_of_the_fixtures_come_back_byte_for_byte() {
    check_all(&fixtures(), check_comes_back);
}

#[test]
#[ignore = "needs real manifests: set SHIM_TEST_MANIFESTS to a directory of them, and ask for ignored tests"]
fn real_manifests_in_shim_test_manifests_stay_byte_for_byte() {
    check_all(&real(), check_stays);
}

#[test]
#[ignore = "needs real manifests: set SHIM_TEST_MANIFESTS to a directory of them, and ask for ignored tests"]
fn real_manifests_in_shim_test_manifests_come_back_byte_for_byte() {
    check_all(&real(), check_comes_back);
}

/// All but those of `normalize/`, of which `cases` has more to say, and some that are odd on purpose: broken ones, and
/// those that spell a repository in two ways, for which there is no spelling that is theirs.
fn fixtures() -> Vec<PathBuf> {
    let is_manifest = |path: &Path| path.ends_with("lake-manifest.json");
    let mut found = files(&mini_mathlib::fixtures(), is_manifest);
    found.retain(|path| !path.starts_with(mini_mathlib::fixtures().join("normalize")));
    found.retain(|path| {
        let Ok(mut json) = serde_json::from_slice::<Value>(&read(path)) else { return false };
        let mut urls = BTreeSet::new();
        for_urls(&mut json, |url| {
            urls.insert(url.clone());
        });
        json.is_object() && urls.iter().all(|url| !urls.contains(&spelled_otherwise(url)))
    });
    assert!(found.len() > MIN_REAL);
    found
}

fn real() -> Vec<PathBuf> {
    let folder = env::var_os(REAL).unwrap_or_else(|| panic!("set {REAL} to a directory"));
    let is_json = |path: &Path| path.extension().is_some_and(|extension| extension == "json");
    let found = files(Path::new(&folder), is_json);
    assert!(found.len() >= MIN_REAL, "only {} manifests in {}", found.len(), folder.display());
    found
}

fn files(folder: &Path, is_wanted: impl Fn(&Path) -> bool) -> Vec<PathBuf> {
    let paths = Tree::of(folder).files().into_keys().filter(|path| is_wanted(path));
    paths.map(|path| folder.join(path)).collect()
}

type Check = fn(&Sandbox, &[u8]) -> Result<(), String>;

/// Checks all of them before it complains.
#[track_caller]
fn check_all(manifests: &[PathBuf], check: Check) {
    let sandbox = Sandbox::empty();
    let checked = manifests.iter().map(|path| (path, check(&sandbox, &read(path))));
    let wrong = checked.filter_map(|(path, checked)| Some((path, checked.err()?)));
    let wrong: Vec<_> = wrong.map(|(path, why)| format!("{}: {why}", path.display())).collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), manifests.len(), wrong.join("\n"));
}

/// As its own lock it is right as it is.
fn check_stays(sandbox: &Sandbox, manifest: &[u8]) -> Result<(), String> {
    sandbox.write("app/x.json", manifest);
    let before = Identity::of(&sandbox.path("app/x.json"));
    for words in ["normalize --lock x.json x.json", "normalize --check --lock x.json x.json"] {
        let run = sandbox.lake_shim(words).run();
        expect(before == Identity::of(&sandbox.path("app/x.json")), "it was written", &run)?;
        expect(read(&sandbox.path("app/x.json")) == manifest, "other bytes", &run)?;
        expect(run.stdout.is_empty(), "something is told", &run)?;
        if locks_nothing(manifest) {
            let is_refused = ["version `", "how URLs are to be spelled"];
            let is_refused = is_refused.iter().any(|reason| run.stderr.contains(reason));
            expect(run.code == Some(1) && is_refused, "not refused as a lock", &run)?;
        } else {
            expect(run.code == Some(0), "code 0", &run)?;
        }
    }
    Ok(())
}

/// With another spelling of every URL it says what it said, and with the old ones it is what it was.
fn check_comes_back(sandbox: &Sandbox, manifest: &[u8]) -> Result<(), String> {
    let mut json: Value = serde_json::from_slice(manifest).expect("json");
    let mut old = Vec::new();
    for_urls(&mut json, |url| {
        old.push(url.clone());
        *url = spelled_otherwise(url);
    });
    if old.is_empty() {
        return Ok(());
    }
    sandbox.write("app/x.json", manifest);
    sandbox.write("old.json", lock(&old));
    sandbox
        .write("new.json", lock(&old.iter().map(|url| spelled_otherwise(url)).collect::<Vec<_>>()));
    let there = sandbox.lake_shim("normalize --lock ../new.json x.json").run();
    expect(there.code == Some(0), "code 0", &there)?;
    expect(there.stdout.lines().count() == old.len(), "every URL is told of", &there)?;
    let respelled: Value =
        serde_json::from_slice(&read(&sandbox.path("app/x.json"))).expect("json");
    expect(respelled == json, "it says something else", &there)?;
    let back = sandbox.lake_shim("normalize --lock ../old.json x.json").run();
    expect(back.code == Some(0), "code 0", &back)?;
    expect(read(&sandbox.path("app/x.json")) == manifest, "other bytes", &back)
}

fn expect(holds: bool, what: &str, run: &Run) -> Result<(), String> {
    if holds { Ok(()) } else { Err(format!("{what}\n{run}")) }
}

/// Of a version that Lake no longer reads, or without a git package.
fn locks_nothing(manifest: &[u8]) -> bool {
    let mut json: Value = serde_json::from_slice(manifest).expect("json");
    let mut count = 0;
    for_urls(&mut json, |_| count += 1);
    count == 0 || json["version"].as_u64().is_some_and(|version| version < 5)
}

/// Visits the URLs of the entries, which up to version 6 stood in an object of their own.
fn for_urls(manifest: &mut Value, mut visit: impl FnMut(&mut String)) {
    let entries = manifest.get_mut("packages").and_then(Value::as_array_mut);
    for entry in entries.into_iter().flatten() {
        let is_nested = entry.get("git").is_some();
        let entry = if is_nested { &mut entry["git"] } else { entry };
        if let Some(Value::String(url)) = entry.get_mut("url") {
            visit(url);
        }
    }
}

fn spelled_otherwise(url: &str) -> String {
    match url.strip_suffix(".git") {
        Some(stem) => stem.to_owned(),
        None => format!("{}.git", url.trim_end_matches('/')),
    }
}

fn lock(urls: &[String]) -> String {
    let entry = |(n, url)| json!({"type": "git", "name": format!("p{n}"), "url": url, "rev": "r", "inherited": false});
    let entries: Vec<_> = urls.iter().enumerate().map(entry).collect();
    json!({"version": "1.1.0", "packages": entries}).to_string()
}

#[track_caller]
fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
