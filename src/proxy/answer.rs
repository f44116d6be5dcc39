//! What a store can answer of a command: mathlib's `cache get`, Lake's own, and, before a build,
//! nothing that anybody asked for.

use super::Proxy;
use super::exec::{ChildEnvironment, RealLake};
use super::invocation::{CacheRequest, CacheVerb, Command};
use crate::child::die_with_us;
use crate::mathlib::request::Request;
use crate::restore::session::{Ended, Mode, Session};
use crate::restore::stamp::{Stamp, Stamped};
use crate::settings::{Network, Restore, Settings};
use crate::store::Stores;
use crate::threads;
use crate::workspace::Workspace;
use anyhow::{Context, Result};
use std::ffi::OsStr;
use std::path::Path;
use std::process::Child;

/// Who has the last word.
pub enum Answer {
    /// Nobody: the command is done.
    Done,
    LakesToGive,
}

/// A command, and where it was given.
pub struct Question<'a> {
    pub proxy: &'a Proxy<'a>,
    pub workspace: &'a Workspace,
    pub settings: &'a Settings,
    pub cwd: &'a Path,
    /// Of the clones, which the guard has looked at.
    pub has_outdated: bool,
}

impl Question<'_> {
    pub fn answer(&self, child_env: &ChildEnvironment) -> Result<Answer> {
        match &self.proxy.invocation.command {
            Command::MathlibCache(request) if self.workspace.mathlib().is_some() => {
                self.mathlib_cache(request, child_env)
            }
            Command::LakeCacheGet => self.lake_cache(),
            Command::Load { may_restore: true } => self.before_build(child_env),
            _ => Ok(Answer::LakesToGive),
        }
    }

    fn mathlib_cache(&self, asked: &CacheRequest, child_env: &ChildEnvironment) -> Result<Answer> {
        let may_ask_lake = self.settings.network == Network::Auto;
        if asked.verb == CacheVerb::GetForce && may_ask_lake {
            return Ok(Answer::LakesToGive); // a fresh download is what was asked for
        }
        let run_lake = |env: &ChildEnvironment| {
            let lake = RealLake::find(self.proxy.env)?;
            let mut env = env.clone();
            env.extend(child_env.clone());
            let path = lake.path.display();
            let mut command = lake.command(self.proxy.args, &env);
            if self.runs_in_root(asked) {
                command.current_dir(&self.workspace.root);
            }
            die_with_us(&mut command);
            command.spawn().with_context(|| format!("cannot run `{path}`"))
        };
        let request = Request {
            modules: asked.modules.clone(),
            cwd: self.cwd.to_owned(),
            skip_proofwidgets: asked.skip_proofwidgets,
        };
        let mode = Mode {
            force: matches!(asked.verb, CacheVerb::GetForce | CacheVerb::UnpackForce),
            only_fetch: asked.verb == CacheVerb::GetOnly,
            run_lake: Some(&run_lake),
            resolve: Some(&|| self.proxy.resolve_deps(self.workspace, child_env)),
        };
        match self.with_session(|session| session.restore(&request, mode))? {
            Ended::NotOurs(reason) if !may_ask_lake => Err(reason),
            Ended::NotOurs(reason) => {
                self.proxy.report.warn(&reason);
                Ok(Answer::LakesToGive)
            }
            Ended::Done(outcome) => {
                self.proxy.report.outcome(&outcome);
                outcome.failure().map_or(Ok(Answer::Done), |failure| Err(failure.into()))
            }
        }
    }

    /// Lake does not look for a workspace in directories above, and its cache tool takes files
    /// relative to where it runs: only without either can it run elsewhere.
    fn runs_in_root(&self, asked: &CacheRequest) -> bool {
        let names_files =
            asked.modules.iter().any(|spec| spec.contains('/') || spec.ends_with(".lean"));
        self.proxy.invocation.location.dir.is_none() && !names_files
    }

    /// Lake's own cache holds builds of packages, as our packs do.
    fn lake_cache(&self) -> Result<Answer> {
        match self.with_session(|session| session.restore_packs())? {
            Some(outcome) => {
                self.proxy.report.outcome(&outcome);
                Ok(Answer::Done)
            }
            None => Ok(Answer::LakesToGive),
        }
    }

    /// Restores what is baked for this lock, once. Whatever goes wrong is a warning.
    fn before_build(&self, child_env: &ChildEnvironment) -> Result<Answer> {
        if self.settings.restore == Restore::Never || self.workspace.manifest.is_none() {
            return Ok(Answer::LakesToGive);
        }
        let stamp = Stamp::of(self.workspace, &Stores::open(self.settings)?);
        if !self.wants_restore(stamp.as_ref())? {
            return Ok(Answer::LakesToGive);
        }
        let request = Request { skip_proofwidgets: true, ..Request::default() };
        // What Lake is about to do anyway, so that it then finds the builds of these sources.
        let resolve = || self.proxy.resolve_deps(self.workspace, child_env);
        let resolve: Option<&dyn Fn() -> Result<Child>> =
            self.proxy.invocation.location.is_plain().then_some(&resolve);
        let mode = Mode { force: false, only_fetch: false, run_lake: None, resolve };
        let (ended, is_clean) = self.with_session(|session| {
            let ended = session.restore(&request, mode);
            (ended, !session.has_leftovers())
        });
        match ended? {
            Ended::NotOurs(reason) => self.proxy.report.warn(&reason),
            Ended::Done(outcome) => {
                self.proxy.report.outcome_before_build(&outcome);
                // Behind a stamp nobody would look for leftovers.
                if let Some(stamp) = stamp.filter(|_| outcome.is_whole() && is_clean) {
                    stamp.write(Stamped::Restored, self.workspace);
                }
            }
        }
        Ok(Answer::LakesToGive)
    }

    /// Whether a restore before a build has something to look for. That it has not is stamped too.
    fn wants_restore(&self, stamp: Option<&Stamp>) -> Result<bool> {
        let stamped = stamp.and_then(|stamp| stamp.read(self.workspace));
        if stamped == Some(Stamped::Restored) && !self.has_outdated {
            return Ok(false);
        }
        if self.settings.restore == Restore::Always {
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

    fn with_session<T>(&self, work: impl FnOnce(&Session) -> T) -> T {
        threads::prepare();
        let lake = RealLake::find(self.proxy.env);
        let observer = |event| self.proxy.report.event(event);
        work(&Session {
            workspace: self.workspace,
            settings: self.settings,
            env: self.proxy.env,
            lake: lake.as_ref().ok().map(|lake| lake.path.as_path()),
            toolchain: self.proxy.invocation.toolchain.as_deref().and_then(OsStr::to_str),
            observer: &observer,
            bytes: &self.proxy.report.count_bytes(),
        })
    }
}
