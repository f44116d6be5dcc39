//! What the shim does to the disk, besides plain reads and writes: replace a symlink in one step,
//! move a tree without replacing anything, wait for whoever works in a directory.

use anyhow::{Context, Result, bail};
use fs_err as fs;
use fs_err::os::unix::fs::symlink;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, Flock, FlockArg, RenameFlags, renameat2};
use nix::sys::stat::{Mode, umask};
use nix::unistd::fchown;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// How many symlinks Linux follows.
const MAX_LINKS: usize = 40;

/// How often a waiting process looks whether a lock is free.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Makes `link` a symlink to `target` in one step, replacing a symlink that is there.
pub fn replace_symlink(target: &Path, link: &Path) -> Result<()> {
    let work = WorkDir::new_in(link.parent().context("a link has a parent")?)?;
    let temporary = work.path().join("link");
    symlink(target, &temporary)?;
    Ok(fs::rename(&temporary, link)?)
}

/// Replaces the symlink `link` by the directory `dir`, in one step where the file system can. The
/// link is at `dir` then, if it is anywhere.
pub fn replace_by_dir(link: &Path, dir: &Path) -> Result<()> {
    match renameat2(AT_FDCWD, dir, AT_FDCWD, link, RenameFlags::RENAME_EXCHANGE) {
        Ok(()) => Ok(()),
        // File systems that cannot exchange: for a moment there is nothing.
        Err(Errno::EINVAL | Errno::ENOSYS) => {
            fs::remove_file(link)?;
            Ok(fs::rename(dir, link)?)
        }
        Err(errno) => Err(io::Error::from(errno))
            .with_context(|| format!("cannot replace `{}` by a directory", link.display())),
    }
}

/// Creates a symlink. `Ok(false)` when something else is there by now.
pub fn create_symlink(target: &Path, link: &Path) -> Result<bool> {
    match symlink(target, link) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(e) => Err(e.into()),
    }
}

/// What became of a rename that replaces nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renamed {
    Done,
    /// The name is taken; nothing was changed.
    Taken,
    /// The two are on different file systems; nothing was changed.
    Elsewhere,
}

/// Renames `from` to `to`, unless there is a `to`.
pub fn rename_to_new(from: &Path, to: &Path) -> io::Result<Renamed> {
    match renameat2(AT_FDCWD, from, AT_FDCWD, to, RenameFlags::RENAME_NOREPLACE) {
        Ok(()) => Ok(Renamed::Done),
        Err(Errno::EEXIST) => Ok(Renamed::Taken),
        Err(Errno::EXDEV) => Ok(Renamed::Elsewhere),
        // File systems without the flag: the check and the rename are two steps there.
        Err(Errno::EINVAL | Errno::ENOSYS) if exists(to) => Ok(Renamed::Taken),
        Err(Errno::EINVAL | Errno::ENOSYS) => fs::rename(from, to).map(|()| Renamed::Done),
        Err(errno) => {
            let e = io::Error::from(errno);
            let (from, to) = (from.display(), to.display());
            Err(io::Error::new(e.kind(), format!("cannot move `{from}` to `{to}`: {e}")))
        }
    }
}

/// Moves `from` to `to`, across file systems if need be. `Ok(false)`, and nothing is changed, when
/// there is a `to` already.
pub fn move_aside(from: &Path, to: &Path) -> Result<bool> {
    match rename_to_new(from, to) {
        Ok(Renamed::Done) => Ok(true),
        Ok(Renamed::Taken) => Ok(false),
        Ok(Renamed::Elsewhere) => copy_aside(from, to),
        // Somebody else has moved it, and may have put a link to `to`'s directory in place by now.
        Err(e) if e.kind() == ErrorKind::NotFound && (!exists(from) || exists(to)) => Ok(false),
        Err(e) => Err(e.into()),
    }
}

/// The copy is whole before it gets its name, and the original goes last.
fn copy_aside(from: &Path, to: &Path) -> Result<bool> {
    if exists(to) {
        return Ok(false);
    }
    let parent = to.parent().context("a destination has a parent")?;
    let copy = WorkDir::new_in(parent)?;
    let whole = copy.path().join("tree");
    copy_tree(from, &whole)?;
    if rename_to_new(&whole, to)? != Renamed::Done {
        return Ok(false);
    }
    if from.is_dir() && !from.is_symlink() {
        fs::remove_dir_all(from)?
    } else {
        fs::remove_file(from)?
    }
    Ok(true)
}

/// Replaces the contents of the file at `path` in one step, or makes the file. It keeps its mode and
/// its owner, and a symlink stays one: what it leads to is replaced.
pub fn replace_file(path: &Path, contents: &[u8]) -> Result<()> {
    let target = target_of(path)?;
    let parent = target.parent().context("a file has a parent")?;
    let work = WorkDir::new_in(parent)?;
    let temporary = work.path().join("file");
    let mut file = fs::File::create_new(&temporary)?;
    file.write_all(contents)?;
    if let Ok(old) = fs::metadata(&target) {
        // Only root can give files away; for others it is their own already, or will be.
        let _ = fchown(file.file(), Some(old.uid().into()), Some(old.gid().into()));
        fs::set_permissions(&temporary, old.permissions())?;
    }
    file.sync_all()?;
    Ok(fs::rename(&temporary, &target)?)
}

/// Removes what a killed [`replace_file`] has left of `path`.
pub fn sweep_beside(path: &Path) {
    if let Some(parent) = target_of(path).ok().as_deref().and_then(Path::parent) {
        WorkDir::sweep(parent);
    }
}

/// Where writing to `path` would write: symlinks may lead to what does not exist yet.
fn target_of(path: &Path) -> Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        let parent = fs::canonicalize(path.parent().context("a file has a parent")?)?;
        let name = path.file_name().context("a file has a name")?;
        path = parent.join(name);
        match fs::read_link(&path) {
            Ok(target) => path = parent.join(target),
            Err(_) => return Ok(path),
        }
    }
    bail!("`{}` leads to too many symlinks", path.display())
}

/// Copies files, directories and symlinks with their modes and times. (git compares times before
/// it compares contents.)
pub fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    let meta = fs::symlink_metadata(from)?;
    if meta.is_symlink() {
        symlink(fs::read_link(from)?, to)?;
        return Ok(());
    }
    if meta.is_dir() {
        fs::create_dir(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            copy_tree(&entry.path(), &to.join(entry.file_name()))?;
        }
    } else {
        fs::copy(from, to)?;
    }
    let times = std::fs::FileTimes::new().set_modified(meta.modified()?);
    File::open(to)?.set_times(times)?;
    fs::set_permissions(to, meta.permissions())?;
    Ok(())
}

/// The mode that the umask gives a new file. There is no way to read it but to set it, so not while
/// other threads make files.
pub fn new_file_mode() -> u32 {
    let mask = umask(Mode::empty());
    umask(mask);
    0o666 & !mask.bits()
}

/// Makes a directory unless it is there, but nothing that leads to it.
pub fn ensure_dir(dir: &Path) -> io::Result<()> {
    match fs::create_dir(dir) {
        Err(e) if e.kind() != ErrorKind::AlreadyExists => Err(e),
        _ => Ok(()),
    }
}

/// Whether two paths lead to one file or directory.
pub fn is_same_file(a: &Path, b: &Path) -> bool {
    let identity = |path| fs::metadata(path).map(|meta| (meta.dev(), meta.ino()));
    matches!((identity(a), identity(b)), (Ok(a), Ok(b)) if a == b)
}

/// Whether anything is there, a dangling symlink included.
pub fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// Directories of ours are called this and something random.
pub const PREFIX: &str = ".lake-shim-";

/// A directory of our own beside the place where its contents will be published, so that publishing
/// is a rename. Removed when dropped. It is locked while somebody works in it, which tells those
/// that a dead process left behind.
#[derive(Debug)]
pub struct WorkDir {
    dir: TempDir,
    _lock: DirLock,
}

impl WorkDir {
    /// Makes one in `parent`, and removes those that nobody works in any more.
    pub fn new_in(parent: &Path) -> Result<Self> {
        Self::sweep(parent);
        loop {
            let dir = TempDir::with_prefix_in(PREFIX, parent)?;
            let lock = DirLock::acquire(dir.path(), |_| {}, || Ok(()));
            // Between the two lines above somebody may have taken it for a dead one.
            if dir.path().is_dir() {
                return Ok(Self { dir, _lock: lock? });
            }
        }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Removes what dead processes left in `parent`. What cannot be removed stays, and is not in
    /// the way.
    pub fn sweep(parent: &Path) {
        Self::sweep_with(parent, |_| {});
    }

    /// As [`WorkDir::sweep`], calling `rescue` with each directory before it goes.
    pub fn sweep_with(parent: &Path, rescue: impl Fn(&Path)) {
        for (dir, _lock) in Self::abandoned(parent) {
            rescue(&dir);
            let _ = fs::remove_dir_all(dir);
        }
    }

    /// What dead processes left in `parent`, each locked until it is dropped.
    pub fn abandoned(parent: &Path) -> impl Iterator<Item = (PathBuf, DirLock)> + use<> {
        let entries = fs::read_dir(parent).into_iter().flatten().filter_map(Result::ok);
        let ours = entries
            .filter(|entry| entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes()))
            .map(|entry| entry.path());
        ours.filter_map(|dir| DirLock::try_acquire(&dir).map(|lock| (dir, lock)))
    }
}

/// A directory that this process works in. Released when dropped, or when the process ends.
///
/// The lock only saves work: nothing that is published under it would be wrong without it. It is
/// on the directory itself, so that it leaves nothing behind and works where nothing may be
/// written.
#[derive(Debug)]
pub struct DirLock {
    /// Nothing where there can be no lock.
    lock: Option<Flock<File>>,
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
        let mut file = open_dir(dir)?;
        loop {
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(lock) => return Ok(Self { lock: Some(lock) }),
                Err((held, Errno::EWOULDBLOCK)) => file = held,
                Err(_) => return Ok(Self { lock: None }),
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
        let lock = Flock::lock(open_dir(dir).ok()?, FlockArg::LockExclusiveNonblock).ok()?;
        Some(Self { lock: Some(lock) })
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

fn open_dir(dir: &Path) -> Result<File> {
    Ok(fs::File::open(dir)?.into_file())
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
