//! A note in the workspace that a restore is done, or that no store is baked for its lock, so that
//! the next build pays one small read.
//!
//! It holds what the answer depended on: the lock, the stores' indices, and for a restore the packages
//! and their build directories as they were. Anything else than that (another lock, a store baked anew,
//! `lake clean`) makes it void; it can only ever save work.

use crate::lake::toolchain;
use crate::read;
use crate::store::Stores;
use crate::store::index::{Index, lock_id};
use crate::workspace::Workspace;
use anyhow::Result;
use fs_err as fs;
use std::fmt::Write as _;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What a stamp says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stamped {
    /// Everything was restored, and nothing was removed since.
    Restored,
    /// No store is baked for the lock.
    NotBaked,
}

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
                let modified = (meta.mtime(), meta.mtime_nsec());
                // An image may have one time for all its files, but nobody can set this one.
                let changed = (meta.ctime(), meta.ctime_nsec());
                let store = store.display();
                let _ = writeln!(index, "{store} {inode} {size} {modified:?} {changed:?}");
            }
        }
        let lock = lock_id(&toolchain, &workspace.revisions());
        let file = workspace.state_dir().join("stamp");
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

    /// What was stamped, unless it is void.
    pub fn read(&self, workspace: &Workspace) -> Option<Stamped> {
        let stamped = read::text(&self.file, read::TEXT).ok()?;
        let is_it = |answer: &Stamped| stamped == self.text(*answer, workspace);
        [Stamped::NotBaked, Stamped::Restored].into_iter().find(is_it)
    }

    /// Stamps the workspace. That it cannot be is no failure: the next build looks again.
    pub fn write(&self, answer: Stamped, workspace: &Workspace) {
        let _ = workspace.write_state("stamp", self.text(answer, workspace).as_bytes());
    }

    fn text(&self, answer: Stamped, workspace: &Workspace) -> String {
        let Self { lock, index, .. } = self;
        if answer == Stamped::NotBaked {
            return format!("not baked for {lock}\n{index}");
        }
        let mut text = format!("restored {lock}\n{index}");
        for package in &workspace.packages {
            let inode = |path: &Path| fs::metadata(path).map_or(0, |meta| meta.ino());
            let (own, build) = (inode(&package.dir), inode(&package.dir.join(".lake/build/lib")));
            let _ = writeln!(text, "{} {own} {build}", package.name);
        }
        text
    }
}
