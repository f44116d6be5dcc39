//! Holding a program to what it needs, by Landlock.
//!
//! leantar puts files where its input says, be that `../../.bashrc` or `/etc/passwd`. So it may write
//! in the stages and nowhere else, read its inputs and what a program needs to start, run nothing
//! besides itself, and reach neither the network nor another process. That stops a crafted file and
//! a broken leantar. It does not make a store trustworthy: build files are code, and Lean runs it.
//!
//! The kernel does as much of this as it can ([`Confinement::state`]). None of it is a reason for a
//! restore to fail: every rule is tried on a thread of our own first, because a rule is tied to an
//! inode, and a file system may make a new one at every look (9p can).

mod program;

use crate::child;
use crate::read;
use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, LandlockStatus, Ruleset, RulesetAttr,
    RulesetCreated, RulesetCreatedAttr, RulesetError, Scope, make_bitflags, path_beneath_rules,
};
use program::Program;
use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::{self, Builder, ScopedJoinHandle};
use tempfile::TempDir;

/// All that is known of a kernel's powers to refuse, of which the running one has some.
const KNOWN: ABI = ABI::V10;

/// Before this (Linux 5.19) nothing can be renamed from one directory to another, which leantar
/// 0.1.18 does.
const OLDEST: i32 = 2;

/// What the running kernel may lack, and from which ABI on it does not.
const POWERS: [(i32, &str); 4] = [
    (3, "truncating files (Linux 6.2)"),
    (4, "TCP (Linux 6.7)"),
    (5, "devices (Linux 6.10)"),
    (6, "signals and abstract sockets (Linux 6.12)"),
];

/// Where a program that is not linked statically may have its libraries.
const LIBRARIES: [&str; 12] = [
    "/lib",
    "/lib32",
    "/lib64",
    "/usr/lib",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/local/lib",
    "/usr/local/lib64",
    "/nix/store",
    "/gnu/store",
    "/etc/ld.so.cache",
    "/etc/ld.so.preload",
];

/// What a program has to be able to do.
#[derive(Debug)]
pub struct Needs<'a> {
    pub program: &'a Path,
    /// Libraries, or directories with libraries, besides the usual ones.
    pub libraries: &'a [PathBuf],
    /// Files and directories to read, real paths.
    pub read: Vec<&'a Path>,
    /// Directories in which it makes and removes files and directories; neither links nor devices.
    pub write: Vec<&'a Path>,
}

/// Rules for a program that is about to be started.
#[derive(Debug)]
pub struct Confinement {
    ruleset: Option<OwnedFd>,
    state: State,
}

/// How well a program is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// By this ABI of Landlock.
    Confined { abi: i32 },
    /// Not at all, for a reason that is a sentence of its own.
    Free(String),
}

impl Confinement {
    /// Makes the rules, and tries them.
    pub fn new(needs: &Needs) -> Self {
        Self::with(needs, ruleset)
    }

    fn with(
        needs: &Needs,
        ruleset: impl Fn(&Needs) -> Result<RulesetCreated, RulesetError>,
    ) -> Self {
        let attempt = || match ruleset(needs) {
            Ok(ruleset) => prove(&ruleset, needs).map(|abi| (ruleset, abi)),
            Err(error) => Err(Unproven::Never(format!("Landlock refuses the rules ({error})"))),
        };
        let proven = match attempt() {
            // What was replaced between its rule and the trial is refused too, but only once.
            Err(Unproven::Refused(_)) => attempt(),
            proven => proven,
        };
        match proven {
            Ok((ruleset, abi)) => Self { ruleset: ruleset.into(), state: State::Confined { abi } },
            Err(Unproven::Never(reason)) => Self::none(reason),
            Err(Unproven::Refused(path)) => {
                let path = path.display();
                Self::none(format!("Landlock does not work on the file system of `{path}`"))
            }
        }
    }

    /// No rules, for this reason.
    pub fn none(reason: impl Into<String>) -> Self {
        Self { ruleset: None, state: State::Free(reason.into()) }
    }

    pub fn state(&self) -> &State {
        &self.state
    }

    /// Holds what `command` starts.
    pub fn hold(self, command: &mut Command) {
        if let Some(ruleset) = self.ruleset {
            child::restrict(command, ruleset);
        }
    }
}

impl State {
    /// The ABI of Landlock, unless it is free.
    pub fn abi(&self) -> Option<i32> {
        match self {
            Self::Confined { abi } => Some(*abi),
            Self::Free(_) => None,
        }
    }

    /// What this kernel cannot refuse.
    pub fn lacks(&self) -> Vec<&'static str> {
        let Some(abi) = self.abi() else { return Vec::new() };
        POWERS.iter().filter(|(since, _)| abi < *since).map(|(_, power)| *power).collect()
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Confined { abi } => write!(f, "confined (Landlock ABI {abi})"),
            Self::Free(reason) => write!(f, "not confined: {reason}"),
        }
    }
}

fn ruleset(needs: &Needs) -> Result<RulesetCreated, RulesetError> {
    let read = BitFlags::from(AccessFs::ReadFile);
    let look = read | AccessFs::ReadDir;
    let run = read | AccessFs::Execute;
    let write = look
        | make_bitflags!(AccessFs::{
            WriteFile | Truncate | MakeReg | MakeDir | RemoveFile | RemoveDir | Refer
        });
    let mut ruleset = Ruleset::default()
        .handle_access(AccessFs::from_all(KNOWN))?
        .handle_access(AccessNet::from_all(KNOWN))?
        .scope(Scope::from_all(KNOWN))?
        .create()?
        .add_rules(path_beneath_rules(&needs.write, write))?
        .add_rules(path_beneath_rules(["/dev/null"], read | AccessFs::WriteFile))?;
    // One that is gone by now is the program's to complain of.
    ruleset = ruleset.add_rules(path_beneath_rules(&needs.read, look))?;
    match Program::of(needs.program) {
        Program::Alone => ruleset.add_rules(path_beneath_rules([needs.program], run)),
        Program::Loaded { by } => {
            let near = program::libraries_near(needs.program, &by);
            let libraries = LIBRARIES.iter().map(Path::new);
            let libraries = libraries.chain(near.iter().map(PathBuf::as_path));
            let libraries = libraries.chain(needs.libraries.iter().map(PathBuf::as_path));
            ruleset
                .add_rules(path_beneath_rules([needs.program, &by], run))?
                .add_rules(path_beneath_rules(libraries, look))
        }
        Program::Unknown => ruleset.add_rules(path_beneath_rules(["/"], look | run)),
    }
}

/// Why rules are not to be used.
enum Unproven {
    /// For a reason that holds for all of them.
    Never(String),
    /// They do not allow this path, although they should.
    Refused(PathBuf),
}

impl From<String> for Unproven {
    fn from(reason: String) -> Self {
        Self::Never(reason)
    }
}

/// Tries the rules on a thread, which ends with them. The ABI that they are enforced by.
fn prove(ruleset: &RulesetCreated, needs: &Needs) -> Result<i32, Unproven> {
    let trial = ruleset.try_clone().map_err(|e| format!("no descriptor is left ({e})"))?;
    let attempt = || {
        let status = trial.restrict_self().map_err(|e| format!("Landlock refuses ({e})"))?;
        let abi = match status.landlock {
            LandlockStatus::NotImplemented => return Err("this kernel has no Landlock".to_owned()),
            LandlockStatus::NotEnabled => {
                return Err("Landlock is switched off in this kernel".to_owned());
            }
            LandlockStatus::Available { effective_abi, kernel_abi } => {
                kernel_abi.unwrap_or(effective_abi as i32)
            }
        };
        if abi < OLDEST {
            return Err(format!("this kernel's Landlock is too old (ABI {abi})"));
        }
        Ok((abi, refused(needs)))
    };
    let tried = thread::scope(|scope| {
        let thread = Builder::new().spawn_scoped(scope, attempt);
        thread.map(ScopedJoinHandle::join).map_err(|e| format!("no thread is left ({e})"))
    });
    let (abi, refused) =
        tried?.unwrap_or_else(|_| Err("the rules could not be tried".to_owned()))?;
    // Some may be refused without rules as well, and then they are not why.
    match refused.into_iter().find(|Refused { path, is_refused }| !is_refused(path)) {
        None => Ok(abi),
        Some(Refused { path, .. }) => Err(Unproven::Refused(path.to_owned())),
    }
}

/// What a rule does not allow although it should, and how to ask that again.
struct Refused<'a> {
    path: &'a Path,
    is_refused: fn(&Path) -> bool,
}

/// Reads one input of every directory and writes to every directory for that.
fn refused<'a>(needs: &Needs<'a>) -> Vec<Refused<'a>> {
    let inputs: BTreeMap<_, _> = needs.read.iter().map(|path| (path.parent(), *path)).collect();
    let reads = inputs.into_values().map(|path| Refused { path, is_refused: cannot_read });
    let writes = needs.write.iter().map(|path| Refused { path, is_refused: cannot_write });
    reads.chain(writes).filter(|asked| (asked.is_refused)(asked.path)).collect()
}

fn cannot_read(path: &Path) -> bool {
    is_refusal(read::open(path))
}

fn cannot_write(dir: &Path) -> bool {
    is_refusal(TempDir::new_in(dir).and_then(|dir| File::create_new(dir.path().join("file"))))
}

/// A full disk and a missing file are other people's business.
fn is_refusal<T>(tried: io::Result<T>) -> bool {
    tried.is_err_and(|e| e.kind() == ErrorKind::PermissionDenied)
}

#[cfg(test)]
mod tests;
