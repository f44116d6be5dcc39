//! Carrying out a plan: unpack into the staging directories, compare with what Lake recorded,
//! publish what is whole.

use super::ledger::{self, Recorded};
use super::packs::{Marks, unmark};
use super::plan::{Plan, Step};
use super::publish::publish;
use super::staging::Staging;
use super::{Event, Observer, Outcome};
use crate::error::{hint, is_disk_full};
use crate::fs::new_file_mode;
use crate::interrupt::Interrupts;
use crate::mathlib::leantar::{self, Item, Leantar, Progress, short};
use crate::mathlib::outputs::{Fault, Look};
use crate::read;
use crate::store::index::Index;
use crate::store::pack::Digest;
use anyhow::{Result, bail};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A leantar that dies on this many files, alone with each, dies on everything.
const MAX_CULPRITS: usize = 32;

/// How long another process may take to publish what we published, and how often we look.
const PATIENCE: Duration = Duration::from_secs(5);
const INTERVAL: Duration = Duration::from_millis(50);

/// The leantar that unpacks, and the indices that prove archives.
#[derive(Clone, Copy, Debug)]
pub struct Tools<'a> {
    pub leantar: &'a Leantar,
    pub jobs: usize,
    /// Of the stores that have one.
    pub indices: &'a [(PathBuf, Index)],
}

/// Carries out the steps of `plan`. What could not be restored is in the outcome, by name. `marks` are
/// those of the packs that these packages have.
///
/// # Errors
/// When nothing can be restored at all (leantar cannot be run, the packages cannot be written), and
/// when the disk is full; what was published by then is whole.
pub fn apply(
    plan: &Plan,
    tools: Tools,
    marks: &Marks,
    interrupts: &Interrupts,
    observer: Observer,
) -> Result<Outcome> {
    let mut outcome = Outcome::of(plan);
    if plan.steps.is_empty() {
        return Ok(outcome);
    }
    let staging = Staging::new(&plan.steps)?;
    observer(Event::Unpacking { total: plan.steps.len() });
    let proven: Vec<_> = plan.steps.par_iter().map(|step| is_proven(step, tools.indices)).collect();
    interrupts.check()?;
    let mut unpacking = Unpacking {
        staging: &staging,
        tools,
        interrupts,
        observer,
        reasons: BTreeMap::new(),
        last_words: String::new(),
        is_clean: true,
    };
    unpacking.run(&plan.steps)?;
    let Unpacking { reasons, last_words, is_clean, .. } = unpacking;
    staging.check()?;

    observer(Event::Checking { total: plan.steps.len() });
    let look = |(step, &proven): (&Step, &bool)| {
        let look = if is_clean && proven { Look::Presence } else { Look::Contents };
        staging.files(step).check(step.head.dep_hash, look)
    };
    let checked: Vec<_> = plan.steps.par_iter().zip(&proven).map(look).collect();
    let mut whole = Vec::new();
    for (step, checked) in plan.steps.iter().zip(checked) {
        match checked {
            Ok(outputs) => whole.push(Whole { step, outputs }),
            Err(fault) => {
                let reason = reasons.get(&step.named.file.to_string()).cloned();
                let reason = reason.unwrap_or_else(|| format!("{fault}{last_words}"));
                let reason = format!("`{}`: {reason}", step.source.display());
                outcome.failed.insert(step.named.module.clone(), reason);
            }
        }
    }
    interrupts.check()?;
    publish_all(&staging, &whole, marks, observer)?;
    for (step, fault) in missing_after(&whole, interrupts)? {
        let reason = format!("`{}` has changed meanwhile: {fault}", step.package.display());
        outcome.failed.insert(step.named.module.clone(), reason);
        outcome.taken.insert(step.named.module.clone());
    }
    for Whole { step, .. } in &whole {
        if !outcome.failed.contains_key(&step.named.module) {
            outcome.packages.insert(step.package.clone());
            let store = step.source.parent().map(Path::to_owned).unwrap_or_default();
            outcome.restored.insert(step.named.module.clone(), store);
        }
    }
    let reason_of =
        |step: &Step| reasons.get(&step.named.file.to_string()).filter(|r| is_disk_full(r));
    if let Some((step, reason)) = plan.steps.iter().find_map(|s| Some((s, reason_of(s)?))) {
        bail!(disk_full(plan, &outcome, step, reason));
    }
    Ok(outcome)
}

/// Published modules that are not there all the same: their package was moved away, or another process
/// publishes the same ones (where locks do not exclude) and has removed the traces, which come back last.
fn missing_after<'a>(
    published: &[Whole<'a>],
    interrupts: &Interrupts,
) -> Result<Vec<(&'a Step, Fault)>> {
    let look = |step: &'a Step| {
        let checked = step.files().check(step.head.dep_hash, Look::Presence);
        checked.err().map(|fault| (step, fault))
    };
    let mut missing: Vec<_> = published.par_iter().filter_map(|whole| look(whole.step)).collect();
    let start = Instant::now();
    while !missing.is_empty() && start.elapsed() < PATIENCE {
        interrupts.check()?;
        std::thread::sleep(INTERVAL);
        missing = missing.iter().filter_map(|(step, _)| look(step)).collect();
    }
    Ok(missing)
}

fn publish_all(
    staging: &Staging,
    whole: &[Whole],
    marks: &Marks,
    observer: Observer,
) -> Result<()> {
    for (package, staged) in staging.packages() {
        let of_package = || whole.iter().filter(|whole| whole.step.package == package);
        let steps: Vec<_> = of_package().map(|whole| whole.step).collect();
        if let Some(first) = steps.first() {
            let build = first.build_dir();
            // Some other pack's build is no longer what it was.
            unmark(&build, marks.get(package).map_or(&[], Vec::as_slice))?;
            let mode = new_file_mode(&staged)?;
            publish(&staged, &build, &steps, mode)?;
            if let Err(e) = ledger::record(&build, of_package().map(Whole::recorded)) {
                // The files are there; where they came from is asked next time.
                observer(Event::Warning(e));
            }
        }
    }
    Ok(())
}

/// A step whose files are staged and are what they should be.
struct Whole<'a> {
    step: &'a Step,
    /// As [`Files::check`](crate::mathlib::outputs::Files::check) returns them.
    outputs: String,
}

impl<'a> Whole<'a> {
    fn recorded(&self) -> Recorded<'a> {
        let Self { step, outputs } = self;
        Recorded {
            module: &step.named.module,
            archive: step.named.file,
            origin: step.origin.clone(),
            files: step.files(),
            outputs: outputs.clone(),
        }
    }
}

/// `true` if the archive is byte for byte the one that was unpacked on trial when its store was baked.
pub(super) fn is_proven(step: &Step, indices: &[(PathBuf, Index)]) -> bool {
    let index = indices.iter().find(|(store, _)| step.source.parent() == Some(store));
    let record = index.and_then(|(_, index)| index.ltars.get(&step.named.file));
    record.is_some_and(|record| {
        let digest = read::open(&step.source).and_then(|mut file| Digest::of_reader(&mut file));
        digest.is_ok_and(|digest| digest == record.sha256)
    })
}

/// One leantar run over everything, and more when it dies.
struct Unpacking<'a> {
    staging: &'a Staging,
    tools: Tools<'a>,
    interrupts: &'a Interrupts,
    observer: Observer<'a>,
    /// What leantar said of a file, by the file's name.
    reasons: BTreeMap<String, String>,
    /// What it said last when it failed, of no file in particular.
    last_words: String,
    /// `true` while every run has succeeded without a complaint.
    is_clean: bool,
}

impl Unpacking<'_> {
    /// Unpacks `steps`. When leantar dies on the way, what is left is tried in halves, until the
    /// file that kills it is alone.
    fn run(&mut self, steps: &[Step]) -> Result<()> {
        let mut todo: Vec<Vec<&Step>> = vec![steps.iter().collect()];
        let mut done = 0;
        let mut culprits = 0;
        while let Some(list) = todo.pop() {
            let items: Vec<Item> = list.iter().map(|step| self.staging.item(step)).collect();
            let observer = self.observer;
            let mut watch = |progress| match progress {
                Progress::Held(state) => observer(Event::Held(state)),
                Progress::Begun(count) => observer(Event::Begun { done: done + count }),
            };
            let run = self.unpack(&items, &mut watch)?;
            self.note_complaints(&run.complaints);
            self.is_clean &= run.status.success() && run.complaints.trim().is_empty();
            if run.finished() {
                if !run.status.success() {
                    self.last_words = run.last_words();
                }
                done += list.len();
                continue;
            }
            let was_alone = list.len() == 1;
            let is_left = |step: &&Step| {
                self.staging.files(step).check(step.head.dep_hash, Look::Contents).is_err()
            };
            let (left, unpacked): (Vec<&Step>, Vec<_>) = list.into_iter().partition(is_left);
            done += unpacked.len();
            let died = format!("leantar died on it ({}{})", run.status, run.last_words());
            // It publishes a trace first, and would skip the module next time.
            left.iter().try_for_each(|step| self.staging.files(step).forget())?;
            match left.as_slice() {
                [] => {}
                [culprit] if was_alone => {
                    self.reasons.insert(culprit.named.file.to_string(), died.clone());
                    culprits += 1;
                    done += 1;
                }
                [first, ..] if is_disk_full(&run.complaints) => {
                    self.reasons.insert(first.named.file.to_string(), died.clone());
                    return Ok(());
                }
                _ => {
                    observer(Event::Splitting { left: left.len() });
                    let (first, second) = left.split_at(left.len() / 2);
                    let halves = [second.to_vec(), first.to_vec()];
                    todo.extend(halves.into_iter().filter(|half| !half.is_empty()));
                }
            }
            if culprits == MAX_CULPRITS {
                // What is published so far is whole; the rest fails by name.
                let untried = todo.iter().flatten().map(|step| step.named.file.to_string());
                let reason = format!("not tried: leantar died on {culprits} files");
                self.reasons.extend(untried.map(|file| (file, reason.clone())));
                return Ok(());
            }
        }
        Ok(())
    }

    fn unpack(&self, items: &[Item], watch: &mut dyn FnMut(Progress)) -> Result<leantar::Outcome> {
        let Tools { leantar, jobs, .. } = self.tools;
        leantar.unpack(jobs, items, &self.staging.rooms(), self.interrupts, watch)
    }

    /// leantar complains of one file a line, `<file>: <reason>`.
    fn note_complaints(&mut self, complaints: &str) {
        for line in complaints.lines() {
            let Some((file, reason)) = line.split_once(".ltar: ") else {
                continue;
            };
            let file = Path::new(file).file_name().unwrap_or_default().to_string_lossy();
            // Its advice, and what it says it removes, are about our link.
            let reason = match reason.contains("corrupted file") || reason.contains("is corrupted")
            {
                true => "it ends early".to_owned(),
                false => short(reason),
            };
            self.reasons.insert(format!("{file}.ltar"), reason);
        }
    }
}

fn disk_full(plan: &Plan, outcome: &Outcome, step: &Step, reason: &str) -> String {
    hint(
        format!(
            "restored {} of {} modules, then the disk was full at `{}`: {reason}",
            outcome.restored.len(),
            plan.steps.len(),
            step.build_dir().display()
        ),
        "make room and run it again; what is restored is whole and stays",
    )
}
