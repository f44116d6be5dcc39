//! Unpacking cache files on trial, to know before a store is shipped that they can be unpacked.

use crate::confine::State;
use crate::fs::WorkDir;
use crate::interrupt::Interrupts;
use crate::mathlib::Module;
use crate::mathlib::leantar::{self, Leantar, Progress};
use crate::mathlib::ltar::Head;
use crate::mathlib::outputs::{Files, Look};
use anyhow::Result;
use fs_err as fs;
use fs_err::os::unix::fs::symlink;
use rayon::prelude::*;
use std::path::{Path, PathBuf};

/// A cache file on trial.
pub struct Item<'a> {
    pub file: PathBuf,
    pub head: Head,
    pub module: &'a Module,
}

/// Whether each of `items` unpacks to what its trace records. They are unpacked inside `room`, one
/// run for all, and each alone when that run dies.
pub fn unpack(
    leantar: &Leantar,
    jobs: usize,
    items: &[Item],
    room: &Path,
    held: &dyn Fn(State),
) -> Result<Vec<bool>> {
    let interrupts = Interrupts::catch()?;
    let trial = Trial { leantar, jobs, interrupts: &interrupts, room, held };
    if let Some(whole) = trial.run(items)? {
        return Ok(whole);
    }
    let alone = |item| Ok(trial.run(std::slice::from_ref(item))?.is_some_and(|whole| whole[0]));
    items.iter().map(alone).collect()
}

struct Trial<'a> {
    leantar: &'a Leantar,
    jobs: usize,
    interrupts: &'a Interrupts,
    room: &'a Path,
    /// Told how leantar is held.
    held: &'a dyn Fn(State),
}

impl Trial<'_> {
    /// Nothing when leantar died.
    fn run(&self, items: &[Item]) -> Result<Option<Vec<bool>>> {
        let dir = WorkDir::new_in(self.room)?;
        let links = dir.path().join("links");
        fs::create_dir(&links)?;
        let mut list = Vec::new();
        for (i, item) in items.iter().enumerate() {
            // A directory each: two packages' files may have the same paths.
            let base = dir.path().join(i.to_string());
            fs::create_dir(&base)?;
            let link = links.join(format!("{i}.ltar"));
            let source = fs::canonicalize(&item.file)?;
            symlink(&source, &link)?;
            list.push(leantar::Item { file: link, source, base });
        }
        let mut watch = |progress| {
            if let Progress::Held(state) = progress {
                (self.held)(state);
            }
        };
        let (jobs, rooms) = (self.jobs, [dir.path()]);
        let run = self.leantar.unpack(jobs, &list, &rooms, self.interrupts, &mut watch)?;
        let is_whole = |(item, placed): (&Item, &leantar::Item)| {
            let prefix = item.head.place.package.as_ref();
            let package = prefix.map_or_else(
                || placed.base.clone(),
                |name| placed.base.join(".lake/packages").join(name),
            );
            let files = Files::new(&package.join(".lake/build"), &item.head.place, item.module);
            files.check(item.head.dep_hash, Look::Contents).is_ok()
        };
        let whole = items.par_iter().zip(&list).map(is_whole).collect();
        Ok(run.finished().then_some(whole))
    }
}
