//! What is to be said of a run that met a fault.

use std::path::{Path, PathBuf};

use shim_tests::Run;

use crate::operation::{Ends, LAKE_RAN};
use crate::scene::Scene;

/// Something that must not be.
#[derive(Clone, Debug)]
pub struct Found {
    pub kind: Kind,
    pub what: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Something that was there is nowhere any more.
    Lost,
    /// Something would be taken for what it is not.
    HalfPublished,
    /// The next run, without a fault, does not end as it would have without the first.
    NotWhole,
    /// A panic, a run without an end, an exit code that lies, a lake that did not run.
    Unsound,
    /// A failure that does not say where, or what to do.
    Message,
}

/// What happened to a run.
pub struct Struck {
    pub run: Run,
    /// What was struck; nothing if the run did not meet the fault.
    pub what: Option<String>,
    pub expected: Expected,
    /// Undone before the next run.
    pub mend: Box<dyn FnOnce()>,
}

/// How a run may end.
#[derive(Clone, Debug)]
pub enum Expected {
    /// By a signal, which nobody can say anything about.
    Death,
    /// It fails, or does without. A failure names one of the paths, or what they lie in; with a hint where the user can
    /// do something about it.
    Failure { at: Vec<PathBuf>, hint: bool },
    /// As if nothing had happened.
    Success,
}

impl Found {
    pub fn new(kind: Kind, what: impl Into<String>) -> Found {
        Found { kind, what: what.into() }
    }
}

/// What is wrong with how a run ended, before anybody looks at the disk.
pub fn judge(scene: &Scene, struck: &Struck) -> Vec<Found> {
    let Struck { run, expected, .. } = struck;
    let mut found = Vec::new();
    let mut say = |kind, what: String| found.push(Found::new(kind, format!("{what}\n{run}")));
    if ["panicked at", "RUST_BACKTRACE", "internal error"]
        .iter()
        .any(|sign| run.stderr.contains(sign))
    {
        say(Kind::Unsound, "a panic".to_owned());
    }
    let may_die = matches!(expected, Expected::Death);
    match (run.code, scene.operation.ends) {
        (None, _) if may_die => {}
        (None, _) => say(Kind::Unsound, format!("died of signal {:?}", run.signal)),
        (Some(0), Ends::Build) if run.stdout == LAKE_RAN => {}
        (_, Ends::Build) => say(Kind::Unsound, "lake did not run".to_owned()),
        (Some(0), Ends::Command) => {
            if let Some(difference) = scene.differences(false).first() {
                say(Kind::Unsound, format!("success, and yet {difference}"));
            }
        }
        (Some(code), Ends::Command) => match expected {
            Expected::Success => say(Kind::Unsound, "a failure for no reason".to_owned()),
            _ if code != 1 => say(Kind::Unsound, format!("exit code {code}")),
            Expected::Failure { at, hint } => {
                if !names_one_of(&run.stderr, at, &scene.sandbox.path("")) {
                    say(Kind::Message, format!("names none of {at:?}"));
                }
                if *hint && !run.stderr.contains("hint: ") {
                    say(Kind::Message, "no hint".to_owned());
                }
            }
            Expected::Death => {}
        },
    }
    found
}

/// Whether a message names a path, or what it lies in below `top`.
fn names_one_of(message: &str, paths: &[PathBuf], top: &Path) -> bool {
    let near = |path: &PathBuf| {
        let above = path.ancestors().take_while(|above| above.starts_with(top) && *above != top);
        above.map(|path| path.display().to_string()).any(|path| message.contains(&path))
    };
    paths.is_empty() || paths.iter().any(near)
}
