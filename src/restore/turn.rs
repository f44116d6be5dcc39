//! Restores into one packages directory take turns.

use super::Event;
use super::session::Session;
use crate::error::{hint, is_for_others};
use crate::fs::DirLock;
use crate::fs::links::check_way;
use crate::interrupt::Interrupts;
use anyhow::{Error, Result};
use fs_err as fs;
use std::path::Path;

/// Ours, once it was taken, until it is dropped.
pub(super) struct Turn<'a> {
    session: &'a Session<'a>,
    pub interrupts: &'a Interrupts,
    lock: Option<DirLock>,
}

impl<'a> Turn<'a> {
    pub fn new(session: &'a Session<'a>, interrupts: &'a Interrupts) -> Self {
        Self { session, interrupts, lock: None }
    }

    /// Waits for whoever works on these packages. Whether there was anybody, who may have done the
    /// same work.
    pub fn take(&mut self) -> Result<bool> {
        let mut has_waited = false;
        if self.lock.is_none() {
            let waiting = |holder| {
                has_waited = true;
                (self.session.observer)(Event::Waiting { holder });
            };
            let dir = self.dir()?;
            self.lock = Some(DirLock::acquire(dir, waiting, || self.interrupts.check())?);
        }
        Ok(has_waited)
    }

    /// What is locked: the packages directory, which is made for a fresh checkout, or the root where
    /// no package will ever be in one.
    fn dir(&self) -> Result<&Path> {
        let workspace = self.session.workspace;
        let packages = workspace.packages_dir.as_path();
        if packages.is_dir() {
            return Ok(packages);
        }
        if workspace.packages.iter().all(|package| package.lock.is_none()) {
            return Ok(&workspace.root);
        }
        check_way(packages)?;
        match fs::create_dir_all(packages) {
            Ok(()) => Ok(packages),
            Err(e) => Err(cannot_restore_into(packages, e.into())),
        }
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
