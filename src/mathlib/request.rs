//! Which of mathlib's modules are asked for, in a given workspace.

use super::Module;
use super::names::{Inputs, NamedModule, Names};
use super::recipe::Recipe;
use crate::error::hint;
use crate::lake::toolchain;
use crate::workspace::Workspace;
use anyhow::{Context, Result, bail};
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
#[derive(Debug, Default)]
pub struct Wanted {
    pub modules: Vec<NamedModule>,
    /// Whether the stock tool would fetch ProofWidgets' release, whose JavaScript Lake wants and
    /// no `.ltar` holds.
    pub proofwidgets: bool,
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
) -> Result<Wanted> {
    let mathlib = workspace.mathlib().with_context(|| {
        hint("this workspace does not use mathlib", "there is nothing to restore")
    })?;
    if let Some(first) = workspace.missing_packages().next() {
        let dir = first.dir.display();
        let missing = workspace.missing_packages().map(|package| format!("`{}`", package.name));
        let missing = missing.collect::<Vec<_>>().join(", ");
        bail!(hint(
            format!("the sources of {missing} are missing: there is no directory `{dir}`"),
            "`lake resolve-deps` clones them",
        ));
    }
    let recipe = Recipe::read(mathlib)?;
    let search_path = workspace.source_path();
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
