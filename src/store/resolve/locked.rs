//! A lock in the place of the network: which revision a package is at, and what its files say.

use super::{Question, VERSION};
use crate::store::index::{Index, Lock, Pack};
use crate::store::pack::{self, Shard};
use crate::workspace::git::Checkout;
use crate::workspace::lakefile::{Require, Wanted};
use crate::workspace::manifest::{Entry, Manifest, Source, check_writable};
use crate::workspace::name::Name;
use crate::workspace::resolve::{Gap, GapKind, Materials, read};
use crate::workspace::url::same_repository;
use anyhow::{Context, Result, anyhow};
use serde_json::Value;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A lock, and the packages' files wherever they are.
pub struct Locked<'a> {
    question: &'a Question<'a>,
    store: &'a Path,
    index: &'a Index,
    lock: &'a Lock,
    entries: Vec<Entry>,
    /// What has been read of packs, by the packages' names.
    packed: RefCell<BTreeMap<Name, BTreeMap<PathBuf, Vec<u8>>>>,
}

impl<'a> Locked<'a> {
    pub fn new(
        question: &'a Question<'a>,
        store: &'a Path,
        index: &'a Index,
        lock: &'a Lock,
    ) -> Result<Self> {
        let entries = lock.packages.iter().map(Entry::from_json).collect::<Result<_>>();
        let entries = entries.with_context(|| format!("a lock of `{}`", store.display()))?;
        Ok(Self { question, store, index, lock, entries, packed: RefCell::default() })
    }

    fn entry(&self, name: &Name) -> Result<&Entry, String> {
        let entry = self.entries.iter().find(|entry| entry.name == *name);
        entry.ok_or_else(|| "the lock does not have it".to_owned())
    }

    /// The version of the manifest that was baked; entries have had a `scope` since `1.1.0`.
    pub fn version(&self) -> Result<Value, Gap> {
        let has_scopes = self.lock.packages.iter().all(|entry| entry.get("scope").is_some());
        let version = match &self.lock.version {
            Some(version) => check_writable(version).map(|()| version.clone()),
            None if has_scopes => Ok(VERSION.into()),
            None => Err(anyhow!("the lock does not tell which version its Lake writes")),
        };
        version.map_err(|e| Gap {
            package: self.question.name.clone(),
            kind: GapKind::Package,
            reason: format!("{e:#}"),
        })
    }

    /// Fills in what packages require whose files are nowhere, out of a lock that is a manifest of
    /// this very workspace: what it has besides is what they require, in its order. Unless the
    /// workspace has changed since, and has something else of one of those names.
    pub fn complete(&self, own: &Manifest, packages: &mut Vec<Entry>, gaps: &mut Vec<Gap>) {
        let is_known = gaps.iter().all(|gap| gap.kind == GapKind::Files);
        if gaps.is_empty() || !is_known {
            return;
        }
        // A whole manifest that agrees with all that is known is Lake's own answer.
        let has = |all: &[Entry], entry: &Entry| all.iter().any(|other| is_same(entry, other));
        let mut direct = own.packages.iter().filter(|entry| !entry.inherited);
        let is_current = direct.all(|entry| has(packages, entry));
        if is_current && packages.iter().all(|entry| has(&own.packages, entry)) {
            packages.clone_from(&own.packages);
            gaps.clear();
            return;
        }
        let find = |name: &Name| packages.iter().find(|entry| entry.name == *name);
        let may_be_same = |ours: &Entry| match find(&ours.name) {
            Some(entry) => entry.is_git() == ours.is_git(),
            None => ours.inherited,
        };
        // A lock's directories are relative to where its own workspace had its packages.
        let is_there = |entry: &Entry| match &entry.source {
            Source::Git { .. } => true,
            Source::Path { dir, .. } => Path::new(dir).starts_with(&self.question.packages_dir),
        };
        if !self.entries.iter().all(may_be_same) {
            return;
        }
        let missing = self.entries.iter().filter(|entry| find(&entry.name).is_none());
        let missing: Vec<_> = missing.cloned().collect();
        if !missing.iter().all(is_there) {
            return;
        }
        packages.extend(missing);
        for entry in packages.iter_mut().filter(|e| gaps.iter().any(|gap| gap.package == e.name)) {
            if let Ok(Entry { config_file, manifest_file, .. }) = self.entry(&entry.name) {
                entry.config_file.clone_from(config_file);
                entry.manifest_file.clone_from(manifest_file);
            }
        }
        self.order(packages);
        gaps.clear();
    }

    /// Puts inherited packages into the lock's order, as far as it has them.
    fn order(&self, packages: &mut [Entry]) {
        let rank = |entry: &Entry| self.entries.iter().position(|ours| ours.name == entry.name);
        let is_ordered = |entry: &&mut Entry| entry.inherited && rank(entry).is_some();
        let mut ordered: Vec<_> =
            packages.iter().filter(|e| e.inherited && rank(e).is_some()).cloned().collect();
        ordered.sort_by_key(rank);
        packages
            .iter_mut()
            .filter(is_ordered)
            .zip(ordered)
            .for_each(|(place, entry)| *place = entry);
    }

    /// The files of a package's source pack that matter here.
    fn read_packed(&self, entry: &Entry, path: &str) -> Result<Option<String>, String> {
        let Source::Git { rev, .. } = &entry.source else { return Ok(None) };
        let is_source = |pack: &&Pack| {
            pack.is_source() && pack.package == entry.name.plain() && pack.rev == *rev
        };
        let pack = self.index.packs.iter().find(is_source).ok_or_else(|| {
            let dir = self.question.workspace.packages_dir.join(entry.name.plain());
            format!("its files are neither in `{}` nor in the store", dir.display())
        })?;
        let mut packed = self.packed.borrow_mut();
        if packed.get(&entry.name).is_none_or(|files| !files.contains_key(Path::new(path))) {
            let shards: Vec<(PathBuf, Shard)> = pack
                .shards
                .iter()
                .map(|shard| (Index::packs_dir(self.store).join(shard.file_name()), shard.clone()))
                .collect();
            let is_wanted = |file: &Path| file == Path::new(path) || is_configuration(file);
            let files = pack::files(&shards, is_wanted).map_err(|e| format!("{e:#}"))?;
            packed.insert(entry.name.clone(), files);
        }
        let file = packed.get(&entry.name).and_then(|files| files.get(Path::new(path)));
        Ok(file.map(|bytes| String::from_utf8_lossy(bytes).into_owned()))
    }
}

impl Materials for Locked<'_> {
    fn lock(&self, require: &Require) -> Result<Entry, String> {
        let mut entry = self.entry(&require.name)?.clone();
        let scope = entry.scope.clone();
        let Source::Git { url, rev, input_rev, sub_dir } = &mut entry.source else {
            return Err("the lock has it as a directory".to_owned());
        };
        let is_at = |wanted: &str| input_rev.as_deref() == Some(wanted) || rev == wanted;
        let at_another = |wanted: &str| {
            format!(
                "the lock has it at `{}`, and `{wanted}` is required",
                input_rev.as_ref().unwrap_or(rev)
            )
        };
        match &require.source {
            Wanted::Git { url: wanted, .. } if !same_repository(url, wanted) => {
                Err(format!("the lock has it from `{url}`, and `{wanted}` is required"))
            }
            Wanted::Git { sub_dir: wanted, .. } if sub_dir != wanted => {
                let shown = |dir: &Option<String>| dir.clone().unwrap_or_else(|| ".".to_owned());
                Err(format!(
                    "the lock has its `{}`, and `{}` is required",
                    shown(sub_dir),
                    shown(wanted)
                ))
            }
            Wanted::Registry { range: Some(range), .. } => {
                Err(format!("only Reservoir knows which version is `{range}`"))
            }
            Wanted::Registry { .. } if scope != require.scope => Err(format!(
                "the lock has it of `{scope}`, and Reservoir's `{}/{}` is required",
                require.scope, require.name
            )),
            Wanted::Git { rev: Some(wanted), .. } | Wanted::Registry { rev: Some(wanted), .. }
                if !is_at(wanted) =>
            {
                Err(at_another(wanted))
            }
            // Who asks for no revision in particular takes the one there is.
            Wanted::Git { rev: wanted, .. } => {
                input_rev.clone_from(wanted);
                Ok(entry)
            }
            Wanted::Registry { rev: wanted, .. } => {
                if wanted.is_some() {
                    input_rev.clone_from(wanted);
                }
                Ok(entry)
            }
            Wanted::Path { .. } | Wanted::Unknown(_) => Err("it is no git package".to_owned()),
        }
    }

    fn pinned(&self, pinned: &Entry) -> Result<Entry, String> {
        let ours = self.entry(&pinned.name)?;
        let mut entry = pinned.clone();
        let (Source::Git { url: our_url, rev: our_rev, .. }, Source::Git { url, rev, .. }) =
            (&ours.source, &mut entry.source)
        else {
            return Err("the lock has it as a directory".to_owned());
        };
        if !same_repository(our_url, url) {
            return Err(format!("the lock has it from `{our_url}`, and `{url}` is required"));
        }
        if our_rev != rev {
            return Err(format!("the lock has it at {our_rev}, and {rev} is required"));
        }
        url.clone_from(our_url);
        Ok(entry)
    }

    fn read(&self, entry: &Entry, path: &str) -> Result<Option<String>, String> {
        let Source::Git { rev, .. } = &entry.source else { return Ok(None) };
        let dir = self.question.workspace.packages_dir.join(entry.name.plain());
        if let Some(clone) = Checkout::open(&dir) {
            if clone.head().as_ref() == Some(rev) {
                return read(&dir, path);
            }
            if clone.has(rev) {
                return clone.file_at(rev, path).map_err(|e| format!("{e:#}"));
            }
        }
        self.read_packed(entry, path)
    }
}

/// Whether two entries are one package at one place, however its URL is spelled.
fn is_same(a: &Entry, b: &Entry) -> bool {
    let is_same_source = match (&a.source, &b.source) {
        (Source::Path { dir: a, .. }, Source::Path { dir: b, .. }) => a == b,
        (
            Source::Git { rev: a, sub_dir: a_dir, .. },
            Source::Git { rev: b, sub_dir: b_dir, .. },
        ) => (a, a_dir) == (b, b_dir),
        _ => false,
    };
    a.name == b.name && a.inherited == b.inherited && is_same_source
}

/// What the walk will ask for next, most likely: one look at a pack is enough then.
fn is_configuration(file: &Path) -> bool {
    let name = file.file_name().and_then(|name| name.to_str());
    matches!(name, Some("lakefile.toml" | "lakefile.lean" | "lake-manifest.json"))
}
