//! What happens when we are called `lake`, top to bottom.
//!
//! Most commands are none of our business and go straight to the real lake. Those that load a
//! workspace find it linked and guarded; `cache get` is answered from the store. Whatever fails on
//! the way to a build is a warning: the shim must never be why a build that worked stops working.

pub mod exec;
pub mod guard;
mod handover;
pub mod invocation;
pub mod link;

use crate::error::Failure;
use crate::report::Report;
use crate::restore::plan::Request;
use crate::restore::session::{Ended, Mode, Session};
use crate::settings::{Environment, Network, Restore, Settings, current_dir};
use crate::workspace::Workspace;
use anyhow::{Context, Result};
use exec::{ChildEnvironment, RealLake};
use guard::{Guard, Surroundings};
use invocation::{CacheRequest, CacheVerb, Command, Invocation};
use nix::unistd::geteuid;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

/// Does what `lake args…` asks for, and becomes the real lake unless that is done.
pub fn run(args: &[OsString]) -> Result<ExitCode> {
    let env = Environment::capture();
    let invocation = Invocation::parse(args);
    if env.is_disabled() || invocation.command == Command::Other {
        match RealLake::find(&env)?.exec(args, &ChildEnvironment::new())? {}
    }
    let report = Report::new(&env);
    let proxy = Proxy { args, env: &env, invocation: &invocation, report: &report };
    let child_env = match proxy.prepare() {
        Ok(Next::Done) => return Ok(ExitCode::SUCCESS),
        Ok(Next::Become(child_env)) => child_env,
        Err(error) if proxy.must_succeed(&error) => return Err(error),
        Err(error) => {
            report.warn(&error);
            ChildEnvironment::new()
        }
    };
    match RealLake::find(&env)?.exec(args, &child_env)? {}
}

/// How it goes on after preparing.
enum Next {
    Done,
    Become(ChildEnvironment),
}

struct Proxy<'a> {
    args: &'a [OsString],
    env: &'a Environment,
    invocation: &'a Invocation,
    report: &'a Report,
}

impl Proxy<'_> {
    fn prepare(&self) -> Result<Next> {
        let settings = Settings::new(self.env)?;
        let cwd = current_dir()?;
        let location = &self.invocation.location;
        let Some(workspace) = Workspace::discover(&cwd, location)? else {
            return Ok(Next::Become(ChildEnvironment::new()));
        };
        if let Err(error) = self.link(&workspace, &settings) {
            if self.must_succeed(&error) {
                return Err(error);
            }
            self.report.warn(&error);
        }
        let resolves = location.updates || workspace.manifest.is_none();
        let around = Surroundings { env: self.env, resolves, uid: geteuid().as_raw() };
        let guard = Guard::plan(&workspace, around)?;
        guard.align()?;
        let Some(request) = self.restore_mode(&settings, &workspace) else {
            return Ok(Next::Become(guard.env));
        };
        match self.restore(&workspace, &settings, &cwd, &request, &guard.env) {
            Err(error) if !self.must_succeed(&error) => {
                self.report.warn(&error);
                Ok(Next::Become(guard.env))
            }
            restored => restored,
        }
    }

    fn link(&self, workspace: &Workspace, settings: &Settings) -> Result<()> {
        if let Some(shared) = &settings.pkg_dir {
            let linked = link::link(&workspace.root, &workspace.packages_dir, shared)?;
            self.report.linked(&linked, &workspace.packages_dir, shared);
        }
        Ok(())
    }

    /// What to restore before Lake runs, if anything.
    fn restore_mode(&self, settings: &Settings, workspace: &Workspace) -> Option<CacheRequest> {
        workspace.mathlib()?;
        match &self.invocation.command {
            Command::MathlibCache(request) => Some(request.clone()),
            Command::Load { may_restore: true } if settings.restore == Restore::Always => {
                Some(CacheRequest {
                    verb: CacheVerb::Unpack,
                    modules: Vec::new(),
                    skip_proofwidgets: true,
                })
            }
            _ => None,
        }
    }

    fn restore(
        &self,
        workspace: &Workspace,
        settings: &Settings,
        cwd: &Path,
        asked: &CacheRequest,
        child_env: &ChildEnvironment,
    ) -> Result<Next> {
        let is_request = matches!(self.invocation.command, Command::MathlibCache(_));
        if asked.verb == CacheVerb::GetForce && settings.network == Network::Auto {
            return Ok(Next::Become(child_env.clone())); // a fresh download is what was asked for
        }
        let lake = RealLake::find(self.env);
        let run_lake = |env: &ChildEnvironment| {
            let lake = RealLake::find(self.env)?;
            let mut env = env.clone();
            env.extend(child_env.clone());
            let path = lake.path.display();
            lake.command(self.args, &env).spawn().with_context(|| format!("cannot run `{path}`"))
        };
        let observer = |event| self.report.event(event);
        let session = Session {
            workspace,
            settings,
            env: self.env,
            lake: lake.as_ref().ok().map(|lake| lake.path.as_path()),
            toolchain: self.invocation.toolchain.as_deref().and_then(OsStr::to_str),
            observer: &observer,
        };
        let request = Request {
            modules: asked.modules.clone(),
            cwd: cwd.to_owned(),
            skip_proofwidgets: asked.skip_proofwidgets,
        };
        let mode = Mode {
            force: matches!(asked.verb, CacheVerb::GetForce | CacheVerb::UnpackForce),
            only_fetch: asked.verb == CacheVerb::GetOnly,
            run_lake: is_request.then_some(&run_lake),
        };
        match session.restore(&request, mode)? {
            Ended::NotOurs(reason) if is_request && settings.network == Network::Never => {
                Err(reason)
            }
            Ended::NotOurs(reason) => {
                self.report.warn(&reason);
                Ok(Next::Become(child_env.clone()))
            }
            Ended::Done(outcome) => {
                self.report.outcome(&outcome);
                match outcome.failure() {
                    Some(failure) if is_request => Err(failure.into()),
                    None if is_request => Ok(Next::Done),
                    _ => Ok(Next::Become(child_env.clone())),
                }
            }
        }
    }

    /// `cache get` reports its failures, and what would lose a package is refused. Before anything
    /// else a failure is a warning.
    fn must_succeed(&self, error: &anyhow::Error) -> bool {
        let is_request = matches!(self.invocation.command, Command::MathlibCache(_));
        is_request || error.is::<Failure>()
    }
}
