//! What is measured, one file a figure.

pub mod growth;
pub mod ltars;
pub mod names;
pub mod packs;
pub mod pass_through;
pub mod settled;

use crate::lab::Lab;
use crate::machine::Busy;
use crate::timing::{Contender, Runs, Turns, in_turns};
use anyhow::Result;

/// One thing, measured beside its references in the same run.
pub struct Figure {
    pub title: &'static str,
    /// What was run on what.
    pub about: String,
    /// The shim's first.
    pub runs: Vec<Runs>,
    /// Bytes of the shim at most, and of a reference, each with a name.
    pub memory: Vec<(&'static str, u64)>,
    pub bars: Vec<Bar>,
    /// The part of the processors' time that went to neither.
    pub others: f64,
}

/// What is to be reached.
pub struct Bar {
    pub what: String,
    pub found: f64,
    pub at_most: f64,
    pub unit: &'static str,
}

impl Bar {
    pub fn is_met(&self) -> bool {
        self.found <= self.at_most
    }
}

/// Has contenders take turns. Their runs, and the part of the processors' time that others had.
pub fn compete(lab: &Lab, contenders: &[Contender], turns: Turns) -> Result<(Vec<Runs>, f64)> {
    let busy = Busy::now()?;
    let runs = in_turns(lab, contenders, turns)?;
    Ok((runs, busy.others_since()?))
}

/// The memory bar.
pub fn memory_bar(bytes: u64) -> Bar {
    Bar { what: "memory".to_owned(), found: bytes as f64 / 1e6, at_most: 200.0, unit: "MB" }
}

pub fn ratio(what: &str, shim: &Runs, reference: &Runs, at_most: f64) -> Bar {
    let found = shim.median() / reference.median();
    Bar { what: format!("× {what}"), found, at_most, unit: "" }
}
