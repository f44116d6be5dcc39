//! The answer that a store has to a command, and the start of the real lake for the rest.

use super::guard::Protection;
use super::invocation::{CacheRequest, CacheVerb, Command, Invocation};
use super::update::{self, GitAnswers};
use super::{Proxy, no_build, resolve_deps, start_resolve_deps, warn_once};
use crate::child::{Variables, die_with_us};
use crate::error::{Failure, hint};
use crate::fs::Lock;
use crate::interrupt::Interrupts;
use crate::mathlib::Module;
use crate::mathlib::request::{Request, Targets};
use crate::read;
use crate::restore::Event;
use crate::restore::fallback::Task;
use crate::restore::session::{Ended, IsBuilt, Mode, Session};
use crate::restore::stamp::{Stamp, Stamped};
use crate::settings::{Network, Restore, Settings, is_set, var};
use crate::store::Stores;
use crate::threads;
use crate::workspace::Workspace;
use anyhow::{Context, Result, bail};
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::{Child, ExitCode, ExitStatus};

/// The end of a command, or its way on.
pub enum Answer {
    /// It is done, with this exit code.
    Done(ExitCode),
    /// The real lake does it, started with this.
    Lake(Protection),
}

/// A command and its place.
pub struct At<'a> {
    pub proxy: &'a Proxy<'a>,
    pub workspace: &'a Workspace,
    pub cwd: &'a Path,
    pub network: Network,
}

/// The arguments of a `cache get` with the verb for `task`.
fn for_task(args: &[OsString], task: Task) -> Vec<OsString> {
    let mut args = args.to_vec();
    if let Some(verb) = args.iter_mut().find(|arg| *arg == "get").filter(|_| task == Task::Download)
    {
        *verb = "get-".into();
    }
    args
}

impl At<'_> {
    pub fn answer(&self, settings: &Settings) -> Result<Answer> {
        match &self.proxy.invocation.command {
            Command::MathlibCache(request) if self.workspace.mathlib().is_some() => {
                self.mathlib_cache(request, settings)
            }
            Command::LakeCacheGet => self.lake_cache(settings),
            Command::Load { restore: true } => self.before_build(settings),
            _ => self.to_lake(),
        }
    }

    /// Leaves the command to the real lake, with its packages protected.
    pub fn to_lake(&self) -> Result<Answer> {
        if self.proxy.may_resolve() && self.workspace.shares_packages() {
            match self.complete_shared() {
                Err(error) if !error.is::<Failure>() => self.proxy.report.warn(&error),
                completed => completed?,
            }
        }
        self.guard().locked().map(Answer::Lake)
    }

    /// Has a shared packages directory completed, one workspace after the other: two Lakes that clone the
    /// same package are in each other's way.
    fn complete_shared(&self) -> Result<()> {
        let is_complete = || self.workspace.has_locked_packages();
        if is_complete() || !self.proxy.invocation.location.is_plain() {
            return Ok(());
        }
        let interrupts = Interrupts::catch()?;
        let _turn = self.turn(&interrupts)?;
        if !is_complete() {
            let mut lake = self.resolve_deps()?;
            // Lake says itself what it could not get.
            interrupts.while_waiting(&mut lake, |lake| Ok(lake.wait()?))?;
        }
        Ok(())
    }

    /// Starts the real lake to clone and check out what is missing.
    fn resolve_deps(&self) -> Result<Child> {
        resolve_deps(&self.proxy.lake()?, &self.guard())
    }

    /// Starts the real lake to say if `modules` are up to date.
    fn no_build(&self, modules: &[&Module]) -> Result<Child> {
        no_build(&self.proxy.lake()?, &self.guard(), modules)
    }

    /// Waits until no other process works on these packages.
    fn turn(&self, interrupts: &Interrupts) -> Result<Lock> {
        let waiting = |holder| self.proxy.report.event(Event::Waiting { holder });
        Lock::acquire(&self.workspace.lock_dir(), waiting, || interrupts.check())
    }

    /// Has the manifest written of a workspace whose packages others use too: a build takes long, and nothing
    /// of it needs the others to wait. Returns the workspace as it is then.
    fn resolve_shared(&self) -> Result<Option<Workspace>> {
        let location = &self.proxy.invocation.location;
        if location.updates || !location.is_plain() || !self.proxy.may_resolve() {
            return Ok(None);
        }
        let interrupts = Interrupts::catch()?;
        let _turn = self.turn(&interrupts)?;
        let guard = self.guard();
        let answers = GitAnswers::new(&guard)?;
        let mut lake = start_resolve_deps(&self.proxy.lake()?, &guard, &answers.variables)?;
        // Lake says itself what it could not get.
        interrupts.while_waiting(&mut lake, |lake| Ok(lake.wait()?))?;
        self.proxy.version.set(None);
        let now = Workspace::discover(self.cwd, location)?;
        Ok(now.filter(|now| now.manifest.is_some()))
    }

    /// Runs a command that resolves, as its parent.
    pub fn resolve(&self, settings: &Settings) -> Result<Answer> {
        let is_shared = self.workspace.shares_packages();
        if is_shared && let Some(now) = self.resolve_shared()? {
            return At { workspace: &now, ..*self }.answer(settings);
        }
        let is_update = self.proxy.invocation.command == Command::Update;
        let turn = match is_shared && is_update {
            true => Some(self.turn(&Interrupts::catch()?)?),
            false => None,
        };
        let guard = self.guard();
        let mut answers = GitAnswers::new(&guard)?;
        // Mathlib's hook would build and run a cache tool of its own.
        let answers_hook = is_update && !is_set(var::NO_CACHE_ON_UPDATE);
        if answers_hook {
            answers.variables.insert(var::NO_CACHE_ON_UPDATE.into(), "1".into());
        }
        self.proxy.has_run_lake.set(true);
        let lake = self.proxy.lake()?;
        let status = update::run(lake.command(self.proxy.args, &answers.variables))?;
        self.proxy.version.set(None);
        drop((answers, turn));
        match status.success() && answers_hook {
            true => self.answer_hook(settings),
            false => ended(status),
        }
    }

    /// Does the work of Mathlib's `post_update` hook: `cache get`, in the root of a project that requires Mathlib.
    fn answer_hook(&self, settings: &Settings) -> Result<Answer> {
        let done = Answer::Done(ExitCode::SUCCESS);
        let Some(now) = Workspace::discover(self.cwd, &self.proxy.invocation.location)? else {
            return Ok(done);
        };
        let Some(mathlib) = now.package("mathlib") else { return Ok(done) };
        let lakefile =
            read::text(&mathlib.dir.join("lakefile.lean"), read::TEXT).unwrap_or_default();
        if !lakefile.contains(var::NO_CACHE_ON_UPDATE) {
            return Ok(done);
        }
        let Invocation { toolchain, location, .. } = self.proxy.invocation;
        let mut get = Vec::new();
        get.extend(toolchain.as_ref().map(|name| {
            let mut arg = OsString::from("+");
            arg.push(name);
            arg
        }));
        get.extend(location.file.iter().flat_map(|file| ["-f".into(), file.clone()]));
        get.extend(["exe", "cache", "get"].map(OsString::from));
        let request = CacheRequest {
            verb: CacheVerb::Get,
            modules: Vec::new(),
            skip_proofwidgets: false,
            unknown_option: None,
        };
        let at = At { workspace: &now, cwd: &now.root, ..*self };
        match at.restore(&request, &get, settings)? {
            Ended::NotOurs(reason) if settings.network == Network::Auto => {
                self.proxy.report.warn(&reason);
                let protection = at.guard().locked()?;
                let lake = self.proxy.lake()?;
                let mut command = lake.command(&protection.arguments(&get), &protection.variables);
                command.current_dir(&now.root);
                ended(update::run(command)?)
            }
            ended => at.report(ended),
        }
    }

    fn mathlib_cache(&self, request: &CacheRequest, settings: &Settings) -> Result<Answer> {
        let may_ask_lake = settings.network == Network::Auto;
        if let Some(option) = &request.unknown_option {
            if may_ask_lake {
                return self.to_lake();
            }
            bail!(hint(
                format!(
                    "what `{option}` means to the cache tool is not known, and the network is off"
                ),
                format!("leave it out, or allow the network (`{}=auto`)", var::NETWORK),
            ));
        }
        if request.verb == CacheVerb::GetForce && may_ask_lake {
            return self.to_lake(); // a fresh download is what was asked for
        }
        match self.restore(request, self.proxy.args, settings)? {
            Ended::NotOurs(reason) if !may_ask_lake => Err(reason),
            Ended::NotOurs(reason) => {
                self.proxy.report.warn(&reason);
                self.to_lake()
            }
            ended => self.report(ended),
        }
    }

    /// Restores what `request` asks for; the real lake, called with `args`, fetches what no store has.
    fn restore(
        &self,
        asked: &CacheRequest,
        args: &[OsString],
        settings: &Settings,
    ) -> Result<Ended> {
        let run_lake = |task, env: &Variables| {
            let lake = self.proxy.lake()?;
            let args = &for_task(args, task);
            let mut protection = self.guard().locked()?;
            protection.variables.extend(env.clone());
            let mut command = lake.command(&protection.arguments(args), &protection.variables);
            if self.runs_in_root(asked) {
                command.current_dir(&self.workspace.root);
            }
            die_with_us(&mut command);
            command.spawn().with_context(|| format!("cannot run `{}`", lake.path.display()))
        };
        let request = Request {
            modules: asked.modules.clone(),
            cwd: self.cwd.to_owned(),
            targets: match asked.skip_proofwidgets {
                true => Targets::AllButProofWidgets,
                false => Targets::All,
            },
        };
        let mode = Mode {
            force: matches!(asked.verb, CacheVerb::GetForce | CacheVerb::UnpackForce),
            only_fetch: asked.verb == CacheVerb::GetOnly,
            run_lake: Some(&run_lake),
            resolve: Some(&|| self.resolve_deps()),
            is_built: Some(&|modules| self.no_build(modules)),
        };
        self.with_session(settings, |session| session.restore(&request, mode))
    }

    fn report(&self, ended: Ended) -> Result<Answer> {
        let outcome = ended.outcome()?;
        self.proxy.report.outcome(&outcome);
        match outcome.failure() {
            Some(failure) => Err(failure.into()),
            None => Ok(Answer::Done(ExitCode::SUCCESS)),
        }
    }

    /// `true` if the cache tool is to be run in the root. Lake does not look for a workspace in directories above,
    /// and the tool takes files relative to where it runs.
    fn runs_in_root(&self, asked: &CacheRequest) -> bool {
        let names_files =
            asked.modules.iter().any(|spec| spec.contains('/') || spec.ends_with(".lean"));
        let is_elsewhere = self.proxy.invocation.location.dir.is_some();
        self.cwd == self.workspace.root || !is_elsewhere && !names_files
    }

    /// Lake's own cache holds builds of packages, as our packs do.
    fn lake_cache(&self, settings: &Settings) -> Result<Answer> {
        let is_built = |modules: &[&Module]| self.no_build(modules);
        match self.with_session(settings, |session| session.restore_packs(&is_built))? {
            Some(outcome) => {
                self.proxy.report.outcome(&outcome);
                Ok(Answer::Done(ExitCode::SUCCESS))
            }
            None => self.to_lake(),
        }
    }

    /// Restores what is baked for this lock, once. Whatever goes wrong is a warning.
    fn before_build(&self, settings: &Settings) -> Result<Answer> {
        if settings.restore != Restore::Never {
            match self.restore_before_build(settings) {
                Err(error) if !error.is::<Failure>() => self.proxy.report.warn(&error),
                restored => restored?,
            }
        }
        self.to_lake()
    }

    fn restore_before_build(&self, settings: &Settings) -> Result<()> {
        let stamp = Stamp::of(self.workspace, &Stores::open(settings)?);
        if !self.wants_restore(stamp.as_ref(), settings)? {
            return Ok(());
        }
        if let Err(reason) = self.workspace.check_packages_dir(settings.pkg_dir.as_deref()) {
            warn_once(self.workspace, &reason, self.proxy.report);
            return Ok(());
        }
        let request = Request { targets: Targets::None, ..Request::default() };
        // What Lake is about to do anyway, so that it then finds the builds of these sources.
        let resolve = || self.resolve_deps();
        let resolve: Option<&dyn Fn() -> Result<Child>> =
            self.proxy.invocation.location.is_plain().then_some(&resolve);
        let is_built: Option<IsBuilt> = Some(&|modules| self.no_build(modules));
        let mode = Mode { force: false, only_fetch: false, run_lake: None, resolve, is_built };
        let (ended, is_clean) = self.with_session(settings, |session| {
            let ended = session.restore(&request, mode);
            (ended, !session.has_leftovers())
        });
        match ended? {
            Ended::NotOurs(reason) => self.proxy.report.warn(&reason),
            Ended::Done(outcome) => {
                self.proxy.report.outcome_before_build(&outcome);
                // Behind a stamp no command looks for leftovers.
                if let Some(stamp) =
                    stamp.filter(|_| outcome.is_whole() && outcome.kept.is_empty() && is_clean)
                {
                    stamp.write(Stamped::Restored, self.workspace);
                }
            }
        }
        Ok(())
    }

    /// `true` if a restore before a build has something to look for. That it has not is stamped too.
    fn wants_restore(&self, stamp: Option<&Stamp>, settings: &Settings) -> Result<bool> {
        let stamped = stamp.and_then(|stamp| stamp.read(self.workspace));
        if stamped == Some(Stamped::Restored) && self.workspace.outdated_packages().next().is_none()
        {
            return Ok(false);
        }
        if settings.restore == Restore::Always {
            return Ok(self.workspace.mathlib().is_some());
        }
        let Some(stamp) = stamp.filter(|_| stamped != Some(Stamped::NotBaked)) else {
            return Ok(false);
        };
        let is_baked = stamp.is_baked()?;
        if !is_baked {
            stamp.write(Stamped::NotBaked, self.workspace);
        }
        Ok(is_baked)
    }

    fn guard(&self) -> super::Guard<'_> {
        self.proxy.guard(self.workspace, self.cwd, self.network)
    }

    fn with_session<T>(&self, settings: &Settings, work: impl FnOnce(&Session) -> T) -> T {
        threads::prepare(settings.jobs());
        let observer = |event| self.proxy.report.event(event);
        work(&Session {
            workspace: self.workspace,
            settings,
            env: self.proxy.env,
            lake: self.proxy.lake.as_ref().map(|lake| lake.path.as_path()),
            toolchain: self.proxy.invocation.toolchain.as_deref().and_then(OsStr::to_str),
            observer: &observer,
            bytes: &self.proxy.report.count_bytes(),
        })
    }
}

/// The end of a Lake that ran as a child.
fn ended(status: ExitStatus) -> Result<Answer> {
    match status.code() {
        Some(code) => Ok(Answer::Done(ExitCode::from(u8::try_from(code).unwrap_or(1)))),
        None => bail!(Failure::Interrupted(update::signal_of(status))),
    }
}
