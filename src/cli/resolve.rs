//! The commands that write manifests and lakefiles, and only when something changes.

use super::Place;
use crate::error::{Failure, hint};
use crate::fs::{replace_file, sweep_beside};
use crate::read;
use crate::report::data;
use crate::settings::var;
use crate::store::Stores;
use crate::store::resolve::{Choice, Resolved, Rewrite, resolve, spellings};
use crate::workspace::link::{self, Unlinked};
use crate::workspace::respell::Respelled;
use crate::workspace::{Config, Workspace};
use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::json;
use similar::TextDiff;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// The shortest way from one text to another may take hours to find. After this any way will do.
const DIFF_TIME: Duration = Duration::from_secs(2);

#[derive(Debug, Args)]
pub struct ResolveArgs {
    /// Print what would change, write nothing, and exit 1 if something would
    #[arg(long)]
    check: bool,
    /// Print the result as one JSON object
    #[arg(long)]
    json: bool,
    /// The lock to resolve from: an id that `lake-shim verify` prints, or a `lake-manifest.json`
    #[arg(long, value_name = "LOCK")]
    lock: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct NormalizeArgs {
    /// Manifests and `lakefile.toml`s; none means those of the workspace
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Print what would change, write nothing, and exit 1 if something would
    #[arg(long)]
    check: bool,
    /// The lock whose spelling counts: an id that `lake-shim verify` prints, or a
    /// `lake-manifest.json`
    #[arg(long, value_name = "LOCK")]
    lock: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct UnlinkArgs {
    /// Copy the workspace's packages out of the shared directory, instead of beginning with none
    #[arg(long)]
    copy: bool,
}

impl Place {
    pub(super) fn resolve(&self, args: &ResolveArgs) -> Result<ExitCode> {
        let workspace = self.workspace()?;
        let stores = Stores::open(&self.settings)?;
        let resolved = resolve(&workspace, &stores, &self.choice(args.lock.as_deref()))?;
        let rewrite = resolved.rewrite(&workspace)?;
        let path = &workspace.manifest_path;
        if !args.check {
            workspace.check_manifest_path()?;
            sweep_beside(path);
            if let Some(rewrite) = &rewrite {
                replace_file(path, rewrite.new.as_bytes())?;
            }
        }
        if args.json {
            data(&format!("{}\n", resolved_json(&resolved, rewrite.as_ref(), path, args.check)))?;
        } else if let Some(rewrite) = rewrite.as_ref().filter(|_| args.check) {
            data(&diff(rewrite, path))?;
        }
        match (&rewrite, &resolved.lock) {
            (Some(_), _) if args.check => bail!(Failure::Reported(1)),
            (Some(_), Some((lock, store))) => {
                self.report.resolved(&resolved.manifest, path, lock, store)
            }
            (Some(_), None) => {
                self.report.info(&format!("wrote `{}`: no package is from git", path.display()))
            }
            (None, _) => {
                self.report.info(&format!("`{}` is as Lake would write it", path.display()))
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    pub(super) fn normalize(&self, args: &NormalizeArgs) -> Result<ExitCode> {
        let workspace = match Workspace::discover(&self.cwd, &self.location) {
            // A broken workspace is none of the business of files elsewhere.
            Err(_) if !args.files.is_empty() => None,
            workspace => workspace?,
        };
        let files = match &workspace {
            Some(workspace) if args.files.is_empty() => files_of(workspace),
            None if args.files.is_empty() => vec![self.workspace()?.manifest_path],
            _ => args.files.iter().map(|file| self.cwd.join(file)).collect(),
        };
        let stores = Stores::open(&self.settings)?;
        let choice = self.choice(args.lock.as_deref());
        let spellings = spellings(workspace.as_ref(), &stores, &choice)?;
        if spellings.is_empty() {
            bail!(hint(
                "nothing says how URLs are to be spelled",
                "bake a store, name a manifest with `--lock`, or run it in a workspace that has one",
            ));
        }
        // All of them are understood before one of them is written.
        let mut respelled = Vec::new();
        for file in &files {
            let text = read::text(file, read::TEXT)?;
            let new = match Kind::of(file)? {
                Kind::Lakefile => spellings.lakefile(&text),
                Kind::Manifest => spellings.manifest(&text),
            };
            let new = new.with_context(|| format!("cannot understand `{}`", file.display()))?;
            respelled.push((file, new));
        }
        let mut lines = String::new();
        for (file, Respelled { text, changes }) in &respelled {
            for change in changes {
                let (line, old, new) = (change.line, &change.old, &change.new);
                lines.push_str(&format!("{}:{line}: {old} -> {new}\n", file.display()));
            }
            if !changes.is_empty() && !args.check {
                replace_file(file, text.as_bytes())?;
            }
        }
        if !args.check {
            files.iter().for_each(|file| sweep_beside(file));
        }
        data(&lines)?;
        if args.check && !lines.is_empty() {
            bail!(Failure::Reported(1));
        }
        if lines.is_empty() {
            self.report.info("every URL is spelled as it should be");
        }
        Ok(ExitCode::SUCCESS)
    }

    pub(super) fn unlink(&self, args: &UnlinkArgs) -> Result<ExitCode> {
        let workspace = self.workspace()?;
        let Workspace { packages_dir, .. } = &workspace;
        let locked = workspace.packages.iter().filter(|package| package.lock.is_some());
        let copied = locked.filter(|_| args.copy);
        let packages: Vec<_> = copied.map(|package| package.name.as_str()).collect();
        let unlinked = link::unlink(&workspace, &packages)?;
        if unlinked == Unlinked::default() {
            self.report.info(&format!("`{}` is no link", packages_dir.display()));
        }
        self.report.unlinked(&unlinked, packages_dir);
        if self.settings.pkg_dir.is_some() {
            self.report.info(&format!(
                "it stays one, whatever `{}` is, until `lake-shim link` shares it again",
                var::PKG_DIR
            ));
        }
        Ok(ExitCode::SUCCESS)
    }

    fn choice(&self, lock: Option<&Path>) -> Choice {
        match lock {
            None => Choice::Any,
            Some(lock) if self.cwd.join(lock).exists() => Choice::Manifest(self.cwd.join(lock)),
            Some(id) => Choice::Id(id.to_string_lossy().into_owned()),
        }
    }
}

fn resolved_json(
    resolved: &Resolved,
    rewrite: Option<&Rewrite>,
    path: &Path,
    check: bool,
) -> String {
    let (lock, store) = resolved.lock.clone().unzip();
    json!({
        "manifest": path,
        "changed": rewrite.is_some(),
        "written": rewrite.is_some() && !check,
        "lock": lock,
        "store": store,
        "packages": resolved.manifest.packages.iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>(),
    })
    .to_string()
}

/// What would change, as `diff -u` has it.
fn diff(rewrite: &Rewrite, path: &Path) -> String {
    let old = rewrite.old.as_deref().unwrap_or_default();
    let name = path.display().to_string();
    let old_name = if rewrite.old.is_some() { &name } else { "/dev/null" };
    let diff = TextDiff::configure().timeout(DIFF_TIME).diff_lines(old, &rewrite.new);
    diff.unified_diff().header(old_name, &name).to_string()
}

fn files_of(workspace: &Workspace) -> Vec<PathBuf> {
    let lakefile = match &workspace.config {
        Config::Toml(path) => Some(path.clone()),
        Config::Lean(_) => None,
    };
    let manifest = workspace.manifest.is_some().then(|| workspace.manifest_path.clone());
    lakefile.into_iter().chain(manifest).collect()
}

enum Kind {
    Lakefile,
    Manifest,
}

impl Kind {
    fn of(file: &Path) -> Result<Self> {
        match file.extension().and_then(OsStr::to_str) {
            Some("toml") => Ok(Self::Lakefile),
            Some("json") => Ok(Self::Manifest),
            Some("lean") => bail!(hint(
                format!("`{}` is a program, which nobody but you should rewrite", file.display()),
                "edit the URLs of its requires by hand; `lake-shim normalize` on the manifest shows them",
            )),
            _ => bail!(hint(
                format!("`{}` is neither a `lakefile.toml` nor a manifest", file.display()),
                "name files that end in `.toml` or `.json`",
            )),
        }
    }
}
