//! Directories that a process of ours works in: under a name that nobody can guess, locked while
//! somebody is in there, removed when he is done or dead.

use super::is_dir;
use anyhow::Result;
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};
use nix::unistd::geteuid;
use std::fs::{File, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// How often a waiting process looks whether a lock is free.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Files and directories of ours are called this and something random.
pub const PREFIX: &str = ".lake-shim-";

/// A directory of our own beside the place where its contents will be published, so that publishing
/// is a rename. Removed when dropped. Nobody else can look or write into it, whatever the umask or a
/// default ACL gives to others; what is made in it has the rights that it would have beside it. It is
/// locked while somebody works in it, which tells those that a dead process left behind.
#[derive(Debug)]
pub struct WorkDir {
    dir: TempDir,
    lock: DirLock,
}

impl WorkDir {
    /// Makes one in `parent`, and removes those that nobody works in any more.
    pub fn new_in(parent: &Path) -> Result<Self> {
        Self::sweep(parent);
        loop {
            let mut builder = tempfile::Builder::new();
            builder.prefix(PREFIX).permissions(Permissions::from_mode(0o700));
            let dir = builder.tempdir_in(parent)?;
            let lock = DirLock::acquire(dir.path(), |_| {}, || Ok(()));
            // Between the two lines above somebody may have taken it for a dead one.
            if is_dir(dir.path())? {
                return Ok(Self { dir, lock: lock? });
            }
        }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// As [`DirLock::pinned`].
    pub fn pinned(&self) -> PathBuf {
        self.lock.pinned()
    }

    /// Removes what dead processes of this user left in `parent`. What cannot be removed stays, and
    /// is not in the way.
    pub fn sweep(parent: &Path) {
        Self::sweep_with(parent, |_| {});
    }

    /// As [`WorkDir::sweep`], calling `rescue` with each directory before it goes.
    pub fn sweep_with(parent: &Path, rescue: impl Fn(&Path)) {
        for (dir, lock) in Self::abandoned(parent) {
            rescue(&lock.pinned());
            let _ = fs::remove_dir_all(dir);
        }
    }

    /// Whether this user has none in `parent`, in use or left behind, as far as that can be told.
    pub fn is_none_of_ours(parent: &Path) -> bool {
        let is_ours = |entry: io::Result<fs::DirEntry>| {
            let Ok(entry) = entry else { return true };
            entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes())
                && entry.metadata().is_ok_and(|meta| meta.uid() == geteuid().as_raw())
        };
        fs::read_dir(parent).is_ok_and(|mut entries| !entries.any(is_ours))
    }

    /// What dead processes of this user left in `parent`, each locked until it is dropped. In a
    /// shared directory others may have put anything there under such a name; that is theirs to
    /// clear up.
    pub fn abandoned(parent: &Path) -> impl Iterator<Item = (PathBuf, DirLock)> + use<> {
        let entries = fs::read_dir(parent).into_iter().flatten().filter_map(Result::ok);
        let ours = entries
            .filter(|entry| entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes()))
            .map(|entry| entry.path());
        ours.filter_map(|dir| {
            let file = open_dir(&dir, OFlag::O_NOFOLLOW).ok()?;
            let is_ours = file.metadata().ok()?.uid() == geteuid().as_raw();
            is_ours.then(|| DirLock::try_lock(file).map(|lock| (dir, lock)))?
        })
    }
}

/// A directory that this process works in. Released when dropped, or when the process ends.
///
/// The lock only saves work: nothing that is published under it would be wrong without it. It is
/// on the directory itself, so that it leaves nothing behind and works where nothing may be
/// written.
#[derive(Debug)]
pub struct DirLock {
    lock: Option<Flock<File>>,
    /// Where there can be no lock.
    unlocked: Option<File>,
}

impl DirLock {
    /// Locks `dir`. When somebody has it, `waiting` gets a word for the holder, and `may_wait` is
    /// asked again and again whether to go on waiting.
    ///
    /// # Errors
    /// Those of `may_wait`. Where there can be no lock (some network file systems) there is none.
    pub fn acquire(
        dir: &Path,
        waiting: impl FnOnce(String),
        may_wait: impl Fn() -> Result<()>,
    ) -> Result<Self> {
        let mut waiting = Some(waiting);
        let mut file = open_dir(dir, OFlag::empty())?;
        loop {
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(lock) => return Ok(Self { lock: Some(lock), unlocked: None }),
                Err((held, Errno::EWOULDBLOCK)) => file = held,
                Err((file, _)) => return Ok(Self { lock: None, unlocked: Some(file) }),
            }
            if let Some(waiting) = waiting.take() {
                waiting(holder(&file));
            }
            may_wait()?;
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    /// Locks `dir` unless somebody has it.
    pub fn try_acquire(dir: &Path) -> Option<Self> {
        Self::try_lock(open_dir(dir, OFlag::empty()).ok()?)
    }

    fn try_lock(dir: File) -> Option<Self> {
        let lock = Flock::lock(dir, FlockArg::LockExclusiveNonblock).ok()?;
        Some(Self { lock: Some(lock), unlocked: None })
    }

    /// The directory, by a path that leads to it whatever becomes of its name.
    pub fn pinned(&self) -> PathBuf {
        let file = self.lock.as_deref().or(self.unlocked.as_ref());
        let fd = file.map_or(-1, AsRawFd::as_raw_fd);
        PathBuf::from(format!("/proc/self/fd/{fd}"))
    }
}

impl Drop for DirLock {
    /// A file server that is gone refuses to unlock too. nix would panic over it.
    fn drop(&mut self) {
        if let Some(Err((lock, _))) = self.lock.take().map(Flock::unlock) {
            std::mem::forget(lock);
        }
    }
}

/// Opens a directory and nothing else: a pipe under its name would keep us waiting for a writer.
fn open_dir(dir: &Path, flags: OFlag) -> Result<File> {
    let mut options = fs::OpenOptions::new();
    options.read(true).custom_flags((flags | OFlag::O_DIRECTORY).bits());
    Ok(options.open(dir)?.into_file())
}

/// Who holds a lock on `file`, from `/proc/locks`: `<n>: FLOCK ADVISORY WRITE <pid>
/// <major>:<minor>:<inode> …`, numbers but the inode in hex.
fn holder(file: &File) -> String {
    let find = || -> Option<String> {
        let inode = file.metadata().ok()?.ino().to_string();
        let locks = fs::read_to_string("/proc/locks").ok()?;
        let pid = locks.lines().find_map(|line| {
            let fields: Vec<_> = line.split_whitespace().collect();
            let is_ours =
                fields.get(1) == Some(&"FLOCK") && fields.get(5)?.rsplit(':').next()? == inode;
            is_ours.then(|| fields[4].to_owned())
        })?;
        let command = fs::read(PathBuf::from("/proc").join(&pid).join("cmdline")).ok()?;
        let command = String::from_utf8_lossy(&command).trim_end_matches('\0').replace('\0', " ");
        Some(format!("`{command}` (process {pid})"))
    };
    find().unwrap_or_else(|| "another lake-shim".to_owned())
}
