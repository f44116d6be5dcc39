//! Where baked things lie.
//!
//! A store is a directory of `<16 hex digits>.ltar` files, which is also what the stock cache tool
//! keeps (`MATHLIB_CACHE_DIR`). Several may be searched; the first hit wins. Nothing in here writes
//! to one.

use crate::error::hint;
use crate::mathlib::names::LtarName;
use crate::settings::{Settings, var};
use anyhow::{Result, bail};
use fs_err as fs;
use std::path::PathBuf;

/// The stores, in order of lookup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stores(Vec<PathBuf>);

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
        Ok(Self(settings.stores.clone()))
    }

    /// These stores, and `last` behind them.
    pub fn and(&self, last: Option<PathBuf>) -> Self {
        Self(self.0.iter().cloned().chain(last).collect())
    }

    pub fn dirs(&self) -> &[PathBuf] {
        &self.0
    }

    /// Where `file` would lie, store by store.
    pub fn candidates(&self, file: LtarName) -> impl Iterator<Item = PathBuf> {
        self.0.iter().map(move |store| store.join(file.to_string()))
    }
}
