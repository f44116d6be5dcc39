//! A restore from beginning to end: names, plan, unpack, and the real lake for the rest.
//!
//! The proxy and `lake-shim restore` both come through here, so they cannot drift apart.

use super::fallback;
use super::packs::{self, PackPlan, PackStep};
use super::plan::{Packed, Plan, plan};
use super::run::{Run, Unpacked};
use super::turn::Turn;
use super::{Event, Observer, Outcome};
use crate::error::{Failure, hint};
use crate::fs::WorkDir;
use crate::interrupt::Interrupts;
use crate::lake::toolchain;
use crate::mathlib::Module;
use crate::mathlib::leantar::{self, Leantar, Unfit, Version};
use crate::mathlib::names::NamedModule;
use crate::mathlib::request::{Request, Wanted, check_toolchain, names};
use crate::settings::{Environment, Network, Settings, var};
use crate::store::Stores;
use crate::store::index::lock_id;
use crate::store::verify::{self, Depth};
use crate::workspace::git::Checkout;
use crate::workspace::{Package, Workspace};
use anyhow::{Result, anyhow, bail};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::Instant;

/// The surroundings of a restore.
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

/// Options of a restore, and the programs that it may start.
#[derive(Clone, Copy)]
pub struct Mode<'a> {
    /// Unpack even what is up to date.
    pub force: bool,
    /// Only see to it that the files are there.
    pub only_fetch: bool,
    /// Starts the real lake for files that the stores do not have. `None` before a build.
    pub run_lake: Option<fallback::RunLake<'a>>,
    /// Has sources cloned that neither the workspace nor a store has.
    pub resolve: Option<&'a dyn Fn() -> Result<Child>>,
    /// Asks Lake for modules that are not built of the sources that are there.
    pub is_built: Option<IsBuilt<'a>>,
}

/// Starts a Lake that succeeds if these modules are up to date, and builds nothing.
pub type IsBuilt<'a> = &'a dyn Fn(&[&Module]) -> Result<Child>;

/// The end of a session.
pub enum Ended {
    /// As the outcome says.
    Done(Box<Outcome>),
    /// The stores have no answer, for this reason.
    NotOurs(anyhow::Error),
}

impl Session<'_> {
    /// Restores what `request` asks for.
    ///
    /// # Errors
    /// Fails if the workspace's toolchain is not mathlib's, if the packages cannot be written, or if the disk is
    /// full. Modules that could not be restored are in the outcome.
    pub fn restore(&self, request: &Request, mode: Mode) -> Result<Ended> {
        let start = Instant::now();
        let stores = self.stores()?;
        let interrupts = Interrupts::catch()?;
        // Another process may be at work on these packages; what is there is looked at once it is done.
        let turn = match mode.only_fetch {
            false => Turn::take(self, &interrupts)?,
            true => Turn::none(self, &interrupts),
        };
        let mut packs = packs::plan(self.workspace, &stores, mode.force)?;
        if mode.only_fetch {
            packs.steps.clear();
        }
        if packs.steps.iter().any(PackStep::is_source) {
            turn.make_packages_dir()?;
        }
        let mut unpacked = Unpacked::default();
        self.unpack(
            packs.steps.iter().filter(|step| step.is_source()),
            &interrupts,
            mode.is_built,
            &mut unpacked,
        )?;
        if let Some(resolve) = mode.resolve.filter(|_| self.settings.network == Network::Auto)
            && !self.workspace.has_locked_packages()
        {
            // What it could not get is found missing below.
            (self.observer)(Event::Cloning);
            interrupts.while_waiting(&mut resolve()?, |lake| Ok(lake.wait()?))?;
        }
        if !mode.only_fetch
            && let Err(reason) = self.check_places()
        {
            return Ok(Ended::NotOurs(reason));
        }
        self.unpack(
            packs.steps.iter().filter(|step| !step.is_source()),
            &interrupts,
            mode.is_built.filter(|_| !mode.force),
            &mut unpacked,
        )?;
        if !self.workspace.missing_packages().any(|package| package.name == "mathlib") {
            check_toolchain(self.workspace)?;
        }
        let wanted = self.wanted(request);
        interrupts.check()?;
        let wanted = match wanted {
            Ok(wanted) => wanted,
            // Without mathlib there still are packages that a store may have packed.
            Err(_) if self.workspace.mathlib().is_none() && packs.has_any => Wanted::default(),
            Err(reason) => return Ok(Ended::NotOurs(reason)),
        };
        // What could not be unpacked is an older build, or none.
        let is_there =
            |dir: &&PathBuf| !unpacked.failed_dirs.contains(*dir) && !unpacked.kept.contains(*dir);
        let built = packs.built.iter().filter(is_there).cloned().collect();
        let not_unpacked = &unpacked.failed_dirs | &unpacked.kept;
        let mut run = Run { session: self, wanted, built, packs: &packs, mode, turn };
        let mut outcome = run.unpack(&stores, mode.force)?;
        run.count_packs(&mut outcome, unpacked);
        if let Some(run_lake) = mode.run_lake.filter(|_| run.may_ask_lake() && !outcome.is_whole())
        {
            match run.ask_lake(&stores, &mut outcome, run_lake) {
                Err(e) if !matches!(e.downcast_ref(), Some(Failure::Interrupted(_))) => {
                    outcome.lake_status = Some(Failure::code(&e));
                    (self.observer)(Event::Warning(e));
                }
                asked => asked?,
            }
        }
        run.count_behind_packs(&mut outcome, &not_unpacked);
        outcome.took = start.elapsed();
        outcome.network = self.settings.network;
        Ok(Ended::Done(Box::new(outcome)))
    }

    /// Refuses to restore where the files would not stay, or where they do not belong.
    fn check_places(&self) -> Result<()> {
        let mut packages =
            self.workspace.packages.iter().filter_map(|p| Some((p, p.lock.as_ref()?)));
        if packages.clone().next().is_some() {
            self.workspace.check_packages_dir(self.settings.pkg_dir.as_deref())?;
        }
        let is_there = |dir: &Path| Checkout::open(dir).is_some_and(|clone| clone.is_usable());
        let bare = packages.find(|(_, lock)| lock.clone.is_dir() && !is_there(&lock.clone));
        if let Some((package, lock)) = bare {
            let dir = lock.clone.display();
            let what = match Checkout::open(&lock.clone) {
                None => "no `.git` of its own",
                Some(_) => "a `.git` without HEAD or objects",
            };
            bail!(hint(
                format!("`{}` in `{dir}` has {what}: Lake will delete it", package.name),
                format!("`mv {dir} {dir}.old && lake resolve-deps` clones the package"),
            ));
        }
        Ok(())
    }

    /// The stores that are there. Those that are not are warned of.
    fn stores(&self) -> Result<Stores> {
        let stores = Stores::open(self.settings)?;
        for absent in stores.absent() {
            (self.observer)(Event::Warning(anyhow!(absent.clone())));
        }
        Ok(stores)
    }

    /// Restores packages' builds from packs alone. `None` if the stores do not have all of them.
    ///
    /// # Errors
    /// Those of [`Session::restore`].
    pub fn restore_packs(&self, is_built: IsBuilt) -> Result<Option<Outcome>> {
        let start = Instant::now();
        let stores = self.stores()?;
        let interrupts = Interrupts::catch()?;
        let turn = Turn::take(self, &interrupts)?;
        let packs = packs::plan(self.workspace, &stores, false)?;
        let mut packages = self.workspace.packages.iter().filter(|p| p.lock.is_some()).peekable();
        let has_any = packages.peek().is_some();
        if !has_any || !packages.all(|package| packs.built.contains(&package.dir)) {
            return Ok(None);
        }
        self.check_places()?;
        if packs.steps.iter().any(PackStep::is_source) {
            turn.make_packages_dir()?;
        }
        let mut unpacked = Unpacked::default();
        self.unpack(packs.steps.iter(), &interrupts, Some(is_built), &mut unpacked)?;
        self.sweep();
        let Unpacked { packages, failed, kept, .. } = unpacked;
        let (took, offline) = (start.elapsed(), true);
        let outcome = Outcome { packages, took, offline, ..Outcome::default() };
        Ok((failed.is_empty() && kept.is_empty()).then_some(outcome))
    }

    /// Unpacks packs of sources or builds. One that cannot be unpacked keeps no other from it.
    ///
    /// # Errors
    /// When we are told to stop.
    pub(super) fn unpack<'s>(
        &self,
        steps: impl Iterator<Item = &'s PackStep>,
        interrupts: &Interrupts,
        is_built: Option<IsBuilt>,
        unpacked: &mut Unpacked,
    ) -> Result<()> {
        for step in steps {
            if unpacked.failed.contains_key(&step.package) {
                continue; // a build without its sources, of which was told already
            }
            // Sources that were unpacked just now are as they should be.
            if !step.is_source()
                && !unpacked.packages.contains(&step.package_dir)
                && let Some(refusal) = refusal(step)
            {
                unpacked.kept.insert(step.package_dir.clone());
                (self.observer)(Event::Warning(refusal));
                continue;
            }
            (self.observer)(Event::Package {
                name: step.package.clone(),
                what: step.what(),
                bytes: step.bytes(),
            });
            let progress = |n| {
                (self.bytes)(n);
                interrupts.check()
            };
            let ask = |modules: &[&Module]| self.ask_lake(is_built, modules, interrupts);
            let done = step.apply(self.settings.jobs(), &ask, &progress);
            interrupts.check()?;
            match done {
                Ok(()) => drop(unpacked.packages.insert(step.package_dir.clone())),
                Err(e) => {
                    unpacked.fail(step, &e);
                    (self.observer)(Event::Warning(e));
                }
            }
        }
        Ok(())
    }

    /// Asks Lake whether `modules` are up to date. Returns `false` if it cannot be asked.
    pub(super) fn ask_lake(
        &self,
        is_built: Option<IsBuilt>,
        modules: &[&Module],
        interrupts: &Interrupts,
    ) -> Result<bool> {
        let Some(is_built) = is_built else { return Ok(false) };
        (self.observer)(Event::AskingWhetherBuilt { modules: modules.len() });
        match is_built(modules) {
            Ok(mut lake) => {
                let status = interrupts.while_waiting(&mut lake, |lake| Ok(lake.wait()?))?;
                Ok(status.success())
            }
            Err(e) => {
                (self.observer)(Event::Warning(e));
                Ok(false)
            }
        }
    }

    /// Plans what a restore would do.
    ///
    /// # Errors
    /// Those of [`Session::restore`].
    pub fn plan(&self, request: &Request, force: bool) -> Result<Plan> {
        let stores = self.stores()?;
        let mut packs = packs::plan(self.workspace, &stores, force)?;
        let packed =
            |name: &str| packs.steps.iter().any(|step| step.is_source() && step.package == name);
        if packs.steps.iter().any(PackStep::is_source)
            && self.workspace.missing_packages().all(|package| packed(&package.name))
        {
            return self.plan_of_lock(packs);
        }
        if !self.workspace.missing_packages().any(|package| package.name == "mathlib") {
            check_toolchain(self.workspace)?;
        }
        self.check_places()?;
        for step in std::mem::take(&mut packs.steps) {
            match refusal(&step).filter(|_| !step.is_source()) {
                None => packs.steps.push(step),
                Some(refusal) => {
                    packs.built.remove(&step.package_dir);
                    (self.observer)(Event::Warning(refusal));
                }
            }
        }
        let wanted = self.wanted(request)?;
        let packed = Packed { there: &packs.built, coming: &packs.coming() };
        let mut plan = plan(self.workspace, &wanted, &stores, packed, force);
        plan.missing.append(&mut plan.stale);
        if !plan.steps.is_empty()
            && let Err(e) = self.leantar(&stores, wanted.leantar.as_ref(), &Unfit::new())
        {
            plan.not_unpacked = Some(format!("{e:#}"));
        }
        Ok(Plan { packs: packs.steps, ..plan })
    }

    /// The plan of a restore before the sources are there that say which modules there are: a baked lock says it
    /// too.
    fn plan_of_lock(&self, packs: PackPlan) -> Result<Plan> {
        let toolchain = toolchain::read(&self.workspace.root)?.unwrap_or_default();
        let id = lock_id(&toolchain, &self.workspace.revisions());
        let baked = packs.indices.iter().find(|(_, index)| index.locks.contains_key(&id));
        let Some((store, index)) = baked else {
            bail!(hint(
                "the sources of packages are in a store, and no store is baked for this lock",
                "which modules there are is known once the sources are unpacked: restore, and look again",
            ));
        };
        let found = verify::lock(store, index, &id, Depth::Presence, &|_| {});
        let mut plan = Plan { packs: packs.steps, ..Plan::default() };
        plan.later = found.present - found.corrupt.len();
        let modules = &index.locks[&id].modules;
        for module in &found.missing {
            let (Some(file), Some(name)) = (modules.get(module), Module::parse(module)) else {
                continue;
            };
            plan.missing.push(NamedModule { module: name, file: *file, package: 0 });
        }
        let corrupt = found.corrupt.into_iter();
        plan.failed =
            corrupt.filter_map(|(module, why)| Some((Module::parse(&module)?, why))).collect();
        Ok(plan)
    }

    /// The modules that `request` asks for.
    pub fn wanted(&self, request: &Request) -> Result<Wanted> {
        if let Some((package, head)) = self.workspace.outdated_packages().next() {
            let Package { name, dir, .. } = package;
            bail!(hint(
                format!(
                    "`{name}` is at another revision than the locked one: `{}` is at {head}",
                    dir.display()
                ),
                "`lake resolve-deps` checks it out",
            ));
        }
        let githash = || toolchain::githash(self.toolchain_bin().as_deref());
        (self.observer)(Event::Naming);
        let wanted = names(self.workspace, request, &githash)?;
        let warning = wanted.without_source.iter().map(|warning| anyhow!(warning.clone()));
        warning.for_each(|warning| (self.observer)(Event::Warning(warning)));
        Ok(wanted)
    }

    /// The leantar that unpacks for a mathlib which needs `at_least` that version, and is none of `unfit`.
    ///
    /// # Errors
    /// Says which were looked at, and why each is not fit.
    pub fn leantar(
        &self,
        stores: &Stores,
        at_least: Option<&Version>,
        unfit: &Unfit,
    ) -> Result<Leantar> {
        if let Some(named) = &self.settings.leantar {
            return Leantar::fit(named, at_least, self.settings, unfit).map_err(|reason| {
                anyhow!(hint(
                    format!("`{}` is `{}`, which {reason}", var::LEANTAR, named.display()),
                    "name another leantar there, or unset it to have one searched for",
                ))
            });
        }
        let candidates =
            leantar::candidates(self.toolchain_bin().as_deref(), stores.dirs(), self.env);
        leantar::choose(&candidates, at_least, self.settings, unfit).map_err(|unfit| {
            let which = at_least.map(|version| format!(" of {version} or later")).unwrap_or_default();
            let what = match unfit.is_empty() {
                true => format!(
                    "there is no leantar{which}: not in the toolchain, the stores, the user's cache or PATH"
                ),
                false => format!("there is no leantar{which} that can be used: {}", unfit.join("; ")),
            };
            let way = format!("put `leantar-<version>` into the store, or set `{}`", var::LEANTAR);
            anyhow!(hint(what, way))
        })
    }

    fn toolchain_bin(&self) -> Option<PathBuf> {
        let of_workspace = || toolchain::read(&self.workspace.root).ok().flatten();
        let named = self.toolchain.map(str::to_owned);
        let named = named.or_else(|| self.env.elan_toolchain.clone()).or_else(of_workspace);
        toolchain::bin(self.lake, named.as_deref(), self.env)
    }

    /// Removes what runs that were killed have left behind.
    pub(super) fn sweep(&self) {
        self.work_places().iter().for_each(|place| WorkDir::sweep(place));
    }

    /// `true` if something was left behind, by this process too: then another one has to look again.
    pub fn has_leftovers(&self) -> bool {
        self.work_places().iter().any(|place| WorkDir::of_this_user(place).next().is_some())
    }

    /// Places where we, and the code that writes manifests, have directories of our own for a while.
    fn work_places(&self) -> Vec<PathBuf> {
        let Workspace { root, packages_dir, .. } = self.workspace;
        // Parts of a build may be links to another file system, where files are copied to.
        let parts = ["", "lib", "lib/lean", "ir"];
        let builds = self.workspace.source_path().into_iter().map(|dir| dir.join(".lake/build"));
        let builds = builds.flat_map(|build| parts.map(|part| build.join(part)));
        let own =
            [root.clone(), root.join(".lake"), self.workspace.state_dir(), packages_dir.clone()];
        own.into_iter().chain(builds).collect()
    }
}

/// The reason why a packed build is not unpacked: the sources that are there are others, or that cannot be told and
/// there is a build that could be lost.
fn refusal(step: &PackStep) -> Option<anyhow::Error> {
    let reason = match step.changed_sources() {
        Ok(None) => return None,
        Ok(Some(reason)) => reason,
        Err(_) if step.own_modules().is_empty() => return None,
        Err(e) => format!("{e:#}"),
    };
    let dir = step.package_dir.display();
    Some(anyhow!(hint(
        format!("the build of `{}` is not unpacked: {reason}", step.package),
        format!(
            "Lake builds it from the sources in `{dir}`; `git -C {dir} stash` takes the changes back"
        ),
    )))
}

impl Ended {
    /// The outcome, or the reason why there is none as an error.
    pub fn outcome(self) -> Result<Outcome> {
        match self {
            Self::Done(outcome) => Ok(*outcome),
            Self::NotOurs(reason) => Err(reason),
        }
    }
}
