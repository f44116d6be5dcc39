//! What a restore will do, as plain data. Printing it is `--dry-run`.

use super::packs::PackStep;
use crate::mathlib::Module;
use crate::mathlib::ltar::{Head, HeadError, Place};
use crate::mathlib::names::{LtarName, NamedModule};
use crate::mathlib::outputs::{Fault, Files, Look};
use crate::mathlib::request::Wanted;
use crate::store::Stores;
use crate::workspace::Workspace;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

/// What a restore will do.
#[derive(Debug, Default)]
pub struct Plan {
    /// Sources and builds to unpack first.
    pub packs: Vec<PackStep>,
    pub steps: Vec<Step>,
    /// Modules that are up to date.
    pub skipped: Vec<NamedModule>,
    /// Modules whose file in the store is not what its name says.
    pub failed: BTreeMap<Module, String>,
    /// Modules that no store has.
    pub missing: Vec<NamedModule>,
    /// ProofWidgets' release files are missing.
    pub lacks_proofwidgets: bool,
}

/// One module to unpack.
#[derive(Clone, Debug)]
pub struct Step {
    pub module: Module,
    pub file: LtarName,
    /// The file, in the store.
    pub source: PathBuf,
    /// What its head says.
    pub head: Head,
    /// The directory of the package that gets the files.
    pub package: PathBuf,
    /// Why those that are there will not do; nothing where all are unpacked anew.
    pub fault: Option<Fault>,
}

impl Step {
    /// The package's build directory.
    pub fn build_dir(&self) -> PathBuf {
        build_dir(&self.package)
    }
}

fn build_dir(package: &Path) -> PathBuf {
    package.join(".lake/build")
}

/// Plans to restore what is `wanted`, which came from [`names`] for the same workspace.
/// Modules of the packages in `built` need no cache file when they are there.
pub fn plan(
    workspace: &Workspace,
    wanted: &Wanted,
    stores: &Stores,
    built: &BTreeSet<PathBuf>,
    force: bool,
) -> Plan {
    let packages = workspace.source_path();
    let modules = &wanted.modules;
    let found: Vec<Found> =
        modules.par_iter().map(|named| find(named, &packages, stores, built, force)).collect();
    let mut plan = Plan::default();
    for (named, found) in modules.iter().zip(found) {
        match found {
            Found::UpToDate => plan.skipped.push(named.clone()),
            Found::Present(step) => plan.steps.push(*step),
            Found::Unfit(reason) => drop(plan.failed.insert(named.module.clone(), reason)),
            Found::Missing => plan.missing.push(named.clone()),
        }
    }
    plan.lacks_proofwidgets = wanted.proofwidgets && lacks_proofwidgets(workspace);
    plan
}

/// The release's JavaScript lies in `.lake/build/js`, and nowhere in a cache.
fn lacks_proofwidgets(workspace: &Workspace) -> bool {
    let package = workspace.package("proofwidgets");
    package.is_some_and(|package| !build_dir(&package.dir).join("js").exists())
}

enum Found {
    UpToDate,
    Present(Box<Step>),
    /// The reason names the file.
    Unfit(String),
    Missing,
}

/// Looks a module up; the first store that has a fit file wins.
fn find(
    named: &NamedModule,
    packages: &[PathBuf],
    stores: &Stores,
    built: &BTreeSet<PathBuf>,
    force: bool,
) -> Found {
    let NamedModule { module, file, package } = named;
    let mut unfit = None;
    for source in stores.candidates(*file) {
        let head = match Head::read(&source, module) {
            Ok(head) => head,
            Err(HeadError::Io(e)) if e.kind() == std::io::ErrorKind::NotFound => continue,
            Err(e) => {
                unfit.get_or_insert(format!("`{}`: {e}", source.display()));
                continue;
            }
        };
        let package = packages[*package].clone();
        let files = Files::new(&build_dir(&package), &head.place, module);
        let fault = match force {
            true => None,
            false => match files.check(head.dep_hash, Look::Presence) {
                Ok(()) => return Found::UpToDate,
                Err(fault) => Some(fault),
            },
        };
        let (module, file) = (module.clone(), *file);
        return Found::Present(Box::new(Step { module, file, source, head, package, fault }));
    }
    let package = &packages[*package];
    let place = Place { package: None, lib: "lib/lean" };
    let files = Files::new(&build_dir(package), &place, module);
    if built.contains(package) {
        match files.check_own(Look::Presence) {
            Ok(()) => return Found::UpToDate,
            Err(fault @ Fault::Unreadable(_)) => return Found::Unfit(fault.to_string()),
            Err(_) => {}
        }
    }
    unfit.map_or(Found::Missing, Found::Unfit)
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.packs {
            let (what, store) = (step.what(), step.store.display());
            writeln!(f, "unpack the {what} of {} from {store}", step.package)?;
        }
        for step in &self.steps {
            let Step { module, source, package, .. } = step;
            writeln!(f, "unpack {module} from {} into {}", source.display(), package.display())?;
        }
        for (module, reason) in &self.failed {
            writeln!(f, "cannot restore {module}: {reason}")?;
        }
        for named in &self.missing {
            writeln!(f, "miss {} ({})", named.module, named.file)?;
        }
        if self.lacks_proofwidgets {
            writeln!(f, "miss the release files of ProofWidgets")?;
        }
        write!(
            f,
            "{} to unpack, {} up to date, {} missing, {} unfit",
            self.steps.len(),
            self.skipped.len(),
            self.missing.len(),
            self.failed.len()
        )
    }
}
