//! Removing from a store what no kept lock needs.

use super::aside;
use super::index::Index;
use super::pack::Digest;
use crate::error::hint;
use crate::fs::{Lock, is_dir};
use crate::mathlib::names::LtarName;
use anyhow::{Result, bail};
use fs_err as fs;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What can go.
#[derive(Debug)]
pub struct Garbage {
    pub files: Vec<PathBuf>,
    /// All of them together.
    pub bytes: u64,
    /// The index as it will be.
    index: Index,
}

/// Finds what only locks other than `keep` need, and what no lock needs. An empty `keep` keeps all.
///
/// # Errors
/// When the store has no index: then nothing tells what is needed.
pub fn find(store: &Path, keep: &[String]) -> Result<Garbage> {
    let Some(mut index) = Index::read(store)? else {
        bail!(hint(
            format!("`{}` has no index, so nothing tells what it needs", store.display()),
            "`lake-shim bake` writes one; `lake exe cache clean` clears a plain cache",
        ));
    };
    if let Some(unknown) = keep.iter().find(|id| !index.locks.contains_key(*id)) {
        let known: Vec<_> = index.locks.keys().map(|id| format!("`{id}`")).collect();
        bail!(hint(
            format!("the store has no lock `{unknown}`"),
            format!("it has {}", known.join(", "))
        ));
    }
    if !keep.is_empty() {
        index.locks.retain(|id, _| keep.contains(id));
    }
    let ltars: BTreeSet<LtarName> = index.locks.values().flat_map(|l| l.ltars()).collect();
    let packs = index.locks.values().flat_map(|lock| index.packs_of(lock)).cloned();
    index.packs = packs.collect::<BTreeSet<_>>().into_iter().collect();
    index.ltars.retain(|name, _| ltars.contains(name));
    let shards: BTreeSet<String> =
        index.packs.iter().flat_map(|pack| &pack.shards).map(|shard| shard.file_name()).collect();
    let is_unneeded_ltar = |name: &str| name.parse().is_ok_and(|name| !ltars.contains(&name));
    let is_unneeded_shard = |name: &str| {
        let digest = name.strip_suffix(".tar.zst").and_then(|stem| stem.parse::<Digest>().ok());
        digest.is_some() && !shards.contains(name)
    };
    let mut files = files(store, &is_unneeded_ltar)?;
    // Where a bake was killed. What is needed of them the next one sees to.
    files.extend(self::files(&aside::dir(store), &is_unneeded_ltar)?);
    files.extend(self::files(&Index::packs_dir(store), &is_unneeded_shard)?);
    let bytes = files.iter().filter_map(|file| Some(fs::metadata(file).ok()?.len())).sum();
    Ok(Garbage { files, bytes, index })
}

/// Plain files in `dir` whose names are `unneeded`. Files with other kinds of names are not ours.
fn files(dir: &Path, unneeded: &dyn Fn(&str) -> bool) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    if is_dir(dir)? {
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            if entry.file_name().to_str().is_some_and(unneeded) && entry.file_type()?.is_file() {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Finds it and removes it, while nobody bakes into the store. The index goes first: it never names
/// what is gone.
///
/// # Errors
/// Those of [`find`], and when the disk refuses.
pub fn remove(store: &Path, keep: &[String], waiting: impl FnOnce(String)) -> Result<Garbage> {
    // What was found before a bake has ended would be what that bake has put there.
    let _lock = Lock::acquire(&super::lock_dir(store), waiting, || Ok(()))?;
    let garbage = find(store, keep)?;
    super::sweep(store);
    garbage.index.write(store)?;
    garbage.files.iter().try_for_each(fs::remove_file)?;
    Ok(garbage)
}
