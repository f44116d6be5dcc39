//! Which of mathlib's modules are asked for, in a given workspace.

use super::Module;
use super::leantar::Version;
use super::names::{Inputs, MissingSource, NamedModule, Names, has_root, source};
use super::recipe::{NativeTarget, Recipe};
use crate::error::hint;
use crate::lake::toolchain;
use crate::workspace::Workspace;
use crate::workspace::name::plain;
use anyhow::{Context, Result, bail, ensure};
use fs_err as fs;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// As the cache tool takes them: `Mathlib.Init`, `Mathlib.Data.*` (with what is below it), `Mathlib.Data.+`
    /// (only what is below it), `Mathlib/Init.lean` and `Mathlib/Data/` relative to `cwd`; none means all of
    /// mathlib.
    pub modules: Vec<String>,
    pub cwd: PathBuf,
    pub targets: Targets,
}

/// Which native targets are asked for, of those that the stock tool sees to besides modules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Targets {
    #[default]
    All,
    AllButProofWidgets,
    /// Lake is about to build what it needs of them.
    None,
}

/// What [`names`] found.
#[derive(Debug, Default)]
pub struct Wanted {
    pub modules: Vec<NamedModule>,
    /// Native targets that the stock tool would have Lake build, and that no archive holds: those that the
    /// recipe names, and `proofwidgets:release` for its JavaScript.
    pub targets: Vec<String>,
    /// The leantar that this mathlib's own tool asks for at least.
    pub leantar: Option<Version>,
    /// A warning of modules that are left out because a source is missing.
    pub without_source: Option<String>,
}

/// Modules shown in a warning.
const SHOWN: usize = 3;

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
    let mathlib = workspace.mathlib().with_context(|| no_mathlib(workspace))?;
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
    let mut roots = Vec::new();
    for spec in &request.modules {
        roots.extend(modules(spec, &request.cwd, &search_path)?);
    }
    let names = Names::compute(&inputs, &roots)?;
    if let Some(root) = roots.iter().find(|root| !names.has_source(root)) {
        bail!("there is no module `{root}`");
    }
    if request.modules.is_empty() {
        roots.push(Module::mathlib());
    }
    let modules = names.closure(&roots);
    let without_source = without_source(&names.missing_sources(&roots), &search_path);
    let Recipe { leantar, native_targets, fetches_proofwidgets, .. } = recipe;
    let proofwidgets =
        (fetches_proofwidgets && request.targets == Targets::All).then(|| PROOFWIDGETS.to_owned());
    let native = if request.targets == Targets::None { Vec::new() } else { native_targets };
    let targets = native.into_iter().chain(proofwidgets).collect();
    Ok(Wanted { modules, targets, leantar, without_source })
}

/// Warns of modules that are left out because a source is missing. The stock tool warns of each, and goes on.
fn without_source(missing: &[MissingSource], search_path: &[PathBuf]) -> Option<String> {
    let first = missing.first()?;
    let package = &search_path[first.package];
    let shown: Vec<_> =
        missing.iter().take(SHOWN).map(|missing| format!("`{}`", missing.module)).collect();
    let more = match missing.len() - shown.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let importer = first.importer.as_ref();
    let importer = importer.map(|module| format!(", which `{module}` imports")).unwrap_or_default();
    Some(hint(
        format!(
            "no source of {}{more}: there is no `{}`{importer}. What imports them is left out",
            shown.join(", "),
            source(package, &first.module).display()
        ),
        format!("check the clone with `git -C {} status`", package.display()),
    ))
}

/// Why a workspace has no mathlib.
pub fn no_mathlib(workspace: &Workspace) -> String {
    match workspace.lacks_manifest_for_mathlib() {
        true => hint(
            format!(
                "this project requires mathlib, and has no `{}`",
                workspace.manifest_path.display()
            ),
            "`lake-shim resolve` writes it if a store has the lock, `lake update` does with network",
        ),
        false => hint("this workspace does not use mathlib", "there is nothing to restore"),
    }
}

const PROOFWIDGETS: &str = "proofwidgets:release";

/// Those of the `wanted` targets whose files are not there. A package that the workspace does not have lacks
/// none.
pub fn lacking_targets(workspace: &Workspace, wanted: &Wanted) -> Vec<String> {
    let is_there = |target: &&String| -> bool {
        let Some(native) = NativeTarget::parse(target) else { return true };
        let Some(package) = workspace.package(&plain(native.package)) else { return true };
        let build = package.dir.join(".lake/build");
        match native.facet {
            // All its modules may be built, and its JavaScript not.
            _ if *target == PROOFWIDGETS => build.join("js").exists(),
            "shared" => has_library(&build, &native, &["so", "dylib"]),
            "static" => has_library(&build, &native, &["a"]),
            _ => has_release(&build),
        }
    };
    wanted.targets.iter().filter(|target| !is_there(target)).cloned().collect()
}

/// `true` if `build` has a library with one of these extensions and the name of `target` or its package.
fn has_library(build: &Path, target: &NativeTarget, extensions: &[&str]) -> bool {
    // `libCSDP.so`, `libcsdp.so`, `libmy_x2dcsdp.so`
    let letters = |name: &str| {
        let name = name.replace("_x2d", "").to_lowercase();
        name.chars().filter(|c| c.is_alphanumeric()).collect::<String>()
    };
    let names: Vec<_> = target.name.into_iter().chain([target.package]).map(letters).collect();
    files_below(&build.join("lib")).unwrap_or_default().iter().any(|file| {
        let text = |part: Option<&OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
        let stem = letters(&text(file.file_stem()));
        extensions.contains(&&*text(file.extension()))
            && names.iter().any(|name| stem.contains(name))
            && file.is_file()
    })
}

/// `true` if `build` has a file that neither we make nor Lake makes of Lean sources.
fn has_release(build: &Path) -> bool {
    let is_of_release = |file: &PathBuf| {
        let path = file.strip_prefix(build).unwrap_or(file);
        let is_lakes = path.starts_with("lib/lean") || path.starts_with("ir");
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        !is_lakes && !name.starts_with(".lake-shim") && file.is_file()
    };
    files_below(build).unwrap_or_default().iter().any(is_of_release)
}

/// The files below `dir`, sorted. Links are not followed.
pub fn files_below(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let (mut files, mut todo) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(dir) = todo.pop() {
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let found = if entry.file_type()?.is_dir() { &mut todo } else { &mut files };
            found.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}

/// The modules that `spec` stands for, one or all below a directory.
fn modules(spec: &str, cwd: &Path, search_path: &[PathBuf]) -> Result<Vec<Module>> {
    let none = || format!("`{spec}` has no `.lean` files");
    let (name, with_itself) = match (spec.strip_suffix(".*"), spec.strip_suffix(".+")) {
        (Some(name), _) => (name, true),
        (_, Some(name)) => (name, false),
        _ if spec.contains('/') || spec.ends_with(".lean") => return files(spec, cwd),
        _ => return Ok(vec![parse(spec)?]),
    };
    let module = parse(name)?;
    ensure!(module.is_path(), "`{spec}` is no module name");
    // Modules of one root are looked for in one package.
    let package = search_path.iter().find(|package| has_root(package, &module));
    let package = package.filter(|package| package.join(module.path()).is_dir());
    let package = package.with_context(none)?;
    let mut modules = in_directory(package, &module.path())?;
    // A folder need not have a module of its name.
    let has_file = with_itself && source(package, &module).is_file();
    modules.extend(has_file.then_some(module));
    ensure!(!modules.is_empty(), none());
    Ok(modules)
}

fn parse(spec: &str) -> Result<Module> {
    Module::parse(spec).with_context(|| format!("`{spec}` is no module name"))
}

/// The modules of a `.lean` file or a directory, as the cache tool takes them: relative to `cwd`.
fn files(spec: &str, cwd: &Path) -> Result<Vec<Module>> {
    let components = spec.split('/').filter(|part| !matches!(*part, "" | "."));
    let path: PathBuf = components.clone().collect();
    let is_inside = !spec.starts_with('/') && !components.clone().any(|part| part == "..");
    ensure!(is_inside, "`{spec}` does not lie below this directory");
    if cwd.join(&path).is_dir() {
        let modules = in_directory(cwd, &path)?;
        ensure!(!modules.is_empty(), "`{spec}` has no `.lean` files");
        return Ok(modules);
    }
    let module = module_of(&path).filter(|_| cwd.join(&path).is_file());
    Ok(vec![module.with_context(|| format!("`{spec}` is no `.lean` file or directory here"))?])
}

/// The modules of the `.lean` files in `base/dir`. An editor's lock is a link that leads nowhere.
fn in_directory(base: &Path, dir: &Path) -> Result<Vec<Module>> {
    let files = files_below(&base.join(dir))?;
    Ok(files
        .iter()
        .filter(|file| file.is_file())
        .filter_map(|file| module_of(file.strip_prefix(base).ok()?))
        .collect())
}

fn module_of(path: &Path) -> Option<Module> {
    let stem = path.to_str()?.strip_suffix(".lean")?;
    Some(Module::new(stem.split('/').map(str::to_owned).collect()))
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
