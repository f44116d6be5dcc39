//! A packages directory that several workspaces use, and its record of which they are.
//!
//! `<dir>/.lake-shim/workspaces/<digest>` holds the path of one workspace. A record counts as long as that
//! workspace exists and its packages directory still leads here.

use super::{Location, Workspace};
use crate::fs::links::check_way;
use crate::fs::{ensure_dir, is_same_file, replace_name};
use crate::read;
use anyhow::Result;
use fs_err as fs;
use sha2::{Digest, Sha256};
use std::ffi::OsStr;
use std::fs::Permissions;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
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

    fn record_of(&self, root: &Path) -> PathBuf {
        let digest = Sha256::digest(root.as_os_str().as_bytes());
        let hex: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        self.records().join(hex)
    }

    /// The directory to lock while restoring into it. `None` if no workspace has recorded itself: then a
    /// manifest leads here, or a link of the user, and nothing of ours is made.
    pub fn lock_dir(&self) -> Option<PathBuf> {
        let is_recorded = fs::symlink_metadata(self.records()).is_ok_and(|meta| meta.is_dir());
        is_recorded.then(|| self.state_dir().join("lock"))
    }

    /// Removes the records, of a directory that no other workspace uses and that is about to go.
    pub fn remove_records(&self) {
        let _ = fs::remove_dir_all(self.records());
        let _ = fs::remove_dir(self.state_dir().join("lock"));
        let _ = fs::remove_dir(self.state_dir());
    }

    /// Makes our directory, with the mode of the shared one: users who may add packages may add records.
    fn make_state_dir(&self) -> Result<()> {
        check_way(&self.dir)?;
        for dir in [self.state_dir(), self.records()] {
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
        let record = self.record_of(root);
        if fs::symlink_metadata(&record).is_err() && self.make_state_dir().is_ok() {
            let _ = replace_name(&record, root.as_os_str().as_bytes());
        }
    }

    /// `true` if the workspace at `root` is recorded.
    pub fn has(&self, root: &Path) -> bool {
        read::bytes(&self.record_of(root), read::TEXT)
            .is_ok_and(|recorded| recorded == root.as_os_str().as_bytes())
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
