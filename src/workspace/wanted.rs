//! The URL and the revision that Lake will want of each package when it resolves again: in `lake update`, and in
//! any build of a workspace without a manifest.
//!
//! A program or a server (a `lakefile.lean`, Reservoir) is not asked. The old manifest is the best guess at what
//! they would say, and marked as one.

use super::lakefile::{Require, Wanted, written_requires};
use super::manifest::{Entry, Source};
use super::name::Name;
use super::resolve::{Materials, Root, read, resolve};
use super::{Config, Workspace};
use crate::read::{self as files, TEXT};
use anyhow::Result;

/// The packages that Lake will want.
#[derive(Clone, Debug, Default)]
pub struct WantedPackages {
    /// In the order in which Lake takes them: what one requires depends on those before it alone.
    pub packages: Vec<WantedPackage>,
    /// `true` if Lake will want no others, as long as all of these stay at the revisions that they are at.
    pub is_complete: bool,
}

/// A package as Lake will want it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedPackage {
    pub name: String,
    /// Empty if it is not known.
    pub url: String,
    /// A commit, a tag or a branch. `None` if it is not written down.
    pub rev: Option<String>,
    /// `true` if the root's `lakefile.toml` has the URL, so that it is the same at every revision of the others.
    pub is_own: bool,
}

/// Reads the packages that Lake will want from what is on disk.
pub fn packages(workspace: &Workspace) -> Result<WantedPackages> {
    let lakefile = workspace.lakefile()?;
    let is_data = lakefile.is_some();
    let (name, requires) = match lakefile {
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
    let resolution = resolve(root, &OnDisk(workspace));
    let is_complete = is_data && resolution.gaps.is_empty();
    let mut packages = Vec::new();
    for entry in resolution.packages {
        if let Source::Git { url, rev, input_rev, .. } = entry.source {
            let rev = if rev.is_empty() { input_rev } else { Some(rev) };
            let names_url =
                |require: &Require| require.name == entry.name && require.url().is_some();
            let is_own = is_data && requires.iter().any(names_url);
            packages.push(WantedPackage { name: entry.name.plain(), url, rev, is_own });
        }
    }
    for package in workspace.packages.iter().filter(|_| !is_complete) {
        if let Some(lock) = &package.lock
            && packages.iter().all(|known| known.name != package.name)
        {
            let (name, url) = (package.name.clone(), lock.url.clone());
            packages.push(WantedPackage { name, url, rev: None, is_own: false });
        }
    }
    Ok(WantedPackages { packages, is_complete })
}

/// The requires that a `lakefile.lean` writes out, and before them (Lake goes backwards) the others that it had
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

/// The packages directory, with each package at the revision that it is at.
struct OnDisk<'a>(&'a Workspace);

impl Materials for OnDisk<'_> {
    fn lock(&self, require: &Require) -> Result<Entry, String> {
        let (url, input_rev, sub_dir) = match require.source.clone() {
            Wanted::Git { url, rev, sub_dir } => (url, rev, sub_dir),
            // Reservoir decides on the URL, but the package's own requires still count.
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
