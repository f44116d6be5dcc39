//! The commands that unpack build files and name them.

use super::Place;
use crate::child::{Variables, die_with_us};
use crate::error::Failure;
use crate::lake::RealLake;
use crate::mathlib::names::NamedModule;
use crate::proxy::{no_build, place_packages, resolve_deps};
use crate::report::{data, outcome_json, plan_json};
use crate::restore::fallback::Task;
use crate::restore::session::Mode;
use crate::store::Stores;
use anyhow::{Context, Result};
use clap::Args;
use serde_json::{Map, Value, json};
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// Modules (`Mathlib.Init`) or files (`Mathlib/Init.lean`) to restore, with all they import
    #[arg(value_name = "MODULE")]
    modules: Vec<String>,
    /// Print what would be done, and do nothing; exit with 1 if something would be missing
    #[arg(long)]
    dry_run: bool,
    /// Print the result as one JSON object
    #[arg(long)]
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
    /// Print one JSON object: module name to file name; with `--where` to `{"file", "where"}`
    #[arg(long)]
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
            let plan = session.plan(&request, args.force)?;
            match args.json {
                true => data(&format!("{}\n", plan_json(&plan)))?,
                false => self.report.plan(&plan)?,
            }
            return match plan.is_whole() {
                true => Ok(ExitCode::SUCCESS),
                false => Err(Failure::Reported(1).into()),
            };
        }
        place_packages(&workspace, &self.settings, &self.report)?;
        // The real lake runs where the workspace is, for its cache tool goes by that.
        let run_lake = |task, env: &Variables| {
            let lake = RealLake::find(&self.env)?;
            let protection = self.guard(&workspace).locked()?;
            let verb = if task == Task::Download { "get-" } else { "get" };
            let skip = args.skip_proofwidgets.then_some("--skip-proofwidgets");
            let words = ["exe", "cache"].into_iter().chain(skip).chain([verb]);
            let words = words.chain(args.modules.iter().map(String::as_str));
            let cache_get: Vec<_> = words.map(OsString::from).collect();
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
            is_built: Some(&|modules| {
                no_build(&RealLake::find(&self.env)?, &self.guard(&workspace), modules)
            }),
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
        let stores = Stores::open(&self.settings)?;
        let place = |named: &NamedModule| {
            let file = stores.candidates(named.file).find(|file| file.is_file());
            file.map(|file| file.display().to_string())
        };
        if args.json {
            let entry = |named: &NamedModule| {
                let file = named.file.to_string();
                let value = match args.lies {
                    true => json!({ "file": file, "where": place(named) }),
                    false => Value::String(file),
                };
                (named.module.to_string(), value)
            };
            let names: Map<_, _> = wanted.modules.iter().map(entry).collect();
            data(&format!("{:#}\n", Value::Object(names)))?;
            return Ok(ExitCode::SUCCESS);
        }
        let mut text = String::new();
        for named in &wanted.modules {
            write!(text, "{} {}", named.module, named.file)?;
            if args.lies {
                write!(text, " {}", place(named).unwrap_or("-".into()))?;
            }
            text.push('\n');
        }
        data(&text)?;
        Ok(ExitCode::SUCCESS)
    }
}
