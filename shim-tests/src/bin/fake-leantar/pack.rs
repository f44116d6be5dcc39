//! The other direction: a module's trace and files into an archive.

use std::path::Path;

use anyhow::{Context as _, Result};
use fs_err as fs;
use serde_json::Value;
use shim_tests::ltar::{Entry, Header, Ltar};

use crate::options::PackEntry;

/// Writes `archive` from files below `base`; the names are kept as given.
pub(crate) fn pack(base: &Path, archive: &Path, trace: &str, entries: &[PackEntry]) -> Result<()> {
    let mut packed = vec![file(base, trace)?];
    for entry in entries {
        packed.push(match entry {
            PackEntry::File(path) => file(base, path)?,
            PackEntry::Comment(text) => Entry::Comment(text.clone()),
        });
    }
    let header = Header { dep_hash: dep_hash(&base.join(trace))?, trace: trace.to_owned() };
    fs::write(archive, Ltar { header, entries: packed }.to_bytes())?;
    Ok(())
}

fn file(base: &Path, path: &str) -> Result<Entry> {
    Ok(Entry::File { path: path.to_owned(), bytes: fs::read(base.join(path))? })
}

fn dep_hash(trace: &Path) -> Result<u64> {
    let trace: Value = serde_json::from_slice(&fs::read(trace)?)?;
    let digits = trace["depHash"].as_str().context("bad .trace file")?;
    Ok(u64::from_str_radix(digits, 16)?)
}
