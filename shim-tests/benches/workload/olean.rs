//! Large `.olean`s made of small real ones.
//!
//! What Lean writes is a region of objects that point at each other by address. Copies of a few
//! real regions, moved to where they come to lie and with the letters of their strings turned, are an
//! `.olean` again, which leantar takes apart and compresses as it does a real one. Hashes that Lean
//! computes are computed anew: leantar leaves those out, and would have to keep wrong ones.

use super::hashed::Hashed;
use super::region::{HEADER, Object, Region, WORD, array_head, put, put_base, put_root};
use anyhow::Result;
use shim_tests::random::Random;

const LETTERS: u8 = 26;

/// A real `.olean` to take copies of.
pub struct Olean {
    bytes: Vec<u8>,
    objects: Vec<(Object, Option<Hashed>)>,
}

impl Olean {
    /// # Errors
    /// When it is none, or the second or third part of a module's.
    pub fn parse(bytes: Vec<u8>) -> Result<Self> {
        let region = Region(&bytes);
        let kind = |object: Object| {
            let hashed = Hashed::find(&region, object.place.start);
            (object, hashed)
        };
        let objects = region.objects()?.into_iter().map(kind).collect();
        Ok(Self { bytes, objects })
    }

    /// Bytes of the file.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Appends a copy to `out` and returns the address of its root.
    fn copy_to(&self, out: &mut Vec<u8>, random: &mut Random) -> u64 {
        let offset = out.len() - HEADER;
        let original = Region(&self.bytes);
        let moved = (Region(out).base() + offset as u64).wrapping_sub(original.base());
        out.extend_from_slice(&self.bytes[HEADER..]);
        for (object, hashed) in &self.objects {
            let at = object.place.start + offset;
            for pointer in object.pointers.clone().step_by(WORD) {
                let address = original.word(pointer);
                if address & 1 == 0 {
                    put(out, pointer + offset, address.wrapping_add(moved));
                }
            }
            if original.is_string(object.place.start) {
                let turn = random.below(LETTERS.into()) as u8;
                let text = Region(out).text(at);
                out[text].iter_mut().for_each(|letter| *letter = turned(*letter, turn));
            }
            // What it is made of lies before it, and is done.
            if let Some(data) = hashed.and_then(|hashed| hashed.data(&Region(out), at)) {
                let place = Region(out).scalars(at);
                put(out, place, data);
            }
        }
        original.root().wrapping_add(moved)
    }
}

/// An `.olean` of about `size` bytes made of random `seeds`, of which there is one at least.
pub fn grow(seeds: &[Olean], size: usize, random: &mut Random) -> Vec<u8> {
    let mut out = seeds[0].bytes[..HEADER].to_vec();
    put_base(&mut out, random.below(u32::MAX as usize) as u32);
    let mut roots = Vec::new();
    while out.len() < size || roots.is_empty() {
        let seed = &seeds[random.below(seeds.len())];
        roots.push(seed.copy_to(&mut out, random));
    }
    let root = Region(&out).base() + out.len() as u64;
    put_root(&mut out, root);
    for word in array_head(roots.len()).into_iter().chain(roots) {
        out.extend_from_slice(&word.to_le_bytes());
    }
    out
}

fn turned(letter: u8, by: u8) -> u8 {
    let turn = |first: u8| first + (letter - first + by) % LETTERS;
    match letter {
        b'a'..=b'z' => turn(b'a'),
        b'A'..=b'Z' => turn(b'A'),
        other => other,
    }
}
