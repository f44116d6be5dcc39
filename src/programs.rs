//! Finding programs: on PATH, and never in a workspace.

use crate::settings::search_path;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::process::Command;

/// The programs called `name` on PATH, the first before the others, by their absolute paths.
pub fn on_path(name: &str) -> impl Iterator<Item = PathBuf> {
    which::which_in_global(name, Some(search_path())).into_iter().flatten()
}

/// A command that runs the first of them. The directory it runs in has no say in which that is, as it
/// would in `Command::new(name)`.
pub fn command(name: &str) -> io::Result<Command> {
    let missing = || io::Error::new(ErrorKind::NotFound, NoProgram(name.to_owned()));
    Ok(Command::new(on_path(name).next().ok_or_else(missing)?))
}

/// With a hint, unlike what the system has to say.
#[derive(Debug, thiserror::Error)]
#[error("there is no `{0}` on PATH\nhint: install it, or add its directory to PATH")]
pub struct NoProgram(String);
