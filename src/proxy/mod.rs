//! A run under the name `lake`, top to bottom.
//!
//! A command that may load a workspace finds it linked and protected; `cache get` is answered from the store;
//! then we become the real lake. A failure on the way to a build is a warning: a build that works without the
//! shim works with it. Only a command that would lose something is refused.

mod answer;
pub mod guard;
pub mod invocation;
mod settled;
mod update;
pub mod url_map;

use crate::child::{Variables, die_with_us};
use crate::error::{Failure, hint};
use crate::fs::{is_same_file, replace_file};
use crate::lake::version::{Version, version};
use crate::lake::{RealLake, work_signals};
use crate::mathlib::Module;
use crate::mathlib::request::no_mathlib;
use crate::report::Report;
use crate::restore::Event;
use crate::settings::{Environment, Network, Settings, current_dir, var};
use crate::store::Stores;
use crate::store::resolve::{Choice, Unresolved, resolve};
use crate::workspace::Workspace;
use crate::workspace::link::{Linked, keep_private, link};
use answer::Answer;
use anyhow::{Context, Result, bail};
use fs_err as fs;
use guard::{Guard, Protection};
use invocation::{Command, Invocation};
use std::cell::Cell;
use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::{Child, ExitCode, Stdio};

/// Does what `lake args…` asks for, and becomes the real lake unless that is done.
pub fn run(args: &[OsString]) -> Result<ExitCode> {
    let env = Environment::capture();
    let invocation = Invocation::parse(args);
    if env.is_disabled() || invocation.command == Command::Other || is_handed_over(args) {
        match RealLake::find(&env)?.exec(args, &Variables::new())? {}
    }
    work_signals();
    let report = Report::new(&env);
    let lake = RealLake::find(&env).ok();
    let (invocation, report, version) = (&invocation, &report, Cell::new(None));
    let has_run_lake = Cell::new(false);
    let proxy = Proxy { args, env: &env, invocation, report, lake, version, has_run_lake };
    let protection = match proxy.prepare() {
        Ok(Answer::Done(code)) => return Ok(code),
        Ok(Answer::Lake(protection)) => protection,
        Err(error) if proxy.must_succeed(&error) => return Err(error),
        Err(error) => {
            report.warn(&error);
            Protection::default()
        }
    };
    match proxy.lake()?.exec(&protection.arguments(args), &protection.variables)? {}
}

/// `true` if another shim, further ahead on PATH, has made everything ready.
fn is_handed_over(args: &[OsString]) -> bool {
    args.iter().take(2).any(|arg| settled::is_option(arg))
}

struct Proxy<'a> {
    args: &'a [OsString],
    env: &'a Environment,
    invocation: &'a Invocation,
    report: &'a Report,
    /// `None` if there is none, which is an error only once it is needed.
    lake: Option<RealLake>,
    /// Of the real lake, once it was needed; an update may choose another toolchain.
    version: Cell<Option<Option<Version>>>,
    /// Lake was started with what was asked for, and must not be once more.
    has_run_lake: Cell<bool>,
}

impl Proxy<'_> {
    /// Makes the workspace ready, and does what can be done without the real lake.
    fn prepare(&self) -> Result<Answer> {
        let cwd = current_dir()?;
        let Some(workspace) = Workspace::discover(&cwd, &self.invocation.location)? else {
            return Ok(Answer::Lake(Protection::default()));
        };
        let settings = Settings::new(self.env);
        let placed = match &settings {
            // It may be refused, and has moved no package then.
            Ok(settings) if !settings.private && self.invocation.command == Command::CleanAll => {
                Ok(())
            }
            Ok(settings) => place_packages(&workspace, settings, self.report),
            Err(_) => Ok(()),
        };
        let workspace = match &settings {
            Ok(settings) if self.may_resolve() => self.with_manifest(workspace, settings, &cwd)?,
            _ => workspace,
        };
        self.check_clean(&workspace)?;
        let network = settings.as_ref().map_or(Network::Auto, |settings| settings.network);
        let at = answer::At { proxy: self, workspace: &workspace, cwd: &cwd, network };
        // No checkout is lost over any other fault.
        let settings = match settings {
            Ok(settings) => settings,
            Err(error) if self.must_succeed(&error) => return Err(error),
            Err(error) => {
                self.report.warn(&error);
                return at.to_lake();
            }
        };
        match placed {
            Err(error) if !self.must_succeed(&error) => self.report.warn(&error),
            placed => placed?,
        }
        let asks_network = matches!(self.invocation.command, Command::MathlibCache(_));
        if asks_network && network == Network::Never && workspace.lacks_manifest_for_mathlib() {
            bail!(no_mathlib(&workspace));
        }
        if self.invocation.location.updates || workspace.manifest.is_none() {
            return at.resolve(&settings);
        }
        at.answer(&settings)
    }

    fn lake(&self) -> Result<RealLake> {
        self.lake.clone().map_or_else(|| RealLake::find(self.env), Ok)
    }

    /// `true` if the command loads the workspace's dependencies, for which Lake wants a manifest.
    fn may_resolve(&self) -> bool {
        matches!(
            self.invocation.command,
            Command::Load { .. }
                | Command::CleanAll
                | Command::MathlibCache(_)
                | Command::LakeCacheGet
        )
    }

    /// `lake clean` removes the builds of all packages.
    fn check_clean(&self, workspace: &Workspace) -> Result<()> {
        if self.invocation.command != Command::CleanAll {
            return Ok(());
        }
        let dir = workspace.packages_now();
        let is_shared = dir.is_dir() && workspace.shares_packages();
        let linked =
            workspace.packages.iter().map(|package| &package.dir).find(|dir| dir.is_symlink());
        if let Some(dir) = is_shared.then_some(&dir).or(linked) {
            let dir = fs::canonicalize(dir)?;
            let root = workspace.name().unwrap_or_else(|| "<this package>".to_owned());
            bail!(Failure::Refused(hint(
                format!(
                    "`lake clean` would remove the builds in `{}`, which is outside of this workspace",
                    dir.display()
                ),
                format!("`lake clean {root}` removes this package's own"),
            )));
        }
        Ok(())
    }

    /// The workspace as it is once its manifest is there, if a store has it.
    fn with_manifest(
        &self,
        workspace: Workspace,
        settings: &Settings,
        cwd: &Path,
    ) -> Result<Workspace> {
        match self.write_manifest(&workspace, settings) {
            Ok(true) => {
                let now = Workspace::discover(cwd, &self.invocation.location)?;
                return Ok(now.unwrap_or(workspace));
            }
            Ok(false) => {}
            Err(error) => self.report.warn(&error),
        }
        Ok(workspace)
    }

    /// Writes the manifest that is not there, if a store's lock covers all that Lake would ask the network
    /// for. Returns `true` if there is one now.
    fn write_manifest(&self, workspace: &Workspace, settings: &Settings) -> Result<bool> {
        if workspace.manifest.is_some() || self.invocation.location.updates {
            return Ok(false);
        }
        let resolved = match resolve(workspace, &Stores::open(settings)?, &Choice::Any) {
            Ok(resolved) => resolved,
            Err(error) if matches!(error.downcast_ref(), Some(Unresolved::Uncovered(_))) => {
                self.report.left_to_lake(&error);
                return Ok(false);
            }
            Err(error) => return Err(error),
        };
        // Without git packages Lake needs no help.
        let Some((lock, store)) = &resolved.lock else { return Ok(false) };
        if let Some(rewrite) = resolved.rewrite(workspace)? {
            workspace.check_manifest_path()?;
            replace_file(&workspace.manifest_path, rewrite.new.as_bytes())?;
            self.report.resolved(&resolved.manifest, &workspace.manifest_path, lock, store);
        }
        Ok(true)
    }

    /// `cache get` reports its failures, and what would lose a package is refused. Before anything else a
    /// failure is a warning.
    fn must_succeed(&self, error: &anyhow::Error) -> bool {
        let is_request = matches!(self.invocation.command, Command::MathlibCache(_));
        is_request || self.has_run_lake.get() || error.is::<Failure>()
    }

    fn guard<'g>(&'g self, workspace: &'g Workspace, cwd: &Path, network: Network) -> Guard<'g> {
        let toolchain = self.invocation.toolchain.as_deref().and_then(|name| name.to_str());
        let look = || version(self.lake.as_ref()?, toolchain, cwd, self.env);
        let version = self.version.get().unwrap_or_else(look);
        self.version.set(Some(version));
        Guard {
            workspace,
            env: self.env,
            version,
            network,
            takes_overrides: self.invocation.takes_overrides,
        }
    }
}

/// Starts `lake resolve-deps`, which clones and checks out. What it prints goes to stderr: it was not asked
/// for.
pub fn resolve_deps(lake: &RealLake, guard: &Guard) -> Result<Child> {
    let protection = Guard { takes_overrides: false, ..*guard }.locked()?;
    start_resolve_deps(lake, guard, &protection.variables)
}

fn start_resolve_deps(lake: &RealLake, guard: &Guard, variables: &Variables) -> Result<Child> {
    let mut command = lake.command(&["resolve-deps".into()], variables);
    command.current_dir(&guard.workspace.root).env(var::DISABLE, "1").stdout(io::stderr());
    die_with_us(&mut command);
    command.spawn().with_context(|| format!("cannot run `{}`", lake.path.display()))
}

/// Starts `lake build --no-build`, which succeeds if `modules` are up to date. It prints nothing.
pub fn no_build(lake: &RealLake, guard: &Guard, modules: &[&Module]) -> Result<Child> {
    let protection = Guard { takes_overrides: true, ..*guard }.locked()?;
    let targets = modules.iter().map(|module| format!("+{module}").into());
    let args: Vec<_> =
        ["build", "--no-build"].map(OsString::from).into_iter().chain(targets).collect();
    let mut command = lake.command(&protection.arguments(&args), &protection.variables);
    command.current_dir(&guard.workspace.root).env(var::DISABLE, "1");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    die_with_us(&mut command);
    command.spawn().with_context(|| format!("cannot run `{}`", lake.path.display()))
}

/// Says that the packages lie where nothing of ours is done.
fn warn_once(workspace: &Workspace, outside: &anyhow::Error, report: &Report) {
    if workspace.is_news("outside", &outside.to_string()) {
        report.warn(outside);
    }
}

/// Gives the workspace the packages directory that the settings ask for: a shared one, or one of its own.
pub fn place_packages(workspace: &Workspace, settings: &Settings, report: &Report) -> Result<()> {
    let packages_dir = &workspace.packages_dir;
    if settings.private {
        report.unlinked(&keep_private(workspace, settings.pkg_dir.as_deref())?, packages_dir);
        return Ok(());
    }
    let Some(shared) = &settings.pkg_dir else { return Ok(()) };
    let old = workspace.old_packages_dir();
    for dir in old.iter().chain([packages_dir]) {
        if let Err(reason) = workspace.check_inside(dir, Some(shared)) {
            warn_once(workspace, &reason, report);
            return Ok(());
        }
    }
    let place = |dir: &Path| -> Result<bool> {
        let waiting = |holder| report.event(Event::Waiting { holder });
        let linked = link(workspace, dir, shared, waiting)?;
        if let Linked::Left { reason } = &linked
            && workspace.is_news("link", &format!("{} {reason}", shared.display()))
        {
            report.left_unlinked(dir, shared, reason);
        }
        report.linked(&linked, dir, shared);
        Ok(!matches!(linked, Linked::Left { .. } | Linked::Private))
    };
    // An update renames the old packages directory to the new one: a link can take the place of a link, and
    // nothing can take the place of the shared directory itself.
    if let Some(old) = old {
        if !place(&old)? {
            return Ok(());
        }
        if packages_dir.is_dir() && !packages_dir.is_symlink() && is_same_file(packages_dir, shared)
        {
            fs::remove_file(&old)?;
        }
    }
    place(packages_dir)?;
    Ok(())
}
