//! The archives of the fake leantar: a real `.ltar`'s head on a payload of our own.
//!
//! What the shim and mathlib's tool read themselves is as in a real file: the magic, the trace's depHash as
//! a little-endian u64, the trace's path ended by a zero byte. What follows is ours, because the real one
//! takes Lean's own compression:
//!
//! ```text
//! "LTAR"  depHash u64  trace path NUL  length u64 of the body
//! body: per entry a kind byte ("F" file, "C" comment), u32 length + name, u64 length + bytes
//! checksum u64 of all that precedes
//! ```
//!
//! The stated length tells a truncated file from one with a flipped bit, two damages that a leantar answers
//! in different ways.

use serde_json::Value;

use crate::lean_hash::{lean_hash, lean_hash_hex};
use crate::or_panic::OrPanic as _;

/// The magics of real archives, by version; only the first is followed by our payload.
pub const MAGICS: [&[u8; 4]; 3] = [b"LTAR", b"LTR2", b"LTR3"];

/// What every version starts with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    pub dep_hash: u64,
    /// As written: relative to the mathlib directory for its own modules, else to the root.
    pub trace: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ltar {
    pub header: Header,
    pub entries: Vec<Entry>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    File { path: String, bytes: Vec<u8> },
    Comment(String),
}

/// Why an archive cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    BadMagic,
    Truncated,
    /// All there, but not what was written.
    Flipped,
}

impl Header {
    /// Reads the head of an archive, real or ours.
    pub fn parse(bytes: &[u8]) -> Result<Header, Damage> {
        Reader(bytes).header()
    }
}

impl Ltar {
    pub fn parse(bytes: &[u8]) -> Result<Ltar, Damage> {
        let mut reader = Reader(bytes);
        let header = reader.header()?;
        let length = reader.length()?;
        let mut body = Reader(reader.take(length)?);
        let checked = bytes.len() - reader.0.len();
        if reader.u64()? != lean_hash(&bytes[..checked]) {
            return Err(Damage::Flipped);
        }
        let mut entries = Vec::new();
        while !body.0.is_empty() {
            entries.push(body.entry()?);
        }
        Ok(Ltar { header, entries })
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        let mut body = Vec::new();
        for entry in &self.entries {
            let (kind, name, bytes) = match entry {
                Entry::File { path, bytes } => (b'F', path, bytes.as_slice()),
                Entry::Comment(text) => (b'C', text, [].as_slice()),
            };
            body.push(kind);
            body.extend((name.len() as u32).to_le_bytes());
            body.extend(name.as_bytes());
            body.extend((bytes.len() as u64).to_le_bytes());
            body.extend(bytes);
        }
        let mut out = Vec::with_capacity(body.len() + self.header.trace.len() + 32);
        out.extend(MAGICS[0]);
        out.extend(self.header.dep_hash.to_le_bytes());
        out.extend(self.header.trace.as_bytes());
        out.push(0);
        out.extend((body.len() as u64).to_le_bytes());
        out.extend(body);
        out.extend(lean_hash(&out).to_le_bytes());
        out
    }

    /// The archive as another build of the same sources has it: the same `depHash`, and an olean that ends with
    /// `mark`.
    pub fn rebuilt(mut self, mark: &str) -> Ltar {
        let olean = self.file_mut(".olean");
        olean.extend(mark.as_bytes());
        let hash = lean_hash_hex(olean);
        *self.file_mut(".olean.hash") = hash.clone().into_bytes();
        let text = self.file_mut(".trace");
        let mut trace: Value = serde_json::from_slice(text).or_panic();
        trace["outputs"]["o"][0] = format!("{hash}.olean").into();
        *text = trace.to_string().into_bytes();
        self
    }

    /// The bytes of the file whose name has this end.
    fn file_mut(&mut self, end: &str) -> &mut Vec<u8> {
        let files = self.entries.iter_mut().filter_map(|entry| match entry {
            Entry::File { path, bytes } => path.ends_with(end).then_some(bytes),
            Entry::Comment(_) => None,
        });
        files.last().unwrap_or_else(|| panic!("the archive has no {end}"))
    }

    /// The files, in the order in which they are written.
    pub fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.entries.iter().filter_map(|entry| match entry {
            Entry::File { path, bytes } => Some((path.as_str(), bytes.as_slice())),
            Entry::Comment(_) => None,
        })
    }

    pub fn comments(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().filter_map(|entry| match entry {
            Entry::Comment(text) => Some(text.as_str()),
            Entry::File { .. } => None,
        })
    }
}

/// What is left to read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn header(&mut self) -> Result<Header, Damage> {
        let magic = self.take(4)?;
        if !MAGICS.iter().any(|known| known.as_slice() == magic) {
            return Err(Damage::BadMagic);
        }
        let dep_hash = self.u64()?;
        let end = self.0.iter().position(|&byte| byte == 0).ok_or(Damage::Truncated)?;
        let trace = text(self.take(end)?)?;
        self.take(1)?;
        Ok(Header { dep_hash, trace })
    }

    fn entry(&mut self) -> Result<Entry, Damage> {
        let kind = self.take(1)?[0];
        let mut length = [0; 4];
        length.copy_from_slice(self.take(4)?);
        let name = text(self.take(u32::from_le_bytes(length) as usize)?)?;
        let length = self.length()?;
        let bytes = self.take(length)?;
        match kind {
            b'F' => Ok(Entry::File { path: name, bytes: bytes.to_vec() }),
            b'C' => Ok(Entry::Comment(name)),
            _ => Err(Damage::Flipped),
        }
    }

    fn length(&mut self) -> Result<usize, Damage> {
        usize::try_from(self.u64()?).map_err(|_| Damage::Truncated)
    }

    fn u64(&mut self) -> Result<u64, Damage> {
        let mut word = [0; 8];
        word.copy_from_slice(self.take(8)?);
        Ok(u64::from_le_bytes(word))
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Damage> {
        let (head, rest) = self.0.split_at_checked(count).ok_or(Damage::Truncated)?;
        self.0 = rest;
        Ok(head)
    }
}

fn text(bytes: &[u8]) -> Result<String, Damage> {
    String::from_utf8(bytes.to_vec()).map_err(|_| Damage::Flipped)
}

#[cfg(test)]
mod tests {
    use super::{Damage, Entry, Header, Ltar};

    fn sample() -> Ltar {
        Ltar {
            header: Header {
                dep_hash: 0x0123_4567_89ab_cdef,
                trace: ".lake/build/lib/lean/A.trace".into(),
            },
            entries: vec![
                Entry::File { path: ".lake/build/lib/lean/A.trace".into(), bytes: b"{}".to_vec() },
                Entry::Comment("git=mathlib4@0".into()),
                Entry::File { path: ".lake/build/lib/lean/A.olean".into(), bytes: vec![7; 100] },
            ],
        }
    }

    #[test]
    fn survives_a_round_trip() {
        assert_eq!(Ltar::parse(&sample().to_bytes()), Ok(sample()));
    }

    #[test]
    fn tells_the_damages_apart() {
        let good = sample().to_bytes();
        for length in [0, 3, 11, 20, 41, good.len() / 2, good.len() - 1] {
            assert_eq!(Ltar::parse(&good[..length]), Err(Damage::Truncated), "{length} bytes");
        }
        let mut flipped = good.clone();
        flipped[60] ^= 1;
        assert_eq!(Ltar::parse(&flipped), Err(Damage::Flipped));
        assert_eq!(Ltar::parse(b"GIF89a, not an archive"), Err(Damage::BadMagic));
    }
}
