//! Unpacking cache files on trial, to know before a store is shipped that they can be unpacked.

use crate::confine::State;
use crate::error::{hint, is_disk_full};
use crate::fs::{WorkDir, is_full};
use crate::interrupt::Interrupts;
use crate::mathlib::Module;
use crate::mathlib::leantar::{self, Leantar, Progress};
use crate::mathlib::ltar::Head;
use crate::mathlib::outputs::{Fault, Files, Look};
use crate::settings::var;
use anyhow::{Context, Result, bail};
use fs_err as fs;
use fs_err::os::unix::fs::symlink;
use rayon::prelude::*;
use std::path::{Path, PathBuf};
use std::slice;

/// How many are unpacked at once: this much room is needed for it.
const AT_ONCE: usize = 256;

/// A cache file on trial.
#[derive(Clone)]
pub struct Item<'a> {
    pub file: PathBuf,
    pub head: Head,
    pub module: &'a Module,
}

/// What unpacks, and where.
pub struct Trial<'a> {
    pub leantar: &'a Leantar,
    pub jobs: usize,
    pub room: &'a Path,
    /// Told how leantar is held.
    pub held: &'a dyn Fn(State),
}

/// How a run ended.
struct Run {
    /// Whether leantar lived to its end.
    finished: bool,
    whole: Vec<bool>,
    /// What leantar said last.
    last_words: String,
}

impl Trial<'_> {
    /// Whether each of `items` unpacks to what its trace records. One that did before is `proven`.
    ///
    /// # Errors
    /// When the fault need not be the files': leantar unpacks none of them, nor what is proven, or
    /// there is no room.
    pub fn unpack<'a>(
        &self,
        items: &[Item<'a>],
        mut proven: Option<Item<'a>>,
    ) -> Result<Vec<bool>> {
        let interrupts = Interrupts::catch()?;
        let mut all = Vec::new();
        for some in items.chunks(AT_ONCE) {
            let (whole, last_words) = self.unpack_some(some, &interrupts)?;
            let first_whole = some.iter().zip(&whole).find(|(_, is_whole)| **is_whole);
            proven = first_whole.map(|(item, _)| item.clone()).or(proven);
            if first_whole.is_none() && !self.unpacks(proven.as_ref(), &interrupts)? {
                let (leantar, count) = (self.leantar.path().display(), some.len());
                bail!(hint(
                    format!(
                        "`{leantar}` unpacks none of the {count} cache files tried{last_words}"
                    ),
                    format!(
                        "is it a leantar, and new enough? `lake-shim doctor` asks it; `{}` names \
                         another. No cache file was removed",
                        var::LEANTAR
                    ),
                ));
            }
            all.extend(whole);
        }
        Ok(all)
    }

    fn unpacks(&self, proven: Option<&Item>, interrupts: &Interrupts) -> Result<bool> {
        let Some(item) = proven else { return Ok(false) };
        Ok(self.run(slice::from_ref(item), interrupts)?.whole == [true])
    }

    /// One run for all, and one for each when that dies.
    fn unpack_some(&self, items: &[Item], interrupts: &Interrupts) -> Result<(Vec<bool>, String)> {
        let run = self.run(items, interrupts)?;
        if run.finished {
            return Ok((run.whole, run.last_words));
        }
        let alone = |item| {
            let run = self.run(slice::from_ref(item), interrupts)?;
            Ok(run.finished && run.whole == [true])
        };
        Ok((items.iter().map(alone).collect::<Result<_>>()?, run.last_words))
    }

    fn run(&self, items: &[Item], interrupts: &Interrupts) -> Result<Run> {
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
        let rooms = [dir.path()];
        let run = self.leantar.unpack(self.jobs, &list, &rooms, interrupts, &mut watch)?;
        let whole = items.par_iter().zip(&list).map(|(item, placed)| item.is_whole(&placed.base));
        let whole = whole.collect::<Result<Vec<_>>>();
        interrupts.check()?;
        let whole = whole?;
        if whole.contains(&false) && (is_disk_full(&run.complaints) || is_full(dir.path())) {
            bail!(hint(
                format!(
                    "the disk is full at `{}`, where cache files are tried",
                    self.room.display()
                ),
                "make room there, and run it again; no cache file was removed",
            ));
        }
        Ok(Run { finished: run.finished(), whole, last_words: run.last_words() })
    }
}

impl Item<'_> {
    /// Whether what it was unpacked to in `base` is what its trace records.
    fn is_whole(&self, base: &Path) -> Result<bool> {
        let package = match &self.head.place.package {
            Some(name) => base.join(".lake/packages").join(name),
            None => base.to_owned(),
        };
        let files = Files::new(&package.join(".lake/build"), &self.head.place, self.module);
        match files.check(self.head.dep_hash, Look::Contents) {
            Ok(_) => Ok(true),
            Err(fault @ Fault::Unreadable(_)) => {
                Err(fault).with_context(|| format!("cannot try `{}`", self.file.display()))
            }
            Err(_) => Ok(false),
        }
    }
}
