//! What is to be said of a run that met a fault.

use std::any::Any;
use std::fmt;
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;
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
    /// The next run, without a fault, does not come to the tree that a run comes to which nothing struck.
    NotWhole,
    /// A panic, no end, an exit code that lies, a lake that did not run.
    Unsound,
    /// A failure that does not say where, or what to do.
    Message,
}

impl Kind {
    /// In the order of the table.
    pub const ALL: [Kind; 5] =
        [Kind::Lost, Kind::HalfPublished, Kind::NotWhole, Kind::Unsound, Kind::Message];
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Lost => "lost",
            Kind::HalfPublished => "half-published",
            Kind::NotWhole => "not whole after",
            Kind::Unsound => "unsound",
            Kind::Message => "mute",
        })
    }
}

/// What happened to a run.
pub struct Struck {
    pub run: Run,
    /// What was struck; nothing if the run did not meet the fault.
    pub what: Option<String>,
    pub expected: Expected,
    /// What the fault itself has seen that must not be.
    pub found: Vec<Found>,
    /// Ends the fault, before the next run.
    pub mend: Box<dyn FnOnce()>,
    /// Dropped after the next run.
    pub guard: Box<dyn Any>,
}

/// How a run may end.
#[derive(Clone, Debug)]
pub enum Expected {
    /// By a signal, which nobody can say anything about.
    Death,
    /// By this signal, with everything cleaned up where that was promised.
    Stop(Signal),
    /// It fails, or does without. A failure names one of the paths, or what they lie in; with a hint where the user can
    /// do something about it.
    Failure { at: Vec<PathBuf>, hint: bool },
    /// As if nothing had happened.
    Success,
    /// As it likes: what is there after it is not its doing alone.
    Anyhow,
}

impl Found {
    pub fn new(kind: Kind, what: impl Into<String>) -> Found {
        Found { kind, what: what.into() }
    }
}

impl Struck {
    pub fn new(run: Run, what: Option<String>, expected: Expected) -> Struck {
        // Who did not meet a fault has no excuse.
        let expected = if what.is_some() { expected } else { Expected::Success };
        Struck {
            run,
            what,
            expected,
            found: Vec::new(),
            mend: Box::new(|| {}),
            guard: Box::new(()),
        }
    }
}

/// What is wrong with how a run ended.
pub fn judge(scene: &Scene, struck: &Struck) -> Vec<Found> {
    let Struck { run, expected, .. } = struck;
    let mut found = Vec::new();
    let mut say = |kind, what: String| found.push(Found::new(kind, format!("{what}\n{run}")));
    if ["panicked at", "stack overflow"].iter().any(|sign| run.stderr.contains(sign)) {
        say(Kind::Unsound, "a panic".to_owned());
    }
    match (run.code, scene.operation.ends) {
        (None, _) => match expected {
            Expected::Death => {}
            Expected::Stop(signal) if run.signal == Some(*signal as i32) => {
                let left = if scene.operation.cleans_up { scene.leftovers() } else { Vec::new() };
                if !left.is_empty() {
                    say(Kind::NotWhole, format!("told to stop, it left {left:?}"));
                }
            }
            _ => say(Kind::Unsound, format!("died of signal {:?}", run.signal)),
        },
        (Some(0), Ends::Build) if run.stdout == LAKE_RAN => {}
        (_, Ends::Build) => say(Kind::Unsound, "lake did not run".to_owned()),
        (Some(0), Ends::Command) if matches!(expected, Expected::Anyhow) => {}
        (Some(0), Ends::Command) => {
            if let Some(difference) = scene.differences(false).first() {
                say(Kind::Unsound, format!("success, and yet {difference}"));
            }
        }
        (Some(code), Ends::Command) => match expected {
            Expected::Success => say(Kind::Unsound, "a failure for no reason".to_owned()),
            // The real lake's code is passed on; where there is none, that has a code of its own.
            _ if code != 1
                && !scene.operation.is_stock
                && !(code == 127 && run.stderr.contains("the real lake")) =>
            {
                say(Kind::Unsound, format!("exit code {code}"));
            }
            Expected::Failure { at, hint } => {
                if !names_one_of(&run.stderr, at, &scene.sandbox.path("")) {
                    say(Kind::Message, format!("names none of {at:?}"));
                }
                if *hint && !run.stderr.contains("hint: ") {
                    say(Kind::Message, "no hint".to_owned());
                }
            }
            Expected::Death | Expected::Stop(_) | Expected::Anyhow => {}
        },
    }
    found
}

/// Whether a message names a path, or what it lies in below `top`.
fn names_one_of(message: &str, paths: &[PathBuf], top: &Path) -> bool {
    let near = |path: &PathBuf| {
        let above = path.ancestors().take_while(|above| above.starts_with(top) && *above != top);
        let mut paths = above.chain([path.as_path()]).map(|path| path.display().to_string());
        paths.any(|path| message.contains(&path))
    };
    paths.is_empty() || paths.iter().any(near)
}
