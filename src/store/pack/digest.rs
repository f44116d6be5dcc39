//! The sha256 of a shard, and taking it on the way.

use crate::interrupt::stop_if_told;
use anyhow::{Error, bail};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::io::{self, Read, Write};
use std::str::FromStr;

/// A sha256. Written as 64 lowercase hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

impl Digest {
    /// The sha256 of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The sha256 of what `reader` gives.
    pub fn of_reader(reader: &mut impl Read) -> io::Result<Self> {
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; 1 << 16];
        loop {
            match read_some(reader, &mut buffer)? {
                0 => return Ok(Self(hasher.finalize().into())),
                read => hasher.update(&buffer[..read]),
            }
        }
    }
}

/// As [`Read::read`], and again when a signal interrupts it.
pub(super) fn read_some(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        stop_if_told()?;
        match reader.read(buffer) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl FromStr for Digest {
    type Err = Error;

    /// Takes what [`Display`](fmt::Display) writes and nothing else: two spellings would be two
    /// files.
    fn from_str(text: &str) -> Result<Self, Error> {
        let is_hex = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
        if text.len() != 64 || !text.bytes().all(is_hex) {
            bail!("`{}` is not 64 lowercase hex digits", text.escape_debug());
        }
        let mut digest = [0; 32];
        for (i, byte) in digest.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16)?;
        }
        Ok(Self(digest))
    }
}

impl TryFrom<String> for Digest {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

/// Hashes and counts what passes through.
#[derive(Debug)]
pub struct Hashing<T> {
    inner: T,
    hasher: Sha256,
    len: u64,
}

impl<T> Hashing<T> {
    pub fn new(inner: T) -> Self {
        Self { inner, hasher: Sha256::new(), len: 0 }
    }

    /// What is inside, and the digest and number of the bytes that passed.
    pub fn finish(self) -> (T, Digest, u64) {
        (self.inner, Digest(self.hasher.finalize().into()), self.len)
    }

    fn pass(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.len += bytes.len() as u64;
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = read_some(&mut self.inner, buffer)?;
        self.pass(&buffer[..n]);
        Ok(n)
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.inner.write(bytes)?;
        self.pass(&bytes[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FIPS 180-4's example.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn what_passes_is_hashed() {
        let mut read = Hashing::new(&b"abc"[..]);
        io::copy(&mut read, &mut io::sink()).expect("memory can be read");
        let (_, digest, len) = read.finish();
        assert_eq!((digest.to_string().as_str(), len), (ABC, 3));
        let mut written = Hashing::new(Vec::new());
        written.write_all(b"abc").expect("memory can be written");
        assert_eq!(written.finish(), (b"abc".to_vec(), digest, 3));
    }

    #[test]
    fn one_spelling_only() {
        let digest: Digest = ABC.parse().expect("a digest");
        assert_eq!(digest.to_string(), ABC);
        let json = serde_json::to_string(&digest).expect("a string");
        assert_eq!(json, format!("\"{ABC}\""));
        assert_eq!(serde_json::from_str::<Digest>(&json).expect("a digest"), digest);
        let upper = ABC.to_uppercase();
        let (short, long) = (&ABC[1..], format!("{ABC}0"));
        let sign = format!("+{}", &ABC[1..]);
        let wide = format!("é{}", &ABC[2..]);
        for text in ["", "../..", short, &long, &upper, &sign, &wide] {
            assert!(text.parse::<Digest>().is_err(), "{text}");
        }
    }
}
