//! Staged build files become a package's own.
//!
//! A module is up to date to Lake when its trace is, so traces come last and old traces go first:
//! at every moment a module either has no trace or has all the files its trace promises. Whole
//! directories that the package does not have yet are moved in one step.

use super::plan::Step;
use crate::fs::{
    Renamed, WorkDir, copy_tree, ensure_dir, is_dir, links, remove_if_there, rename_to_new,
};
use crate::interrupt::stop_if_told;
use anyhow::{Error, Result};
use fs_err as fs;
use rayon::prelude::*;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Where the traces are. It is moved last, for they speak of files elsewhere too.
const LIB: &str = "lib";

/// Publishes the files of `steps`, and nothing else that is in `staged`, into their package's
/// `build` directory. `mode` is what a new file has here by the umask.
pub fn publish(staged: &Path, build: &Path, steps: &[&Step], mode: u32) -> Result<()> {
    let accepted: HashSet<PathBuf> = steps.iter().flat_map(|step| stems(step)).collect();
    tidy(staged, Path::new(""), &accepted, mode)?;
    forget(staged, build)?;
    for part in ["ir", LIB] {
        let from = staged.join(part);
        if is_dir(&from)? {
            merge(&from, &build.join(part), None)?;
        }
    }
    Ok(())
}

/// Moves all of a staged build into `build`.
pub(super) fn merge_build(staged: &Path, build: &Path) -> Result<()> {
    let mut entries: Vec<_> = fs::read_dir(staged)?.collect::<Result<_, _>>()?;
    entries.sort_by_key(|entry| (entry.file_name() == LIB, is_trace(&entry.file_name())));
    entries.iter().try_for_each(|entry| {
        let to = build.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            merge(&entry.path(), &to, None)
        } else {
            replace(&entry.path(), &to, None)
        }
    })
}

/// Where a module's files are below a build directory, without their suffixes.
fn stems(step: &Step) -> [PathBuf; 2] {
    [step.head.place.lib_stem(&step.named.module), Path::new("ir").join(step.named.module.path())]
}

/// Removes what does not belong to an accepted module (leantar's temporaries, parts of modules
/// that failed, whatever else a file held), and gives the rest the mode it should have: leantar
/// makes its files 0600, which no other user of a shared directory could read.
fn tidy(dir: &Path, relative: &Path, accepted: &HashSet<PathBuf>, mode: u32) -> Result<()> {
    let entries: Vec<_> = match fs::read_dir(dir) {
        Ok(entries) => entries.collect::<Result<_, _>>()?,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e.into()),
    };
    entries.par_iter().try_for_each(|entry| {
        let kind = entry.file_type()?;
        let name = entry.file_name();
        if kind.is_dir() {
            return tidy(&entry.path(), &relative.join(name), accepted, mode);
        }
        if kind.is_file() && is_accepted(relative, &name, accepted) {
            fs::set_permissions(entry.path(), PermissionsExt::from_mode(mode))?;
        } else {
            fs::remove_file(entry.path())?;
        }
        Ok(())
    })
}

/// Whether `name` is an accepted stem and a suffix.
fn is_accepted(dir: &Path, name: &OsStr, accepted: &HashSet<PathBuf>) -> bool {
    let Some(name) = name.to_str() else {
        return false;
    };
    let mut dots = name.match_indices('.').map(|(dot, _)| dot).filter(|&dot| dot > 0);
    dots.any(|dot| accepted.contains(&dir.join(&name[..dot])))
}

/// Removes from `build` the traces that those in `staged` will replace: until they come, nobody is to
/// take the modules for whole.
pub(super) fn forget(staged: &Path, build: &Path) -> Result<()> {
    if !is_dir(build)? {
        return Ok(()); // nothing to replace
    }
    links::check(build)?;
    let entries: Vec<_> = fs::read_dir(staged)?.collect::<Result<_, _>>()?;
    entries.par_iter().try_for_each(|entry| {
        let old = build.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            forget(&entry.path(), &old)
        } else if is_trace(&entry.file_name()) {
            Ok(remove_if_there(&old)?)
        } else {
            Ok(())
        }
    })
}

fn is_trace(name: &OsStr) -> bool {
    Path::new(name).extension() == Some(OsStr::new("trace"))
}

/// Moves everything in `from` into `to`, replacing files; the traces of a directory last. `copies` is where
/// files are copied to first if `to` is on another file system.
fn merge(from: &Path, to: &Path, copies: Option<&WorkDir>) -> Result<()> {
    // What `to` is in is not made: should the package be gone, so be it.
    match rename_to_new(from, to)? {
        Renamed::Done => return Ok(()),
        Renamed::Taken => links::check(to)?,
        Renamed::Elsewhere => ensure_dir(to)?,
    }
    let is_elsewhere = || Ok::<_, Error>(fs::metadata(from)?.dev() != fs::metadata(to)?.dev());
    let own = match copies {
        None if is_elsewhere()? => Some(WorkDir::new_in(to)?),
        _ => None,
    };
    let copies = own.as_ref().or(copies);
    let entries: Vec<_> = fs::read_dir(from)?.collect::<Result<_, _>>()?;
    let (mut traces, mut files) = (Vec::new(), Vec::new());
    for entry in entries {
        let destination = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            merge(&entry.path(), &destination, copies)?;
        } else if is_trace(&entry.file_name()) {
            traces.push((entry.path(), destination));
        } else {
            files.push((entry.path(), destination));
        }
    }
    for moves in [files, traces] {
        moves.par_iter().try_for_each(|(from, to)| replace(from, to, copies))?;
    }
    Ok(())
}

/// Moves a file, replacing what is there; over a copy in `copies` if `to` is on another file system.
fn replace(from: &Path, to: &Path, copies: Option<&WorkDir>) -> Result<()> {
    stop_if_told()?;
    match (fs::rename(from, to), copies) {
        (Err(e), Some(copies)) if e.kind() == io::ErrorKind::CrossesDevices => {
            let copy = copies.path().join(rayon::current_thread_index().unwrap_or(0).to_string());
            copy_tree(from, &copy)?;
            Ok(fs::rename(copy, to)?)
        }
        (renamed, _) => Ok(renamed?),
    }
}
