//! What is to be said of a run that met a fault.

use std::any::Any;
use std::fmt;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;
use shim_tests::Run;

use crate::operation::{Ends, LAKE_RAN};
use crate::scene::{self, Scene};

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
    /// It fails, or does without. What is said names one of these, if there are any; with a hint where the user can do
    /// something about it.
    Failure { at: Vec<At>, hint: bool },
    /// As if nothing had happened.
    Success,
    /// As it likes: what is there after it is not its doing alone.
    Anyhow,
}

/// What a message names.
#[derive(Clone, Debug)]
pub enum At {
    /// This path, or one close to it.
    Path(PathBuf),
    /// This directory, or something in it that is there, or was, or would be.
    In(PathBuf),
    /// Anything in this directory.
    Below(PathBuf),
    /// Something that has no path, in so many words.
    Words(&'static str),
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
        (Some(0), Ends::Build) if run.stdout == LAKE_RAN => {
            let difference = || scene.differences(false).into_iter().next();
            match expected {
                Expected::Success => {
                    if let Some(difference) = difference() {
                        say(Kind::Unsound, format!("nothing was in its way, and yet {difference}"));
                    }
                }
                Expected::Failure { at, hint } => {
                    let mute = mute(scene, run, at, *hint);
                    if let (Some(mute), Some(difference)) = (mute.first(), difference()) {
                        say(Kind::Message, format!("{mute}, and {difference}"));
                    }
                }
                Expected::Death | Expected::Stop(_) | Expected::Anyhow => {}
            }
        }
        // Where git cannot be run, or a package has lost its `.git`, Lake might delete it.
        (Some(1), Ends::Build) if REFUSED.iter().any(|why| run.stderr.contains(why)) => {
            match expected {
                Expected::Success => say(Kind::Unsound, "refused for no reason".to_owned()),
                Expected::Failure { at, hint } => {
                    let mute = mute(scene, run, at, *hint);
                    mute.into_iter().for_each(|mute| say(Kind::Message, mute));
                }
                Expected::Death | Expected::Stop(_) | Expected::Anyhow => {}
            }
        }
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
                mute(scene, run, at, *hint).into_iter().for_each(|mute| say(Kind::Message, mute));
            }
            Expected::Death | Expected::Stop(_) | Expected::Anyhow => {}
        },
    }
    found
}

/// What a run should have said, and has not.
fn mute(scene: &Scene, run: &Run, at: &[At], hint: bool) -> Vec<String> {
    // The stock tool speaks for itself.
    let is_said = |line: &&str| {
        let is_sign = SAID.iter().any(|sign| line.starts_with(sign)) || line.contains(NOT_UNPACKED);
        scene.operation.is_stock || is_sign
    };
    let said: String = run.stderr.lines().filter(is_said).map(|line| format!("{line}\n")).collect();
    let top = scene.sandbox.path("");
    // A path may lead through a link, as what it names may.
    let named = paths_in(&said, &top).into_iter().flat_map(|path| [real(&path), path]);
    let named: Vec<_> = named.collect();
    let is_named = |at: &At| match at {
        At::Path(path) => named.iter().any(|named| is_close(scene, named, path)),
        At::In(dir) => named.iter().any(|named| named.starts_with(dir) && scene.knows(named)),
        At::Below(dir) => named.iter().any(|named| named.starts_with(dir) || is_cut(named, dir)),
        At::Words(words) => run.stderr.contains(words),
    };
    let mut mute = Vec::new();
    if !at.is_empty() && !at.iter().any(is_named) {
        mute.push(format!("names none of {at:?}"));
    }
    if hint && !said.contains("hint: ") {
        mute.push("no hint".to_owned());
    }
    mute
}

/// Words of a refusal: Lake would delete the package.
const REFUSED: [&str; 2] = [
    "cannot be read by git, and Lake may delete what git cannot read: ",
    "has no `.git` of its own: Lake would delete it",
];

/// How a line begins that says what went wrong; the third is one of a list.
const SAID: [&str; 4] = ["lake-shim: error: ", "lake-shim: warning: ", "lake-shim:   ", "hint: "];

/// A line that says why modules of a store are not there begins with how many they are.
const NOT_UNPACKED: &str = ", and not unpacked: ";

/// The paths below `top` that a message names, each to its end.
fn paths_in(message: &str, top: &Path) -> Vec<PathBuf> {
    let top = top.display().to_string();
    let starts = message.match_indices(top.trim_end_matches('/'));
    let ends = ['`', '"', '\'', '\n'];
    let paths = starts.filter_map(|(start, _)| message[start..].split(ends).next());
    paths.map(PathBuf::from).collect()
}

/// Whether a path is the beginning of one that is too long for a message.
fn is_cut(named: &Path, whole: &Path) -> bool {
    let (named, whole) = (named.as_os_str().as_bytes(), whole.as_os_str().as_bytes());
    named.len() > CUT && whole.starts_with(named)
}

/// What a message has room for at least. Bytes.
const CUT: usize = 200;

/// Whether a path is another, the directory of that, what that was to become part of, or known and in it.
fn is_close(scene: &Scene, named: &Path, path: &Path) -> bool {
    let path = printed(path);
    let is_close_to = |path: &Path| {
        let close = [Some(path), path.parent(), Some(scene::finished(path))];
        let is_it = named != scene.sandbox.path("") && close.contains(&Some(named));
        is_it || named.starts_with(path) && scene.knows(named)
    };
    is_close_to(&path) || is_close_to(&real(&path))
}

/// A path as it is printed: control characters would end a line.
fn printed(path: &Path) -> PathBuf {
    let escape = |c: char| match c.is_control() {
        true => c.escape_default().to_string(),
        false => c.to_string(),
    };
    path.display().to_string().chars().map(escape).collect::<String>().into()
}

/// Where a path leads, as far as it is there.
fn real(path: &Path) -> PathBuf {
    let real = |above: &Path| {
        let rest = path.strip_prefix(above).ok()?;
        Some(above.canonicalize().ok()?.join(rest))
    };
    path.ancestors().find_map(real).unwrap_or_else(|| path.to_owned())
}
