//! What can go wrong around a run.

pub mod injected;

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

    /// How many ways there are in this scene.
    fn ways(&self, scene: &Scene) -> u64;

    /// Runs the scene's operation and has it meet the fault, in one of the ways from 0.
    fn strike(&self, scene: &Scene, way: u64) -> Struck;
}

/// All of them.
pub fn all() -> Vec<Box<dyn Fault>> {
    injected::all()
}
