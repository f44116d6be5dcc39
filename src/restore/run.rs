//! One restore under way: unpack what the stores have, then ask the real lake for the rest.

use super::apply::{Tools, apply};
use super::fallback::{self, Asked, Lacking};
use super::packs::PackPlan;
use super::plan::{Plan, Step, plan};
use super::session::{Mode, Session};
use super::turn::Turn;
use super::{Event, Outcome};
use crate::fs::is_full;
use crate::interrupt::Interrupts;
use crate::mathlib::names::NamedModule;
use crate::mathlib::request::Wanted;
use crate::settings::Network;
use crate::store::Stores;
use anyhow::Result;
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
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
    fn plan(&self, stores: &Stores) -> Plan {
        plan(self.session.workspace, &self.wanted, stores, &self.built, self.mode.force)
    }

    /// Restores what the stores have. A file that turns out to be damaged may be whole in another
    /// store.
    pub fn unpack(&mut self, stores: &Stores) -> Result<Outcome> {
        // Also where there is nothing more to do: it may have been killed just after its work.
        self.session.sweep();
        let plan = self.plan(stores);
        if self.mode.only_fetch || plan.steps.is_empty() {
            let mut outcome = Outcome::of(&plan);
            outcome.skipped += plan.steps.len();
            outcome.only_fetch = self.mode.only_fetch;
            return Ok(outcome);
        }
        let leantar = match self.session.leantar(stores) {
            Ok(leantar) => leantar,
            // The stock tool fetches its own, and then unpacks what the stores have.
            Err(e) if self.may_ask_lake() => {
                self.tell(Event::Warning(e));
                let mut outcome = Outcome::of(&plan);
                outcome.missing.extend(plan.steps.into_iter().map(|step| step.module));
                return Ok(outcome);
            }
            Err(e) => return Err(e),
        };
        let tools = Tools { leantar: &leantar, jobs: self.session.settings.jobs() };
        let (marks, observer) = (&self.packs.marks, self.session.observer);
        let mut outcome = apply(&plan, tools, marks, self.interrupts(), observer)?;
        let mut stores = stores.clone();
        let mut steps = plan.steps;
        while !outcome.failed.is_empty() {
            steps.retain(|step| outcome.failed.contains_key(&step.module));
            // What another process took apart again is whole in the store.
            let is_damaged = |step: &&Step| !outcome.taken.contains(&step.module);
            stores.distrust(steps.iter().filter(is_damaged).map(|step| step.source.clone()));
            let mut again = self.plan(&stores);
            again.steps.retain(|step| outcome.failed.contains_key(&step.module));
            if again.steps.is_empty() {
                break;
            }
            let second = apply(&again, tools, marks, self.interrupts(), observer)?;
            outcome.failed.retain(|module, _| !second.restored.contains(module));
            outcome.taken.clear(); // twice is enough
            outcome.restored.extend(second.restored);
            outcome.packages.extend(second.packages);
            steps = again.steps;
        }
        Ok(outcome)
    }

    /// Has the real lake fetch what is missing, and looks at what came of it. That a module is in
    /// no cache at all is no failure to the stock tool: Lake then builds it.
    pub fn ask_lake(
        &self,
        stores: &Stores,
        outcome: &mut Outcome,
        run_lake: fallback::RunLake,
    ) -> Result<()> {
        // What was downloaded before is in the user's cache, whether that is a store or not.
        let stores = &stores.and(self.session.env.user_cache());
        let lacking = Lacking { wanted: &self.wanted.modules, outcome, stores };
        let Asked { status, cache } = fallback::ask(
            &lacking,
            self.session.env,
            run_lake,
            self.interrupts(),
            self.session.observer,
        )?;
        outcome.offline = false;
        if !status.success() {
            outcome.lake_status = Some(exit_code(status));
            let disks = [&self.session.workspace.packages_dir, cache.path()];
            outcome.full = disks.into_iter().find(|disk| is_full(disk)).map(Path::to_owned);
            return Ok(());
        }
        let before = outcome.skipped + outcome.restored.len();
        let stores = stores.and(Some(cache.path().to_owned()));
        let mut after = plan(self.session.workspace, &self.wanted, &stores, &self.built, false);
        if self.mode.only_fetch {
            after.steps.clear();
        }
        let there = self.wanted.modules.len() - after.steps.len() - after.missing.len();
        outcome.downloaded = there.saturating_sub(before);
        outcome.failed = after.failed;
        outcome.failed.extend(after.steps.into_iter().map(|step| {
            let fault = step.fault.map(|fault| format!(": {fault}")).unwrap_or_default();
            let why = format!("the real lake says it is done, and it is not up to date{fault}");
            (step.module, why)
        }));
        outcome.missing.clear();
        outcome.failed_packs.clear();
        outcome.in_no_cache = after.missing.into_iter().map(|named| named.module).collect();
        outcome.lacks_proofwidgets = false;
        Ok(())
    }

    /// What came from packs counts as restored, and not as found up to date.
    pub fn count_packs(&self, outcome: &mut Outcome, unpacked: Unpacked) {
        let sources = self.session.workspace.source_path();
        let is_fresh = |named: &&NamedModule| {
            let package = &sources[named.package];
            unpacked.packages.contains(package) && self.built.contains(package)
        };
        let fresh: Vec<_> = self.wanted.modules.iter().filter(is_fresh).collect();
        if let Some(step) = self.packs.steps.first() {
            outcome.store.get_or_insert(step.store.clone());
        }
        // Neither what is counted already nor what did not come.
        let others = outcome.restored.iter().chain(&outcome.missing).chain(outcome.failed.keys());
        let counted: BTreeSet<_> = others.cloned().collect();
        for named in fresh.into_iter().filter(|named| !counted.contains(&named.module)) {
            outcome.restored.push(named.module.clone());
            outcome.skipped = outcome.skipped.saturating_sub(1);
        }
        outcome.packages.extend(unpacked.packages);
        // A build that cannot be unpacked is not missed where every module came as a cache file.
        let is_missed = |package: &String| {
            let dir = &self.session.workspace.package(package).map(|package| &package.dir);
            let has_modules = self.wanted.modules.iter().any(|n| Some(&sources[n.package]) == *dir);
            let is_built = dir.is_some_and(|dir| self.packs.built.contains(dir));
            !(has_modules && is_built && outcome.failed.is_empty() && outcome.missing.is_empty())
        };
        outcome.failed_packs = unpacked.failed.into_iter().filter(|(p, _)| is_missed(p)).collect();
    }

    pub fn may_ask_lake(&self) -> bool {
        self.mode.run_lake.is_some() && self.session.settings.network == Network::Auto
    }

    fn interrupts(&self) -> &'a Interrupts {
        self.turn.interrupts
    }

    fn tell(&self, event: Event) {
        (self.session.observer)(event);
    }
}

/// As a shell counts.
fn exit_code(status: ExitStatus) -> u8 {
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    u8::try_from(code).unwrap_or(1)
}
