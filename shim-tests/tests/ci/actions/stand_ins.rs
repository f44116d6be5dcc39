//! Actions of others, as far as the examples rest on them. Each has to be pinned to a commit.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::github::Cache;
use super::job::{Machine, RUNNER};

type Inputs = BTreeMap<String, String>;
/// Outputs, or why it failed.
type Acted = Result<Map<String, Value>, String>;

pub fn act(machine: &Machine, action: &str, with: &Inputs) -> Acted {
    let (name, commit) = action.split_once('@').unwrap_or((action, ""));
    let is_commit = commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
    assert!(is_commit, "`{action}` is not pinned to a commit");
    let known = |names: &[&str]| {
        let unknown = with.keys().find(|input| !names.contains(&input.as_str()));
        assert!(unknown.is_none(), "`{name}` has no input {unknown:?} here");
    };
    match name {
        "actions/checkout" => {
            known(&["persist-credentials"]);
            assert_eq!(with["persist-credentials"], "false", "the token stays in .git/config");
            machine
                .run
                .github
                .sandbox
                .copy("app", machine.workspace())
                .chown(machine.workspace(), RUNNER);
            Ok(Map::new())
        }
        "actions/cache/restore" => {
            known(&["path", "key", "restore-keys", "lookup-only", "fail-on-cache-miss"]);
            restore(machine, with)
        }
        "actions/cache/save" => {
            known(&["path", "key"]);
            save(machine, with);
            Ok(Map::new())
        }
        "actions/upload-artifact" => {
            known(&["name", "path", "include-hidden-files", "if-no-files-found", "retention-days"]);
            upload(machine, with)
        }
        "actions/download-artifact" => {
            known(&["name", "path"]);
            download(machine, with)
        }
        _ => panic!("`{action}` is not known here"),
    }
}

/// Paths and compression, as `getCacheVersion` of actions/toolkit has it.
fn version(machine: &Machine, with: &Inputs) -> String {
    let compression = if machine.has_zstd() { "zstd" } else { "gzip" };
    format!("{}|{compression}", with["path"])
}

fn restore(machine: &Machine, with: &Inputs) -> Acted {
    let (caches, version) = (machine.run.github.caches.borrow(), version(machine, with));
    let is_true = |name: &str| with.get(name).is_some_and(|value| value == "true");
    let mut fit = caches.iter().rev().filter(|cache| cache.version == version);
    let exact = fit.clone().find(|cache| cache.key == with["key"]);
    let prefixes = with.get("restore-keys").map(String::as_str).unwrap_or_default();
    let prefixes: Vec<_> = prefixes.lines().map(str::trim).filter(|p| !p.is_empty()).collect();
    let found = exact.or_else(|| {
        prefixes.iter().find_map(|prefix| fit.find(|cache| cache.key.starts_with(prefix)))
    });
    let Some(found) = found else {
        // `cache-hit` is empty then, not `false`.
        return match is_true("fail-on-cache-miss") {
            true => Err(format!("no cache for `{}`", with["key"])),
            false => Ok(Map::new()),
        };
    };
    if !is_true("lookup-only") {
        put(machine, &found.content, with);
    }
    let outputs = json!({
        "cache-hit": (found.key == with["key"]).to_string(),
        "cache-matched-key": found.key,
    });
    Ok(outputs.as_object().cloned().unwrap_or_default())
}

/// A key that is there already, and a path that is not there, are warnings and no more.
fn save(machine: &Machine, with: &Inputs) {
    let github = machine.run.github;
    let (key, version) = (with["key"].clone(), version(machine, with));
    let source = machine.workspace().join(&with["path"]);
    let mut caches = github.caches.borrow_mut();
    if caches.iter().any(|c| c.key == key && c.version == version) || !source.exists() {
        return;
    }
    let content = github.sandbox.path(format!("caches/{}", caches.len()));
    github.sandbox.copy(source, &content);
    caches.push(Cache { key, version, content });
}

/// Of this run only. What a zip of GitHub's keeps of a mode is nothing.
fn upload(machine: &Machine, with: &Inputs) -> Acted {
    let sandbox = machine.run.github.sandbox;
    let source = machine.workspace().join(&with["path"]);
    let artifact = artifact(machine, with);
    let is_hidden = with["path"].split('/').any(|part| part.starts_with('.'));
    let takes_hidden = with.get("include-hidden-files").is_some_and(|value| value == "true");
    if !source.is_dir() || is_hidden && !takes_hidden {
        return Err(format!("no files were found at `{}`", with["path"]));
    }
    sandbox.copy(source, &artifact);
    for entry in artifact.read_dir().into_iter().flatten().flatten() {
        sandbox.chmod(entry.path(), 0o644);
    }
    Ok(Map::new())
}

fn download(machine: &Machine, with: &Inputs) -> Acted {
    let artifact = artifact(machine, with);
    if !artifact.exists() {
        return Err(format!("no artifact `{}` in this run", with["name"]));
    }
    put(machine, &artifact, with);
    Ok(Map::new())
}

/// As whoever runs the job.
fn put(machine: &Machine, from: &Path, with: &Inputs) {
    let sandbox = machine.run.github.sandbox;
    sandbox.copy(from, machine.workspace().join(&with["path"])).chown(machine.workspace(), RUNNER);
}

fn artifact(machine: &Machine, with: &Inputs) -> PathBuf {
    machine.run.github.sandbox.path(format!("artifacts/{}/{}", machine.run.number, with["name"]))
}
