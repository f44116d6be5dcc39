//! One restore under way: unpack what the stores have, then ask the real lake for the rest.

use super::apply::{Tools, apply, is_proven};
use super::fallback::{self, Lacking, Task};
use super::ledger::{self, Origin, Recorded};
use super::packs::{PackPlan, PackStep};
use super::plan::{Packed, Plan, Step, build_dir, plan};
use super::session::{Mode, Session};
use super::turn::Turn;
use super::{Event, Outcome};
use crate::fs::is_full;
use crate::interrupt::Interrupts;
use crate::mathlib::leantar::Unfit;
use crate::mathlib::names::NamedModule;
use crate::mathlib::outputs::{Files, Look};
use crate::mathlib::request::Wanted;
use crate::report::count;
use crate::settings::Network;
use crate::store::Stores;
use crate::store::index::Index;
use anyhow::{Error, Result, anyhow};
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::ExitStatus;

/// What came of packs.
#[derive(Debug, Default)]
pub(super) struct Unpacked {
    /// Directories of packages that got something.
    pub packages: BTreeSet<PathBuf>,
    /// Packages that did not, with the reason.
    pub failed: BTreeMap<String, String>,
    /// Their directories.
    pub failed_dirs: BTreeSet<PathBuf>,
    /// Directories of packages whose builds are left as they are, for their sources are changed.
    pub kept: BTreeSet<PathBuf>,
}

impl Unpacked {
    pub fn fail(&mut self, step: &PackStep, error: &Error) {
        self.failed.insert(step.package.clone(), format!("{error:#}"));
        self.failed_dirs.insert(step.package_dir.clone());
    }
}

/// One restore under way.
pub(super) struct Run<'a> {
    pub session: &'a Session<'a>,
    pub wanted: Wanted,
    /// Packages whose whole build came from a pack.
    pub built: BTreeSet<PathBuf>,
    pub packs: &'a PackPlan,
    pub mode: Mode<'a>,
    pub turn: Turn<'a>,
}

impl<'a> Run<'a> {
    fn plan(&self, stores: &Stores, force: bool) -> Plan {
        let packed = Packed { there: &self.built, coming: &BTreeSet::new() };
        plan(self.session.workspace, &self.wanted, stores, packed, force)
    }

    /// Restores what the stores have. An archive that turns out to be damaged may be whole in another store,
    /// which then answers for everything.
    pub fn unpack(&mut self, stores: &Stores, force: bool) -> Result<Outcome> {
        // Also where there is nothing more to do: it may have been killed just after its work.
        self.session.sweep();
        let mut plan = self.plan(stores, force);
        if !self.mode.only_fetch && self.unpack_again(&plan)? {
            plan = self.plan(stores, force);
        }
        self.interrupts().check()?;
        if self.mode.only_fetch {
            let mut outcome = Outcome::of(&plan);
            outcome.skipped += plan.steps.len();
            outcome.only_fetch = true;
            return Ok(outcome);
        }
        if !force && plan.asks_lake() {
            self.ask_whether_built(&mut plan)?;
        }
        plan.missing.append(&mut plan.stale);
        if plan.steps.is_empty() {
            return Ok(Outcome::of(&plan));
        }
        let (jobs, indices) = (self.session.settings.jobs(), self.packs.indices.as_slice());
        let (marks, observer) = (&self.packs.marks, self.session.observer);
        let mut unfit = Unfit::default();
        let (leantar, mut outcome) = loop {
            let leantar = match self.session.leantar(stores, self.wanted.leantar.as_ref(), &unfit) {
                Ok(leantar) => leantar,
                Err(e) => {
                    self.interrupts().check()?;
                    let mut outcome = Outcome::of(&plan);
                    outcome.not_unpacked = Some((plan.steps.len(), format!("{e:#}")));
                    return Ok(outcome);
                }
            };
            let tools = Tools { leantar: &leantar, jobs, indices };
            let outcome = apply(&plan, tools, marks, self.interrupts(), observer)?;
            match useless(&plan, &outcome, indices) {
                Some(reason) => drop(unfit.insert(leantar.path().to_owned(), reason)),
                None => break (leantar, outcome),
            }
        };
        let tools = Tools { leantar: &leantar, jobs, indices };
        let mut stores = stores.clone();
        let mut steps = plan.steps;
        // Each round distrusts a file of every failed module, so that there are no more than stores.
        for _ in 1..stores.dirs().len().max(2) {
            steps.retain(|step| outcome.failed.contains_key(&step.named.module));
            if steps.is_empty() {
                break;
            }
            // Another process took these apart again; they are whole in the store.
            let is_damaged = |step: &&Step| !outcome.taken.contains(&step.named.module);
            stores.distrust(steps.iter().filter(is_damaged).map(|step| step.source.clone()));
            let again = self.plan(&stores, false);
            self.interrupts().check()?;
            if again.steps.is_empty() {
                break;
            }
            let next = apply(&again, tools, marks, self.interrupts(), observer)?;
            outcome.failed.retain(|module, _| !next.restored.contains_key(module));
            outcome.taken = next.taken;
            outcome.restored.extend(next.restored);
            outcome.packages.extend(next.packages);
            outcome.is_mixed = next.is_mixed;
            steps = again.steps;
        }
        Ok(outcome)
    }

    /// Unpacks packs once more whose marks are there, and modules of theirs are not. Returns `true` if it did.
    fn unpack_again(&self, plan: &Plan) -> Result<bool> {
        let sources = self.session.workspace.source_path();
        let lacking: BTreeSet<_> =
            plan.missing.iter().map(|named| &sources[named.package]).collect();
        let steps: Vec<_> = self
            .packs
            .marked
            .iter()
            .filter(|step| self.built.contains(&step.package_dir))
            .filter(|step| lacking.contains(&step.package_dir))
            .collect();
        let mut unpacked = Unpacked::default();
        let is_built = self.mode.is_built;
        self.session.unpack(steps.into_iter(), self.interrupts(), is_built, &mut unpacked)?;
        Ok(!unpacked.packages.is_empty())
    }

    /// Asks Lake whether builds of unknown origin are up to date. They stay if they are, and are known from then
    /// on. What no store has is missing if they are not.
    fn ask_whether_built(&self, plan: &mut Plan) -> Result<()> {
        if self.mode.is_built.is_none() {
            return Ok(());
        }
        let has_gaps = plan.unknown().count() + plan.skipped.len() < self.wanted.modules.len();
        let asked: Vec<_> = match has_gaps {
            true => plan.unknown().map(|named| &named.module).collect(),
            false => self.wanted.modules.iter().map(|named| &named.module).collect(),
        };
        if !self.session.ask_lake(self.mode.is_built, &asked, self.interrupts())? {
            plan.missing.append(&mut plan.built);
            return Ok(());
        }
        let packages = self.session.workspace.source_path();
        let mut kept: BTreeMap<PathBuf, Vec<Recorded>> = BTreeMap::new();
        for NamedModule { module, file, package } in plan.unknown() {
            let build = build_dir(&packages[*package]);
            let Some(files) = Files::find(&build, module) else { continue };
            let Ok(outputs) = files.dep_hash().and_then(|hash| files.check(hash, Look::Presence))
            else {
                continue;
            };
            let recorded = Recorded { module, archive: *file, origin: Origin::Own, files, outputs };
            kept.entry(build).or_default().push(recorded);
        }
        for (build, kept) in kept {
            // Where it cannot be written Lake is asked again.
            let _ = ledger::record(&build, kept.into_iter());
        }
        plan.keep_unknown();
        Ok(())
    }

    /// Has the real lake fetch what is missing, unpacks that, and looks at what came of it. That a module is
    /// in no cache at all is no failure to the stock tool: Lake then builds it.
    pub fn ask_lake(
        &mut self,
        stores: &Stores,
        outcome: &mut Outcome,
        run_lake: fallback::RunLake,
    ) -> Result<()> {
        // What was downloaded before is in the user's cache, whether that is a store or not.
        let stores = stores.and(self.session.env.user_cache());
        let before = self.archives(&stores);
        let lacking = Lacking { wanted: &self.wanted.modules, outcome, stores: &stores };
        // Without a leantar the stock tool fetches its own, and unpacks.
        let task = match &outcome.not_unpacked {
            Some((_, why)) => {
                (self.session.observer)(Event::Warning(anyhow!(why.clone())));
                Task::Unpack
            }
            None => Task::Download,
        };
        let asked = fallback::ask(
            &lacking,
            self.session.env,
            &|variables| run_lake(task, variables),
            self.interrupts(),
            self.session.observer,
        )?;
        let (status, overlay) = asked.keep();
        let stores = stores.and(overlay.as_ref().map(|overlay| overlay.path().to_owned()));
        let first = std::mem::take(outcome);
        *outcome = self.unpack(&stores, false)?;
        outcome.downloaded = self.archives(&stores).saturating_sub(before);
        outcome.offline = false;
        if !status.success() {
            outcome.lake_status = Some(exit_code(status));
            let cache = overlay.as_ref().map(|overlay| overlay.path().to_owned());
            let cache = cache.or_else(|| self.session.env.user_cache());
            let disks = cache.into_iter().chain([self.session.workspace.packages_dir.clone()]);
            outcome.full = disks.into_iter().find(|disk| is_full(disk));
        } else if outcome.not_unpacked.is_none() {
            outcome.in_no_cache = std::mem::take(&mut outcome.missing);
        }
        // Modules that were unpacked before it was asked count as well.
        outcome.skipped = outcome.skipped.saturating_sub(first.restored.len());
        let second = std::mem::replace(&mut outcome.restored, first.restored);
        outcome.restored.extend(second);
        outcome.packages.extend(first.packages);
        Ok(())
    }

    /// How many of the wanted archives there are.
    fn archives(&self, stores: &Stores) -> usize {
        let is_there =
            |named: &&NamedModule| stores.candidates(named.file).any(|file| file.is_file());
        self.wanted.modules.iter().filter(is_there).count()
    }

    /// Sets apart what is missing of packs that were not unpacked.
    pub fn count_behind_packs(&self, outcome: &mut Outcome, not_unpacked: &BTreeSet<PathBuf>) {
        let sources = self.session.workspace.source_path();
        let is_behind = |named: &&NamedModule| not_unpacked.contains(&sources[named.package]);
        let behind = self.wanted.modules.iter().filter(is_behind);
        let behind: BTreeSet<_> = behind.map(|named| &named.module).collect();
        let missing = std::mem::take(&mut outcome.missing).into_iter();
        (outcome.behind_packs, outcome.missing) = missing.partition(|m| behind.contains(m));
    }

    /// What came from packs counts as restored, and not as found up to date.
    pub fn count_packs(&self, outcome: &mut Outcome, unpacked: Unpacked) {
        let sources = self.session.workspace.source_path();
        let is_fresh = |named: &&NamedModule| {
            let package = &sources[named.package];
            unpacked.packages.contains(package) && self.built.contains(package)
        };
        // Neither what is counted already nor what did not come.
        let others = outcome.restored.keys().chain(&outcome.missing).chain(outcome.failed.keys());
        let counted: BTreeSet<_> = others.cloned().collect();
        let steps = self.packs.steps.iter().filter(|step| !step.is_source());
        let stores: BTreeMap<_, _> = steps.map(|step| (&step.package_dir, &step.store)).collect();
        for named in self.wanted.modules.iter().filter(is_fresh) {
            if let Some(store) = stores.get(&sources[named.package])
                && !counted.contains(&named.module)
            {
                outcome.restored.insert(named.module.clone(), (*store).clone());
                outcome.skipped = outcome.skipped.saturating_sub(1);
            }
        }
        outcome.packages.extend(unpacked.packages);
        outcome.kept = unpacked.kept;
        // A build that cannot be unpacked is not missed where every module came as a cache file.
        let is_missed = |package: &String| {
            let dir = &self.session.workspace.package(package).map(|package| &package.dir);
            let has_modules = self.wanted.modules.iter().any(|n| Some(&sources[n.package]) == *dir);
            let is_built = dir.is_some_and(|dir| self.packs.built.contains(dir));
            let is_complete = outcome.failed.is_empty() && outcome.missing.is_empty();
            !(has_modules && is_built && is_complete && !outcome.is_lakes_word)
        };
        outcome.failed_packs = unpacked.failed.into_iter().filter(|(p, _)| is_missed(p)).collect();
    }

    pub fn may_ask_lake(&self) -> bool {
        self.mode.run_lake.is_some() && self.session.settings.network == Network::Auto
    }

    fn interrupts(&self) -> &'a Interrupts {
        self.turn.interrupts
    }
}

/// Why a leantar is of no use: it has unpacked nothing of several archives, or nothing of one that is byte for
/// byte as it was when its store was baked.
fn useless(plan: &Plan, outcome: &Outcome, indices: &[(PathBuf, Index)]) -> Option<String> {
    let reasons: Vec<_> =
        plan.steps.iter().filter_map(|step| outcome.failed.get(&step.named.module)).collect();
    let is_useless = reasons.len() == plan.steps.len()
        && outcome.taken.is_empty()
        && (plan.steps.len() > 1 || plan.steps.iter().any(|step| is_proven(step, indices)));
    let reason = reasons.first().filter(|_| is_useless)?;
    Some(format!("unpacks none of {}: {reason}", count(plan.steps.len(), "archive")))
}

/// As a shell counts.
fn exit_code(status: ExitStatus) -> u8 {
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    u8::try_from(code).unwrap_or(1)
}
