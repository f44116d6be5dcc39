//! `lake-shim`'s own command line. Each arm is one call.

mod doctor;
mod env;
mod examples;
mod flags;
mod help;
mod key;
mod manual;
mod misuse;
mod resolve;
mod restore;
mod store;

use crate::demo;
use crate::error::{Failure, hint};
use crate::fs::WorkDir;
use crate::lake::RealLake;
use crate::lake::version::version;
use crate::mathlib::request::{Request, Targets};
use crate::proxy::guard::Guard;
use crate::report::Report;
use crate::restore::Event;
use crate::restore::session::Session;
use crate::settings::{Environment, Settings, current_dir, var};
use crate::threads;
use crate::workspace::link::{self, Linked};
use crate::workspace::{Location, Workspace};
use anyhow::{Context, Result, bail};
use clap::{FromArgMatches, Parser, Subcommand};
use doctor::DoctorArgs;
use env::EnvArgs;
use flags::Flags;
use key::KeyArgs;
use resolve::{NormalizeArgs, ResolveArgs, UnlinkArgs};
use restore::{NamesArgs, RestoreArgs};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use store::{BakeArgs, GcArgs, VerifyArgs};

/// Offline Mathlib builds from a baked store
///
/// Put a directory that holds this binary under the name `lake` first on PATH: `lake exe cache get`
/// then unpacks mathlib from a store on disk instead of downloading it, and all else goes to the
/// real lake.
#[derive(Debug, Parser)]
#[command(name = "lake-shim", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    flags: Flags,
}

/// `help.rs` has their groups and examples.
#[derive(Debug, Subcommand)]
enum Command {
    /// Unpack mathlib's build files from the store
    ///
    /// As `lake exe cache get` does behind the shim.
    Restore(RestoreArgs),
    /// Link the packages directory to the shared one
    ///
    /// The shared one is `LAKE_PKG_DIR`, or `--pkg-dir`. Nothing is deleted: packages that it lacks
    /// are moved there, and a directory that keeps any stays.
    Link,
    /// Give the project a packages directory of its own
    ///
    /// It stays its own until `lake-shim link`, whatever `LAKE_PKG_DIR` is.
    Unlink(UnlinkArgs),
    /// Write the manifest that Lake would, without network
    ///
    /// From a lock in the store. A manifest that says the same already is left as it is.
    Resolve(ResolveArgs),
    /// Spell URLs as the store's lock does
    ///
    /// In manifests and `lakefile.toml`s, and not a byte besides.
    Normalize(NormalizeArgs),
    /// Print the cache file of every module
    Names(NamesArgs),
    /// Print variables for editors that bypass the shim
    ///
    /// They keep Lake from deleting clones over the spelling of a URL or the owner of a directory.
    Env(EnvArgs),
    /// Fill a store for this project, prove it, index it
    ///
    /// With network: what the cache serves is fetched, the rest is built. Nothing that is incomplete
    /// gets an index.
    Bake(BakeArgs),
    /// Prove that a store is whole
    ///
    /// Exits with 0 only if no restore of any of its locks needs the network; a store without an index
    /// is looked at for this project. Works offline, and changes nothing.
    Verify(VerifyArgs),
    /// Remove what no kept lock needs
    Gc(GcArgs),
    /// Print the tag of the CI image and the keys of caches
    ///
    /// Equal keys mean equal inputs, whatever the machine, the checkout or its line endings.
    Key(KeyArgs),
    /// Say why it is not working, and what fixes it
    ///
    /// Changes nothing. Exits with 1 when there are errors.
    Doctor(DoctorArgs),
    /// Restore an example that is compiled in
    Demo,
    /// Print completions for a shell
    Completions {
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Print the manual, or write all its pages into a directory
    Man {
        #[arg(value_name = "DIR")]
        into: Option<PathBuf>,
    },
}

/// Runs `lake-shim args…`.
pub fn run(args: &[OsString]) -> Result<ExitCode> {
    let words = std::iter::once("lake-shim".into()).chain(args.iter().cloned());
    let parsed = help::command().try_get_matches_from(words);
    let cli = match parsed.and_then(|mut matches| Cli::from_arg_matches_mut(&mut matches)) {
        Ok(cli) => cli,
        Err(error) => return misuse::answer(&error, args),
    };
    // Completions must not fail over a bad setting.
    let place = || Place::new(&cli.flags);
    match &cli.command {
        Command::Completions { shell } => manual::completions(*shell),
        Command::Man { into } => manual::pages(into.as_deref()),
        Command::Restore(args) => place()?.restore(args),
        Command::Names(args) => place()?.names(args),
        // It has to say why there is no place.
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
        threads::prepare(settings.jobs());
        let report = Report::at(settings.log);
        Ok(Self { env, settings, cwd: current_dir()?, location: flags.location(), report })
    }

    fn request(&self, modules: &[String], skip_proofwidgets: bool) -> Request {
        let targets = if skip_proofwidgets { Targets::AllButProofWidgets } else { Targets::All };
        Request { modules: modules.to_vec(), cwd: self.cwd.clone(), targets }
    }

    fn link(&self) -> Result<ExitCode> {
        let workspace = self.workspace()?;
        let shared = self.settings.pkg_dir.as_ref().with_context(|| {
            hint(
                format!("`{}` is not set, so there is nothing to link to", var::PKG_DIR),
                "set it, or name a directory with `--pkg-dir`",
            )
        })?;
        let packages_dir = &workspace.packages_dir;
        // A killed one may leave a directory behind after its last step.
        packages_dir.parent().into_iter().chain([shared.as_path()]).for_each(WorkDir::sweep);
        let waiting = |holder| self.report.event(Event::Waiting { holder });
        let linked = link::share_again(&workspace, packages_dir, shared, waiting)?;
        if let Linked::Left { reason } = &linked {
            self.report.left_unlinked(packages_dir, shared, reason);
            bail!(Failure::Reported(1));
        }
        self.report.linked(&linked, packages_dir, shared);
        Ok(ExitCode::SUCCESS)
    }

    /// For the real lake as we start it: by `resolve-deps`, `exe cache get` and builds.
    fn guard<'a>(&'a self, workspace: &'a Workspace) -> Guard<'a> {
        let lake = RealLake::find(&self.env).ok();
        Guard {
            workspace,
            env: &self.env,
            version: lake.and_then(|lake| version(&lake, None, &workspace.root, &self.env)),
            network: self.settings.network,
            takes_overrides: true,
        }
    }

    fn session<'a>(
        &'a self,
        workspace: &'a Workspace,
        lake: Option<&'a RealLake>,
        observer: &'a dyn Fn(Event),
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
