//! Which URL Lake will want for a package when it resolves anew.
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

/// A URL, and how sure we are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedUrl {
    pub url: String,
    /// Whether the root's `lakefile.toml` itself says so.
    pub by_root: bool,
}

/// The URLs that Lake will want, by the names of packages.
pub fn urls(workspace: &Workspace) -> Result<BTreeMap<String, WantedUrl>> {
    let (name, requires, is_data) = match workspace.lakefile()? {
        Some(lakefile) => (lakefile.name, lakefile.requires, true),
        None => (None, requires_of_program(workspace), false),
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
        if let Source::Git { url, .. } = entry.source
            && !url.is_empty()
        {
            let url = WantedUrl { url, by_root: is_data && !entry.inherited };
            wanted.entry(entry.name.plain()).or_insert(url);
        }
    }
    for package in &workspace.packages {
        if let Some(lock) = &package.lock {
            let url = WantedUrl { url: lock.url.clone(), by_root: false };
            wanted.entry(package.name.clone()).or_insert(url);
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
