//! The commands that manage a store.

use super::Place;
use crate::child::{Variables, die_with_us};
use crate::error::{Failure, hint};
use crate::lake::RealLake;
use crate::lake::toolchain;
use crate::mathlib::Module;
use crate::mathlib::leantar::{self, Version};
use crate::mathlib::names::LtarName;
use crate::mathlib::request::Request;
use crate::proxy::guard::Guard;
use crate::report::{count, data};
use crate::settings::{IMAGE_STORE, temp_dir, var};
use crate::store::Stores;
use crate::store::bake::{Bake, Event, Format};
use crate::store::gc;
use crate::store::index::{Index, Lock};
use crate::store::verify::{self, Depth, Found};
use crate::workspace::Workspace;
use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Debug, Args)]
pub struct BakeArgs {
    /// Which form builds are kept in
    #[arg(long, value_enum, default_value = "ltar")]
    format: Format,
    /// Build and pack rather than download
    #[arg(long)]
    from_source: bool,
    /// zstd level of packs, 1 to 22
    #[arg(long, default_value_t = 19, value_parser = clap::value_parser!(i32).range(1..=22))]
    level: i32,
}

#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// Only look whether the files are there and have the right size
    #[arg(long)]
    quick: bool,
    /// Print the result as one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub struct GcArgs {
    /// Locks to keep; none means all
    #[arg(long, value_name = "LOCK", num_args = 1..)]
    keep: Vec<String>,
    /// Print what would be removed, and remove nothing
    #[arg(long)]
    dry_run: bool,
}

impl Place {
    /// The store to write to or to look at.
    fn store(&self) -> PathBuf {
        self.settings
            .stores
            .first()
            .map_or_else(|| IMAGE_STORE.into(), |store| self.cwd.join(store))
    }

    /// The store to write to. One that was named has to be one.
    fn one_store(&self) -> Result<PathBuf> {
        let stores = self.settings.stores.len();
        if self.settings.stores_are_named && stores != 1 {
            let what = match stores {
                0 => "the store to fill has an empty name".to_owned(),
                _ => format!("{stores} stores are named, and one can be filled"),
            };
            let way = format!("name a directory by `--store` or `{}`", var::STORE);
            bail!(Failure::Misused(hint(what, way)));
        }
        Ok(self.store())
    }

    pub(super) fn bake(&self, args: &BakeArgs) -> Result<ExitCode> {
        let workspace = self.workspace()?;
        let store = self.one_store()?;
        let lake = RealLake::find(&self.env);
        let observer = |event| self.report.event(event);
        let session = self.session(&workspace, lake.as_ref().ok(), &observer, &|_| {});
        let others: Vec<_> =
            self.env.user_cache().into_iter().chain(self.settings.stores.clone()).collect();
        let run_lake = |args: &[&str], variables: &Variables| {
            let lake = RealLake::find(&self.env)?;
            let takes_overrides = args.first() != Some(&"resolve-deps");
            let protection = Guard { takes_overrides, ..self.guard(&workspace) }.locked()?;
            let args: Vec<_> = args.iter().map(Into::into).collect();
            let mut command = lake.command(&protection.arguments(&args), variables);
            // A shim further down PATH is not to answer from the stores that are being filled.
            command.envs(&protection.variables).current_dir(&workspace.root).env(var::DISABLE, "1");
            command.stdout(std::io::stderr());
            die_with_us(&mut command);
            command.status().with_context(|| format!("cannot run `{}`", lake.path.display()))
        };
        // The store itself may not be there yet.
        let in_stores = Stores::open(&self.settings).unwrap_or_default();
        let bake = Bake {
            workspace: &workspace,
            store: &store,
            format: args.format,
            from_source: args.from_source,
            level: args.level,
            jobs: self.settings.jobs(),
            others: &others,
            leantar: &|at_least| session.leantar(&in_stores, at_least),
            names: &|_| session.wanted(&Request::default()),
            run_lake: &run_lake,
            observer: &|event| match &event {
                Event::Package { .. } => self.report.start_bytes(&baking(&event), None),
                Event::Held(_) => self.report.debug(baking(&event)),
                Event::Mixed(_) => self.report.warn(&anyhow!(baking(&event))),
                _ => self.report.info(&baking(&event)),
            },
            bytes: &self.report.count_bytes(),
        };
        let found = bake.run()?;
        let hint = "with network, or once `lake build` has made what is missing, bake again";
        self.report.found(&found, &store, hint);
        if !found.is_whole() {
            bail!(Failure::Reported(1));
        }
        self.report.info(&format!("baked `{}`", store.display()));
        Ok(ExitCode::SUCCESS)
    }

    pub(super) fn verify(&self, args: &VerifyArgs) -> Result<ExitCode> {
        let store = self.store();
        if !store.is_dir() {
            bail!(hint(
                format!("there is no store at `{}`", store.display()),
                "name one with `--store`, or `lake-shim bake` one",
            ));
        }
        let depth = if args.quick { Depth::Presence } else { Depth::Contents };
        let bytes = self.report.count_bytes();
        let found = match Index::read(&store)? {
            Some(index) => {
                self.report.start_bytes(&format!("reading `{}`", store.display()), None);
                let look = |(id, lock): (&String, &Lock)| {
                    let mut found = verify::lock(&store, &index, id, depth, &bytes);
                    let at_least = lock.leantar.as_deref().and_then(Version::parse);
                    let modules = lock.modules.iter();
                    let modules =
                        modules.filter_map(|(name, file)| Some((Module::parse(name)?, file)));
                    found.no_leantar = self.no_leantar(&store, &lock.toolchain, at_least, modules);
                    found
                };
                index.locks.iter().map(look).collect()
            }
            None => vec![self.verify_plain(&store)?],
        };
        let is_whole = !found.is_empty() && found.iter().all(Found::is_whole);
        let hint =
            "`lake-shim bake` fills and mends a store, with network and the workspace at hand";
        found.iter().for_each(|found| self.report.found(found, &store, hint));
        if args.json {
            let locks: Vec<_> = found.iter().map(found_json).collect();
            data(&format!("{}\n", json!({ "whole": is_whole, "locks": locks })))?;
        }
        if !is_whole {
            bail!(Failure::Reported(1));
        }
        Ok(ExitCode::SUCCESS)
    }

    /// A store without an index is verified for a workspace.
    fn verify_plain(&self, store: &Path) -> Result<Found> {
        let workspace = Workspace::discover(&self.cwd, &self.location)?.with_context(|| {
            let path = store.display();
            hint(
                format!(
                    "`{path}` has no index, and there is no workspace to say what it should hold"
                ),
                "run it in a project on mathlib, or `lake-shim bake` the store",
            )
        })?;
        let lake = RealLake::find(&self.env);
        let observer = |event| self.report.event(event);
        let session = self.session(&workspace, lake.as_ref().ok(), &observer, &|_| {});
        let wanted = session.wanted(&Request::default())?;
        let mut found = verify::modules(store, &wanted.modules);
        let toolchain = toolchain::read(&workspace.root)?.unwrap_or_default();
        let modules = wanted.modules.iter().map(|named| (named.module.clone(), &named.file));
        found.no_leantar = self.no_leantar(store, &toolchain, wanted.leantar, modules);
        Ok(found)
    }

    /// Why neither a leantar of the store nor the toolchain's own unpacks its archives.
    fn no_leantar<'a>(
        &self,
        store: &Path,
        toolchain: &str,
        at_least: Option<Version>,
        modules: impl Iterator<Item = (Module, &'a LtarName)>,
    ) -> Option<String> {
        let mut modules = modules.peekable();
        modules.peek()?;
        let lake = RealLake::find(&self.env).ok();
        let lake = lake.as_ref().map(|lake| lake.path.as_path());
        let own = toolchain::bin(lake, Some(toolchain), &self.env).map(|bin| bin.join("leantar"));
        let own = own.filter(|leantar| leantar.exists());
        let candidates: Vec<_> = own.into_iter().chain(leantar::of_store(store)).collect();
        let (at_least, room) = (at_least.as_ref(), temp_dir());
        verify::try_leantar(store, &candidates, at_least, modules, &self.settings, &room).err()
    }

    pub(super) fn gc(&self, args: &GcArgs) -> Result<ExitCode> {
        let store = self.store();
        let garbage = if args.dry_run {
            let garbage = gc::find(&store, &args.keep)?;
            let lines = garbage.files.iter().map(|file| format!("{}\n", file.display()));
            data(&lines.collect::<String>())?;
            garbage
        } else {
            if !self.settings.stores_are_named {
                let what = format!("which store? The first one here is `{}`", store.display());
                bail!(Failure::Misused(hint(what, "name the one to remove from with `--store`")));
            }
            let waiting = |holder| self.report.info(&format!("waiting for {holder}"));
            gc::remove(&store, &args.keep, waiting)?
        };
        let verb = if args.dry_run { "would remove" } else { "removed" };
        let (files, bytes) = (count(garbage.files.len(), "file"), garbage.bytes);
        self.report.info(&format!("{verb} {files}, {bytes} bytes, from `{}`", store.display()));
        Ok(ExitCode::SUCCESS)
    }

    pub(super) fn workspace(&self) -> Result<Workspace> {
        Workspace::discover(&self.cwd, &self.location)?.with_context(|| {
            let dir = self.location.dir.clone().unwrap_or_else(|| ".".into());
            let dir = dir.to_string_lossy();
            hint(
                format!("no `lakefile.lean` or `lakefile.toml` in `{dir}` or above"),
                "run it in a Lean project, or name one with `--dir`",
            )
        })
    }
}

fn baking(event: &Event) -> String {
    match event {
        Event::Waiting(holder) => format!("waiting for {holder}, which bakes into this store"),
        Event::Lake(args) => format!("running `lake {args}`"),
        Event::Held(state) => format!("leantar runs {state}"),
        Event::Copied(files) => format!("copied {} from other stores", count(*files, "file")),
        Event::Mixed(places) => {
            let of = |(place, files): &(String, usize)| format!("{files} of {place}");
            hint(
                format!(
                    "no place has all cache files, so that they are mixed: {}. Builds of two places need not \
                     fit each other",
                    places.iter().map(of).collect::<Vec<_>>().join(", ")
                ),
                "`lake build --no-build` in a workspace that is restored from this store tells",
            )
        }
        Event::Packing(modules) => {
            format!("making the cache files of {}", count(*modules, "module"))
        }
        Event::NoLeantar(path) => format!(
            "`{}` is a script, so that the store gets no leantar: machines need one of their own",
            path.display()
        ),
        Event::Package { name, what } => format!("packing the {what} of `{name}`"),
        Event::Verifying => "verifying".to_owned(),
    }
}

fn found_json(found: &Found) -> Value {
    json!({
        "lock": found.lock,
        "toolchain": found.toolchain,
        "covered": found.covered,
        "present": found.present,
        "missing": found.missing,
        "corrupt": found.corrupt.keys().collect::<Vec<_>>(),
        "packs": found.packs,
        "bad_packs": found.bad_packs.keys().collect::<Vec<_>>(),
        "no_leantar": found.no_leantar,
        "reasons": found.corrupt.iter().chain(&found.bad_packs).collect::<std::collections::BTreeMap<_, _>>(),
    })
}
