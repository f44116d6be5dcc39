//! How much is done, and what is drawn.

/// The short form is part of every check of a change; the long one is for a night.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Short = 0,
    Long = 1,
}

impl Form {
    pub fn of<T>(self, short: T, long: T) -> T {
        match self {
            Form::Short => short,
            Form::Long => long,
        }
    }
}

/// Numbers that a seed determines (splitmix64).
pub struct Draw(u64);

impl Draw {
    /// Every row draws its own numbers, whatever other rows there are.
    pub fn new(seed: u64, row: &str) -> Draw {
        let hash = row
            .bytes()
            .fold(seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
        Draw(hash)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// `count` of the numbers below `below`: one out of each of as many stretches of the same length, so that none is
    /// met twice and none is far from all; every number, if `count` reaches them.
    pub fn spread(&mut self, count: u64, below: u64) -> Vec<u64> {
        let count = count.min(below);
        let start =
            |stretch: u64| (u128::from(below) * u128::from(stretch) / u128::from(count)) as u64;
        (0..count).map(|n| start(n) + self.next() % (start(n + 1) - start(n))).collect()
    }
}
