//! Having every covered module's cache file in a store.

use super::bake::{Bake, Event};
use super::index::{Index, Record};
use super::pack::Digest;
use super::{aside, trial};
use crate::fs::{WorkDir, new_file, remove_if_there};
use crate::mathlib::ltar::{Head, HeadError};
use crate::mathlib::names::NamedModule;
use crate::mathlib::outputs::Fault;
use crate::mathlib::packing::Packer;
use crate::mathlib::request::Wanted;
use crate::read;
use crate::settings::var;
use anyhow::Result;
use fs_err as fs;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

impl Bake<'_> {
    /// Has every covered module's file in the store: from another store, from the cloud, from a
    /// build. Each is unpacked once, on trial, before it is recorded; what was recorded before only
    /// has to be the same.
    pub(super) fn fill(&self, wanted: &Wanted, index: &mut Index) -> Result<()> {
        let filled = self.look_everywhere(wanted, index);
        let cleared = aside::clear(self.store, index);
        filled.and(cleared)
    }

    fn look_everywhere(&self, wanted: &Wanted, index: &mut Index) -> Result<()> {
        let mut missing = self.missing(wanted, index)?;
        missing.iter().try_for_each(|named| aside::put(self.store, named.file))?;
        let copied = self.copy(&missing)?;
        if copied > 0 {
            (self.observer)(Event::Copied(copied));
            missing = self.still_missing(wanted, index)?;
        }
        if !missing.is_empty() && !self.from_source {
            let cache = BTreeMap::from([(var::MATHLIB_CACHE_DIR.into(), self.store.into())]);
            // That it fails is no news: some versions are served no more.
            self.lake(&["exe", "cache", "get"], &cache)?;
            missing = self.still_missing(wanted, index)?;
        }
        if missing.is_empty() || !self.build()? {
            return Ok(());
        }
        let packer =
            Packer::new(self.workspace, (self.leantar)(wanted.leantar.as_ref())?, self.store)?;
        (self.observer)(Event::Packing(missing.len()));
        missing.par_iter().try_for_each(|named| match packer.built(named) {
            Ok(files) => packer.pack(named, &files, self.store),
            Err(fault @ Fault::Unreadable(_)) => Err(fault.into()),
            Err(_) => Ok(()), // it is found missing below
        })?;
        self.still_missing(wanted, index).map(drop)
    }

    /// Covered modules without a file that is what it should be. New ones that are whole are
    /// recorded.
    fn missing<'a>(&self, wanted: &'a Wanted, index: &mut Index) -> Result<Vec<&'a NamedModule>> {
        let (mut missing, mut unknown, mut proven) = (Vec::new(), Vec::new(), None);
        for named in &wanted.modules {
            let file = self.store.join(named.file.to_string());
            let item = |head, file| trial::Item { file, head, module: &named.module };
            match (Head::read(&file, &named.module), index.ltars.get(&named.file)) {
                (Ok(head), Some(known)) if record(&file)? == *known => {
                    proven = Some(item(head, file));
                }
                (Ok(head), None) => unknown.push((named, item(head, file))),
                // It says nothing of the file that the system does not let us see it.
                (Err(HeadError::Io(e)), _) if e.kind() != ErrorKind::NotFound => {
                    return Err(e.into());
                }
                _ => missing.push(named),
            }
        }
        if !unknown.is_empty() {
            let (named, items): (Vec<_>, Vec<_>) = unknown.into_iter().unzip();
            for (named, is_whole) in named.into_iter().zip(self.try_out(wanted, &items, proven)?) {
                if is_whole {
                    let record = record(&self.store.join(named.file.to_string()))?;
                    index.ltars.insert(named.file, record);
                } else {
                    missing.push(named);
                }
            }
        }
        for named in &missing {
            index.ltars.remove(&named.file);
        }
        Ok(missing)
    }

    fn try_out(
        &self,
        wanted: &Wanted,
        items: &[trial::Item],
        proven: Option<trial::Item>,
    ) -> Result<Vec<bool>> {
        let leantar = (self.leantar)(wanted.leantar.as_ref())?;
        let held = |state| (self.observer)(Event::Held(state));
        let (jobs, room) = (self.jobs, self.store);
        trial::Trial { leantar: &leantar, jobs, room, held: &held }.unpack(items, proven)
    }

    /// As [`Bake::missing`], after files have come: those that are no better go again.
    fn still_missing<'a>(
        &self,
        wanted: &'a Wanted,
        index: &mut Index,
    ) -> Result<Vec<&'a NamedModule>> {
        let missing = self.missing(wanted, index)?;
        for named in &missing {
            remove_if_there(&self.store.join(named.file.to_string()))?;
        }
        Ok(missing)
    }

    fn copy(&self, missing: &[&NamedModule]) -> Result<usize> {
        let (store, others) = (self.store, self.others);
        let work = WorkDir::new_in(store)?;
        let copies = missing.par_iter().map(|named| {
            let name = named.file.to_string();
            let is_fit = |file: &PathBuf| Head::read(file, &named.module).is_ok();
            let files = others.iter().filter(|other| *other != store);
            let Some(file) = files.map(|other| other.join(&name)).find(is_fit) else {
                return Ok(0);
            };
            copy(&file, work.path(), &store.join(name))?;
            Ok(1)
        });
        copies.sum()
    }
}

/// Puts copies in the place of links to files in `dir` whose names have this suffix: a store that is moved takes along
/// only what lies in it.
pub(super) fn own_files(dir: &Path, suffix: &str) -> Result<()> {
    let entries = fs::read_dir(dir)?.collect::<io::Result<Vec<_>>>()?;
    let is_link = |entry: &&fs::DirEntry| {
        entry.file_name().to_string_lossy().ends_with(suffix)
            && entry.file_type().is_ok_and(|kind| kind.is_symlink())
    };
    let links = entries.iter().filter(is_link).map(|entry| entry.path());
    let links: Vec<_> = links.filter(|link| link.is_file()).collect();
    let work = WorkDir::new_in(dir)?;
    links.par_iter().try_for_each(|link| copy(link, work.path(), link))
}

/// Puts a copy of the file `from` at `to`, in one step. It gets ready in `work`.
fn copy(from: &Path, work: &Path, to: &Path) -> Result<()> {
    let mut copy = new_file(work)?;
    io::copy(&mut read::open(from)?, &mut copy)?;
    copy.persist(to)?;
    Ok(())
}

fn record(path: &Path) -> Result<Record> {
    let mut file = read::open(path)?;
    let size = file.metadata()?.len();
    Ok(Record { sha256: Digest::of_reader(&mut file)?, size })
}
