//! Reading a shard: the file is hashed, decompressed and taken apart in one pass.
//!
//! Nothing is believed. What a shard may cost its reader is bounded by what the store says of it:
//! bytes read, bytes of contents, entries; memory by the window and a buffer.

use super::digest::Hashing;
use super::entry::{self, BLOCK, Entry, PATH_MAX, show};
use super::{Shard, WINDOW_LOG};
use crate::error::hint;
use crate::read;
use anyhow::{Context, Result, anyhow, bail, ensure};
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use tar::{EntryType, Header};
use zstd::stream::raw::DParameter;
use zstd::stream::read::Decoder;
use zstd::zstd_safe::{DCtx, get_error_name};

/// How much is decompressed at once: stays in the processor's cache until it is written.
const CHUNK: usize = 128 * 1024;
/// How much is read from disk at once.
const COMPRESSED_CHUNK: usize = 256 * 1024;

/// Told of each entry. What it does not read of the contents is passed over.
pub type Visit<'a> = &'a mut dyn FnMut(&Entry, &mut Contents) -> Result<()>;

/// Reads shards, one after another. What zstd keeps of a shard as it goes is tens of megabytes;
/// it costs less to use them again.
pub struct Reader(DCtx<'static>);

impl Reader {
    pub fn new() -> Result<Self> {
        let mut context = DCtx::try_create().context("no memory to decompress with")?;
        let window = DParameter::WindowLogMax(WINDOW_LOG);
        context.set_parameter(window).map_err(|code| anyhow!(get_error_name(code)))?;
        Ok(Self(context))
    }

    /// Reads the shard at `path` from end to end and gives each entry to `visit`.
    ///
    /// # Errors
    /// When it is not the file that `shard` says, or not a pack, naming it and the entry; and what
    /// `visit` returns. By then some entries may have been visited.
    pub fn read(&mut self, path: &Path, shard: &Shard, visit: Visit) -> Result<()> {
        let file = read::open(path)?;
        let size = file.metadata()?.len();
        if size != shard.size {
            bail!(damaged(path, format!("it has {size} bytes instead of {}", shard.size)));
        }
        let mut file = Hashing::new(file.take(size));
        let read = self.entries(&mut file, shard, visit);
        // Whatever went wrong, damage explains it better.
        io::copy(&mut file, &mut io::sink())?;
        let (_, sha256, len) = file.finish();
        if (sha256, len) != (shard.sha256, shard.size) {
            bail!(damaged(path, format!("its sha256 is {sha256} instead of {}", shard.sha256)));
        }
        read.with_context(|| format!("in the shard `{}`", path.display()))
    }

    fn entries(&mut self, file: &mut impl Read, shard: &Shard, visit: Visit) -> Result<()> {
        let compressed = BufReader::with_capacity(COMPRESSED_CHUNK, file);
        let decoder = Decoder::with_context(compressed, &mut self.0).single_frame();
        let mut archive = BufReader::with_capacity(CHUNK, decoder);
        let (mut count, mut unpacked) = (0, 0);
        while let Some(head) = next(&mut archive).with_context(|| format!("entry {}", count + 1))? {
            let mut take = || {
                let entry = Entry::from_tar(&head.header, &head.name, head.target.as_deref())?;
                count += 1;
                unpacked = entry.size().saturating_add(unpacked);
                check_bounds(shard, count, unpacked)?;
                take(&entry, &mut archive, visit)
            };
            take().with_context(|| format!("entry `{}`", show(&head.name)))?;
        }
        ensure!(
            (count, unpacked) == (shard.entries, shard.unpacked),
            "it ends after {count} entries and {unpacked} bytes instead of {} and {}",
            shard.entries,
            shard.unpacked
        );
        ensure!(archive.fill_buf()?.is_empty(), "there is something after the end of the archive");
        let mut compressed = archive.into_inner().finish();
        ensure!(compressed.fill_buf()?.is_empty(), "there is something after the compressed data");
        Ok(())
    }
}

fn damaged(path: &Path, how: String) -> String {
    hint(
        format!("the shard `{}` is damaged: {how}", path.display()),
        "bake the store again, or copy it again from where it is whole",
    )
}

fn check_bounds(shard: &Shard, count: u64, unpacked: u64) -> Result<()> {
    ensure!(count <= shard.entries, "it is one more than the {} of its shard", shard.entries);
    ensure!(
        unpacked <= shard.unpacked,
        "with it there are more than the {} bytes of its shard",
        shard.unpacked
    );
    Ok(())
}

/// Gives `entry` to `visit`, and leaves `archive` behind it.
fn take(entry: &Entry, archive: &mut impl BufRead, visit: Visit) -> Result<()> {
    let mut contents = Contents { archive, left: entry.size() };
    visit(entry, &mut contents)?;
    contents.pieces(|_| Ok(()))?;
    padding(archive, entry.size())
}

/// What an entry holds.
pub struct Contents<'a> {
    archive: &'a mut dyn BufRead,
    left: u64,
}

impl Contents<'_> {
    /// Hands out what is left, piece by piece, without copying.
    pub fn pieces(&mut self, mut each: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        while self.left > 0 {
            let available = self.archive.fill_buf()?;
            ensure!(!available.is_empty(), "the archive ends in it");
            let n = usize::try_from(self.left).unwrap_or(usize::MAX).min(available.len());
            each(&available[..n])?;
            self.archive.consume(n);
            self.left -= n as u64;
        }
        Ok(())
    }
}

/// What stands before the contents of an entry.
struct Head {
    header: Header,
    name: Vec<u8>,
    /// A symlink's, when it is longer than the header's field.
    target: Option<Vec<u8>>,
}

/// Reads up to the contents of the next entry. `None` at the end of the archive.
fn next(archive: &mut impl BufRead) -> Result<Option<Head>> {
    let (mut name, mut target) = (None, None);
    loop {
        let header = block(archive)?;
        if header.iter().all(|&byte| byte == 0) {
            ensure!(name.is_none() && target.is_none(), "a long name is the name of nothing");
            let second = block(archive)?;
            ensure!(second == header, "there is something after the end of the archive");
            return Ok(None);
        }
        let header = Header::from_byte_slice(&header);
        check(header)?;
        let long = match header.entry_type() {
            EntryType::GNULongName => &mut name,
            EntryType::GNULongLink => &mut target,
            _ => {
                let short = || entry::field(&header.as_old().name).map(<[u8]>::to_vec);
                let name = name.map_or_else(short, Ok)?;
                return Ok(Some(Head { header: header.clone(), name, target }));
            }
        };
        ensure!(long.is_none(), "it has two long names");
        *long = Some(long_text(archive, header)?);
    }
}

/// Checks that `header` is GNU tar's, whole, and not made of something else.
fn check(header: &Header) -> Result<()> {
    ensure!(header.as_gnu().is_some(), "it does not begin with a GNU tar header");
    // As tar does: the sum of all bytes, those of the sum itself counted as spaces.
    let bytes = header.as_bytes();
    let sum = |bytes: &[u8]| bytes.iter().map(|&byte| u32::from(byte)).sum::<u32>();
    let expected = sum(&bytes[..148]) + 8 * u32::from(b' ') + sum(&bytes[156..]);
    ensure!(header.cksum().ok() == Some(expected), "its header has a wrong checksum");
    Ok(())
}

fn long_text(archive: &mut impl BufRead, header: &Header) -> Result<Vec<u8>> {
    let size = header.entry_size().context("the size of a long name is no number")?;
    ensure!(size <= PATH_MAX as u64, "a long name has {size} bytes, more than {PATH_MAX}");
    let mut contents = Vec::new();
    let mut long = Contents { archive, left: size };
    long.pieces(|piece| {
        contents.extend_from_slice(piece);
        Ok(())
    })?;
    padding(archive, size)?;
    entry::long_text(contents)
}

/// Reads what fills the last block of `size` bytes.
fn padding(archive: &mut impl Read, size: u64) -> Result<()> {
    let mut filler = [0; BLOCK];
    let used = (size % BLOCK as u64) as usize;
    if used > 0 {
        fill(archive, &mut filler[used..])?;
        ensure!(filler == [0; BLOCK], "there is something between it and the next");
    }
    Ok(())
}

fn block(archive: &mut impl Read) -> Result<[u8; BLOCK]> {
    let mut block = [0; BLOCK];
    fill(archive, &mut block)?;
    Ok(block)
}

fn fill(archive: &mut impl Read, buffer: &mut [u8]) -> Result<()> {
    match archive.read_exact(buffer) {
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => bail!("the archive ends early"),
        read => Ok(read?),
    }
}
