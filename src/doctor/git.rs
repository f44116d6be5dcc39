//! git, without which Lake takes packages for broken.

use super::{Area, Finding};
use crate::ask::{ask, version};
use crate::programs;
use serde_json::json;

/// Whether git can be asked things.
pub fn look() -> (bool, Area) {
    let git = programs::command("git").map_err(|e| format!("cannot be run: {e}"));
    let answer = git.and_then(|mut git| ask(git.arg("--version")));
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
