//! mathlib's `post_update` hook: builds the cache tool and runs its `get` in the workspace.
//!
//! The tool is run as a program of its own: neither elan nor a `lake` on PATH sees it.

use std::env;
use std::path::Path;

use anyhow::{Result, ensure};
use serde_json::json;
use shim_tests::call_log::{self, LakeCall};

use crate::cache;
use crate::manifest::Entry;
use crate::workspace::Workspace;

/// Switches the hook off if `1`. A mathlib whose lakefile has the word in it has the hook.
const SWITCH: &str = "MATHLIB_NO_CACHE_ON_UPDATE";

/// Runs the hook of mathlib if it is one of the packages and has one.
pub(crate) fn post_update(workspace: &Workspace, packages: &[Entry]) -> Result<()> {
    let Some(mathlib) = packages.iter().find(|entry| entry.name == "mathlib") else {
        return Ok(());
    };
    let dir = workspace.package_dir(mathlib);
    if !has_hook(&dir) {
        return Ok(());
    }
    eprintln!("info: mathlib: running post-update hooks");
    if env::var_os(SWITCH).is_some_and(|value| value == "1") {
        return Ok(());
    }
    let cwd = env::current_dir()?;
    env::set_current_dir(&workspace.root)?;
    let fetched = run_tool(workspace, &dir);
    env::set_current_dir(cwd)?;
    ensure!(fetched?, "mathlib: failed to fetch cache");
    Ok(())
}

fn has_hook(mathlib: &Path) -> bool {
    let lakefiles = ["lakefile.lean", "lakefile.toml"].map(|name| mathlib.join(name));
    let mut texts = lakefiles.iter().filter_map(|path| std::fs::read_to_string(path).ok());
    texts.any(|text| text.contains(SWITCH))
}

/// Returns `true` if the tool exits with 0. Notes a call of its own.
fn run_tool(workspace: &Workspace, mathlib: &Path) -> Result<bool> {
    let mut call = LakeCall::describe(&workspace.packages_dir);
    call["argv0"] = json!(mathlib.join(LakeCall::CACHE_TOOL));
    call["args"] = json!(["get"]);
    call_log::append(call_log::LAKE_LOG, &call)?;
    let code = cache::run(workspace, &["get".into()]).unwrap_or_else(|error| {
        eprintln!("uncaught exception: {error:#}");
        1
    });
    Ok(code == 0)
}
