//! The manifest that Lake would have written, from a lock in a store.
//!
//! A baked store knows at which revision every package of its locks is, and has their sources, or
//! the packages directory has them. That is all Lake asks the network for, so a workspace whose
//! requires a lock covers is resolved without: see [`crate::workspace::resolve`] for the walk. What
//! a lock does not cover is named, and nothing is guessed.

mod locked;
mod spelling;

pub use spelling::spellings;

use super::Stores;
use super::index::{Index, Lock};
use crate::error::hint;
use crate::lake::toolchain;
use crate::read;
use crate::workspace::lakefile::Require;
use crate::workspace::lean_json;
use crate::workspace::manifest::{Entry, Manifest, Source};
use crate::workspace::name::Name;
use crate::workspace::resolve::{Gap, Materials, Resolution, Root, resolve as walk};
use crate::workspace::{PACKAGES_DIR, Workspace};
use anyhow::{Context, Result, bail};
use locked::Locked;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The version of manifests that Lake has written since Lean 4.13.
const VERSION: &str = "1.1.0";

/// Which lock to resolve from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Whichever covers the workspace.
    Any,
    /// The one with this id.
    Id(String),
    /// The git packages of this manifest.
    Manifest(PathBuf),
}

/// A manifest, and the lock it is from.
#[derive(Debug)]
pub struct Resolved {
    pub manifest: Manifest,
    /// The id of the lock and the store that has it; nothing when no lock was needed.
    pub lock: Option<(String, PathBuf)>,
}

/// A manifest's text, and what it takes the place of.
#[derive(Debug)]
pub struct Rewrite {
    /// Nothing when there was no manifest.
    pub old: Option<String>,
    pub new: String,
}

impl Resolved {
    /// What the workspace's manifest has to become; nothing when it says the same already.
    pub fn rewrite(&self, workspace: &Workspace) -> Result<Option<Rewrite>> {
        let old = match read::text(&workspace.manifest_path, read::TEXT) {
            Ok(text) => Some(text),
            Err(e) if e.kind() == ErrorKind::NotFound => None,
            Err(e) => return Err(e.into()),
        };
        let old_json: Option<Value> = old.as_deref().map(serde_json::from_str).transpose()?;
        let json = self.manifest.to_json(old_json.as_ref())?;
        if old_json.as_ref() == Some(&json) {
            return Ok(None);
        }
        Ok(Some(Rewrite { old, new: lean_json::pretty(&json) + "\n" }))
    }
}

/// Why there is no manifest.
#[derive(Debug, Error)]
pub enum Unresolved {
    /// Only the network could tell.
    #[error("{0}")]
    Uncovered(String),
    /// More than one lock could serve, with different outcomes.
    #[error("{0}")]
    Ambiguous(String),
}

/// Resolves `workspace` from a lock of `stores`.
///
/// # Errors
/// [`Unresolved`] when no lock covers the workspace, or more than one does; and when a store or the
/// configuration cannot be understood.
pub fn resolve(workspace: &Workspace, stores: &Stores, choice: &Choice) -> Result<Resolved> {
    let question = Question::of(workspace)?;
    let alone = question.from(&Nothing);
    if alone.gaps.is_empty() && alone.packages.iter().all(|entry| !entry.is_git()) {
        let version = workspace.manifest.as_ref().map(|manifest| manifest.version.clone());
        let version = version.unwrap_or_else(|| VERSION.into());
        return Ok(Resolved { manifest: question.manifest(version, alone.packages), lock: None });
    }
    let mut named = None;
    let indices = match choice {
        Choice::Manifest(file) => {
            let manifest = manifest_at(file)?;
            let index = index_of(file, &manifest);
            named = Some(manifest);
            vec![(file.clone(), index)]
        }
        _ => stores.indices()?,
    };
    let mut failed: Option<Failed> = None;
    let locks = Locks { question: &question, choice, named };
    for (store, index) in &indices {
        match locks.of(store, index)? {
            Ok(resolved) => return Ok(resolved),
            Err(other)
                if failed.as_ref().is_none_or(|failed| other.gaps.len() < failed.gaps.len()) =>
            {
                failed = Some(other);
            }
            Err(_) => {}
        }
    }
    // Without any lock there still may be something to say that none could mend.
    let alone = Failed { id: String::new(), gaps: alone.gaps };
    bail!(Unresolved::Uncovered(locks.uncovered(&indices, failed, alone)))
}

/// A workspace, and what it asks for.
struct Question<'a> {
    workspace: &'a Workspace,
    name: Name,
    packages_dir: String,
    fixed_toolchain: bool,
    requires: Vec<Require>,
    toolchain: Option<String>,
}

impl<'a> Question<'a> {
    fn of(workspace: &'a Workspace) -> Result<Self> {
        let toolchain = toolchain::read(&workspace.root)?;
        if let Some(lakefile) = workspace.lakefile()? {
            let name = lakefile.name.with_context(|| {
                let path = workspace.config.path().display();
                hint(format!("`{path}` has no `name`"), "give the package one: Lake wants it too")
            })?;
            let packages_dir = lakefile.packages_dir.unwrap_or_else(|| PACKAGES_DIR.to_owned());
            return Ok(Self {
                workspace,
                name,
                packages_dir,
                fixed_toolchain: lakefile.fixed_toolchain,
                requires: lakefile.requires,
                toolchain,
            });
        }
        let Some(manifest) = &workspace.manifest else {
            bail!(Unresolved::Uncovered(hint(
                "a `lakefile.lean` is a program: without a manifest only Lake knows what it requires",
                "run `lake update` once, with network, and keep its `lake-manifest.json`",
            )));
        };
        // In the manifest they stand as Lake takes them, in the file the other way round.
        let direct = manifest.packages.iter().filter(|entry| !entry.inherited);
        let requires = direct.rev().map(Entry::as_require).collect();
        let name = manifest.name.clone().unwrap_or_else(|| Name::new("[anonymous]"));
        let packages_dir = manifest.packages_dir.clone().unwrap_or_else(|| PACKAGES_DIR.to_owned());
        let fixed_toolchain = manifest.fixed_toolchain;
        Ok(Self { workspace, name, packages_dir, fixed_toolchain, requires, toolchain })
    }

    fn from(&self, materials: &dyn Materials) -> Resolution {
        let Workspace { root, config, manifest_path, .. } = self.workspace;
        let relative =
            |path: &Path| path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned();
        let root = Root {
            dir: root,
            name: &self.name,
            config_file: &relative(config.path()),
            manifest_file: &relative(manifest_path),
            packages_dir: &self.packages_dir,
            requires: &self.requires,
        };
        walk(root, materials)
    }

    fn manifest(&self, version: Value, packages: Vec<Entry>) -> Manifest {
        Manifest {
            version,
            name: Some(self.name.clone()),
            packages_dir: Some(self.packages_dir.clone()),
            fixed_toolchain: self.fixed_toolchain,
            packages,
        }
    }
}

/// The locks that may answer a question.
struct Locks<'a> {
    question: &'a Question<'a>,
    choice: &'a Choice,
    /// The manifest that is the lock, when one was named.
    named: Option<Manifest>,
}

/// The lock that came closest.
struct Failed {
    id: String,
    gaps: Vec<Gap>,
}

impl Locks<'_> {
    /// What the locks of one store make of the question.
    fn of(&self, store: &Path, index: &Index) -> Result<Result<Resolved, Failed>> {
        let mut resolved: Vec<(&str, Manifest)> = Vec::new();
        let mut closest: Option<Failed> = None;
        for (id, lock) in index.locks.iter().filter(|(id, lock)| self.may_serve(id, lock)) {
            let materials = Locked::new(self.question, store, index, lock)?;
            let Resolution { mut packages, mut gaps } = self.question.from(&materials);
            if let Some(own) =
                self.named.as_ref().filter(|m| m.name.as_ref() == Some(&self.question.name))
            {
                materials.complete(own, &mut packages, &mut gaps);
            }
            let version = materials.version().map_err(|reason| gaps.push(reason));
            if let (Ok(version), true) = (version, gaps.is_empty()) {
                resolved.push((id, self.question.manifest(version, packages)));
            } else if closest.as_ref().is_none_or(|closest| gaps.len() < closest.gaps.len()) {
                closest = Some(Failed { id: id.clone(), gaps });
            }
        }
        resolved.dedup_by(|a, b| is_same(&a.1, &b.1));
        if resolved.len() > 1 {
            bail!(Unresolved::Ambiguous(ambiguous(store, &resolved)));
        }
        Ok(match resolved.pop() {
            Some((id, manifest)) => {
                Ok(Resolved { manifest, lock: Some((id.to_owned(), store.to_owned())) })
            }
            None => Err(closest.unwrap_or(Failed { id: String::new(), gaps: Vec::new() })),
        })
    }

    fn may_serve(&self, id: &str, lock: &Lock) -> bool {
        match self.choice {
            Choice::Id(wanted) => wanted == id,
            Choice::Manifest(_) => true,
            Choice::Any => self
                .question
                .toolchain
                .as_ref()
                .is_none_or(|toolchain| *toolchain == lock.toolchain),
        }
    }

    fn uncovered(
        &self,
        indices: &[(PathBuf, Index)],
        failed: Option<Failed>,
        alone: Failed,
    ) -> String {
        let bake = "bake a store for this workspace (`lake-shim bake`), or let Lake resolve it: `lake update`";
        let list = |gaps: &[Gap]| -> String {
            let named = gaps.iter().filter(|gap| !gap.reason.is_empty());
            named.map(|gap| format!("\n  `{}`: {}", gap.package, gap.reason)).collect()
        };
        if let Some(Failed { id, gaps }) = failed.filter(|failed| !failed.gaps.is_empty()) {
            return hint(format!("lock {id} does not cover this workspace:{}", list(&gaps)), bake);
        }
        let unknown = list(&alone.gaps);
        if !unknown.is_empty() {
            return hint(format!("this workspace cannot be resolved:{unknown}"), "mend that first");
        }
        let locks: BTreeMap<_, _> = indices.iter().flat_map(|(_, index)| &index.locks).collect();
        let list: Vec<_> =
            locks.iter().map(|(id, lock)| format!("{id} for `{}`", lock.toolchain)).collect();
        let what = match (self.choice, &self.question.toolchain) {
            _ if locks.is_empty() => return hint("no store has a lock to resolve from", bake),
            (Choice::Id(id), _) => format!("no store has a lock {id}"),
            (_, Some(toolchain)) => format!("no store has a lock for `{toolchain}`"),
            (_, None) => "no store has a lock".to_owned(),
        };
        hint(format!("{what}; there is {}", list.join(", ")), bake)
    }
}

/// Two locks that differ in what this workspace does not use.
fn is_same(a: &Manifest, b: &Manifest) -> bool {
    let revisions = |manifest: &Manifest| -> Vec<_> {
        let entries = manifest.packages.iter().filter_map(|entry| match &entry.source {
            Source::Git { rev, .. } => Some((entry.name.clone(), rev.clone())),
            Source::Path { .. } => None,
        });
        entries.collect()
    };
    revisions(a) == revisions(b)
}

fn ambiguous(store: &Path, resolved: &[(&str, Manifest)]) -> String {
    let first = &resolved[0].1;
    let differs = |entry: &&Entry| {
        let other = |other: &Manifest| !other.packages.contains(entry);
        resolved[1..].iter().any(|(_, manifest)| other(manifest))
    };
    let package = first.packages.iter().find(differs).map(|entry| &entry.name);
    let ids: Vec<_> = resolved.iter().map(|(id, _)| *id).collect();
    let what = format!("locks {} of `{}` could all serve", ids.join(", "), store.display());
    let rev = package.map_or_else(String::new, |package| {
        format!(", or require `{package}` at the revision you mean")
    });
    hint(what, format!("choose with `lake-shim resolve --lock {}`{rev}", ids[0]))
}

fn manifest_at(file: &Path) -> Result<Manifest> {
    Manifest::read(file)?.with_context(|| format!("there is no `{}`", file.display()))
}

/// A manifest as an index with one lock.
fn index_of(file: &Path, manifest: &Manifest) -> Index {
    let mut index = Index::default();
    index.locks.insert(format!("`{}`", file.display()), Lock::new("", manifest));
    index
}

/// What can be had where there is no lock.
struct Nothing;

impl Materials for Nothing {
    fn lock(&self, _: &Require) -> Result<Entry, String> {
        Err(String::new())
    }

    fn pinned(&self, _: &Entry) -> Result<Entry, String> {
        Err(String::new())
    }

    fn read(&self, _: &Entry, _: &str) -> Result<Option<String>, String> {
        Err(String::new())
    }
}
