//! A packages directory that several workspaces use, and its record of which they are.
//!
//! `<dir>/.lake-shim/workspaces/<digest>` holds the path of one workspace. A record counts as long as that
//! workspace exists and its packages directory still leads here. `links/<digest>` holds that path too, for
//! each link to the directory that we made.

use super::{Location, Workspace};
use crate::fs::links::check_way;
use crate::fs::{ensure_dir, is_same_file, replace_name};
use crate::read;
use anyhow::Result;
use fs_err as fs;
use sha2::{Digest, Sha256};
use std::ffi::OsStr;
use std::fs::{Metadata, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Our directory in a shared one.
pub const STATE_DIR: &str = ".lake-shim";

/// A shared packages directory.
#[derive(Clone, Debug)]
pub struct Shared {
    dir: PathBuf,
}

impl Shared {
    pub fn of(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    fn state_dir(&self) -> PathBuf {
        self.dir.join(STATE_DIR)
    }

    fn records(&self) -> PathBuf {
        self.state_dir().join("workspaces")
    }

    fn links(&self) -> PathBuf {
        self.state_dir().join("links")
    }

    fn record_of(&self, root: &Path) -> PathBuf {
        self.records().join(name(root, &[]))
    }

    /// The record of a symlink, which is known by the time at which it was made: a link that the user makes in
    /// its place has another one. A copy that does not keep times counts as the user's.
    fn record_of_link(&self, root: &Path, link: &Metadata) -> PathBuf {
        let made = [link.mtime().to_be_bytes(), link.mtime_nsec().to_be_bytes()];
        self.links().join(name(root, made.as_flattened()))
    }

    /// The directory to lock while restoring into it. `None` if no workspace has recorded itself: then a
    /// manifest leads here, or a link of the user, and nothing of ours is made.
    pub fn lock_dir(&self) -> Option<PathBuf> {
        let is_recorded = fs::symlink_metadata(self.records()).is_ok_and(|meta| meta.is_dir());
        is_recorded.then(|| self.state_dir().join("lock"))
    }

    /// Removes the records, of a directory that no other workspace uses and that is about to go.
    pub fn remove_records(&self) {
        if fs::symlink_metadata(self.state_dir()).is_err() {
            return;
        }
        let _ = fs::remove_dir_all(self.records());
        let _ = fs::remove_dir_all(self.links());
        let _ = fs::remove_dir(self.state_dir().join("lock"));
        let _ = fs::remove_dir(self.state_dir());
    }

    /// Makes our directory, with the mode of the shared one: users who may add packages may add records.
    fn make_state_dir(&self) -> Result<()> {
        check_way(&self.dir)?;
        for dir in [self.state_dir(), self.records(), self.links()] {
            if fs::symlink_metadata(&dir).is_err() {
                ensure_dir(&dir)?;
                let mode = fs::metadata(&self.dir)?.permissions().mode() & 0o7777;
                fs::set_permissions(&dir, Permissions::from_mode(mode))?;
            }
        }
        Ok(())
    }

    /// Records that the workspace at `root` uses the directory. One that cannot be written is not recorded:
    /// nothing can be moved there either.
    pub fn record(&self, root: &Path) {
        self.write(&self.record_of(root), root);
    }

    /// Records that we made the symlink at `packages_dir`, which leads here, for the workspace at `root`.
    pub fn record_link(&self, root: &Path, packages_dir: &Path) {
        if let Ok(link) = fs::symlink_metadata(packages_dir) {
            self.write(&self.record_of_link(root, &link), root);
        }
    }

    fn write(&self, record: &Path, root: &Path) {
        if fs::symlink_metadata(record).is_err() && self.make_state_dir().is_ok() {
            let _ = replace_name(record, root.as_os_str().as_bytes());
        }
    }

    /// `true` if the workspace at `root` is recorded.
    pub fn has(&self, root: &Path) -> bool {
        is_of(&self.record_of(root), root)
    }

    /// `true` if we made the symlink `link`, which leads here, for the workspace at `root`.
    pub fn has_link(&self, root: &Path, link: &Metadata) -> bool {
        link.is_symlink() && is_of(&self.record_of_link(root, link), root)
    }

    /// The recorded workspaces that still use the directory, the one at `root` left out.
    pub fn others(&self, root: &Path) -> Vec<Workspace> {
        let records = fs::read_dir(self.records()).into_iter().flatten().filter_map(Result::ok);
        let mut roots: Vec<_> = records
            .filter_map(|record| read::bytes(&record.path(), read::TEXT).ok())
            .map(|path| PathBuf::from(OsStr::from_bytes(&path)))
            .filter(|other| other != root)
            .collect();
        roots.sort();
        let found = roots
            .iter()
            .filter_map(|other| Workspace::discover(other, &Location::default()).ok().flatten());
        found.filter(|other| is_same_file(&other.packages_dir, &self.dir)).collect()
    }

    /// A recorded workspace that is locked to `rev` of the package `name`.
    pub fn needs(&self, root: &Path, name: &str, rev: &str) -> Option<PathBuf> {
        let is_locked = |other: &Workspace| {
            let package = other.package(name).and_then(|package| package.lock.as_ref());
            package.is_some_and(|lock| lock.rev == rev)
        };
        self.others(root).into_iter().find(is_locked).map(|other| other.root)
    }
}

/// The name of a record.
fn name(root: &Path, more: &[u8]) -> String {
    let digest = Sha256::new().chain_update(root.as_os_str().as_bytes()).chain_update(more);
    digest.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

fn is_of(record: &Path, root: &Path) -> bool {
    read::bytes(record, read::TEXT).is_ok_and(|recorded| recorded == root.as_os_str().as_bytes())
}
