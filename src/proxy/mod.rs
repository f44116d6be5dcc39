//! What happens when we are called `lake`, top to bottom.
//!
//! Most commands are none of our business and go straight to the real lake. Those that load a
//! workspace find it linked and guarded; `cache get` is answered from the store. Whatever fails on
//! the way to a build is a warning: the shim must never be why a build that worked stops working.

mod answer;
pub mod exec;
pub mod guard;
mod handover;
pub mod invocation;
pub mod link;
pub mod url_map;

use crate::child::die_with_us;
use crate::error::{Failure, hint};
use crate::fs::{is_same_file, replace_file};
use crate::report::Report;
use crate::settings::{Environment, Settings, current_dir, var};
use crate::store::Stores;
use crate::store::resolve::{Choice, Unresolved, resolve};
use crate::workspace::Workspace;
use answer::{Answer, Question};
use anyhow::{Context, Result, bail};
use exec::{ChildEnvironment, RealLake};
use fs_err as fs;
use guard::Guard;
use invocation::{Command, Invocation};
use link::Linked;
use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::{Child, ExitCode};

/// Does what `lake args…` asks for, and becomes the real lake unless that is done.
pub fn run(args: &[OsString]) -> Result<ExitCode> {
    let env = Environment::capture();
    let invocation = Invocation::parse(args);
    if env.is_disabled() || invocation.command == Command::Other {
        match RealLake::find(&env)?.exec(args, &ChildEnvironment::new())? {}
    }
    let report = Report::new(&env);
    let proxy = Proxy { args, env: &env, invocation: &invocation, report: &report };
    let mut child_env = ChildEnvironment::new();
    match proxy.prepare(&mut child_env) {
        Ok(Answer::Done) => return Ok(ExitCode::SUCCESS),
        Ok(Answer::LakesToGive) => {}
        Err(error) if proxy.must_succeed(&error) => return Err(error),
        Err(error) => report.warn(&error),
    }
    match RealLake::find(&env)?.exec(args, &child_env)? {}
}

/// Starts `lake resolve-deps`, with what it prints on stderr: it was not asked for.
pub fn resolve_deps(
    lake: &RealLake,
    workspace: &Workspace,
    env: &ChildEnvironment,
) -> Result<Child> {
    let mut command = lake.command(&["resolve-deps".into()], env);
    command.current_dir(&workspace.root).env(var::DISABLE, "1").stdout(io::stderr());
    die_with_us(&mut command);
    command.spawn().with_context(|| format!("cannot run `{}`", lake.path.display()))
}

/// Gives the workspace the packages directory that the settings ask for: a shared one, or one of its
/// own.
pub fn place_packages(workspace: &Workspace, settings: &Settings, report: &Report) -> Result<()> {
    if settings.private {
        let unlinked = link::unlink(&workspace.root, &workspace.packages_dir, &[])?;
        report.unlinked(&unlinked, &workspace.packages_dir);
    } else if let Some(shared) = &settings.pkg_dir {
        let Workspace { root, packages_dir, .. } = workspace;
        let link = |dir: &Path| -> Result<bool> {
            let linked = link::link(root, dir, shared)?;
            report.linked(&linked, dir, shared);
            Ok(!matches!(linked, Linked::Kept { .. } | Linked::Private))
        };
        // An update renames the old directory to the new one, which works for a link to a link,
        // and for no link to a directory.
        if let Some(old) = workspace.old_packages_dir() {
            if !link(&old)? {
                return Ok(());
            }
            if packages_dir.is_dir()
                && !packages_dir.is_symlink()
                && is_same_file(packages_dir, shared)
            {
                fs::remove_file(&old)?;
            }
        }
        link(packages_dir)?;
    }
    Ok(())
}

struct Proxy<'a> {
    args: &'a [OsString],
    env: &'a Environment,
    invocation: &'a Invocation,
    report: &'a Report,
}

impl Proxy<'_> {
    /// Makes the workspace ready. What Lake is to find in its environment is in `child_env`, as far
    /// as we got.
    fn prepare(&self, child_env: &mut ChildEnvironment) -> Result<Answer> {
        let cwd = current_dir()?;
        let location = &self.invocation.location;
        let Some(workspace) = Workspace::discover(&cwd, location)? else {
            return Ok(Answer::LakesToGive);
        };
        let settings = Settings::new(self.env);
        let place = |settings| place_packages(&workspace, settings, self.report);
        let linked = settings.as_ref().map_or(Ok(()), place);
        let workspace = match &settings {
            Ok(settings) => self.with_manifest(workspace, settings, &cwd)?,
            Err(_) => workspace,
        };
        // Whatever else is wrong, no clone is to be lost over it.
        self.check_git_dir(&workspace)?;
        let mut guard = Guard::plan(&workspace, self.env, location.updates)?;
        let aligned = guard.align();
        child_env.clone_from(&guard.env);
        self.check_clean(&workspace)?;
        aligned?;
        let settings = settings?;
        match linked {
            Err(error) if !self.must_succeed(&error) => self.report.warn(&error),
            linked => linked?,
        }
        let question = Question {
            proxy: self,
            workspace: &workspace,
            settings: &settings,
            cwd: &cwd,
            has_outdated: guard.has_outdated,
        };
        question.answer(child_env)
    }

    /// `GIT_DIR` is for every git that Lake starts, in whichever package's directory that is. A relative
    /// one leads to the package's own there.
    fn check_git_dir(&self, workspace: &Workspace) -> Result<()> {
        let named = self.env.git_dir.as_deref().filter(|dir| dir.is_absolute());
        let Some(dir) = named.map(Path::display) else { return Ok(()) };
        if workspace.packages.iter().any(|package| package.lock.is_some()) {
            bail!(Failure::Refused(hint(
                format!(
                    "`GIT_DIR` is `{dir}`: Lake would take that for the clone of every package, and \
                     delete them"
                ),
                "begin the command with `env -u GIT_DIR -u GIT_WORK_TREE -u GIT_INDEX_FILE`",
            )));
        }
        Ok(())
    }

    /// `lake clean` removes the builds of all packages, whoever else uses them.
    fn check_clean(&self, workspace: &Workspace) -> Result<()> {
        let is_shared = || workspace.packages_now().is_dir() && workspace.shares_packages();
        if self.invocation.command == Command::CleanAll && is_shared() {
            let dir = fs::canonicalize(workspace.packages_now())?;
            let root = workspace.name().unwrap_or_else(|| "<this package>".to_owned());
            bail!(Failure::Refused(hint(
                format!(
                    "`lake clean` would remove the builds in `{}`, which other workspaces use",
                    dir.display()
                ),
                format!("`lake clean {root}` removes this package's own"),
            )));
        }
        Ok(())
    }

    /// The workspace as it is once its manifest is there, if we can see to that.
    fn with_manifest(
        &self,
        workspace: Workspace,
        settings: &Settings,
        cwd: &Path,
    ) -> Result<Workspace> {
        match self.resolve(&workspace, settings) {
            Ok(true) => {
                let now = Workspace::discover(cwd, &self.invocation.location)?;
                return Ok(now.unwrap_or(workspace));
            }
            Ok(false) => {}
            Err(error) => self.report.warn(&error),
        }
        Ok(workspace)
    }

    /// Writes the manifest that is not there, when a store's lock covers all that Lake would ask the
    /// network for. Whether there is one now.
    fn resolve(&self, workspace: &Workspace, settings: &Settings) -> Result<bool> {
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
            replace_file(&workspace.manifest_path, rewrite.new.as_bytes())?;
            self.report.resolved(&resolved.manifest, &workspace.manifest_path, lock, store);
        }
        Ok(true)
    }

    /// Has the real lake clone what is missing.
    fn resolve_deps(&self, workspace: &Workspace, env: &ChildEnvironment) -> Result<Child> {
        resolve_deps(&RealLake::find(self.env)?, workspace, env)
    }

    /// `cache get` reports its failures, and what would lose a package is refused. Before anything
    /// else a failure is a warning.
    fn must_succeed(&self, error: &anyhow::Error) -> bool {
        let is_request = matches!(self.invocation.command, Command::MathlibCache(_));
        is_request || error.is::<Failure>()
    }
}
