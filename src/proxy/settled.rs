//! Packages that need nothing from git, and how Lake is told so.
//!
//! A package whose checkout is at its locked revision is settled. Lake gets it as a `path` entry with the
//! directory that it has anyway, through `--packages=FILE`. The traces are the same, and Lake starts no git:
//! it can neither delete, fetch, rewrite nor refuse anything.

use crate::fs::{ensure_dirs, replace_name};
use crate::read;
use crate::settings::{Environment, Network};
use crate::workspace::{Package, Workspace};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// The schema of package overrides that every Lake which knows them reads.
const SCHEMA: &str = "1.1.0";

/// Scopes for which Lake asks Reservoir for a build.
const RESERVOIR: [&str; 2] = ["leanprover", "leanprover-community"];

/// `true` if Lake may still fetch a build for `package`, for which it asks git in the package
/// (`Package.maybeFetchBuildCache` in `Lake/Build/Package.lean`): there is no build directory, and the
/// package prefers releases or is one of Reservoir's.
pub fn may_fetch_build(package: &Package, network: Network) -> bool {
    let has_release = || {
        RESERVOIR.contains(&package.entry.scope.as_str())
            || ["lakefile.lean", "lakefile.toml"].iter().any(|config| {
                let text = read::bytes(&package.dir.join(config), read::TEXT).unwrap_or_default();
                String::from_utf8_lossy(&text).contains("preferReleaseBuild")
            })
    };
    network == Network::Auto && !package.dir.join(".lake/build").is_dir() && has_release()
}

/// Writes the overrides for `packages`, and returns the option that names them. The name of the file says
/// what is in it, so that the same state of a workspace has the same file, and no command changes the file
/// of another one.
///
/// # Errors
/// Fails if neither the workspace nor the user's cache can be written.
pub fn option(workspace: &Workspace, packages: &[&Package], env: &Environment) -> Result<OsString> {
    let entries: Vec<Value> = packages.iter().map(|package| entry(workspace, package)).collect();
    let text = format!("{:#}\n", json!({ "schemaVersion": SCHEMA, "packages": entries }));
    let digest = Sha256::digest(&text);
    let hex: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let name = format!("settled-{hex}.json");
    let file =
        workspace.write_state(&name, text.as_bytes()).or_else(|_| in_cache(&name, &text, env))?;
    let file = file.to_str().context("Lake takes no path that is not UTF-8")?;
    Ok(format!("--packages={file}").into())
}

/// `true` for what [`option`] returns.
pub fn is_option(arg: &OsStr) -> bool {
    let file = arg.to_str().and_then(|arg| Some(Path::new(arg.strip_prefix("--packages=")?)));
    let is_named = |name: &OsStr| name.to_str().is_some_and(|name| name.starts_with("settled-"));
    let is_ours = |file: &Path| {
        let dir = file.parent().and_then(Path::file_name);
        dir.is_some_and(|dir| dir == "lake-shim" || dir == "settled")
    };
    file.is_some_and(|file| file.file_name().is_some_and(is_named) && is_ours(file))
}

/// For a workspace that is read-only.
fn in_cache(name: &str, text: &str, env: &Environment) -> Result<PathBuf> {
    let dir = env.shim_cache().context("there is no home directory")?.join("settled");
    let path = dir.join(name);
    if !read::text(&path, read::TEXT).is_ok_and(|old| old == text) {
        ensure_dirs(&dir)?;
        replace_name(&path, text.as_bytes())?;
    }
    Ok(path)
}

/// The entry that Lake would have made of a path dependency there.
fn entry(workspace: &Workspace, package: &Package) -> Value {
    let entry = &package.entry;
    let dir = package.dir.strip_prefix(&workspace.root).unwrap_or(&package.dir);
    json!({
        "type": "path",
        "name": entry.name.as_str(),
        "scope": entry.scope,
        "inherited": entry.inherited,
        "configFile": entry.config_file.as_deref().unwrap_or("lakefile"),
        "manifestFile": entry.manifest_file.as_deref().unwrap_or("lake-manifest.json"),
        "dir": dir.to_string_lossy(),
    })
}
