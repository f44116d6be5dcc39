//! What a restore will do, as plain data. Printing it is `--dry-run`.

use super::{Event, Observer};
use crate::error::hint;
use crate::mathlib::Module;
use crate::mathlib::ltar::{Head, HeadError};
use crate::mathlib::names::{Inputs, LtarName, NamedModule, Names};
use crate::mathlib::outputs::{Files, Look};
use crate::mathlib::recipe::Recipe;
use crate::store::Stores;
use crate::workspace::{Workspace, toolchain};
use anyhow::{Context, Result, bail};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Module names or `.lean` paths relative to `cwd`; none means all of mathlib.
    pub modules: Vec<String>,
    pub cwd: PathBuf,
    pub skip_proofwidgets: bool,
}

/// What [`names`] found.
#[derive(Debug)]
pub struct Wanted {
    pub modules: Vec<NamedModule>,
    /// Whether the stock tool would fetch ProofWidgets' release, whose JavaScript Lake wants and
    /// no `.ltar` holds.
    pub proofwidgets: bool,
}

/// What a restore will do.
#[derive(Debug, Default)]
pub struct Plan {
    pub steps: Vec<Step>,
    /// Modules that are up to date.
    pub skipped: usize,
    /// Modules whose file in the store is not what its name says.
    pub failed: BTreeMap<Module, String>,
    /// Modules that no store has.
    pub missing: Vec<NamedModule>,
    /// Everything that was asked for, for the fallback to offer to the real tool.
    pub wanted: Vec<NamedModule>,
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

/// The names of the modules that `request` asks for.
///
/// # Errors
/// When the workspace is not on mathlib, sources are missing, or the recipe is not known. None of
/// these is the store's to solve: the real lake may.
pub fn names(
    workspace: &Workspace,
    request: &Request,
    githash: &dyn Fn() -> Result<String>,
    observer: Observer,
) -> Result<Wanted> {
    let mathlib = workspace.mathlib().with_context(|| {
        hint("this workspace does not use mathlib", "there is nothing to restore")
    })?;
    let missing: Vec<_> = workspace.missing_packages().map(|p| format!("`{}`", p.name)).collect();
    if !missing.is_empty() {
        bail!(hint(
            format!("the sources of {} are missing", missing.join(", ")),
            "`lake resolve-deps` clones them",
        ));
    }
    let recipe = Recipe::read(mathlib)?;
    let search_path = workspace.source_path();
    observer(Event::Naming);
    let inputs = Inputs { mathlib, recipe: &recipe, search_path: &search_path, githash };
    let roots = request.modules.iter().map(|spec| module(spec, &request.cwd));
    let roots: Vec<Module> = roots.collect::<Result<_>>()?;
    let names = Names::compute(&inputs, &roots)?;
    if let Some(root) = roots.iter().find(|root| !names.has_source(root)) {
        bail!("there is no module `{root}`");
    }
    let modules = if roots.is_empty() { names.all() } else { names.closure(&roots) };
    let proofwidgets = recipe.fetches_proofwidgets && !request.skip_proofwidgets;
    Ok(Wanted { modules, proofwidgets })
}

/// Plans to restore what is `wanted`, which came from [`names`] for the same workspace.
pub fn plan(workspace: &Workspace, wanted: &Wanted, stores: &Stores, force: bool) -> Plan {
    let packages = workspace.source_path();
    let modules = &wanted.modules;
    let found: Vec<Found> =
        modules.par_iter().map(|named| find(named, &packages, stores, force)).collect();
    let mut plan = Plan::default();
    for (named, found) in modules.iter().zip(found) {
        match found {
            Found::UpToDate => plan.skipped += 1,
            Found::Present(step) => plan.steps.push(*step),
            Found::Unfit(reason) => drop(plan.failed.insert(named.module.clone(), reason)),
            Found::Missing => plan.missing.push(named.clone()),
        }
    }
    plan.wanted.clone_from(modules);
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
fn find(named: &NamedModule, packages: &[PathBuf], stores: &Stores, force: bool) -> Found {
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
        if !force && files.check(head.dep_hash, Look::Presence).is_ok() {
            return Found::UpToDate;
        }
        let (module, file) = (module.clone(), *file);
        return Found::Present(Box::new(Step { module, file, source, head, package }));
    }
    unfit.map_or(Found::Missing, Found::Unfit)
}

/// A module name, or the path of a `.lean` file below `cwd`, as the cache tool takes them.
fn module(spec: &str, cwd: &Path) -> Result<Module> {
    let path = Path::new(spec.strip_prefix("./").unwrap_or(spec));
    let is_path = spec.contains('/') || path.extension().is_some_and(|ext| ext == "lean");
    if !is_path {
        return Module::parse(spec).with_context(|| format!("`{spec}` is no module name"));
    }
    let is_file = path.is_relative() && cwd.join(path).is_file();
    let stem = path.to_str().and_then(|path| path.strip_suffix(".lean")).filter(|_| is_file);
    let stem = stem.with_context(|| format!("`{spec}` is no `.lean` file here"))?;
    let components: Vec<_> = stem.split('/').filter(|part| !part.is_empty()).collect();
    if components.contains(&"..") || components.contains(&".") {
        bail!("`{spec}` does not lie below this directory");
    }
    Ok(Module::new(components.into_iter().map(str::to_owned).collect()))
}

/// Refuses a workspace whose toolchain is not mathlib's: Lake would rebuild everything, as the
/// stock tool says too.
///
/// # Errors
/// When the two differ or cannot be read.
pub fn check_toolchain(workspace: &Workspace) -> Result<()> {
    let Some(mathlib) = workspace.mathlib() else {
        return Ok(());
    };
    let theirs = toolchain::read(mathlib)?;
    let ours = toolchain::read(&workspace.root)?;
    if ours == theirs {
        return Ok(());
    }
    let Some(theirs) = theirs else {
        bail!(hint(
            format!("mathlib has no `lean-toolchain` in `{}`", mathlib.display()),
            "is its checkout whole? `git -C` it `status` tells",
        ));
    };
    let fix = format!("cp {0}/lean-toolchain {1}/", mathlib.display(), workspace.root.display());
    match ours {
        Some(ours) => bail!(hint(
            format!(
                "this workspace uses Lean `{ours}`, mathlib `{theirs}`: mathlib's build files would be useless"
            ),
            format!("use mathlib's: `{fix}`"),
        )),
        None => bail!(hint(
            format!("this workspace has no `lean-toolchain`, and mathlib uses Lean `{theirs}`"),
            format!("use mathlib's: `{fix}`"),
        )),
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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
            self.skipped,
            self.missing.len(),
            self.failed.len()
        )
    }
}
