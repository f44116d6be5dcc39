//! Shards become a tree again, several at a time.
//!
//! Nothing is written outside of the directory: paths are names only, each is taken once, and
//! symlinks are made when everything else is, so while files are written there is none to follow.

use super::entry::{Entry, Kind};
use super::read::{Contents, Reader};
use super::tree::Tree;
use super::{Progress, Shard, pool};
use anyhow::{Context, Result, ensure};
use fs_err as fs;
use fs_err::os::unix::fs::{OpenOptionsExt, symlink};
use nix::fcntl::AT_FDCWD;
use nix::sys::stat::{UtimensatFlags, utimensat};
use nix::sys::time::TimeSpec;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// Unpacks `shards`, each a file and what the store knows of it, into `into`: an empty directory
/// that nobody else writes to. Files and directories get the modes that new ones have here.
///
/// # Errors
/// When a shard is damaged or is no shard of this pack, naming it and the entry. Then what is in
/// `into` is worth nothing.
pub fn unpack(
    shards: &[(PathBuf, Shard)],
    into: &Path,
    jobs: usize,
    progress: Progress,
) -> Result<()> {
    let is_empty = fs::read_dir(into)?.next().is_none();
    ensure!(is_empty, "`{}` is not empty", into.display());
    let unpacking = Unpacking { into, progress, state: Mutex::default() };
    let queue = Queue(Mutex::new(shards.iter()));
    let done = pool(jobs)?.broadcast(|_| {
        let mut reader = Reader::new()?;
        while let Some((path, shard)) = queue.next() {
            unpacking.shard(&mut reader, path, shard).inspect_err(|_| queue.clear())?;
        }
        Ok(())
    });
    done.into_iter().collect::<Result<()>>()?;
    unpacking.finish()
}

/// Reads the shard at `path` as [`unpack`] would, and writes nothing.
///
/// # Errors
/// Those of [`unpack`].
pub fn check(path: &Path, shard: &Shard, progress: Progress) -> Result<()> {
    let mut tree = Tree::default();
    Reader::new()?.read(path, shard, &mut |entry, contents| {
        tree.take(entry)?;
        contents.pieces(|piece| progress(piece.len() as u64))
    })
}

/// Shards that nobody has begun with.
struct Queue<'a>(Mutex<std::slice::Iter<'a, (PathBuf, Shard)>>);

impl<'a> Queue<'a> {
    fn next(&self) -> Option<&'a (PathBuf, Shard)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).next()
    }

    fn clear(&self) {
        while self.next().is_some() {}
    }
}

struct Unpacking<'a> {
    into: &'a Path,
    progress: Progress<'a>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    tree: Tree,
    /// Their times are set when nothing is put into them any more.
    directories: Vec<Entry>,
    /// Made last.
    symlinks: Vec<Entry>,
}

impl Unpacking<'_> {
    fn shard(&self, reader: &mut Reader, path: &Path, shard: &Shard) -> Result<()> {
        reader.read(path, shard, &mut |entry, contents| {
            self.take(entry)?;
            match entry.kind {
                Kind::File { executable, .. } => self.file(entry, executable, contents),
                Kind::Directory | Kind::Symlink { .. } => Ok(()),
            }
        })
    }

    /// Takes the path of `entry` and makes the directories that lead to it. Whoever needs them
    /// next waits until they are there.
    fn take(&self, entry: &Entry) -> Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for directory in state.tree.take(entry)? {
            fs::create_dir(self.into.join(directory))?;
        }
        match entry.kind {
            Kind::Directory => state.directories.push(entry.clone()),
            Kind::Symlink { .. } => state.symlinks.push(entry.clone()),
            Kind::File { .. } => {}
        }
        Ok(())
    }

    fn file(&self, entry: &Entry, executable: bool, contents: &mut Contents) -> Result<()> {
        let mode = if executable { 0o777 } else { 0o666 };
        // A new file, or none: what is there is neither followed nor replaced.
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(self.into.join(&entry.path))?;
        contents.pieces(|piece| {
            file.write_all(piece)?;
            (self.progress)(piece.len() as u64)
        })?;
        let modified = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(entry.mtime));
        file.set_modified(modified.context("its time is out of range")?)?;
        Ok(())
    }

    fn finish(self) -> Result<()> {
        let Self { into, state, .. } = self;
        let State { symlinks, directories, .. } =
            state.into_inner().unwrap_or_else(PoisonError::into_inner);
        for entry in &symlinks {
            let Kind::Symlink { target } = &entry.kind else { continue };
            symlink(target, into.join(&entry.path))?;
        }
        symlinks.iter().chain(&directories).try_for_each(|entry| set_time(into, entry))
    }
}

fn set_time(into: &Path, entry: &Entry) -> Result<()> {
    let path = into.join(&entry.path);
    let time = TimeSpec::new(entry.mtime.try_into()?, 0);
    utimensat(AT_FDCWD, &path, &time, &time, UtimensatFlags::NoFollowSymlink)
        .map_err(io::Error::from)
        .with_context(|| format!("cannot set the time of `{}`", path.display()))
}
