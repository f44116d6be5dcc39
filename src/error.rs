//! Failures we expect, and the exit codes they lead to.
//!
//! | code | when |
//! |---|---|
//! | 1 | something failed; Lake's own code for a failure |
//! | 2 | `lake-shim` was called wrongly |
//! | 126 | the real lake was found and cannot be executed |
//! | 127 | there is no real lake |
//! | 128+n | signal n ended us while we were at work |
//!
//! Every other code is the real lake's own, which we have become by then.

use nix::errno::Errno;
use std::error::Error;
use std::fmt;
use std::io;

/// What the shim expects to go wrong, each with its exit code.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("{0}")]
    NoLake(String),
    #[error("{0}")]
    CannotExec(String),
    /// `lake-shim` was called wrongly.
    #[error("{0}")]
    Misused(String),
    /// Going on would lose something.
    #[error("{0}")]
    Refused(String),
    /// Told to stop by this signal.
    #[error("stopped by signal {0}")]
    Interrupted(i32),
    /// Said already, by the report or by the real lake; only the code is left to give.
    #[error("failed")]
    Reported(u8),
}

impl Failure {
    /// The exit code that `error` asks for.
    pub fn code(error: &anyhow::Error) -> u8 {
        match error.downcast_ref() {
            Some(Self::NoLake(_)) => 127,
            Some(Self::CannotExec(_)) => 126,
            Some(Self::Reported(code)) => *code,
            Some(Self::Misused(_)) => 2,
            Some(Self::Interrupted(signal)) => u8::try_from(128 + signal).unwrap_or(1),
            Some(Self::Refused(_)) | None => 1,
        }
    }

    /// Whether there is nothing left to print of `error`.
    pub fn is_reported(error: &anyhow::Error) -> bool {
        matches!(error.downcast_ref(), Some(Self::Reported(_) | Self::Interrupted(_)))
    }
}

/// What can be done about a system that refuses, where nothing nearer to it has a hint to give.
pub fn advice(error: &anyhow::Error) -> Option<&'static str> {
    let Some(errno) = error.chain().find_map(errno) else {
        let kinds =
            error.chain().filter_map(|cause| Some(cause.downcast_ref::<io::Error>()?.kind()));
        let is_too_large = kinds.into_iter().any(|kind| kind == io::ErrorKind::FileTooLarge);
        return is_too_large.then_some("look into it: it can hardly be what its name says");
    };
    Some(match errno {
        Errno::ENOSPC | Errno::EDQUOT => {
            "make room there, for bytes (`df -h`) or for files (`df -i`), and run it again"
        }
        Errno::EACCES | Errno::EPERM => {
            "run it as somebody who may (`ls -ld` tells who), or give the right"
        }
        Errno::EROFS => "it is mounted read-only: mount it for writing, or use another place",
        Errno::EIO | Errno::ESTALE => {
            "the disk has failed, or what is mounted there; `dmesg` may say more. \
             Once it works, run it again"
        }
        Errno::EMFILE | Errno::ENFILE => "allow more open files (`ulimit -n`)",
        Errno::EAGAIN | Errno::ENOMEM => {
            "allow more threads, processes and memory (`ulimit -a`, the container's limits)"
        }
        Errno::ENAMETOOLONG => "put it at a shorter path",
        Errno::ELOOP => "symlinks lead in a circle there (`ls -l`): have them lead to a directory",
        _ => return None,
    })
}

/// Whether the system refused what it may let others do, or do elsewhere.
pub fn is_for_others(error: &anyhow::Error) -> bool {
    let errno = error.chain().find_map(errno);
    matches!(errno, Some(Errno::EACCES | Errno::EPERM | Errno::EROFS))
}

/// The error number in a cause. `fs-err` keeps no more of one than what the standard library prints,
/// and git no more than what C does.
fn errno(cause: &(dyn Error + 'static)) -> Option<Errno> {
    let text = cause.to_string();
    let number = || {
        let (_, number) = text.rsplit_once("(os error ")?;
        Some(Errno::from_raw(number.split_once(')')?.0.parse().ok()?))
    };
    let said = || PLAIN.into_iter().find(|(_, said)| text.contains(said)).map(|(errno, _)| errno);
    cause.downcast_ref::<Errno>().copied().or_else(number).or_else(said)
}

/// What nobody says of anything else.
const PLAIN: [(Errno, &str); 5] = [
    (Errno::ENOSPC, "No space left on device"),
    (Errno::ENOSPC, "Out of diskspace"),
    (Errno::EDQUOT, "Disk quota exceeded"),
    (Errno::EACCES, "Permission denied"),
    (Errno::EROFS, "Read-only file system"),
];

/// Whether a tool says that the disk is full, or the user's share of it.
pub fn is_disk_full(said: &str) -> bool {
    let mut full = PLAIN.iter().filter(|(e, _)| matches!(e, Errno::ENOSPC | Errno::EDQUOT));
    full.any(|(_, words)| said.contains(words))
}

/// A message with a hint on a line of its own, saying what to do next.
pub fn hint(message: impl fmt::Display, hint: impl fmt::Display) -> String {
    format!("{message}\nhint: {hint}")
}

/// `text` as part of one line of a message: what a tool or a file says is not to end the line, nor to
/// move the cursor.
pub fn clean(text: &str) -> String {
    let escape = |c: char| match c.is_control() {
        true => c.escape_default().to_string(),
        false => c.to_string(),
    };
    text.chars().map(escape).collect()
}
