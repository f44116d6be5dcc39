//! Proving a store: whether a restore from it would need no network. Offline, and changes nothing.

use super::index::{Index, Pack, Record};
use super::pack::{Digest, check};
use super::trial::{self, Trial};
use crate::fs::if_there;
use crate::mathlib::Module;
use crate::mathlib::leantar::{self, Unfit, Version};
use crate::mathlib::ltar::{Head, HeadError};
use crate::mathlib::names::{LtarName, NamedModule};
use crate::read;
use crate::settings::Settings;
use fs_err as fs;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// How closely to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// That the files are there and have the right size.
    Presence,
    /// Every byte.
    Contents,
}

/// What was found of one lock, or of a workspace without one.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The lock; nothing when the store has no index.
    pub lock: Option<String>,
    pub toolchain: Option<String>,
    /// Modules that a restore needs.
    pub covered: usize,
    /// Modules whose files are there, whole or not.
    pub present: usize,
    /// Modules without a file.
    pub missing: Vec<String>,
    /// Modules whose file is not what it should be, with the reason.
    pub corrupt: BTreeMap<String, String>,
    /// Packs that are whole.
    pub packs: usize,
    /// Packages whose packs are not, with the reason.
    pub bad_packs: BTreeMap<String, String>,
    /// Why no leantar unpacks what is there.
    pub no_leantar: Option<String>,
}

impl Found {
    pub fn is_whole(&self) -> bool {
        self.missing.is_empty()
            && self.corrupt.is_empty()
            && self.bad_packs.is_empty()
            && self.no_leantar.is_none()
    }

    fn note(&mut self, module: String, looked: Looked) {
        match looked {
            Looked::Whole => self.present += 1,
            Looked::Missing => self.missing.push(module),
            Looked::Corrupt(reason) => {
                self.present += 1;
                self.corrupt.insert(module, reason);
            }
        }
    }
}

enum Looked {
    Whole,
    Missing,
    Corrupt(String),
}

/// Looks at what `index` says of the lock `id`, and tells `bytes` how far it has come.
pub fn lock(
    store: &Path,
    index: &Index,
    id: &str,
    depth: Depth,
    bytes: &(dyn Fn(u64) + Sync),
) -> Found {
    let mut found = Found { lock: Some(id.to_owned()), ..Found::default() };
    let Some(lock) = index.locks.get(id) else {
        found.bad_packs.insert(id.to_owned(), "the index has no such lock".to_owned());
        return found;
    };
    found.toolchain = Some(lock.toolchain.clone());
    found.covered = lock.modules.len();
    let modules: Vec<_> = lock.modules.iter().collect();
    let look = |(_, file): &(&String, &LtarName)| match index.ltars.get(file) {
        Some(record) => {
            let looked = look_at(&store.join(file.to_string()), record, depth);
            bytes(record.size);
            looked
        }
        None => Looked::Missing,
    };
    let looked: Vec<_> = modules.par_iter().map(look).collect();
    for ((module, _), looked) in modules.into_iter().zip(looked) {
        found.note(module.clone(), looked);
    }
    let packs: Vec<_> = index.packs_of(lock).filter(|pack| pack.is_for_here()).collect();
    for pack in &packs {
        match look_at_pack(store, pack, depth, bytes) {
            Ok(()) => found.packs += 1,
            Err(e) => {
                found.bad_packs.insert(pack.package.clone(), format!("{e:#}"));
            }
        }
    }
    let builds = packs.iter().filter(|pack| !pack.is_source());
    let built: Vec<_> = builds.map(|pack| &pack.package).collect();
    for package in lock.builds.iter().filter(|package| !built.contains(package)) {
        found.bad_packs.entry(package.clone()).or_insert("its build is not packed".to_owned());
    }
    let sources = packs.iter().filter(|pack| pack.is_source());
    let packed: Vec<_> = sources.map(|pack| &pack.package).collect();
    for package in lock.revisions().into_keys().filter(|package| !packed.contains(&package)) {
        found.bad_packs.entry(package).or_insert("its sources are not packed".to_owned());
    }
    found
}

/// Tries whether `candidates`, the leantars of the store and of the toolchain, unpack its archives: runs the first
/// that is fit, and unpacks one of `modules` in `room`.
///
/// # Errors
/// Fails in words for a report.
pub fn try_leantar<'a>(
    store: &Path,
    candidates: &[PathBuf],
    at_least: Option<&Version>,
    mut modules: impl Iterator<Item = (Module, &'a LtarName)>,
    settings: &Settings,
    room: &Path,
) -> Result<(), String> {
    let leantar = leantar::choose(candidates, at_least, settings, &Unfit::new()).map_err(
        |unfit| match unfit.as_slice() {
            [] => "neither the store nor the toolchain has a leantar".to_owned(),
            unfit => unfit.join("; "),
        },
    )?;
    let item = modules.find_map(|(module, file)| {
        let file = store.join(file.to_string());
        let head = Head::read(&file, &module).ok()?;
        Some((file, head, module))
    });
    let Some((file, head, module)) = item else { return Ok(()) };
    let trial = Trial { leantar: &leantar, jobs: 1, room, held: &|_| {} };
    let item = trial::Item { file, head, module: &module };
    match trial.unpack(std::slice::from_ref(&item), None) {
        Ok(_) => Ok(()),
        Err(e) => Err(format!("{e:#}").lines().next().unwrap_or_default().to_owned()),
    }
}

/// Looks at the files of a workspace's modules in a store without an index: as far as their heads
/// tell.
pub fn modules(store: &Path, modules: &[NamedModule]) -> Found {
    let mut found = Found { covered: modules.len(), ..Found::default() };
    for named in modules {
        let path = store.join(named.file.to_string());
        let looked = match Head::read(&path, &named.module) {
            Ok(_) => Looked::Whole,
            Err(HeadError::Io(e)) if e.kind() == ErrorKind::NotFound => Looked::Missing,
            Err(e) => Looked::Corrupt(format!("`{}`: {e}", path.display())),
        };
        found.note(named.module.to_string(), looked);
    }
    found
}

fn look_at(path: &Path, record: &Record, depth: Depth) -> Looked {
    let meta = match if_there(fs::metadata(path)) {
        Ok(Some(meta)) => meta,
        Ok(None) => return Looked::Missing,
        Err(e) => return Looked::Corrupt(e.to_string()),
    };
    if meta.len() != record.size {
        let (is, was) = (meta.len(), record.size);
        return Looked::Corrupt(format!("`{}` has {is} bytes, not {was}", path.display()));
    }
    if depth == Depth::Presence {
        return Looked::Whole;
    }
    let digest = read::open(path).and_then(|mut file| Digest::of_reader(&mut file));
    match digest {
        Ok(digest) if digest == record.sha256 => Looked::Whole,
        Ok(_) => Looked::Corrupt(format!("`{}` has another sha256", path.display())),
        Err(e) => Looked::Corrupt(e.to_string()),
    }
}

fn look_at_pack(
    store: &Path,
    pack: &Pack,
    depth: Depth,
    bytes: &(dyn Fn(u64) + Sync),
) -> anyhow::Result<()> {
    pack.shards.par_iter().try_for_each(|shard| {
        let path = Index::packs_dir(store).join(shard.file_name());
        bytes(shard.size);
        match depth {
            Depth::Contents => check(&path, shard, &|_| Ok(())),
            Depth::Presence => {
                let size = fs::metadata(&path)?.len();
                anyhow::ensure!(
                    size == shard.size,
                    "`{}` has {size} bytes, not {}",
                    path.display(),
                    shard.size
                );
                Ok(())
            }
        }
    })
}
