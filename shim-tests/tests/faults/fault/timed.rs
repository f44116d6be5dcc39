//! SIGKILL at a moment, by the clock: nobody chose the instruction.

use std::thread;
use std::time::Instant;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::Fault;
use crate::form::Form;
use crate::operation::Operation;
use crate::scene::Scene;
use crate::verdict::{Expected, Struck};

/// Moments are told apart to this share of a run.
const MOMENTS: u64 = 10_000;

struct Timed {
    /// Whether its children are killed too.
    all: bool,
}

pub fn all() -> Vec<Box<dyn Fault>> {
    vec![Box::new(Timed { all: false }), Box::new(Timed { all: true })]
}

impl Fault for Timed {
    fn name(&self) -> String {
        let whom = if self.all { "everybody" } else { "the shim" };
        format!("SIGKILL to {whom}, at a moment")
    }

    fn suits(&self, operation: &Operation) -> bool {
        !(operation.is_stock && self.all)
    }

    fn ways(&self, _: &Scene) -> Option<u64> {
        Some(MOMENTS)
    }

    fn rounds(&self, form: Form) -> u64 {
        form.of(1, 200)
    }

    fn strike(&self, scene: &Scene, way: u64) -> Struck {
        let moment = scene.took * u32::try_from(way).expect("few ways") / MOMENTS as u32;
        let running = scene.call().spawn();
        let (pid, started) = (running.pid(), Instant::now());
        thread::sleep(moment.saturating_sub(started.elapsed()));
        if self.all {
            let _ = killpg(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL);
        } else {
            running.signal(Signal::SIGKILL);
        }
        let run = running.wait();
        crate::wait_for_group(pid);
        let what =
            (run.signal == Some(Signal::SIGKILL as i32)).then(|| format!("after {moment:.1?}"));
        Struck::new(run, what, Expected::Death)
    }
}
