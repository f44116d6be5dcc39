//! The workspace's own files: configuration, manifest, toolchain. Each is read by itself, so that a
//! broken one is named whatever the others say.

use super::{Area, Finding, Severity, quoted, shown};
use crate::lake::toolchain;
use crate::mathlib::request::check_toolchain;
use crate::read;
use crate::store::Stores;
use crate::store::resolve::{Choice, Resolved, resolve};
use crate::workspace::lakefile::{Lakefile, Wanted};
use crate::workspace::manifest::{MANIFEST_FILE, Manifest, Source};
use crate::workspace::url::same_repository;
use crate::workspace::{Location, PACKAGES_DIR, Workspace};
use anyhow::{Error, Result};
use fs_err as fs;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// What there is of a workspace.
#[derive(Debug)]
pub struct Located {
    /// Where a configuration file is.
    pub root: Option<PathBuf>,
    /// Nothing when it cannot be understood.
    pub workspace: Option<Workspace>,
    /// The manifest's, the configuration's, or Lake's default.
    pub packages_dir: Option<PathBuf>,
    pub toolchain: Option<String>,
    pub area: Area,
}

/// The files of a workspace, each as far as it can be read.
#[derive(Debug)]
struct Files {
    root: PathBuf,
    manifest_path: PathBuf,
    manifest: Result<Option<Manifest>>,
    /// Of a `lakefile.toml` only.
    lakefile: Option<Result<Lakefile>>,
    toolchain: std::io::Result<Option<String>>,
    /// Why the whole is not understood.
    fault: Option<Error>,
    /// Why mathlib's build files would be useless.
    toolchain_fault: Option<Error>,
}

/// Looks for the workspace that a command run in `cwd` is about.
pub fn look(cwd: Result<PathBuf>, location: &Location) -> Located {
    let nowhere = |findings: Vec<Finding>| Located {
        root: None,
        workspace: None,
        packages_dir: None,
        toolchain: None,
        area: Area::new("workspace", Vec::new(), Value::Null).with(findings),
    };
    let cwd = match cwd {
        Ok(cwd) => cwd,
        Err(e) => {
            let hint = "`cd` to a directory that exists";
            return nowhere(vec![Finding::of_error("no-directory", &e, hint)]);
        }
    };
    let Some(root) = find_root(&cwd, location) else {
        return nowhere(vec![none(&cwd, location)]);
    };
    let config = root.join("lakefile.toml");
    let is_lean = root.join("lakefile.lean").exists();
    let (workspace, fault) = match Workspace::discover(&cwd, location) {
        Ok(workspace) => (workspace, None),
        Err(e) => (None, Some(e)),
    };
    let lakefile = (!is_lean).then(|| Lakefile::read(&config));
    let named =
        lakefile.as_ref().and_then(|lakefile| lakefile.as_ref().ok()?.manifest_file.clone());
    let manifest_path = root.join(named.as_deref().unwrap_or(MANIFEST_FILE));
    let has_mathlib =
        workspace.as_ref().filter(|w| w.mathlib().is_some_and(|mathlib| mathlib.is_dir()));
    let files = Files {
        manifest: Manifest::read(&manifest_path),
        manifest_path,
        lakefile,
        toolchain: toolchain::read(&root),
        toolchain_fault: has_mathlib.and_then(|workspace| check_toolchain(workspace).err()),
        fault,
        root,
    };
    let packages_dir = match &workspace {
        Some(workspace) => workspace.packages_dir.clone(),
        None => files.packages_dir(),
    };
    Located {
        area: files.area(workspace.as_ref()),
        toolchain: files.toolchain.ok().flatten(),
        packages_dir: Some(packages_dir),
        root: Some(files.root),
        workspace,
    }
}

impl Located {
    /// Before anything else a packages directory that is absent becomes a link to `shared`: what is not
    /// there will be found there.
    pub fn follow_link_to_be(&mut self, shared: Option<&Path>) {
        let (Some(shared), Some(workspace)) = (shared, &mut self.workspace) else { return };
        let old = std::mem::replace(&mut workspace.packages_dir, shared.to_owned());
        let is_made = fs::read_link(&old).is_ok_and(|target| target == shared);
        let stays = old.exists() || old.is_symlink() && !is_made;
        if stays || shared.exists() && !shared.is_dir() {
            workspace.packages_dir = old;
            return;
        }
        let moved = |dir: &Path| dir.strip_prefix(&old).ok().map(|rest| shared.join(rest));
        for package in &mut workspace.packages {
            package.dir = moved(&package.dir).unwrap_or_else(|| package.dir.clone());
            if let Some(lock) = &mut package.lock {
                lock.clone = moved(&lock.clone).unwrap_or_else(|| lock.clone.clone());
            }
        }
    }
}

impl Located {
    /// Where there is no manifest, whether a lock in `stores` covers what is required: then the
    /// shim writes it before the next build.
    pub fn look_for_lock(&mut self, stores: &Stores) {
        let Some(workspace) = self.workspace.as_ref().filter(|w| w.manifest.is_none()) else {
            return;
        };
        let finding = match resolve(workspace, stores, &Choice::Any) {
            Ok(Resolved { lock: None, .. }) => return,
            Ok(Resolved { lock: Some((lock, store)), .. }) => {
                let message = "there is no manifest, and a store has a lock for it";
                let hint = "`lake-shim resolve` writes it; the next build does it too";
                let seen = format!("{} has the lock {lock}", quoted(&store));
                Finding::note("manifest-missing", message, hint).seen(seen)
            }
            Err(reason) => {
                let mut finding = Finding::of_error("manifest-missing", &reason, "");
                finding.severity = Severity::Warning;
                finding.evidence.insert(0, std::mem::take(&mut finding.message));
                finding.message = format!("there is no {}", quoted(&workspace.manifest_path));
                finding.hint = "`lake update`, with network, writes one; commit it".to_owned();
                finding
            }
        };
        // An unreadable configuration is a finding already, and a reason to have no answer here.
        if self.area.worst() != Some(Severity::Error) {
            self.area.findings.push(finding);
        }
    }
}

/// As [`Workspace::discover`] does, which may fail over what it finds there.
fn find_root(cwd: &Path, location: &Location) -> Option<PathBuf> {
    let is_root = |dir: &&Path| {
        ["lakefile.lean", "lakefile.toml"].iter().any(|config| dir.join(config).exists())
    };
    let root = match &location.dir {
        Some(dir) => Some(cwd.join(dir)).filter(|dir| is_root(&dir.as_path())),
        None => cwd.ancestors().find(is_root).map(Path::to_owned),
    };
    root.map(|root| fs::canonicalize(&root).unwrap_or(root))
}

fn none(cwd: &Path, location: &Location) -> Finding {
    let (severity, place) = match &location.dir {
        Some(dir) => (Severity::Error, quoted(&cwd.join(dir))),
        None => (Severity::Note, format!("{} or above", quoted(cwd))),
    };
    let message = "this is no Lake workspace";
    Finding::new(
        severity,
        "no-workspace",
        message,
        "run it in a Lean project, or name one: `-d DIR`",
    )
    .seen(format!("no `lakefile.lean` or `lakefile.toml` in {place}"))
}

impl Files {
    fn area(&self, workspace: Option<&Workspace>) -> Area {
        let toolchain = self.toolchain.as_ref().ok().and_then(Option::as_deref);
        let on = toolchain.map(|name| format!(" on {name}")).unwrap_or_default();
        let facts = json!({
            "root": shown(&self.root),
            "toolchain": toolchain,
            "understood": workspace.is_some(),
            "mathlib": workspace.and_then(Workspace::mathlib).map(shown),
            "packages": workspace.map(|w| w.packages.iter().map(|p| &p.name).collect::<Vec<_>>()),
        });
        let summary = vec![format!("{}{on}", self.root.display())];
        Area::new("workspace", summary, facts).with(self.judge(workspace.is_some()))
    }

    fn packages_dir(&self) -> PathBuf {
        let locked = self.manifest.as_ref().ok().and_then(Option::as_ref);
        let locked = locked.and_then(|manifest| manifest.packages_dir.clone());
        let configured = self.lakefile.as_ref().and_then(|lakefile| lakefile.as_ref().ok());
        let configured = || configured.and_then(|lakefile| lakefile.packages_dir.clone());
        self.root.join(locked.or_else(configured).unwrap_or_else(|| PACKAGES_DIR.to_owned()))
    }

    fn judge(&self, is_understood: bool) -> Vec<Finding> {
        let mut findings = Vec::new();
        if let Err(error) = &self.manifest {
            findings.push(self.bad_manifest(error));
        }
        if let Some(Err(error)) = &self.lakefile {
            let hint = "mend the line it names; `lake check-build` says whether Lake agrees";
            findings.push(Finding::of_error("lakefile", error, hint));
        }
        if let Err(error) = &self.toolchain {
            let message = format!("cannot read {}", quoted(&self.root.join("lean-toolchain")));
            let hint = "write one line into it, such as `leanprover/lean4:v4.27.0`";
            findings.push(Finding::error("lean-toolchain", message, hint).seen(error.to_string()));
        } else if let Some(error) = &self.toolchain_fault {
            let hint = "copy mathlib's `lean-toolchain` into the workspace";
            findings.push(Finding::of_error("toolchain-mismatch", error, hint));
        }
        if let (false, true, Some(error)) = (is_understood, findings.is_empty(), &self.fault) {
            let hint = "mend the file it names";
            findings.push(Finding::of_error("workspace", error, hint));
        }
        if let (Ok(manifest), Some(Ok(lakefile))) = (&self.manifest, &self.lakefile) {
            findings.extend(manifest.iter().flat_map(|manifest| agree(lakefile, manifest)));
        }
        findings
    }

    fn bad_manifest(&self, error: &Error) -> Finding {
        let text = read::bytes(&self.manifest_path, read::TEXT).unwrap_or_default();
        let hint = match serde_json::from_slice::<Value>(&text) {
            Ok(_) => "use the lake-shim, and the Lake, that know this version of the format",
            Err(_) => {
                "`git checkout lake-manifest.json` brings back what was committed; `lake update` \
                 makes a new one"
            }
        };
        Finding { hint: hint.to_owned(), ..Finding::of_error("manifest-unreadable", error, hint) }
    }
}

/// Whether the manifest is of this configuration.
fn agree(lakefile: &Lakefile, manifest: &Manifest) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut spelled = Vec::new();
    for require in &lakefile.requires {
        let name = require.name.plain();
        if let Wanted::Unknown(reason) = &require.source {
            let message = format!("`{name}` is required in a form that Lake does not take");
            let hint = "mend that line of `lakefile.toml`";
            let finding = Finding::warning("lakefile-require", message, hint);
            findings.push(finding.seen(reason.clone()));
            continue;
        }
        let hint = format!("`lake update {name}`, with network, locks it");
        let Some(entry) = manifest.packages.iter().find(|entry| entry.name == require.name) else {
            let message = format!("`{name}` is required, and the manifest does not lock it");
            findings.push(Finding::error("manifest-outdated", message, hint));
            continue;
        };
        let (Source::Git { url: locked, .. }, Some(wanted)) = (&entry.source, require.url()) else {
            continue;
        };
        let seen = format!("`{name}`: `lakefile.toml` says `{wanted}`, the manifest `{locked}`");
        if !same_repository(locked, wanted) {
            let message = format!("the manifest locks `{name}` from another repository");
            findings.push(Finding::warning("manifest-outdated", message, hint).seen(seen));
        } else if locked != wanted {
            spelled.push(seen);
        }
    }
    if !spelled.is_empty() {
        let message = "configuration and manifest spell one URL in two ways";
        let hint = "`lake-shim normalize` spells both as the store's lock does";
        let finding = Finding::note("lakefile-url", message, hint).all_seen(spelled);
        findings.push(finding.seen("Lake warns at every build, and that is all"));
    }
    findings
}
