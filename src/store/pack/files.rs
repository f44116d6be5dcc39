//! A few files of a pack, without unpacking it.

use super::Shard;
use super::entry::Kind;
use super::read::Reader;
use anyhow::{Result, ensure};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What is read this way is configuration, and has no more bytes than this in all.
const MAX_SIZE: u64 = 16 << 20;

/// The contents of the files that `is_wanted`, from the shards of a pack.
///
/// # Errors
/// When a shard is damaged, or the wanted files have more than 16 MiB.
pub fn files(
    shards: &[(PathBuf, Shard)],
    is_wanted: impl Fn(&Path) -> bool,
) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut reader = Reader::new()?;
    let mut found = BTreeMap::new();
    let mut left = MAX_SIZE;
    for (path, shard) in shards {
        reader.read(path, shard, &mut |entry, contents| {
            if matches!(entry.kind, Kind::File { .. }) && is_wanted(&entry.path) {
                let size = entry.size();
                ensure!(size <= left, "it has {size} bytes, and {left} are left of {MAX_SIZE}");
                left -= size;
                let file: &mut Vec<u8> = found.entry(entry.path.clone()).or_default();
                contents.pieces(|piece| {
                    file.extend_from_slice(piece);
                    Ok(())
                })?;
            }
            Ok(())
        })?;
    }
    Ok(found)
}
