//! Packing a tree.

use super::digest::{Digest, Hashing, read_some};
use super::entry::{BLOCK, END, Entry, Kind, check_target, show};
use super::{Progress, Shard, WINDOW_LOG, pool};
use crate::fs::{WorkDir, ensure_dirs, new_file};
use crate::read;
use anyhow::{Context, Result, bail, ensure};
use fs_err as fs;
use rayon::prelude::*;
use std::io::{BufWriter, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use zstd::stream::write::Encoder;

/// How much is read and compressed at once.
const CHUNK: usize = 256 * 1024;

/// How a tree is packed. The bytes depend on all of this but `jobs`.
#[derive(Clone, Copy, Debug)]
pub struct WriteOptions {
    /// zstd's: 1 to 22.
    pub level: i32,
    pub jobs: usize,
    /// How much goes into a shard, in bytes of its archive. A larger file has a shard of its own.
    pub shard_bytes: u64,
    /// The time of every entry, in seconds since 1970; nothing keeps those of the tree.
    pub mtime: Option<u64>,
}

/// Packs what `keep` accepts of `tree` into `<out>/<sha256>.tar.zst` and returns the shards in
/// order; an empty tree has none. `keep` is asked by paths relative to `tree`; a directory that it
/// refuses is left out with all that is in it.
///
/// # Errors
/// When something cannot be read, changes meanwhile, or has no place in a pack, naming it.
pub fn write(
    tree: &Path,
    keep: &dyn Fn(&Path) -> bool,
    out: &Path,
    options: WriteOptions,
    progress: Progress,
) -> Result<Vec<Shard>> {
    let mut entries = Vec::new();
    list(tree, Path::new(""), keep, &mut entries)?;
    if let Some(mtime) = options.mtime {
        entries.iter_mut().for_each(|entry| entry.mtime = mtime);
    }
    entries.sort_by(|a, b| a.path.as_os_str().as_bytes().cmp(b.path.as_os_str().as_bytes()));
    let shards = split(entries, options.shard_bytes);
    ensure_dirs(out)?;
    let work = WorkDir::new_in(out)?;
    let packing = Packing { tree, out, work: work.path(), options, progress };
    pool(options.jobs)?.install(|| {
        shards.par_iter().with_max_len(1).map(|members| packing.shard(members)).collect()
    })
}

/// Collects what is in `tree` below `relative`.
fn list(
    tree: &Path,
    relative: &Path,
    keep: &dyn Fn(&Path) -> bool,
    entries: &mut Vec<Entry>,
) -> Result<()> {
    for found in fs::read_dir(tree.join(relative))? {
        let found = found?;
        let path = relative.join(found.file_name());
        if !keep(&path) {
            continue;
        }
        let entry = entry(&found, path)
            .with_context(|| format!("cannot pack `{}`", found.path().display()))?;
        let is_directory = entry.kind == Kind::Directory;
        entries.push(entry);
        if is_directory {
            let path = relative.join(found.file_name());
            list(tree, &path, keep, entries)?;
        }
    }
    Ok(())
}

fn entry(found: &fs::DirEntry, path: PathBuf) -> Result<Entry> {
    let meta = found.metadata()?;
    let kind = if meta.is_dir() {
        Kind::Directory
    } else if meta.is_file() {
        Kind::File { size: meta.len(), executable: meta.mode() & 0o100 != 0 }
    } else if meta.is_symlink() {
        let target = fs::read_link(found.path())?;
        check_target(&path, &target)?;
        Kind::Symlink { target }
    } else {
        bail!("it is no file, directory or symlink");
    };
    // Times before 1970 are somebody's mistake, and tar has none.
    let mtime = u64::try_from(meta.mtime()).unwrap_or(0);
    Ok(Entry { path, kind, mtime })
}

/// An entry with its headers.
struct Member {
    entry: Entry,
    headers: Vec<u8>,
}

impl Member {
    /// Bytes in the archive.
    fn archived(&self) -> u64 {
        self.headers.len() as u64 + self.entry.size().next_multiple_of(BLOCK as u64)
    }
}

/// Divides entries among shards, in order.
fn split(entries: Vec<Entry>, shard_bytes: u64) -> Vec<Vec<Member>> {
    let mut shards: Vec<Vec<Member>> = Vec::new();
    let mut filled = 0;
    for entry in entries {
        let member = Member { headers: entry.to_tar(), entry };
        filled += member.archived();
        match shards.last_mut() {
            Some(shard) if filled + END.len() as u64 <= shard_bytes => shard.push(member),
            _ => {
                filled = member.archived();
                shards.push(vec![member]);
            }
        }
    }
    shards
}

struct Packing<'a> {
    tree: &'a Path,
    out: &'a Path,
    /// Where shards are written before they get their names, on the file system of `out`.
    work: &'a Path,
    options: WriteOptions,
    progress: Progress<'a>,
}

impl Packing<'_> {
    /// Writes a shard beside its place, and gives it its name when it is whole.
    fn shard(&self, members: &[Member]) -> Result<Shard> {
        let file = new_file(self.work)
            .with_context(|| format!("cannot write to `{}`", self.out.display()))?;
        let mut hashing = Hashing::new(file);
        self.archive(members, &mut hashing)?;
        let (file, sha256, size) = hashing.finish();
        let shard = Shard {
            sha256,
            size,
            unpacked: members.iter().map(|member| member.entry.size()).sum(),
            entries: members.len() as u64,
        };
        let path = self.out.join(shard.file_name());
        // One that is there may have been damaged since.
        let there = read::open(&path).and_then(|mut file| Digest::of_reader(&mut file));
        if there.ok() != Some(sha256) {
            file.persist(&path).with_context(|| format!("cannot write `{}`", path.display()))?;
        }
        Ok(shard)
    }

    fn archive(&self, members: &[Member], out: &mut impl Write) -> Result<()> {
        let len = members.iter().map(Member::archived).sum::<u64>() + END.len() as u64;
        let mut encoder = Encoder::new(BufWriter::with_capacity(CHUNK, out), self.options.level)?;
        encoder.window_log(WINDOW_LOG)?;
        encoder.long_distance_matching(true)?;
        encoder.include_checksum(true)?;
        encoder.set_pledged_src_size(Some(len))?;
        for Member { entry, headers } in members {
            encoder.write_all(headers)?;
            if let Kind::File { size, .. } = entry.kind {
                self.contents(&entry.path, size, &mut encoder).with_context(|| {
                    format!("cannot pack `{}`", show(entry.path.as_os_str().as_bytes()))
                })?;
            }
        }
        encoder.write_all(&END)?;
        encoder.finish()?.flush()?;
        Ok(())
    }

    /// Copies a file that had `size` bytes when it was listed.
    fn contents(&self, path: &Path, size: u64, out: &mut impl Write) -> Result<()> {
        let mut file = read::open(&self.tree.join(path))?;
        let mut buffer = vec![0; CHUNK];
        let mut left = size;
        loop {
            let n = read_some(&mut file, &mut buffer)?;
            ensure!(n as u64 <= left && (n > 0 || left == 0), "it changed while it was packed");
            if n == 0 {
                break;
            }
            out.write_all(&buffer[..n])?;
            (self.progress)(n as u64)?;
            left -= n as u64;
        }
        let padding = size.next_multiple_of(BLOCK as u64) - size;
        Ok(out.write_all(&[0; BLOCK][..padding as usize])?)
    }
}
