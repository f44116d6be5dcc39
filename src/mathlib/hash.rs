//! Lean's own hashes, bit for bit.
//!
//! `String.hash` and `ByteArray.hash` are a 64-bit MurmurHash64A with seed 11 (`runtime/hash.cpp`
//! in lean4); `mixHash` folds two of them; a list hashes as a left fold of `mixHash` from 7
//! (`Init/Data/Hashable.lean`). Mathlib's cache names its files with these, and Lake's traces
//! record its outputs with them, so a wrong bit here is a miss, never a wrong file.

use crate::interrupt::stop_if_told;
use std::borrow::Cow;
use std::cell::RefCell;
use std::io::{self, Read};

const MULTIPLIER: u64 = 0xc6a4_a793_5bd1_e995;
const SHIFT: u32 = 47;
/// The seed of `lean_string_hash` and `lean_byte_array_hash`.
const SEED: u64 = 11;
/// What an empty list hashes to.
const EMPTY_LIST: u64 = 7;

/// How much of a file is read at once: a multiple of eight that stays in the processor's cache.
const CHUNK: usize = 128 * 1024;

/// `hash (s : String)` and `hash (b : ByteArray)`.
pub fn bytes(data: &[u8]) -> u64 {
    let whole = data.len() - data.len() % 8;
    let h = words(start(data.len() as u64), &data[..whole]);
    finish(h, &data[whole..])
}

/// `hash` of what `file` holds, `len` bytes, without keeping it.
///
/// # Errors
/// When it cannot be read, or ends early.
pub fn file(file: &mut impl Read, len: u64) -> io::Result<u64> {
    thread_local! {
        static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; CHUNK]);
    }
    BUFFER.with_borrow_mut(|buffer| {
        let mut h = start(len);
        let mut left = len;
        while left >= CHUNK as u64 {
            stop_if_told()?;
            file.read_exact(buffer)?;
            h = words(h, buffer);
            left -= CHUNK as u64;
        }
        let rest = &mut buffer[..usize::try_from(left).unwrap_or(CHUNK)];
        file.read_exact(rest)?;
        let whole = rest.len() - rest.len() % 8;
        Ok(finish(words(h, &rest[..whole]), &rest[whole..]))
    })
}

fn start(len: u64) -> u64 {
    SEED ^ len.wrapping_mul(MULTIPLIER)
}

/// Mixes in whole words.
fn words(mut h: u64, data: &[u8]) -> u64 {
    for word in data.chunks_exact(8) {
        let mut k = u64::from_le_bytes(word.try_into().expect("chunks of eight"));
        k = k.wrapping_mul(MULTIPLIER);
        k ^= k >> SHIFT;
        k = k.wrapping_mul(MULTIPLIER);
        h = (h ^ k).wrapping_mul(MULTIPLIER);
    }
    h
}

/// Mixes in the up to seven bytes that are left.
fn finish(mut h: u64, rest: &[u8]) -> u64 {
    if !rest.is_empty() {
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        h = (h ^ u64::from_le_bytes(last)).wrapping_mul(MULTIPLIER);
    }
    h ^= h >> SHIFT;
    h = h.wrapping_mul(MULTIPLIER);
    h ^ (h >> SHIFT)
}

/// `mixHash a b`. The xor with the multiplier is not Murmur's; it is Lean's.
pub fn mix(a: u64, b: u64) -> u64 {
    let mut k = b.wrapping_mul(MULTIPLIER);
    k ^= k >> SHIFT;
    k ^= MULTIPLIER;
    (a ^ k).wrapping_mul(MULTIPLIER)
}

/// A hash in 16 hex digits, as Lake and the cache tool write them.
pub fn digits(text: &str) -> Option<u64> {
    let is_hex = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex.then(|| u64::from_str_radix(text, 16).ok())?
}

/// `hash (l : List α)`, given the hashes of its elements.
pub fn list(elements: impl IntoIterator<Item = u64>) -> u64 {
    elements.into_iter().fold(EMPTY_LIST, mix)
}

/// The hash of a text file as mathlib's cache takes it: every `\r\n` counts as `\n`, so that a
/// checkout with `core.autocrlf` has the same names.
pub fn text(contents: &[u8]) -> u64 {
    bytes(&crlf_to_lf(contents))
}

/// Lean's `String.crlfToLf`; borrows when there is nothing to replace.
fn crlf_to_lf(contents: &[u8]) -> Cow<'_, [u8]> {
    if !contents.contains(&b'\r') {
        return Cow::Borrowed(contents);
    }
    let mut out = Vec::with_capacity(contents.len());
    for (i, &byte) in contents.iter().enumerate() {
        if byte != b'\r' || contents.get(i + 1) != Some(&b'\n') {
            out.push(byte);
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers of a real Lean.
    #[test]
    fn known_answers() {
        assert_eq!(bytes(b""), 0x8913_3354_f204_1b41);
        assert_eq!(bytes(b"abc"), 0xbaf2_9bf4_f74c_721f);
        assert_eq!(mix(1, 2), 0xe621_29c8_4f35_c59c);
        assert_eq!(list([]), 7);
    }

    #[test]
    fn a_file_hashes_as_its_bytes() {
        for len in [0, 1, 7, 8, 9, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 5] {
            let data: Vec<u8> = (0..len).map(|i| (i * 31 % 251) as u8).collect();
            let hashed = file(&mut data.as_slice(), len as u64).expect("memory can be read");
            assert_eq!(hashed, bytes(&data), "{len} bytes");
            assert!(file(&mut data.as_slice(), len as u64 + 1).is_err(), "it ends early");
        }
    }

    #[test]
    fn only_crlf_is_normalised() {
        for (text, plain) in [
            ("a\r\nb", "a\nb"),
            ("\r\n", "\n"),
            ("\r\r\n", "\r\n"),
            ("a\rb", "a\rb"),
            ("a\r", "a\r"),
        ] {
            assert_eq!(crlf_to_lf(text.as_bytes()), plain.as_bytes(), "{text:?}");
        }
    }
}
