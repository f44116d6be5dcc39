//! Lean's 64-bit hash of a byte string, written a second time.
//!
//! `src/mathlib/hash.rs` has the one that the shim uses. The harness must not borrow it: a test that
//! computes its expectation with the code under test proves nothing. It is MurmurHash64A with seed 11, what
//! `String.hash` computes and what Lake writes into `.hash` files and the `outputs` of a trace.

const SEED: u64 = 11;
const MULTIPLIER: u64 = 0xc6a4_a793_5bd1_e995;
const SHIFT: u32 = 47;

/// MurmurHash64A, which Lean hashes strings by.
pub fn lean_hash(bytes: &[u8]) -> u64 {
    let words = bytes.chunks_exact(8);
    let tail = words.remainder();
    let mut hash = SEED ^ (bytes.len() as u64).wrapping_mul(MULTIPLIER);
    for word in words {
        hash = (hash ^ scramble(little_endian(word))).wrapping_mul(MULTIPLIER);
    }
    if !tail.is_empty() {
        hash = (hash ^ little_endian(tail)).wrapping_mul(MULTIPLIER);
    }
    hash = (hash ^ (hash >> SHIFT)).wrapping_mul(MULTIPLIER);
    hash ^ (hash >> SHIFT)
}

/// Lean's `mixHash`.
pub fn mix_hash(a: u64, b: u64) -> u64 {
    let b = b.wrapping_mul(MULTIPLIER);
    (a ^ b ^ (b >> SHIFT) ^ MULTIPLIER).wrapping_mul(MULTIPLIER)
}

/// The 16 hex digits of [`lean_hash`], the spelling of every file.
pub fn lean_hash_hex(bytes: &[u8]) -> String {
    format!("{:016x}", lean_hash(bytes))
}

fn scramble(word: u64) -> u64 {
    let word = word.wrapping_mul(MULTIPLIER);
    (word ^ (word >> SHIFT)).wrapping_mul(MULTIPLIER)
}

fn little_endian(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte))
}

#[cfg(test)]
mod tests {
    use super::{lean_hash_hex, mix_hash};

    #[test]
    fn agrees_with_lean() {
        // A real Lean printed these.
        assert_eq!(lean_hash_hex(b""), "89133354f2041b41");
        assert_eq!(lean_hash_hex(b"abc"), "baf29bf4f74c721f");
        assert_eq!(mix_hash(1, 2), 0xe621_29c8_4f35_c59c);
    }
}
