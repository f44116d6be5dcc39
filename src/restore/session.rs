//! A restore from beginning to end: names, plan, unpack, and the real lake for the rest.
//!
//! The proxy and `lake-shim restore` both come through here, so they cannot drift apart.

use super::apply::{Tools, apply};
use super::fallback::{self, Lacking};
use super::packs::{self, PackPlan, PackStep};
use super::plan::{Plan, plan};
use super::{Event, Observer, Outcome};
use crate::error::{Failure, hint};
use crate::fs::{DirLock, WorkDir};
use crate::interrupt::Interrupts;
use crate::mathlib::leantar;
use crate::mathlib::names::NamedModule;
use crate::mathlib::request::{Request, Wanted, check_toolchain, names};
use crate::settings::{Environment, Network, Settings, var};
use crate::store::Stores;
use crate::workspace::{Workspace, toolchain};
use anyhow::{Context, Result, bail};
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Instant;

/// What a restore works with.
pub struct Session<'a> {
    pub workspace: &'a Workspace,
    pub settings: &'a Settings,
    pub env: &'a Environment,
    /// The real lake's path, beside which leantar and lean may be.
    pub lake: Option<&'a Path>,
    /// Of `+toolchain`.
    pub toolchain: Option<&'a str>,
    pub observer: Observer<'a>,
    /// Told how many bytes of packs were unpacked since it was last told.
    pub bytes: &'a (dyn Fn(u64) + Sync),
}

/// How to go about it.
#[derive(Clone, Copy)]
pub struct Mode<'a> {
    /// Unpack even what is up to date.
    pub force: bool,
    /// Only see to it that the files are there.
    pub only_fetch: bool,
    /// Whom to ask for what the stores do not have; nobody before a build.
    pub run_lake: Option<fallback::RunLake<'a>>,
    /// How to have sources cloned that neither the workspace nor a store has.
    pub resolve: Option<&'a dyn Fn() -> Result<ExitStatus>>,
}

/// How a session ended.
pub enum Ended {
    /// As the outcome says.
    Done(Outcome),
    /// The stores have no answer, for this reason. Nothing was changed.
    NotOurs(anyhow::Error),
}

impl Session<'_> {
    /// Restores what `request` asks for.
    ///
    /// # Errors
    /// When the workspace's toolchain is not mathlib's, when the packages cannot be written, or
    /// when the disk is full. What merely could not be restored is in the outcome.
    pub fn restore(&self, request: &Request, mode: Mode) -> Result<Ended> {
        let start = Instant::now();
        let stores = Stores::open(self.settings)?;
        let packs = packs::plan(self.workspace, &stores)?;
        let unpacked =
            if mode.only_fetch { Unpacked::default() } else { self.unpack_packs(&packs) };
        if let Some(resolve) = mode.resolve.filter(|_| self.settings.network == Network::Auto)
            && self.workspace.missing_packages().next().is_some()
        {
            (self.observer)(Event::Cloning);
            resolve()?; // what it could not clone is found missing below
        }
        if !self.workspace.missing_packages().any(|package| package.name == "mathlib") {
            check_toolchain(self.workspace)?;
        }
        let wanted = match self.wanted(request) {
            Ok(wanted) => wanted,
            // Without mathlib there still are packages that a store may have packed.
            Err(_) if self.workspace.mathlib().is_none() && packs.has_any => Wanted::default(),
            Err(reason) => return Ok(Ended::NotOurs(reason)),
        };
        let built = packs.built.clone();
        let run = Run { session: self, wanted, built, mode, interrupts: Interrupts::catch()? };
        let mut outcome = run.unpack(&stores)?;
        run.count_packs(&mut outcome, &packs, unpacked);
        if let Some(run_lake) = mode.run_lake.filter(|_| run.may_ask_lake() && !outcome.is_whole())
        {
            match run.ask_lake(&stores, &mut outcome, run_lake) {
                Err(e) if !matches!(e.downcast_ref(), Some(Failure::Interrupted(_))) => {
                    (self.observer)(Event::Warning { reason: format!("{e:#}") });
                    outcome.lake_status = Some(Failure::code(&e));
                }
                asked => asked?,
            }
        }
        outcome.took = start.elapsed();
        Ok(Ended::Done(outcome))
    }

    /// Restores packages' builds from packs alone. Nothing when the stores do not have all of them.
    pub fn restore_packs(&self) -> Result<Option<Outcome>> {
        let start = Instant::now();
        let packs = packs::plan(self.workspace, &Stores::open(self.settings)?)?;
        let mut packages = self.workspace.packages.iter().filter(|p| p.lock.is_some()).peekable();
        let has_any = packages.peek().is_some();
        if !has_any || !packages.all(|package| packs.built.contains(&package.dir)) {
            return Ok(None);
        }
        let Unpacked { packages, failed } = self.unpack_packs(&packs);
        let (took, offline) = (start.elapsed(), true);
        let outcome = Outcome { packages, took, offline, ..Outcome::default() };
        Ok(failed.is_empty().then_some(outcome))
    }

    /// Unpacks what the stores have of sources and builds.
    fn unpack_packs(&self, packs: &PackPlan) -> Unpacked {
        let mut unpacked = Unpacked::default();
        for step in &packs.steps {
            (self.observer)(Event::Package {
                name: step.package.clone(),
                what: step.what(),
                bytes: step.bytes(),
            });
            match step.apply(self.settings.jobs(), self.bytes) {
                Ok(()) => drop(unpacked.packages.insert(step.package_dir.clone())),
                Err(e) => {
                    (self.observer)(Event::Warning { reason: format!("{e:#}") });
                    unpacked.failed.insert(step.package.clone(), format!("{e:#}"));
                }
            }
        }
        unpacked
    }

    /// What a restore would do.
    pub fn plan(&self, request: &Request, force: bool) -> Result<Plan> {
        let stores = Stores::open(self.settings)?;
        let packs = packs::plan(self.workspace, &stores)?;
        if packs.steps.iter().any(PackStep::is_source) {
            // Which modules there are is written in sources that are not here yet.
            return Ok(Plan { packs: packs.steps, ..Plan::default() });
        }
        check_toolchain(self.workspace)?;
        let plan = plan(self.workspace, &self.wanted(request)?, &stores, &packs.built, force);
        Ok(Plan { packs: packs.steps, ..plan })
    }

    /// The modules that `request` asks for.
    pub fn wanted(&self, request: &Request) -> Result<Wanted> {
        let githash = || toolchain::githash(self.toolchain_bin().as_deref());
        (self.observer)(Event::Naming);
        names(self.workspace, request, &githash)
    }

    /// leantar, wherever it is.
    ///
    /// # Errors
    /// When there is none.
    pub fn leantar(&self, stores: &Stores) -> Result<PathBuf> {
        let named = self.settings.leantar.as_deref();
        if let Some(named) = named.filter(|named| !named.is_file()) {
            bail!(hint(
                format!("`{}` is `{}`, and there is no such file", var::LEANTAR, named.display()),
                "name leantar there, or unset it",
            ));
        }
        leantar::find(
            named,
            self.toolchain_bin().as_deref(),
            stores.dirs(),
            self.env,
        )
        .with_context(|| {
            hint(
                "there is no leantar: not in the toolchain, the stores, PATH or the user's cache",
                format!(
                    "put `leantar-<version>` into the store, or set `{}`",
                    var::LEANTAR
                ),
            )
        })
    }

    fn toolchain_bin(&self) -> Option<PathBuf> {
        let of_workspace = || toolchain::read(&self.workspace.root).ok().flatten();
        let named = self.toolchain.map(str::to_owned);
        let named = named.or_else(|| self.env.elan_toolchain.clone()).or_else(of_workspace);
        toolchain::bin(self.lake, named.as_deref(), self.env)
    }

    /// Removes what a restore that was killed has left behind.
    fn sweep(&self) {
        WorkDir::sweep(&self.workspace.packages_dir);
        for package in self.workspace.source_path() {
            WorkDir::sweep(&package.join(".lake/build"));
        }
    }

    /// Restores into one packages directory take turns.
    fn lock_dir(&self) -> &Path {
        let packages = &self.workspace.packages_dir;
        if packages.is_dir() { packages } else { &self.workspace.root }
    }
}

/// What came of packs.
#[derive(Debug, Default)]
struct Unpacked {
    /// Directories of packages that got something.
    packages: BTreeSet<PathBuf>,
    /// Packages that did not, with the reason.
    failed: BTreeMap<String, String>,
}

/// One restore under way.
struct Run<'a> {
    session: &'a Session<'a>,
    wanted: Wanted,
    /// Packages whose whole build is packed.
    built: BTreeSet<PathBuf>,
    mode: Mode<'a>,
    interrupts: Interrupts,
}

impl Run<'_> {
    fn plan(&self, stores: &Stores) -> Plan {
        plan(self.session.workspace, &self.wanted, stores, &self.built, self.mode.force)
    }

    /// Restores what the stores have. A file that turns out to be damaged may be whole in another
    /// store.
    fn unpack(&self, stores: &Stores) -> Result<Outcome> {
        let plan = self.plan(stores);
        if self.mode.only_fetch || plan.steps.is_empty() {
            self.session.sweep();
            let mut outcome = Outcome::of(&plan);
            outcome.skipped += plan.steps.len();
            outcome.only_fetch = self.mode.only_fetch;
            return Ok(outcome);
        }
        let leantar = match self.session.leantar(stores) {
            Ok(leantar) => leantar,
            // The stock tool fetches its own, and then unpacks what the stores have.
            Err(e) if self.may_ask_lake() => {
                self.tell(Event::Warning { reason: format!("{e:#}") });
                let mut outcome = Outcome::of(&plan);
                outcome.missing.extend(plan.steps.into_iter().map(|step| step.module));
                return Ok(outcome);
            }
            Err(e) => return Err(e),
        };
        let mut has_waited = false;
        let _lock = DirLock::acquire(
            self.session.lock_dir(),
            |holder| {
                has_waited = true;
                self.tell(Event::Waiting { holder });
            },
            || self.interrupts.check(),
        )?;
        // Whoever we waited for may have done the same work.
        let plan = if has_waited { self.plan(stores) } else { plan };
        let tools = Tools { leantar: &leantar, jobs: self.session.settings.jobs() };
        let mut outcome = apply(&plan, tools, &self.interrupts, self.session.observer)?;
        let mut stores = stores.clone();
        let mut steps = plan.steps;
        while !outcome.failed.is_empty() {
            steps.retain(|step| outcome.failed.contains_key(&step.module));
            stores.distrust(steps.iter().map(|step| step.source.clone()));
            let mut again = self.plan(&stores);
            again.steps.retain(|step| outcome.failed.contains_key(&step.module));
            if again.steps.is_empty() {
                break;
            }
            let second = apply(&again, tools, &self.interrupts, self.session.observer)?;
            outcome.failed.retain(|module, _| !second.restored.contains(module));
            outcome.restored.extend(second.restored);
            outcome.packages.extend(second.packages);
            steps = again.steps;
        }
        Ok(outcome)
    }

    /// Has the real lake fetch what is missing, and looks at what came of it. That a module is in
    /// no cache at all is no failure to the stock tool: Lake then builds it.
    fn ask_lake(
        &self,
        stores: &Stores,
        outcome: &mut Outcome,
        run_lake: fallback::RunLake,
    ) -> Result<()> {
        // What was downloaded before is in the user's cache, whether that is a store or not.
        let stores = &stores.and(self.session.env.user_cache());
        let lacking = Lacking { wanted: &self.wanted.modules, outcome, stores };
        let status = fallback::ask(
            &lacking,
            self.session.env,
            run_lake,
            &self.interrupts,
            self.session.observer,
        )?;
        outcome.offline = false;
        if !status.success() {
            outcome.lake_status = Some(exit_code(status));
            return Ok(());
        }
        let before = outcome.skipped + outcome.restored.len();
        let mut after = plan(self.session.workspace, &self.wanted, stores, &self.built, false);
        if self.mode.only_fetch {
            after.steps.clear();
        }
        let there = self.wanted.modules.len() - after.steps.len() - after.missing.len();
        outcome.downloaded = there.saturating_sub(before);
        outcome.failed = after.failed;
        outcome.failed.extend(after.steps.into_iter().map(|step| {
            (step.module, "the real lake says it is done, and it is not up to date".to_owned())
        }));
        outcome.missing.clear();
        outcome.failed_packs.clear();
        outcome.in_no_cache = after.missing.into_iter().map(|named| named.module).collect();
        outcome.lacks_proofwidgets = false;
        Ok(())
    }

    /// What came from packs counts as restored, and not as found up to date.
    fn count_packs(&self, outcome: &mut Outcome, packs: &PackPlan, unpacked: Unpacked) {
        let sources = self.session.workspace.source_path();
        let is_fresh = |named: &&NamedModule| {
            let package = &sources[named.package];
            unpacked.packages.contains(package) && self.built.contains(package)
        };
        let fresh: Vec<_> = self.wanted.modules.iter().filter(is_fresh).collect();
        if let Some(step) = packs.steps.first() {
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
            let is_built = dir.is_some_and(|dir| self.built.contains(dir));
            !(has_modules && is_built && outcome.failed.is_empty() && outcome.missing.is_empty())
        };
        outcome.failed_packs = unpacked.failed.into_iter().filter(|(p, _)| is_missed(p)).collect();
    }

    fn may_ask_lake(&self) -> bool {
        self.mode.run_lake.is_some() && self.session.settings.network == Network::Auto
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

impl Ended {
    /// The outcome, or the reason why there is none as an error.
    pub fn outcome(self) -> Result<Outcome> {
        match self {
            Self::Done(outcome) => Ok(outcome),
            Self::NotOurs(reason) => Err(reason),
        }
    }
}

impl Outcome {
    /// What came of a plan of which no step was carried out.
    pub fn of(plan: &Plan) -> Self {
        Self {
            skipped: plan.skipped.len(),
            failed: plan.failed.clone(),
            missing: plan.missing.iter().map(|named| named.module.clone()).collect(),
            lacks_proofwidgets: plan.lacks_proofwidgets,
            offline: true,
            ..Self::default()
        }
    }

    /// The error that a restore which was not whole ends in. What is wrong was reported.
    pub fn failure(&self) -> Option<Failure> {
        match self.lake_status {
            Some(code) => Some(Failure::Reported(code)),
            None => (!self.is_whole()).then_some(Failure::Reported(1)),
        }
    }
}
