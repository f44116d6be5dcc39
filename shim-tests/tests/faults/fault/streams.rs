//! Nobody to talk to: streams that are full, and streams that are closed.

use super::Fault;
use crate::form::Form;
use crate::operation::{Ends, Operation, Tool};
use crate::scene::Scene;
use crate::verdict::{At, Expected, Struck};

struct Streams;

/// Redirections of a shell, and what fails of a run that has something to print.
const WAYS: [(&str, Lost); 4] = [
    ("2>/dev/full", Lost::Messages),
    ("2>&-", Lost::Messages),
    (">/dev/full", Lost::Data),
    ("<&- >&- 2>&-", Lost::Both),
];

#[derive(Clone, Copy)]
enum Lost {
    Messages,
    Data,
    Both,
}

pub fn all() -> Vec<Box<dyn Fault>> {
    vec![Box::new(Streams)]
}

impl Fault for Streams {
    fn name(&self) -> String {
        "standard streams that are full or closed".to_owned()
    }

    fn ways(&self, _: &Scene) -> Option<u64> {
        Some(WAYS.len() as u64)
    }

    fn suits(&self, operation: &Operation) -> bool {
        // A lake that cannot print fails, and what becomes of the streams of a lake that the proxy has
        // become is the proxy suite's.
        operation.ends == Ends::Command && !operation.tools.contains(&Tool::Lake)
    }

    fn rounds(&self, form: Form) -> u64 {
        form.of(2, u64::MAX)
    }

    fn strike(&self, scene: &Scene, way: u64) -> Struck {
        let (redirection, lost) = WAYS[way as usize];
        let script = format!("exec \"$0\" \"$@\" {redirection}");
        let run = crate::run_with_children(scene.call().through(&["sh", "-c", &script]));
        let expected = match lost {
            Lost::Messages => Expected::Success,
            Lost::Data => {
                Expected::Failure { at: vec![At::Words("the standard output")], hint: true }
            }
            Lost::Both => Expected::Failure { at: Vec::new(), hint: false },
        };
        Struck::new(run, Some(redirection.to_owned()), expected)
    }
}
