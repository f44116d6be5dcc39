//! Objects as they lie in an `.olean`: `lean_object` and what follows it in Lean's `lean.h`.

use anyhow::{Result, bail, ensure};
use std::ops::Range;

/// `olean_header` of version 2: magic, version, flags, Lean's version and commit, base, root.
pub const HEADER: usize = 96;
const BASE: usize = 80;
const ROOT: usize = 88;
pub const WORD: usize = 8;

const ARRAY: u8 = 246;
const SCALARS: u8 = 248;
const STRING: u8 = 249;
const BIG_NUMBER: u8 = 250;
const THUNK: u8 = 251;
const TASK: u8 = 252;
const REF: u8 = 253;
/// Constructors have the tags up to here.
const MAX_CONSTRUCTOR: u8 = 243;

/// A whole `.olean`. Positions are bytes in it, pointers are addresses.
pub struct Region<'a>(pub &'a [u8]);

/// Where an object is, and where its pointers are; some of those may be numbers, which are odd.
pub struct Object {
    pub place: Range<usize>,
    pub pointers: Range<usize>,
}

/// What a field holds.
#[derive(Clone, Copy)]
pub enum Field {
    Number(u64),
    /// An object at this position.
    At(usize),
}

impl Region<'_> {
    pub fn base(&self) -> u64 {
        self.word(BASE)
    }

    /// The address of the object that everything hangs from.
    pub fn root(&self) -> u64 {
        self.word(ROOT)
    }

    pub fn word(&self, at: usize) -> u64 {
        let mut word = [0; WORD];
        word.copy_from_slice(&self.0[at..at + WORD]);
        u64::from_le_bytes(word)
    }

    fn tag(&self, at: usize) -> u8 {
        self.0[at + 7]
    }

    pub fn is_string(&self, at: usize) -> bool {
        self.tag(at) == STRING
    }

    /// The tag and the number of fields of a constructor that has room for scalars.
    pub fn constructor(&self, at: usize) -> Option<(u8, u8)> {
        let (tag, fields) = (self.tag(at), self.0[at + 6]);
        let has_scalars = usize::from(fields) + 2 <= self.own_size(at) / WORD;
        (tag <= MAX_CONSTRUCTOR && has_scalars).then_some((tag, fields))
    }

    fn own_size(&self, at: usize) -> usize {
        usize::from(u16::from_le_bytes([self.0[at + 4], self.0[at + 5]]))
    }

    pub fn field(&self, at: usize, i: usize) -> Field {
        match self.word(at + (1 + i) * WORD) {
            number if number & 1 == 1 => Field::Number(number >> 1),
            pointer => Field::At(pointer.wrapping_sub(self.base()) as usize),
        }
    }

    /// Where the scalars of the constructor at `at` begin.
    pub fn scalars(&self, at: usize) -> usize {
        at + (1 + usize::from(self.0[at + 6])) * WORD
    }

    /// The bytes of the string at `at`, without its NUL.
    pub fn text(&self, at: usize) -> Range<usize> {
        let start = at + 4 * WORD;
        start..start + (self.word(at + WORD) as usize).saturating_sub(1)
    }

    /// All objects, in the order in which they lie.
    ///
    /// # Errors
    /// When it is no `.olean`, or one that continues another.
    pub fn objects(&self) -> Result<Vec<Object>> {
        let len = self.0.len();
        ensure!(len > HEADER && self.0.starts_with(b"olean\x02"), "no `.olean` of version 2");
        let addresses = self.base() + HEADER as u64..self.base() + len as u64;
        let mut objects = Vec::new();
        let mut at = HEADER;
        while at < len {
            let object = self.object(at)?;
            let mut pointers = object.pointers.clone().step_by(WORD).map(|at| self.word(at));
            ensure!(pointers.all(|p| p & 1 == 1 || addresses.contains(&p)), "it continues another");
            at = object.place.end;
            objects.push(object);
        }
        Ok(objects)
    }

    fn object(&self, at: usize) -> Result<Object> {
        let first = at + WORD;
        ensure!(first + WORD <= self.0.len(), "it is cut short");
        let count = self.word(first) as usize;
        let (len, pointers) = match self.tag(at) {
            0..=MAX_CONSTRUCTOR => (self.own_size(at), usize::from(self.0[at + 6])),
            ARRAY => (3 * WORD + count * WORD, count),
            SCALARS => (3 * WORD + count, 0),
            STRING => (4 * WORD + count, 0),
            BIG_NUMBER => (self.own_size(at), 1),
            THUNK | TASK => (3 * WORD, 1),
            REF => (2 * WORD, 1),
            tag => bail!("an object of tag {tag}"),
        };
        let first = match self.tag(at) {
            ARRAY => first + 2 * WORD,
            BIG_NUMBER => first + WORD, // to its digits, which follow
            _ => first,
        };
        let place = at..at + len.next_multiple_of(WORD);
        let pointers = first..first + pointers * WORD;
        ensure!(len >= WORD && place.end <= self.0.len(), "it is cut short");
        ensure!(pointers.end <= place.end, "its pointers end outside of it");
        Ok(Object { place, pointers })
    }
}

/// The head of an array of `len` pointers.
pub fn array_head(len: usize) -> [u64; 3] {
    [u64::from(ARRAY) << 56 | 1 << 32, len as u64, len as u64]
}

pub fn put(bytes: &mut [u8], at: usize, value: u64) {
    bytes[at..at + WORD].copy_from_slice(&value.to_le_bytes());
}

/// Where the region is to lie. Lean takes 32 bits of a hash of the module's name, and 64 KiB for one.
pub fn put_base(bytes: &mut [u8], place: u32) {
    put(bytes, BASE, u64::from(place) << 16);
}

pub fn put_root(bytes: &mut [u8], root: u64) {
    put(bytes, ROOT, root);
}
