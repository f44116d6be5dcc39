//! A lock that saves work, and never more than that.
//!
//! Results are right without it: on some file systems a lock excludes only the processes of one host, or
//! none. So waiting is bounded, and work goes on without a lock where there can be none. A user who may read a
//! file may lock it, so the lock is on an empty directory of our own that only users who may write beside it
//! can open. Taking it writes nothing.

use anyhow::Result;
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};
use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Longest wait for another process, before working beside it. A restore of all of Mathlib takes a minute on
/// two cores.
const PATIENCE: Duration = Duration::from_secs(600);
/// Time between two looks of a waiting process.
const INTERVAL: Duration = Duration::from_millis(50);

/// Released when dropped, or when the process ends.
#[derive(Debug)]
pub struct Lock(Option<Flock<File>>);

impl Lock {
    /// Locks the directory `dir`, which is made if the one that it is in exists. If another process has it,
    /// `waiting` is told which, and `check` is asked again and again whether to go on waiting.
    ///
    /// # Errors
    /// Those of `check`.
    pub fn acquire(
        dir: &Path,
        waiting: impl FnOnce(String),
        check: impl Fn() -> Result<()>,
    ) -> Result<Self> {
        let Ok(mut file) = open(dir) else { return Ok(Self(None)) };
        let mut waiting = Some(waiting);
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(lock) => return Ok(Self(Some(lock))),
                Err((held, Errno::EWOULDBLOCK)) => file = held,
                Err(_) => return Ok(Self(None)), // this file system has no locks
            }
            if let Some(waiting) = waiting.take() {
                waiting(holder(&file));
            }
            check()?;
            std::thread::sleep(INTERVAL);
        }
        Ok(Self(None))
    }
}

impl Drop for Lock {
    /// A file server that is gone refuses to unlock too, and nix would panic over it.
    fn drop(&mut self) {
        if let Some(Err((lock, _))) = self.0.take().map(Flock::unlock) {
            std::mem::forget(lock);
        }
    }
}

fn open(dir: &Path) -> io::Result<File> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_DIRECTORY;
    let open = || fs::OpenOptions::new().read(true).custom_flags(flags.bits()).open(dir);
    let opened = open().or_else(|_| {
        let parent = fs::metadata(dir.parent().unwrap_or(Path::new(".")))?.mode();
        match fs::create_dir(dir) {
            // Another process was faster.
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            made => {
                made?;
                fs::set_permissions(dir, Permissions::from_mode(mode_of_writers(parent)))?;
            }
        }
        open()
    });
    Ok(opened?.into_file())
}

/// The mode with which exactly those can open a directory who may write to one of mode `parent`.
fn mode_of_writers(parent: u32) -> u32 {
    [0o070, 0o007].into_iter().filter(|class| parent & class & 0o222 != 0).fold(0o700, |a, b| a | b)
}

/// The process that holds a lock on `file`, from `/proc/locks`: `<n>: FLOCK ADVISORY WRITE <pid>
/// <major>:<minor>:<inode> …`, numbers but the inode in hex.
fn holder(file: &File) -> String {
    let find = || -> Option<String> {
        let inode = file.metadata().ok()?.ino().to_string();
        let locks = fs::read_to_string("/proc/locks").ok()?;
        let pid = locks.lines().find_map(|line| {
            let fields: Vec<_> = line.split_whitespace().collect();
            let is_it =
                fields.get(1) == Some(&"FLOCK") && fields.get(5)?.rsplit(':').next()? == inode;
            is_it.then(|| fields[4].to_owned())
        })?;
        let command = fs::read(PathBuf::from("/proc").join(&pid).join("cmdline")).ok()?;
        let command = String::from_utf8_lossy(&command).trim_end_matches('\0').replace('\0', " ");
        Some(format!("`{command}` (process {pid})"))
    };
    find().unwrap_or_else(|| "another lake-shim".to_owned())
}
