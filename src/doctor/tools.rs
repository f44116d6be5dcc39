//! The tools that a restore and Lake need: git and leantar.

use super::probe::{ask, version};
use super::{Area, Finding, Severity, quoted, shown};
use crate::mathlib::leantar;
use crate::settings::{Environment, Network, Settings, var};
use serde_json::json;
use std::path::Path;
use std::process::Command;

/// Whether git can be asked things.
pub fn git() -> (bool, Area) {
    let answer = ask(Command::new("git").arg("--version"));
    let version = answer.as_deref().ok().and_then(version);
    let runs = version.is_some();
    let findings = match answer {
        _ if runs => Vec::new(),
        Ok(text) => vec![no_git(format!("`git --version` says `{}`", text.escape_debug()))],
        Err(reason) => vec![no_git(format!("`git` {reason}"))],
    };
    let summary = vec![version.clone().unwrap_or_else(|| "not found".to_owned())];
    (runs, Area::new("git", summary, json!({ "version": version })).with(findings))
}

/// Lake takes a package whose git fails for one that has to be cloned again.
fn no_git(seen: String) -> Finding {
    let hint = "install git (`apt-get install git`), and put it on PATH";
    let finding = Finding::error("no-git", "git does not run", hint).seen(seen);
    finding.seen("Lake can neither check nor clone a package without it")
}

/// leantar, for a toolchain whose programs lie in `bin`.
pub fn leantar(env: &Environment, settings: &Settings, bin: Option<&Path>) -> Area {
    let named = settings.leantar.as_deref();
    let found = leantar::find(named, bin, &settings.stores, env);
    let answer = found.as_ref().map(|path| ask(Command::new(path).arg("--version")));
    let version = answer.as_ref().and_then(|answer| version(answer.as_deref().ok()?));
    let summary = match &found {
        Some(path) => {
            let version = version.as_deref().unwrap_or("unknown version");
            format!("{version} {}", path.display())
        }
        None => "not found".to_owned(),
    };
    let finding = match (&found, answer) {
        (Some(path), Some(Err(reason))) => Some(broken(path, named.is_some(), &reason)),
        (Some(path), Some(Ok(text))) if version.is_none() => {
            let said = format!("says no version, but `{}`", text.escape_debug());
            Some(broken(path, named.is_some(), &said))
        }
        (Some(_), _) => None,
        (None, _) => Some(missing(settings.network)),
    };
    let facts = json!({ "path": found.as_deref().map(shown), "version": version });
    Area::new("leantar", vec![summary], facts).with(finding.into_iter().collect())
}

fn missing(network: Network) -> Finding {
    let (severity, seen) = match network {
        Network::Auto => (Severity::Warning, "the real `lake exe cache get` downloads its own"),
        Network::Never => (Severity::Error, "nothing can be unpacked from `.ltar` files"),
    };
    let hint = format!("put `leantar-<version>` into the store, or name it by `{}`", var::LEANTAR);
    Finding::new(severity, "no-leantar", "there is no leantar", hint)
        .seen("it is not in the toolchain, the stores, PATH or the user's cache")
        .seen(seen)
}

fn broken(path: &Path, is_named: bool, reason: &str) -> Finding {
    let hint = if is_named {
        format!("name leantar by `{0}`, or `unset {0}` to have it searched for", var::LEANTAR)
    } else {
        format!("replace {}, or name another by `{}`", quoted(path), var::LEANTAR)
    };
    let seen = format!("{} {reason}", quoted(path));
    Finding::error("leantar-fails", "leantar does not run", hint).seen(seen)
}
