//! How much is done, and what is drawn.

use shim_tests::random::Random;

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

/// Numbers that a seed determines.
pub struct Draw(Random);

impl Draw {
    /// Every row draws its own numbers, whatever other rows there are.
    pub fn new(seed: u64, row: &str) -> Draw {
        let hash = row
            .bytes()
            .fold(seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
        Draw(Random::new(hash))
    }

    /// `count` of the numbers below `below`: one out of each of as many stretches of the same length, so that none is
    /// met twice and none is far from all; every number, if `count` reaches them.
    pub fn spread(&mut self, count: u64, below: u64) -> Vec<u64> {
        let count = count.min(below);
        let start =
            |stretch: u64| (u128::from(below) * u128::from(stretch) / u128::from(count)) as u64;
        (0..count).map(|n| start(n) + self.0.number() % (start(n + 1) - start(n))).collect()
    }
}
