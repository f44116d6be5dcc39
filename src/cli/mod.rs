//! `lake-shim`'s own command line. Each arm is one call.

mod doctor;
mod env;
mod key;
mod manual;
mod resolve;
mod store;

use crate::child::die_with_us;
use crate::demo;
use crate::mathlib::request::Request;
use crate::proxy::exec::{ChildEnvironment, RealLake};
use crate::proxy::guard::Guard;
use crate::proxy::{link, resolve_deps};
use crate::report::{Report, data, outcome_json};
use crate::restore::session::{Mode, Session};
use crate::settings::{Environment, Settings, current_dir, var};
use crate::store::Stores;
use crate::threads;
use crate::workspace::{Location, Workspace};
use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use doctor::DoctorArgs;
use env::EnvArgs;
use key::KeyArgs;
use resolve::{NormalizeArgs, ResolveArgs, UnlinkArgs};
use serde_json::{Map, Value};
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::process::ExitCode;
use store::{BakeArgs, GcArgs, VerifyArgs};

/// Offline Mathlib builds from a baked store.
///
/// Put a directory that holds this binary under the name `lake` first on PATH, and `lake exe cache
/// get` unpacks from the store instead of downloading.
#[derive(Debug, Parser)]
#[command(name = "lake-shim", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    flags: Flags,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Unpack mathlib's build files from the store, as `lake exe cache get` does behind the shim
    ///
    /// Examples:
    ///   lake-shim restore
    ///   lake-shim restore Mathlib.Order.Lattice --dry-run
    #[command(verbatim_doc_comment)]
    Restore(Restore),
    /// Print the cache file of every module
    ///
    /// Examples:
    ///   lake-shim names Mathlib.Init
    ///   lake-shim names --where
    #[command(verbatim_doc_comment)]
    Names(Names),
    /// Fill a store for this workspace, prove it, and index it
    ///
    /// Examples:
    ///   lake-shim bake --store /opt/mathlib-cache
    ///   lake-shim bake --format pack --from-source
    #[command(verbatim_doc_comment)]
    Bake(BakeArgs),
    /// Prove that a restore from the store needs no network
    Verify(VerifyArgs),
    /// Remove from the store what no kept lock needs
    Gc(GcArgs),
    /// Print the tag of the CI image and the keys of caches
    ///
    /// Equal keys mean equal inputs, whatever the machine, the checkout or its line endings.
    ///
    /// Examples:
    ///   lake-shim key
    ///   lake-shim key image-tag --dockerfile ci/Dockerfile --context . --with shim=0.1.0
    ///   lake-shim key packages build --github-output
    ///   lake-shim key files --value --files 'scripts/**/*.sh' docs
    #[command(verbatim_doc_comment)]
    Key(KeyArgs),
    /// Restore an example that is compiled in, to see what this is about
    Demo,
    /// Say why it is not working: what is sound, what is not, and what mends it. Changes nothing
    ///
    /// Exits with 1 when there are errors.
    Doctor(DoctorArgs),
    /// Link the workspace's packages directory to the shared one (`LAKE_PKG_DIR`)
    Link,
    /// Give the workspace a packages directory of its own again
    Unlink(UnlinkArgs),
    /// Print the variables that keep Lake from deleting clones, for editors that bypass the shim
    ///
    /// Examples:
    ///   eval "$(lake-shim env)"
    ///   lake-shim env --shell github >> "$GITHUB_ENV"
    #[command(verbatim_doc_comment)]
    Env(EnvArgs),
    /// Write the manifest that Lake would write, from a lock in the store and without network
    ///
    /// Examples:
    ///   lake-shim resolve
    ///   lake-shim resolve --check
    ///   lake-shim resolve --lock ../other/lake-manifest.json
    #[command(verbatim_doc_comment)]
    Resolve(ResolveArgs),
    /// Spell the URLs in lakefiles and manifests as the store's lock does
    ///
    /// Examples:
    ///   lake-shim normalize
    ///   lake-shim normalize --check tests/*/lakefile.toml
    #[command(verbatim_doc_comment)]
    Normalize(NormalizeArgs),
    /// Print completions for a shell
    ///
    /// Examples:
    ///   lake-shim completions bash > ~/.local/share/bash-completion/completions/lake-shim
    ///   lake-shim completions fish > ~/.config/fish/completions/lake-shim.fish
    #[command(verbatim_doc_comment)]
    Completions {
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Write the manual pages into a directory, or print the first of them
    ///
    /// Examples:
    ///   lake-shim man | man -l -
    ///   lake-shim man ~/.local/share/man/man1
    #[command(verbatim_doc_comment)]
    Man {
        #[arg(value_name = "DIR")]
        into: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
struct Restore {
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
struct Names {
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

/// The settings of the environment, as flags.
#[derive(Debug, Args)]
#[command(next_help_heading = "Settings")]
struct Flags {
    /// The workspace, if not the one around the current directory
    #[arg(short = 'd', long, global = true, value_name = "DIR")]
    dir: Option<OsString>,
    /// Stores, `:`-separated; the first hit wins [env: LAKE_SHIM_STORE]
    #[arg(long, global = true, value_name = "DIRS")]
    store: Option<OsString>,
    /// Shared packages directory [env: LAKE_PKG_DIR]
    #[arg(long, global = true, value_name = "DIR")]
    pkg_dir: Option<OsString>,
    /// `auto` or `never` [env: LAKE_SHIM_NETWORK]
    #[arg(long, global = true, value_name = "WHEN")]
    network: Option<OsString>,
    /// The real lake [env: LAKE_SHIM_LAKE]
    #[arg(long, global = true, value_name = "FILE")]
    lake: Option<OsString>,
    /// leantar [env: LAKE_SHIM_LEANTAR]
    #[arg(long, global = true, value_name = "FILE")]
    leantar: Option<OsString>,
    /// Hold leantar to its files: `auto`, `always` or `never` [env: LAKE_SHIM_CONFINE]
    #[arg(long, global = true, value_name = "WHEN")]
    confine: Option<OsString>,
    /// Threads [env: LAKE_SHIM_JOBS]
    #[arg(short = 'j', long, global = true, value_name = "N")]
    jobs: Option<OsString>,
    /// `quiet`, `info` or `debug` [env: LAKE_SHIM_LOG]
    #[arg(long, global = true, value_name = "LEVEL")]
    log: Option<OsString>,
}

impl Flags {
    /// The environment with the flags' values in it.
    fn over(&self, env: Environment) -> Environment {
        let over = |flag: &Option<OsString>, variable| flag.clone().or(variable);
        Environment {
            store: over(&self.store, env.store),
            pkg_dir: over(&self.pkg_dir, env.pkg_dir),
            network: over(&self.network, env.network),
            lake: over(&self.lake, env.lake),
            leantar: over(&self.leantar, env.leantar),
            confine: over(&self.confine, env.confine),
            jobs: over(&self.jobs, env.jobs),
            log: over(&self.log, env.log),
            ..env
        }
    }

    fn location(&self) -> Location {
        Location { dir: self.dir.clone(), search_above: true, ..Location::default() }
    }
}

/// Runs `lake-shim args…`.
pub fn run(args: &[OsString]) -> Result<ExitCode> {
    let args = std::iter::once("lake-shim".into()).chain(args.iter().cloned());
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            match error.print() {
                Err(e) if e.kind() != ErrorKind::BrokenPipe => return Err(e.into()),
                _ => {}
            }
            return Ok(u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from));
        }
    };
    threads::prepare();
    // Completions must not fail over a bad setting.
    let place = || Place::new(&cli.flags);
    match &cli.command {
        Command::Completions { shell } => manual::completions(*shell),
        Command::Man { into } => manual::pages(into.as_deref()),
        Command::Restore(args) => place()?.restore(args),
        Command::Names(args) => place()?.names(args),
        // Which has to say why there is no place to be in.
        Command::Doctor(args) => args.run(&cli.flags),
        Command::Link => place()?.link(),
        Command::Unlink(args) => place()?.unlink(args),
        Command::Env(args) => place()?.env(args),
        Command::Resolve(args) => place()?.resolve(args),
        Command::Normalize(args) => place()?.normalize(args),
        Command::Bake(args) => place()?.bake(args),
        Command::Verify(args) => place()?.verify(args),
        Command::Gc(args) => place()?.gc(args),
        Command::Key(args) => place()?.key(args),
        Command::Demo => {
            let place = place()?;
            demo::run(&place.env, &place.report)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Where a command runs, and with what settings.
struct Place {
    env: Environment,
    settings: Settings,
    cwd: PathBuf,
    location: Location,
    report: Report,
}

impl Place {
    fn new(flags: &Flags) -> Result<Self> {
        let env = flags.over(Environment::capture());
        let settings = Settings::new(&env)?;
        let report = Report::at(settings.log);
        Ok(Self { env, settings, cwd: current_dir()?, location: flags.location(), report })
    }

    fn request(&self, modules: &[String], skip_proofwidgets: bool) -> Request {
        Request { modules: modules.to_vec(), cwd: self.cwd.clone(), skip_proofwidgets }
    }

    fn restore(&self, args: &Restore) -> Result<ExitCode> {
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
        if self.settings.pkg_dir.is_some() {
            self.link()?;
        }
        // The real lake runs where the workspace is, for its cache tool goes by that.
        let cache_get = ["exe", "cache", "get"].iter().copied().map(OsString::from);
        let cache_get: Vec<_> = cache_get.chain(args.modules.iter().map(OsString::from)).collect();
        let guard = Guard::plan(&workspace, &self.env, false)?;
        let run_lake = |env: &ChildEnvironment| {
            let lake = RealLake::find(&self.env)?;
            let mut command = lake.command(&cache_get, env);
            // stdout is for our own data.
            command.envs(&guard.env).current_dir(&workspace.root).stdout(io::stderr());
            die_with_us(&mut command);
            command.spawn().with_context(|| format!("cannot run `{}`", lake.path.display()))
        };
        let mode = Mode {
            force: args.force,
            only_fetch: false,
            run_lake: Some(&run_lake),
            resolve: Some(&|| resolve_deps(&RealLake::find(&self.env)?, &workspace, &guard.env)),
        };
        let outcome = session.restore(&request, mode)?.outcome()?;
        self.report.outcome(&outcome);
        if args.json {
            data(&format!("{}\n", outcome_json(&outcome)))?;
        }
        outcome.failure().map_or(Ok(ExitCode::SUCCESS), |failure| Err(failure.into()))
    }

    fn names(&self, args: &Names) -> Result<ExitCode> {
        let workspace = self.workspace()?;
        let lake = RealLake::find(&self.env);
        let observer = |event| self.report.event(event);
        let bytes = self.report.count_bytes();
        let session = self.session(&workspace, lake.as_ref().ok(), &observer, &bytes);
        let wanted = session.wanted(&self.request(&args.modules, true))?;
        if args.json {
            let entry = |named: &crate::mathlib::names::NamedModule| {
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

    fn link(&self) -> Result<ExitCode> {
        let workspace = self.workspace()?;
        let shared = self.settings.pkg_dir.as_ref().with_context(|| {
            crate::error::hint(
                format!("`{}` is not set, so there is nothing to link to", var::PKG_DIR),
                "set it, or name a directory with `--pkg-dir`",
            )
        })?;
        let Workspace { root, packages_dir, .. } = &workspace;
        link::release(packages_dir)?;
        let linked = link::link(root, packages_dir, shared)?;
        self.report.linked(&linked, packages_dir, shared);
        Ok(ExitCode::SUCCESS)
    }

    fn session<'a>(
        &'a self,
        workspace: &'a Workspace,
        lake: Option<&'a RealLake>,
        observer: &'a dyn Fn(crate::restore::Event),
        bytes: &'a (dyn Fn(u64) + Sync),
    ) -> Session<'a> {
        Session {
            workspace,
            settings: &self.settings,
            env: &self.env,
            lake: lake.map(|lake| lake.path.as_path()),
            toolchain: None,
            observer,
            bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_of_the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
