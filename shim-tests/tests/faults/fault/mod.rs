//! What can go wrong around a run.

mod clock;
mod crowd;
mod disk;
mod injected;
mod meanwhile;
mod places;
mod streams;
mod timed;
mod tools;

use crate::form::Form;
use crate::operation::Operation;
use crate::scene::Scene;
use crate::verdict::Struck;

/// Something that goes wrong, in one of several ways.
pub trait Fault: Sync {
    fn name(&self) -> String;

    /// Whether it can happen to this operation at all.
    fn suits(&self, _operation: &Operation) -> bool {
        true
    }

    /// How many ways there are in this scene; nothing where one is like the other, and only chance
    /// differs.
    fn ways(&self, _scene: &Scene) -> Option<u64> {
        None
    }

    /// In how many of them it strikes.
    fn rounds(&self, form: Form) -> u64 {
        form.of(1, u64::MAX)
    }

    /// Runs the scene's operation and has it meet the fault, in one of the ways from 0.
    fn strike(&self, scene: &Scene, way: u64) -> Struck;
}

/// All of them, in the order of the table.
pub fn all() -> Vec<Box<dyn Fault>> {
    [
        timed::all(),
        injected::all(),
        disk::all(),
        meanwhile::all(),
        clock::all(),
        crowd::all(),
        tools::all(),
        places::all(),
        streams::all(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Whether calls of the shim can be counted, and so struck.
pub fn counts_calls(scene: &Scene) -> bool {
    injected::count(scene, "open", injected::SHIM) > 0
}
