//! Where baked things lie.
//!
//! A store is a directory of `<16 hex digits>.ltar` files, which is also what the stock cache tool
//! keeps (`MATHLIB_CACHE_DIR`). Several may be searched; the first hit wins. A baked one also has an
//! [`index`] and [`pack`]s. Only [`bake`] and [`gc`] write to one.

mod aside;
pub mod bake;
mod fill;
pub mod gc;
pub mod index;
pub mod pack;
pub mod resolve;
mod source;
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

/// What a process that writes to `store` locks.
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
    /// When one that was named is not there or is no directory.
    pub fn open(settings: &Settings) -> Result<Self> {
        for store in settings.stores.iter().filter(|_| settings.stores_are_named) {
            let fault = match fs::metadata(store) {
                Ok(meta) if meta.is_dir() => continue,
                Ok(_) => "is no directory".to_owned(),
                Err(e) => format!("cannot be read ({})", e.kind()),
            };
            bail!(hint(
                format!("the store `{}` {fault}", store.display()),
                format!("`{}` and `--store` name directories of `.ltar` files", var::STORE),
            ));
        }
        Ok(Self { dirs: settings.stores.clone(), ..Self::default() })
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

    /// Where `file` would lie, store by store.
    pub fn candidates(&self, file: LtarName) -> impl Iterator<Item = PathBuf> {
        let name = file.to_string();
        let files = self.dirs.iter().map(move |store| store.join(&name));
        files.filter(|file| !self.distrusted.contains(file))
    }
}
