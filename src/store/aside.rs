//! Where damaged cache files wait for better ones. They are out of the way, for the stock tool
//! downloads only what has no file; and they are kept, for they may be better than none, and whoever
//! found them damaged may be wrong.

use super::index::Index;
use crate::fs::{ensure_dirs, exists, if_there};
use crate::mathlib::names::LtarName;
use anyhow::Result;
use fs_err as fs;
use std::path::{Path, PathBuf};

/// The directory of a store where they are.
pub fn dir(store: &Path) -> PathBuf {
    store.join("lake-shim/damaged")
}

/// Takes `file` out of the way, if it is there.
pub fn put(store: &Path, file: LtarName) -> Result<()> {
    let path = store.join(file.to_string());
    if exists(&path)? {
        ensure_dirs(&dir(store))?;
        fs::rename(path, dir(store).join(file.to_string()))?;
    }
    Ok(())
}

/// Removes what a file has replaced that `index` knows. The rest gets its name back.
pub fn clear(store: &Path, index: &Index) -> Result<()> {
    let Some(entries) = if_there(fs::read_dir(dir(store)))? else { return Ok(()) };
    for entry in entries {
        let (aside, name) = entry.map(|entry| (entry.path(), entry.file_name()))?;
        let place = store.join(&name);
        let file: Option<LtarName> = name.to_str().and_then(|name| name.parse().ok());
        if file.is_some_and(|file| index.ltars.contains_key(&file)) && exists(&place)? {
            fs::remove_file(aside)?;
        } else {
            fs::rename(aside, place)?;
        }
    }
    Ok(fs::remove_dir(dir(store))?)
}
