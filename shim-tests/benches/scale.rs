//! How much is measured.

use crate::timing::Turns;

/// The modules of a Mathlib of March 2026.
pub const MATHLIB: usize = 8032;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// What the bars speak of; half an hour.
    Full,
    /// Ten minutes.
    Quick,
    /// That everything works; seconds. Its figures mean nothing.
    Smoke,
}

#[derive(Clone, Debug)]
pub struct Scale {
    pub size: Size,
    /// Of the tree that is restored.
    pub modules: usize,
    /// Bytes of a module there, on average.
    pub module_bytes: usize,
    /// Of the Mathlib that is named.
    pub named: usize,
    /// Numbers of modules, for growth.
    pub growth: Vec<usize>,
    /// Bytes of a module there.
    pub small_bytes: usize,
    /// Of what takes milliseconds, tenths of a second, seconds.
    pub short: Turns,
    pub middle: Turns,
    pub long: Turns,
    pub growing: Turns,
}

impl Scale {
    pub fn new(size: Size) -> Self {
        let turns = |rounds, runs, warmup| Turns { rounds, runs, warmup };
        let full = Self {
            size,
            modules: 2000,
            module_bytes: 1_150_000,
            named: MATHLIB,
            growth: vec![1000, 4000, 16_000, 64_000],
            small_bytes: 16_000,
            short: turns(10, 100, 20),
            middle: turns(10, 2, 1),
            long: turns(5, 1, 0),
            growing: turns(2, 1, 0),
        };
        match size {
            Size::Full => full,
            Size::Quick => Self {
                modules: 400,
                growth: vec![1000, 4000, 16_000],
                short: turns(5, 50, 10),
                middle: turns(5, 1, 1),
                long: turns(3, 1, 0),
                ..full
            },
            Size::Smoke => Self {
                modules: 20,
                module_bytes: 40_000,
                named: 30,
                growth: vec![10, 20, 40],
                short: turns(1, 3, 0),
                middle: turns(1, 1, 0),
                long: turns(1, 1, 0),
                growing: turns(1, 1, 0),
                ..full
            },
        }
    }
}
