//! Nobody to talk to: streams that are full, and streams that are closed.

use super::Fault;
use crate::form::Form;
use crate::operation::{Ends, Operation, Tool};
use crate::scene::Scene;
use crate::verdict::{Expected, Struck};

struct Streams;

/// Redirections of a shell, and whether what is printed on stdout is lost.
const WAYS: [(&str, bool); 4] =
    [("2>/dev/full", false), ("2>&-", false), (">/dev/full", true), ("<&- >&- 2>&-", true)];

pub fn all() -> Vec<Box<dyn Fault>> {
    vec![Box::new(Streams)]
}

impl Fault for Streams {
    fn name(&self) -> String {
        "standard streams that are full or closed".to_owned()
    }

    fn ways(&self, _: &Scene) -> u64 {
        WAYS.len() as u64
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
        let (redirection, loses_data) = WAYS[way as usize];
        let script = format!("exec \"$0\" \"$@\" {redirection}");
        let run = crate::run_with_children(scene.call().through(&["sh", "-c", &script]));
        let failure = Expected::Failure { at: Vec::new(), hint: false };
        let expected = if loses_data { failure } else { Expected::Success };
        Struck::new(run, Some(redirection.to_owned()), expected)
    }
}
