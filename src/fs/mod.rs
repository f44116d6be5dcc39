//! What the shim does to the disk, besides plain reads and writes: replace a symlink in one step,
//! move a tree without replacing anything, wait for whoever works in a directory.

pub mod links;
mod lock;
mod work_dir;

pub use lock::Lock;
pub use work_dir::WorkDir;

use crate::read;
use anyhow::{Context, Result, bail};
use fs_err as fs;
use fs_err::os::unix::fs::{OpenOptionsExt, symlink};
use links::MAX_LINKS;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat, renameat2};
use nix::sys::statvfs::{Statvfs, statvfs};
use nix::unistd::fchown;
use std::ffi::OsString;
use std::fs::{DirBuilder, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use tempfile::NamedTempFile;

/// Who may read, write and run; not whose rights a program has, nor whose a directory's files are.
const RIGHTS: u32 = 0o777;
/// Without these a directory cannot be filled.
const OWNER: u32 = 0o700;

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
        Err(errno) if is_unsupported(errno) => {
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
    rename(AT_FDCWD, from, to)
}

/// As [`rename_to_new`], for the entry `name` of a directory that is held open.
pub fn rename_to_new_from(dir: &std::fs::File, name: &str, to: &Path) -> io::Result<Renamed> {
    rename(dir.as_fd(), Path::new(name), to)
}

fn rename(dir: BorrowedFd, from: &Path, to: &Path) -> io::Result<Renamed> {
    let error = |errno: Errno| {
        let e = io::Error::from(errno);
        let (from, to) = (from.display(), to.display());
        io::Error::new(e.kind(), format!("cannot move `{from}` to `{to}`: {e}"))
    };
    match renameat2(dir, from, AT_FDCWD, to, RenameFlags::RENAME_NOREPLACE) {
        Ok(()) => Ok(Renamed::Done),
        Err(Errno::EEXIST) => Ok(Renamed::Taken),
        Err(Errno::EXDEV) => Ok(Renamed::Elsewhere),
        // The check and the rename are two steps then.
        Err(errno) if is_unsupported(errno) && exists(to)? => Ok(Renamed::Taken),
        Err(errno) if is_unsupported(errno) => match renameat(dir, from, AT_FDCWD, to) {
            Err(Errno::EXDEV) => Ok(Renamed::Elsewhere),
            renamed => renamed.map(|()| Renamed::Done).map_err(error),
        },
        Err(errno) => Err(error(errno)),
    }
}

/// A mount point that is `dir` or lies in it. `None` also where there is no list of mounts.
pub fn mount_in(dir: &Path) -> io::Result<Option<PathBuf>> {
    let dir = fs::canonicalize(dir)?;
    let mounts = read::bytes(Path::new("/proc/self/mountinfo"), read::REFS).unwrap_or_default();
    let points = mounts
        .split(|&byte| byte == b'\n')
        .filter_map(|line| Some(mount_point(line.split(|&byte| byte == b' ').nth(4)?)));
    Ok(points.into_iter().find(|point| point.starts_with(&dir)))
}

/// As `/proc/self/mountinfo` has it: blanks and the like are three octal digits behind a backslash.
fn mount_point(text: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, tail)) = rest.split_first() {
        let digits = tail.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        let escaped = digits.and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match escaped.filter(|_| first == b'\\') {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[3..];
            }
            None => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    PathBuf::from(OsString::from_vec(bytes))
}

/// `true` if `renameat2` with flags is not available: the file system lacks it, or a container's seccomp
/// profile from before 2020 denies the system call (`EPERM`).
fn is_unsupported(errno: Errno) -> bool {
    matches!(errno, Errno::EINVAL | Errno::ENOSYS | Errno::EPERM)
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
    if let Some(old) = if_there(fs::metadata(&target))? {
        // Only root can give files away; for others it is their own already, or will be.
        let _ = fchown(file.file(), Some(old.uid().into()), Some(old.gid().into()));
        file.set_permissions(Permissions::from_mode(old.mode() & RIGHTS))?;
    }
    file.sync_all()?;
    Ok(fs::rename(&temporary, &target)?)
}

/// Gives the name `path` to a new file with these contents. A symlink of that name is replaced, not
/// followed.
pub fn replace_name(path: &Path, contents: &[u8]) -> Result<()> {
    let work = WorkDir::new_in(path.parent().context("a file has a parent")?)?;
    let file = work.path().join("file");
    fs::File::create_new(&file)?.write_all(contents)?;
    Ok(fs::rename(file, path)?)
}

/// Removes what a killed [`replace_file`] has left of `path`.
pub fn sweep_beside(path: &Path) {
    if let Some(parent) = target_of(path).ok().as_deref().and_then(Path::parent) {
        WorkDir::sweep(parent);
    }
}

/// Where writing to `path` would write: symlinks may lead to what does not exist yet, and have to
/// count ([`links`]).
fn target_of(path: &Path) -> Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        let parent = fs::canonicalize(path.parent().context("a file has a parent")?)?;
        let name = path.file_name().context("a file has a name")?;
        path = parent.join(name);
        if !is_symlink(&path)? {
            return Ok(path);
        }
        links::check(&path)?;
        path = parent.join(fs::read_link(&path)?);
    }
    bail!("`{}` leads to too many symlinks", path.display())
}

/// Copies files, directories and symlinks with their times (git compares times before it compares
/// contents), and with their modes as far as the umask goes. A copy is this user's: what would give
/// his rights to others (`S_ISUID`) is not copied, and a group comes from where the copy is. Sockets
/// and pipes, such as git's `fsmonitor` has, are nobody's contents.
pub fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    let meta = fs::symlink_metadata(from)?;
    if meta.is_symlink() {
        symlink(fs::read_link(from)?, to)?;
        return Ok(());
    }
    let mode = meta.mode() & RIGHTS;
    if meta.is_dir() {
        let made = DirBuilder::new().mode(mode | OWNER).create(to);
        made.with_context(|| format!("cannot make the directory `{}`", to.display()))?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            copy_tree(&entry.path(), &to.join(entry.file_name()))?;
        }
    } else if meta.is_file() {
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(to)?;
        io::copy(&mut read::open(from)?, &mut file)?;
    } else {
        return Ok(());
    }
    set_modified(to, meta.modified()?)
}

/// Sets the time of a file or directory. Opening it to read is enough for that, so read-only ones do.
pub fn set_modified(path: &Path, time: SystemTime) -> Result<()> {
    Ok(fs::File::open(path)?.set_modified(time)?)
}

/// A new file in `dir`, open to whoever the umask lets, that goes unless it is given a name
/// ([`NamedTempFile::persist`]).
pub fn new_file(dir: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.permissions(Permissions::from_mode(0o666)).tempfile_in(dir)
}

/// The mode of a new file in `dir`: what the umask leaves of it, or a default ACL in its place. One
/// is made and looked at, for whatever else one asks, the answer comes from somewhere else.
pub fn new_file_mode(dir: &Path) -> Result<u32> {
    let file = new_file(dir)?;
    let meta = file.as_file().metadata();
    let meta = meta.with_context(|| format!("cannot look at `{}`", file.path().display()))?;
    Ok(meta.mode() & RIGHTS)
}

/// Makes a directory unless it is there, but nothing that leads to it.
pub fn ensure_dir(dir: &Path) -> io::Result<()> {
    match fs::create_dir(dir) {
        Err(e) if e.kind() != ErrorKind::AlreadyExists => Err(e),
        _ => Ok(()),
    }
}

/// Makes a directory and those above it, as far as they are not there.
pub fn ensure_dirs(dir: &Path) -> io::Result<()> {
    match fs::create_dir_all(dir) {
        // It is there, or it could not be looked at, and then that is the error.
        Err(e) if e.kind() == ErrorKind::AlreadyExists => match is_dir(dir)? {
            true => Ok(()),
            false => Err(e),
        },
        made => made,
    }
}

/// Makes `names` in `dir`, one in the other.
pub fn make_in(dir: &Path, names: &[&str]) -> io::Result<PathBuf> {
    names.iter().try_fold(dir.to_owned(), |dir, name| {
        let next = dir.join(name);
        ensure_dir(&next).map(|()| next)
    })
}

/// Whether the disk that `path` is on has no room to speak of, for bytes or for files.
pub fn is_full(path: &Path) -> bool {
    const LITTLE: u64 = 1 << 20;
    let bytes = |stat: &Statvfs| stat.blocks_available() * stat.fragment_size();
    // There are file systems without a limit for files, which have none in use either.
    let is_full =
        |stat: Statvfs| bytes(&stat) < LITTLE || stat.files() > 0 && stat.files_available() == 0;
    statvfs(path).is_ok_and(is_full)
}

/// Whether two paths lead to one file or directory.
pub fn is_same_file(a: &Path, b: &Path) -> bool {
    let identity = |path| fs::metadata(path).map(|meta| (meta.dev(), meta.ino()));
    matches!((identity(a), identity(b)), (Ok(a), Ok(b)) if a == b)
}

/// What was asked for of a file; nothing when there is none. That nobody can tell is an error, and
/// not the same.
pub fn if_there<T>(asked: io::Result<T>) -> io::Result<Option<T>> {
    match asked {
        Ok(found) => Ok(Some(found)),
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(e) => Err(e),
    }
}

/// Removes a file, unless there is none.
pub fn remove_if_there(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

/// Whether anything is there, a dangling symlink included.
///
/// # Errors
/// When nobody can tell.
pub fn exists(path: &Path) -> io::Result<bool> {
    Ok(if_there(fs::symlink_metadata(path))?.is_some())
}

/// Whether there is a symlink.
///
/// # Errors
/// When nobody can tell.
pub fn is_symlink(path: &Path) -> io::Result<bool> {
    Ok(if_there(fs::symlink_metadata(path))?.is_some_and(|meta| meta.is_symlink()))
}

/// Whether there is a directory, or a link to one.
///
/// # Errors
/// When nobody can tell.
pub fn is_dir(path: &Path) -> io::Result<bool> {
    Ok(if_there(fs::metadata(path))?.is_some_and(|meta| meta.is_dir()))
}
