//! Restores into one packages directory take turns.

use super::Event;
use super::session::Session;
use crate::error::{hint, is_for_others};
use crate::fs::Lock;
use crate::fs::links::check_way;
use crate::interrupt::Interrupts;
use anyhow::{Error, Result};
use fs_err as fs;
use std::path::Path;

/// The turn of this process, until it is dropped.
pub(super) struct Turn<'a> {
    session: &'a Session<'a>,
    pub interrupts: &'a Interrupts,
    _lock: Option<Lock>,
}

impl<'a> Turn<'a> {
    /// Waits for the process that works on these packages, if there is one.
    pub fn take(session: &'a Session<'a>, interrupts: &'a Interrupts) -> Result<Self> {
        let waiting = |holder| (session.observer)(Event::Waiting { holder });
        let dir = session.workspace.lock_dir();
        let lock = Lock::acquire(&dir, waiting, || interrupts.check())?;
        Ok(Self { session, interrupts, _lock: Some(lock) })
    }

    /// For work that is not on the packages.
    pub fn none(session: &'a Session<'a>, interrupts: &'a Interrupts) -> Self {
        Self { session, interrupts, _lock: None }
    }

    /// Makes the packages directory of a fresh checkout.
    pub fn make_packages_dir(&self) -> Result<()> {
        let workspace = self.session.workspace;
        let packages = workspace.packages_dir.as_path();
        workspace.check_packages_dir(self.session.settings.pkg_dir.as_deref())?;
        if packages.is_dir() {
            return Ok(());
        }
        check_way(packages)?;
        fs::create_dir_all(packages).map_err(|e| cannot_restore_into(packages, e.into()))
    }
}

/// What to say when `dir` cannot be made or written to.
pub(super) fn cannot_restore_into(dir: &Path, error: Error) -> Error {
    let what = format!("cannot restore into `{}`", dir.display());
    let way = "restoring needs to write there: run it as the owner of the packages, or bake them \
               into the image";
    let what = if is_for_others(&error) { hint(what, way) } else { what };
    error.context(what)
}
