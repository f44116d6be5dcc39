//! Where baked things lie.
//!
//! A store is a directory of `<16 hex digits>.ltar` files, which is also what the stock cache tool
//! keeps (`MATHLIB_CACHE_DIR`). Several may be searched. A baked one also has an [`index`] and [`pack`]s. Only [`bake`] and [`gc`] write to one.

mod aside;
pub mod bake;
mod fill;
pub mod gc;
pub mod index;
pub mod pack;
pub mod resolve;
pub mod source;
mod trial;
pub mod verify;

use crate::error::hint;
use crate::fs::WorkDir;
use crate::mathlib::names::LtarName;
use crate::settings::{Settings, var};
use anyhow::{Result, bail};
use fs_err as fs;
use index::Index;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The stores, in order of lookup.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stores {
    dirs: Vec<PathBuf>,
    absent: Vec<String>,
    /// Files that turned out not to be what their names say.
    distrusted: BTreeSet<PathBuf>,
}

/// Removes what killed bakes left in `store`.
fn sweep(store: &Path) {
    for dir in work_places(store) {
        WorkDir::sweep(&dir);
    }
}

/// Where bakes have work directories.
pub fn work_places(store: &Path) -> [PathBuf; 3] {
    [store.to_owned(), store.join(index::DIR), Index::packs_dir(store)]
}

/// The directory that a process which writes to `store` locks.
fn lock_dir(store: &Path) -> PathBuf {
    store.join(index::DIR).join("lock")
}

/// What this binary's builds run on, as builds in a store name it.
pub fn platform() -> String {
    use std::env::consts::{ARCH, OS};
    format!("{ARCH}-{OS}")
}

impl Stores {
    /// The stores that `settings` names.
    ///
    /// # Errors
    /// Fails if none that was named is a directory. If only some are not, [`Stores::absent`] says so.
    pub fn open(settings: &Settings) -> Result<Self> {
        let mut stores = Self { dirs: settings.stores.clone(), ..Self::default() };
        if !settings.stores_are_named {
            return Ok(stores);
        }
        stores.dirs.retain(|store| {
            let fault = match fs::metadata(store) {
                Ok(meta) if meta.is_dir() => return true,
                Ok(_) => "is no directory".to_owned(),
                Err(e) => format!("cannot be read ({})", e.kind()),
            };
            stores.absent.push(hint(
                format!("the store `{}` {fault}", store.display()),
                format!("`{}` and `--store` name directories of `.ltar` files", var::STORE),
            ));
            false
        });
        match stores.absent.first() {
            Some(absent) if stores.dirs.is_empty() => bail!(absent.clone()),
            _ => Ok(stores),
        }
    }

    /// A message for each store that was named and is not there.
    pub fn absent(&self) -> &[String] {
        &self.absent
    }

    /// These stores, and `last` behind them.
    pub fn and(&self, last: Option<PathBuf>) -> Self {
        let dirs = self.dirs.iter().cloned().chain(last).collect();
        Self { dirs, ..self.clone() }
    }

    /// From now on `files` count as missing.
    pub fn distrust(&mut self, files: impl IntoIterator<Item = PathBuf>) {
        self.distrusted.extend(files);
    }

    pub fn dirs(&self) -> &[PathBuf] {
        &self.dirs
    }

    /// The indices of the stores that have one.
    pub fn indices(&self) -> Result<Vec<(PathBuf, Index)>> {
        let read = |dir: &PathBuf| Ok(Index::read(dir)?.map(|index| (dir.clone(), index)));
        self.dirs.iter().filter_map(|dir| read(dir).transpose()).collect()
    }

    /// Where `file` would lie in `store`. `None` if it was distrusted there.
    pub fn file(&self, store: &Path, file: LtarName) -> Option<PathBuf> {
        let path = store.join(file.to_string());
        (!self.distrusted.contains(&path)).then_some(path)
    }

    /// Where `file` would lie, store by store.
    pub fn candidates(&self, file: LtarName) -> impl Iterator<Item = PathBuf> {
        self.dirs.iter().filter_map(move |store| self.file(store, file))
    }
}
