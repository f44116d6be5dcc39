//! Which URL Lake will want for a package when it resolves anew.
//!
//! That is `lake update`, and any build of a workspace without a manifest. Lake takes the root's
//! requires from last to first, then the manifests of the packages it met, and the first entry of
//! a name wins (`Lake/Load/Resolve.lean`). What only a program or a server could tell (a
//! `lakefile.lean`, Reservoir) is taken from the old manifest when there is one.

use super::lakefile::{Lakefile, Require, written_requires};
use super::manifest::{Manifest, Source};
use super::{Config, Workspace};
use anyhow::Result;
use fs_err as fs;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

/// Package name to wanted URL.
pub type Wanted = BTreeMap<String, WantedUrl>;

/// A URL, and how sure we are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedUrl {
    pub url: String,
    /// Whether the root's `lakefile.toml` itself says so.
    pub by_root: bool,
}

/// The URLs that Lake will want.
pub fn urls(workspace: &Workspace) -> Result<Wanted> {
    let mut wanted = Wanted::new();
    let mut packages = VecDeque::new();
    let mut seen = BTreeSet::new();
    if let Some(lakefile) = workspace.lakefile()? {
        for require in lakefile.requires.iter().rev() {
            add(&mut wanted, &require.name, require.git.as_deref(), true);
            packages.extend(package_dir(workspace, &workspace.root, require));
        }
    }
    if let Config::Lean(path) = &workspace.config {
        let program = fs::read_to_string(path).unwrap_or_default();
        for require in written_requires(&program).iter().rev() {
            add(&mut wanted, &require.name, require.git.as_deref(), false);
        }
    }
    while let Some(dir) = packages.pop_front() {
        if !seen.insert(dir.clone()) {
            continue;
        }
        // A dependency we cannot understand is Lake's to complain about.
        let Ok(Some(manifest)) = Manifest::read(&dir.join("lake-manifest.json")) else {
            let lakefile = Lakefile::read(&dir.join("lakefile.toml")).unwrap_or_default();
            for require in lakefile.requires.iter().rev() {
                add(&mut wanted, &require.name, require.git.as_deref(), false);
                packages.extend(package_dir(workspace, &dir, require));
            }
            continue;
        };
        for entry in &manifest.packages {
            match &entry.source {
                Source::Git { url, .. } => add(&mut wanted, &entry.name, Some(url), false),
                Source::Path { dir: path } => packages.push_back(dir.join(path)),
            }
        }
    }
    for package in &workspace.packages {
        add(&mut wanted, &package.name, package.lock.as_ref().map(|lock| lock.url.as_str()), false);
    }
    Ok(wanted)
}

/// The first URL of a name wins.
fn add(wanted: &mut Wanted, name: &str, url: Option<&str>, by_root: bool) {
    if let Some(url) = url {
        let url = WantedUrl { url: url.to_owned(), by_root };
        wanted.entry(name.to_owned()).or_insert(url);
    }
}

/// Where a required package lies, if it is there.
fn package_dir(workspace: &Workspace, requirer: &Path, require: &Require) -> Option<PathBuf> {
    let dir = match &require.path {
        Some(path) => requirer.join(path),
        None => workspace.packages_dir.join(&require.name),
    };
    dir.is_dir().then_some(dir)
}
