//! Which URL and revision Lake will want of a package when it resolves again.
//!
//! That is `lake update`, and any build of a workspace without a manifest. What only a program or a
//! server could tell (a `lakefile.lean`, Reservoir) is taken from the old manifest when there is
//! one; what nobody tells is left out.

use super::lakefile::{Require, Wanted, written_requires};
use super::manifest::{Entry, Source};
use super::name::Name;
use super::resolve::{Materials, Root, read, resolve};
use super::{Config, Workspace};
use crate::read::{self as files, TEXT};
use anyhow::Result;
use std::collections::BTreeMap;

/// What Lake will want a package to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedPackage {
    pub url: String,
    /// A commit, a tag or a branch. `None` if it is not written down.
    pub rev: Option<String>,
}

/// What Lake will want, by the names of packages.
pub fn packages(workspace: &Workspace) -> Result<BTreeMap<String, WantedPackage>> {
    let (name, requires) = match workspace.lakefile()? {
        Some(lakefile) => (lakefile.name, lakefile.requires),
        None => (None, requires_of_program(workspace)),
    };
    let packages_dir = workspace.packages_now();
    let root = Root {
        dir: &workspace.root,
        name: &name.unwrap_or_else(|| Name::new("")),
        config_file: "",
        manifest_file: "",
        packages_dir: &packages_dir.to_string_lossy(),
        requires: &requires,
    };
    let mut wanted = BTreeMap::new();
    for entry in resolve(root, &OnDisk(workspace)).packages {
        if let Source::Git { url, rev, input_rev, .. } = entry.source
            && !url.is_empty()
        {
            let rev = if rev.is_empty() { input_rev } else { Some(rev) };
            wanted.entry(entry.name.plain()).or_insert(WantedPackage { url, rev });
        }
    }
    for package in &workspace.packages {
        if let Some(lock) = &package.lock {
            let locked = WantedPackage { url: lock.url.clone(), rev: None };
            wanted.entry(package.name.clone()).or_insert(locked);
        }
    }
    Ok(wanted)
}

/// What a `lakefile.lean` writes out, and before it (Lake goes backwards) what else it required
/// when the manifest was written.
fn requires_of_program(workspace: &Workspace) -> Vec<Require> {
    let Config::Lean(path) = &workspace.config else { return Vec::new() };
    let written = written_requires(&files::text(path, TEXT).unwrap_or_default());
    let locked = workspace.manifest.iter().flat_map(|manifest| &manifest.packages);
    let direct = locked.filter(|entry| !entry.inherited).map(Entry::as_require);
    let others = direct.filter(|require| written.iter().all(|own| own.name != require.name));
    let mut requires: Vec<_> = others.collect();
    requires.reverse();
    requires.extend(written);
    requires
}

/// What lies in the packages directory, at whatever revision.
struct OnDisk<'a>(&'a Workspace);

impl Materials for OnDisk<'_> {
    fn lock(&self, require: &Require) -> Result<Entry, String> {
        let (url, input_rev, sub_dir) = match require.source.clone() {
            Wanted::Git { url, rev, sub_dir } => (url, rev, sub_dir),
            // Reservoir's to say, but what the package requires still counts.
            _ => (self.locked_url(&require.name).unwrap_or_default(), None, None),
        };
        Ok(Entry {
            name: require.name.clone(),
            scope: require.scope.clone(),
            inherited: false,
            config_file: None,
            manifest_file: None,
            source: Source::Git { url, rev: String::new(), input_rev, sub_dir },
        })
    }

    fn pinned(&self, entry: &Entry) -> Result<Entry, String> {
        Ok(entry.clone())
    }

    fn read(&self, entry: &Entry, path: &str) -> Result<Option<String>, String> {
        read(&self.0.packages_now().join(entry.name.plain()), path)
    }
}

impl OnDisk<'_> {
    fn locked_url(&self, name: &Name) -> Option<String> {
        let package = self.0.package(&name.plain())?;
        package.lock.as_ref().map(|lock| lock.url.clone())
    }
}
