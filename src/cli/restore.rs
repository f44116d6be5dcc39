//! The commands that unpack build files and name them.

use super::Place;
use crate::child::Variables;
use crate::child::die_with_us;
use crate::lake::RealLake;
use crate::mathlib::names::NamedModule;
use crate::proxy::{place_packages, resolve_deps};
use crate::report::{data, outcome_json};
use crate::restore::session::Mode;
use crate::store::Stores;
use anyhow::{Context, Result};
use clap::Args;
use serde_json::{Map, Value};
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// Modules (`Mathlib.Init`) or files (`Mathlib/Init.lean`) to restore, with all they import
    #[arg(value_name = "MODULE")]
    modules: Vec<String>,
    /// Print what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Print the result as one JSON object
    #[arg(long, conflicts_with = "dry_run")]
    json: bool,
    /// Unpack even what is up to date
    #[arg(long)]
    force: bool,
    /// Do not mind that the release files of ProofWidgets are missing
    #[arg(long)]
    skip_proofwidgets: bool,
}

#[derive(Debug, Args)]
pub struct NamesArgs {
    /// Modules or files; with all they import. None means all of mathlib
    #[arg(value_name = "MODULE")]
    modules: Vec<String>,
    /// Print where each file lies, or `-`
    #[arg(long = "where")]
    lies: bool,
    /// Print one JSON object, module name to file name
    #[arg(long, conflicts_with = "lies")]
    json: bool,
}

impl Place {
    pub(super) fn restore(&self, args: &RestoreArgs) -> Result<ExitCode> {
        let workspace = self.workspace()?;
        let request = self.request(&args.modules, args.skip_proofwidgets);
        let lake = RealLake::find(&self.env);
        let observer = |event| self.report.event(event);
        let bytes = self.report.count_bytes();
        let session = self.session(&workspace, lake.as_ref().ok(), &observer, &bytes);
        if args.dry_run {
            data(&format!("{}\n", session.plan(&request, args.force)?))?;
            return Ok(ExitCode::SUCCESS);
        }
        place_packages(&workspace, &self.settings, &self.report)?;
        // The real lake runs where the workspace is, for its cache tool goes by that.
        let cache_get = ["exe", "cache", "get"].iter().copied().map(OsString::from);
        let cache_get: Vec<_> = cache_get.chain(args.modules.iter().map(OsString::from)).collect();
        let run_lake = |env: &Variables| {
            let lake = RealLake::find(&self.env)?;
            let protection = self.guard(&workspace).locked()?;
            let mut command = lake.command(&protection.arguments(&cache_get), env);
            // stdout is for our own data.
            command.envs(&protection.variables).current_dir(&workspace.root).stdout(io::stderr());
            die_with_us(&mut command);
            command.spawn().with_context(|| format!("cannot run `{}`", lake.path.display()))
        };
        let mode = Mode {
            force: args.force,
            only_fetch: false,
            run_lake: Some(&run_lake),
            resolve: Some(&|| resolve_deps(&RealLake::find(&self.env)?, &self.guard(&workspace))),
        };
        let outcome = session.restore(&request, mode)?.outcome()?;
        self.report.outcome(&outcome);
        if args.json {
            data(&format!("{}\n", outcome_json(&outcome)))?;
        }
        outcome.failure().map_or(Ok(ExitCode::SUCCESS), |failure| Err(failure.into()))
    }

    pub(super) fn names(&self, args: &NamesArgs) -> Result<ExitCode> {
        let workspace = self.workspace()?;
        let lake = RealLake::find(&self.env);
        let observer = |event| self.report.event(event);
        let bytes = self.report.count_bytes();
        let session = self.session(&workspace, lake.as_ref().ok(), &observer, &bytes);
        let wanted = session.wanted(&self.request(&args.modules, true))?;
        if args.json {
            let entry = |named: &NamedModule| {
                (named.module.to_string(), Value::String(named.file.to_string()))
            };
            let names: Map<_, _> = wanted.modules.iter().map(entry).collect();
            data(&format!("{:#}\n", Value::Object(names)))?;
            return Ok(ExitCode::SUCCESS);
        }
        let stores = Stores::open(&self.settings)?;
        let mut text = String::new();
        for named in &wanted.modules {
            write!(text, "{} {}", named.module, named.file)?;
            if args.lies {
                let place = stores.candidates(named.file).find(|file| file.is_file());
                write!(text, " {}", place.map_or("-".into(), |place| place.display().to_string()))?;
            }
            text.push('\n');
        }
        data(&text)?;
        Ok(ExitCode::SUCCESS)
    }
}
