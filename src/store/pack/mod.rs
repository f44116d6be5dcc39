//! A tree of files as shards that can be unpacked side by side.
//!
//! A shard is a GNU tar of its own in one zstd frame, in a file named by its sha256. The same tree
//! gives the same bytes whoever packs it: entries are sorted, belong to nobody, have whole-second
//! times and one of two modes, and no shard is compressed by more than one thread. What a pack may
//! hold, files, directories and symlinks that stay inside, is in [`entry`]; whatever else a shard
//! says is refused, because a store may come from anywhere.

mod digest;
mod entry;
mod files;
mod read;
#[cfg(test)]
mod tests;
mod tree;
mod unpack;
mod write;

pub use digest::{Digest, Hashing};
pub use files::files;
pub use unpack::{check, unpack};
pub use write::{WriteOptions, write};

use anyhow::Result;
use serde::{Deserialize, Serialize};

/// How much a shard holds unless told otherwise: enough for zstd to find what repeats, little
/// enough that a few dozen shards keep every core busy.
pub const SHARD_BYTES: u64 = 64 << 20;

/// The window of a shard, as a power of two of bytes, which is what each thread of a reader keeps in
/// memory. A shard may ask for no larger one. (Of 92 MB of Mathlib's build files a window of 64 MiB
/// saves a thousandth at level 3, and two at level 19.)
const WINDOW_LOG: u32 = 23;

/// What a store knows of a shard.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shard {
    pub sha256: Digest,
    /// Bytes of the file.
    pub size: u64,
    /// Bytes of the contents of all files in it.
    pub unpacked: u64,
    /// Files, directories and symlinks.
    pub entries: u64,
}

impl Shard {
    /// What its file is called in a directory of packs.
    pub fn file_name(&self) -> String {
        format!("{}.tar.zst", self.sha256)
    }
}

/// Told how many bytes of file contents were done since it was last told, from any thread. When it
/// fails, the work stops with its error.
pub type Progress<'a> = &'a (dyn Fn(u64) -> Result<()> + Sync);

/// A pool of `jobs` threads.
fn pool(jobs: usize) -> Result<rayon::ThreadPool> {
    Ok(rayon::ThreadPoolBuilder::new().num_threads(jobs.max(1)).build()?)
}
