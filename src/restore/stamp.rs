//! A note in the workspace that a restore is done, so that the next build pays one small read.
//!
//! It holds what the restore depended on: the lock, the store's index, and the packages and their
//! build directories as they were. Anything else than that (another lock, a store baked anew, `lake clean`) makes it
//! void; it can only ever save work.

use crate::fs::links::check_way;
use crate::fs::{WorkDir, replace_name};
use crate::read;
use crate::store::Stores;
use crate::store::index::{Index, lock_id};
use crate::workspace::{Workspace, toolchain};
use anyhow::Result;
use fs_err as fs;
use std::fmt::Write as _;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What a restore of a workspace from some stores depends on.
#[derive(Debug)]
pub struct Stamp {
    file: PathBuf,
    lock: String,
    index: String,
    stores: Stores,
}

impl Stamp {
    /// Nothing when no store has an index: then nothing is baked.
    pub fn of(workspace: &Workspace, stores: &Stores) -> Option<Self> {
        let toolchain = toolchain::read(&workspace.root).ok()??;
        let mut index = String::new();
        for store in stores.dirs() {
            if let Ok(meta) = fs::metadata(Index::path(store)) {
                let (inode, size) = (meta.ino(), meta.len());
                let (seconds, nanoseconds) = (meta.mtime(), meta.mtime_nsec());
                let store = store.display();
                let _ = writeln!(index, "{store} {inode} {size} {seconds}.{nanoseconds}");
            }
        }
        let lock = lock_id(&toolchain, &workspace.revisions());
        let file = workspace.root.join(".lake/lake-shim-stamp");
        (!index.is_empty()).then_some(Self { file, lock, index, stores: stores.clone() })
    }

    /// Whether a store is complete for the workspace's lock. Reads the index.
    ///
    /// # Errors
    /// When an index cannot be understood.
    pub fn is_baked(&self) -> Result<bool> {
        let indices = self.stores.indices()?;
        Ok(indices.iter().any(|(_, index)| index.locks.contains_key(&self.lock)))
    }

    /// Whether a restore with this outcome was stamped, and nothing was removed since.
    pub fn is_current(&self, workspace: &Workspace) -> bool {
        read::text(&self.file, read::TEXT).is_ok_and(|text| text == self.text(workspace))
    }

    /// Stamps the workspace. That it cannot be is no failure: the next build looks again.
    pub fn write(&self, workspace: &Workspace) {
        let Some(dir) = self.file.parent().filter(|dir| check_way(dir).is_ok()) else { return };
        // Behind a stamp nobody looks for leftovers: it gets its name when there can be none any more.
        let new = self.file.with_extension("new");
        let is_written = replace_name(&new, self.text(workspace).as_bytes()).is_ok();
        if is_written && WorkDir::abandoned(dir).next().is_none() {
            let _ = fs::rename(new, &self.file);
        }
    }

    fn text(&self, workspace: &Workspace) -> String {
        let mut text = format!("{}\n{}", self.lock, self.index);
        for package in &workspace.packages {
            let inode = |path: &Path| fs::metadata(path).map_or(0, |meta| meta.ino());
            let (own, build) = (inode(&package.dir), inode(&package.dir.join(".lake/build/lib")));
            let _ = writeln!(text, "{} {own} {build}", package.name);
        }
        text
    }
}
