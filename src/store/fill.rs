//! Having every covered module's cache file in a store.

use super::bake::{Bake, Event};
use super::index::{Index, Record};
use super::pack::Digest;
use super::{aside, trial};
use crate::fs::{WorkDir, is_same_file, new_file, remove_if_there};
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
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// Where files came from, and how many.
pub type Places = Vec<(String, usize)>;

impl Bake<'_> {
    /// Has every covered module's file in the store. Two builds of a module can have one name and need not fit the
    /// same importers, so all come from one place if one has all: the store, another store, the cloud. Each is
    /// unpacked once, on trial, before it is recorded; what was recorded before only has to be the same. Files that
    /// the lock `id` shares with others stay as they are.
    pub(super) fn fill(&self, wanted: &Wanted, index: &mut Index, id: &str) -> Result<()> {
        let filled = self.look_everywhere(wanted, index, id);
        let cleared = aside::clear(self.store, index);
        filled.and(cleared)
    }

    fn look_everywhere(&self, wanted: &Wanted, index: &mut Index, id: &str) -> Result<()> {
        let missing = self.missing(wanted, index)?;
        if missing.is_empty() || self.take_all(wanted, index, id, &missing)? {
            return Ok(());
        }
        missing.iter().try_for_each(|named| aside::put(self.store, named.file))?;
        let mut places = Places::new();
        let in_store = wanted.modules.len() - missing.len();
        places.extend((in_store > 0).then(|| (format!("`{}`", self.store.display()), in_store)));
        self.mix(wanted, index, missing, &mut places)?;
        if places.len() > 1 {
            (self.observer)(Event::Mixed(places));
        }
        Ok(())
    }

    /// Fetches, copies and packs what is `missing`, in this order, and tells where it came from.
    fn mix<'a>(
        &self,
        wanted: &'a Wanted,
        index: &mut Index,
        mut missing: Vec<&'a NamedModule>,
        places: &mut Places,
    ) -> Result<()> {
        let mut look = |missing: &mut Vec<&'a NamedModule>, place: String| -> Result<()> {
            let left = self.still_missing(wanted, index)?;
            let came = missing.len() - left.len();
            places.extend((came > 0).then_some((place, came)));
            *missing = left;
            Ok(())
        };
        if !self.from_source {
            let cache = BTreeMap::from([(var::MATHLIB_CACHE_DIR.into(), self.store.into())]);
            // That it fails is no news: some versions are served no more.
            self.lake(&["exe", "cache", "get"], &cache)?;
            look(&mut missing, "`lake exe cache get`".to_owned())?;
        }
        for other in self.others() {
            let copied = self.copy(other, &missing)?;
            if copied > 0 {
                (self.observer)(Event::Copied(copied));
                look(&mut missing, format!("`{}`", other.display()))?;
            }
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
        look(&mut missing, "the build of this workspace".to_owned())
    }

    /// The other stores.
    fn others(&self) -> impl Iterator<Item = &PathBuf> {
        self.others.iter().filter(|other| !is_same_file(other, self.store))
    }

    /// Takes all files from one other store, if one has all. Returns `false` if none has, and then the store is as it
    /// was.
    fn take_all(
        &self,
        wanted: &Wanted,
        index: &mut Index,
        id: &str,
        missing: &[&NamedModule],
    ) -> Result<bool> {
        let locks = index.locks.iter().filter(|(other, _)| *other != id);
        let shared: BTreeSet<_> = locks.flat_map(|(_, lock)| lock.ltars()).collect();
        let missing: BTreeSet<_> = missing.iter().map(|named| named.file).collect();
        for other in self.others() {
            let is_there = |named| item(other, named).is_some();
            if !wanted.modules.par_iter().all(is_there) {
                continue;
            }
            let is_other = |named: &NamedModule| -> Result<bool> {
                match index.ltars.get(&named.file) {
                    Some(known) => Ok(record(&other.join(named.file.to_string()))? != *known),
                    None => Ok(true),
                }
            };
            let modules = wanted.modules.par_iter();
            let modules = modules.map(|named| Ok(is_other(named)?.then_some(named)));
            let modules = modules.collect::<Result<Vec<_>>>()?;
            let (gaps, there): (Vec<_>, Vec<_>) =
                modules.into_iter().flatten().partition(|named| missing.contains(&named.file));
            // Another lock's modules may fit only what is there.
            if there.iter().any(|named| shared.contains(&named.file)) {
                continue;
            }
            // Gaps come last: a bake that is killed in between leaves some, and the next one begins again.
            let modules = [there, gaps].concat();
            if self.replace(wanted, index, other, &modules)? {
                (self.observer)(Event::Copied(modules.len()));
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Replaces these files by those of `other`, in this order. Returns `false` if one is not whole, and then the store
    /// is as it was.
    fn replace(
        &self,
        wanted: &Wanted,
        index: &mut Index,
        other: &Path,
        modules: &[&NamedModule],
    ) -> Result<bool> {
        let work = WorkDir::new_in(self.store)?;
        let names: Vec<_> = modules.iter().map(|named| named.file.to_string()).collect();
        let stage = |name| copy(&other.join(name), work.path(), &work.path().join(name));
        names.par_iter().try_for_each(stage)?;
        let items: Option<Vec<_>> = modules.iter().map(|named| item(work.path(), named)).collect();
        let mut known = wanted.modules.iter().filter(|named| index.ltars.contains_key(&named.file));
        let proven = known.find_map(|named| item(self.store, named));
        let is_whole = match items {
            Some(items) => !self.try_out(wanted, &items, proven)?.contains(&false),
            None => false,
        };
        if is_whole {
            for (named, name) in modules.iter().zip(&names) {
                let (file, place) = (work.path().join(name), self.store.join(name));
                index.ltars.insert(named.file, record(&file)?);
                fs::rename(file, place)?;
            }
        }
        Ok(is_whole)
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

    /// Copies those of `missing` that `other` has, and tells how many.
    fn copy(&self, other: &Path, missing: &[&NamedModule]) -> Result<usize> {
        let work = WorkDir::new_in(self.store)?;
        let copies = missing.par_iter().map(|named| {
            let name = named.file.to_string();
            let file = other.join(&name);
            if Head::read(&file, &named.module).is_err() {
                return Ok(0);
            }
            copy(&file, work.path(), &self.store.join(name))?;
            Ok(1)
        });
        copies.sum()
    }
}

/// The file of a module in `dir`, to be tried. `None` if it is not there, or its head is not that of the module.
fn item<'a>(dir: &Path, named: &'a NamedModule) -> Option<trial::Item<'a>> {
    let file = dir.join(named.file.to_string());
    let head = Head::read(&file, &named.module).ok()?;
    Some(trial::Item { file, head, module: &named.module })
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
