//! Archives entry by entry, as no writer of packs makes them.

use super::super::entry::{BLOCK, END};
use tar::Header;

/// Part of an archive, and what a store would have to say of it.
#[derive(Clone, Default)]
pub struct Raw {
    pub bytes: Vec<u8>,
    pub unpacked: u64,
    pub entries: u64,
}

impl Raw {
    pub fn with(mut self, next: Self) -> Self {
        self.bytes.extend(next.bytes);
        self.unpacked += next.unpacked;
        self.entries += next.entries;
        self
    }

    pub fn bytes(bytes: &[u8]) -> Self {
        Self { bytes: bytes.to_vec(), ..Self::default() }
    }

    /// Lets `change` do something to the first header, which is then made whole again.
    pub fn header(mut self, change: impl FnOnce(&mut Header)) -> Self {
        let mut header = Header::from_byte_slice(&self.bytes[..BLOCK]).clone();
        change(&mut header);
        header.set_cksum();
        self.bytes[..BLOCK].copy_from_slice(header.as_bytes());
        self
    }

    pub fn cut(mut self, len: usize) -> Self {
        self.bytes.truncate(len);
        self
    }
}

/// An entry of tar's type `kind`.
pub fn raw(kind: u8, name: &[u8], target: &[u8], contents: &[u8]) -> Raw {
    let mut bytes = Header::new_gnu().as_bytes().to_vec();
    bytes.extend(contents);
    bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
    let is_entry = !b"LKxg".contains(&kind);
    let unpacked = if is_entry { contents.len() as u64 } else { 0 };
    Raw { bytes, unpacked, entries: is_entry.into() }.header(|header| {
        header.as_mut_bytes()[156] = kind;
        header.set_mode(0o644);
        header.set_size(contents.len() as u64);
        header.as_old_mut().name[..name.len()].copy_from_slice(name);
        header.as_old_mut().linkname[..target.len()].copy_from_slice(target);
    })
}

pub fn file(name: impl AsRef<[u8]>) -> Raw {
    raw(b'0', name.as_ref(), b"", b"evil")
}

pub fn directory(name: &str) -> Raw {
    raw(b'5', name.as_bytes(), b"", b"")
}

pub fn link(name: &str, target: &str) -> Raw {
    raw(b'2', name.as_bytes(), target.as_bytes(), b"")
}

pub fn long(kind: u8, text: impl AsRef<[u8]>) -> Raw {
    raw(kind, b"././@LongLink", b"", text.as_ref())
}

pub fn end() -> Raw {
    Raw::bytes(&END)
}
