//! Sources and builds from packs.
//!
//! A pack is unpacked into a directory of our own beside its place and published by rename. A
//! package's sources appear whole or not at all; a build's traces come last, as those of cache
//! files do, and a mark says which build it was.

use super::ledger::Ledger;
use super::plan::is_packed;
use super::publish::{forget, merge_build};
use super::staging::stage;
use crate::fs::{Renamed, if_there, is_dir, remove_if_there, rename_to_new, replace_name};
use crate::lake::toolchain;
use crate::mathlib::Module;
use crate::mathlib::ltar::LIBS;
use crate::mathlib::outputs::Files;
use crate::mathlib::request::files_below;
use crate::read;
use crate::store::Stores;
use crate::store::index::{Index, Pack};
use crate::store::pack::{Progress, Shard, unpack};
use crate::store::source::changed_sources;
use crate::workspace::{Package, Workspace};
use anyhow::{Context, Result, anyhow, ensure};
use fs_err as fs;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The name of the mark in a build directory.
const MARK: &str = ".lake-shim.pack";
/// The first line of the mark of a user's own build: the pack's mark is behind it.
const OWN: &str = "own\n";

/// A pack to unpack.
#[derive(Clone, Debug)]
pub struct PackStep {
    pub package: String,
    /// The package it belongs to.
    pub package_dir: PathBuf,
    pub store: PathBuf,
    /// The package's clone.
    clone: PathBuf,
    /// Where it goes.
    into: PathBuf,
    /// It, in every store that has it.
    copies: Vec<Copy>,
    is_source: bool,
}

/// Asks Lake whether modules are up to date.
pub type AskLake<'a> = &'a dyn Fn(&[&Module]) -> Result<bool>;

#[derive(Clone, Debug)]
struct Copy {
    shards: Vec<(PathBuf, Shard)>,
    /// What the mark of a build will say.
    mark: String,
}

/// Marks that stand for a build that fits, by package directory.
pub(super) type Marks = BTreeMap<PathBuf, Vec<String>>;

/// What of a workspace's packages the stores have packed.
#[derive(Debug, Default)]
pub struct PackPlan {
    /// What the workspace lacks: sources that are not there, builds that are not marked as there.
    pub steps: Vec<PackStep>,
    /// Builds that are marked as there.
    pub marked: Vec<PackStep>,
    /// Whether the stores have anything of these packages.
    pub has_any: bool,
    /// Packages whose whole build is packed, so that their modules need no cache files.
    pub built: BTreeSet<PathBuf>,
    /// What the marks of builds may say once they are unpacked, by package directory.
    pub marks: Marks,
    /// Of the stores that have one.
    pub indices: Vec<(PathBuf, Index)>,
}

/// Plans to unpack what the workspace lacks; with `force` every build.
pub fn plan(workspace: &Workspace, stores: &Stores, force: bool) -> Result<PackPlan> {
    let indices = stores.indices()?;
    let revisions = workspace.revisions();
    let toolchain = toolchain::read(&workspace.root)?.unwrap_or_default();
    let mut plan = PackPlan::default();
    let fits = |package: &Package, pack: &Pack| {
        pack.package == package.name && pack.fits(&toolchain, &revisions)
    };
    let indices = best_first(indices, workspace, &fits);
    for package in &workspace.packages {
        let Some(lock) = &package.lock else { continue };
        let found = find(&indices, |pack| pack.is_source_of(&package.name, lock));
        if !found.is_empty() {
            plan.has_any = true;
            if if_there(fs::metadata(&lock.clone))?.is_none() {
                plan.steps.push(PackStep::new(&found, package, lock.clone.clone(), true));
            }
        }
        let found = find(&indices, |pack| fits(package, pack));
        if let Some((_, pack)) = found.first() {
            let build = build_dir(package);
            let marks: Vec<_> = found.iter().map(|(_, pack)| pack.mark()).collect();
            let mark = read::text(&build.join(MARK), read::TEXT);
            let is_fit = |mark: String| marks.iter().any(|fit| fit == mark.trim_start_matches(OWN));
            let is_marked = mark.is_ok_and(is_fit) && !force;
            let steps = if is_marked { &mut plan.marked } else { &mut plan.steps };
            steps.push(PackStep::new(&found, package, build, false));
            plan.marks.insert(package.dir.clone(), marks);
            if pack.is_whole_build() {
                plan.built.insert(package.dir.clone());
            }
        }
    }
    plan.indices = indices;
    Ok(plan)
}

impl PackPlan {
    /// The packages whose whole build is to be unpacked.
    pub fn coming(&self) -> BTreeSet<PathBuf> {
        let builds = self.steps.iter().filter(|step| !step.is_source);
        let dirs = builds.map(|step| step.package_dir.clone());
        dirs.filter(|dir| self.built.contains(dir)).collect()
    }
}

/// Removes the mark of the build in `build`, which is becoming another one, unless it is one of
/// `marks`.
pub(super) fn unmark(build: &Path, marks: &[String]) -> Result<()> {
    let path = build.join(MARK);
    match read::text(&path, read::TEXT) {
        Ok(found) if marks.iter().any(|fit| fit == found.trim_start_matches(OWN)) => Ok(()),
        _ => Ok(remove_if_there(&path)?),
    }
}

fn build_dir(package: &Package) -> PathBuf {
    package.dir.join(".lake/build")
}

/// Puts a store first that has every build that any has: builds of two stores need not fit each other.
fn best_first(
    mut indices: Vec<(PathBuf, Index)>,
    workspace: &Workspace,
    fits: &dyn Fn(&Package, &Pack) -> bool,
) -> Vec<(PathBuf, Index)> {
    let has =
        |index: &Index, package: &&Package| index.packs.iter().any(|pack| fits(package, pack));
    let packed = |package: &&Package| indices.iter().any(|(_, index)| has(index, package));
    let packages: Vec<_> = workspace.packages.iter().filter(packed).collect();
    let has_all = |(_, index): &(_, Index)| packages.iter().all(|package| has(index, package));
    if let Some(best) = indices.iter().position(has_all) {
        indices[..=best].rotate_right(1);
    }
    indices
}

/// The packs that fit, store by store: whole builds if there are any, else what there is of them.
fn find(indices: &[(PathBuf, Index)], fits: impl Fn(&Pack) -> bool) -> Vec<(&Path, &Pack)> {
    let packs = indices.iter().flat_map(|(store, index)| index.packs.iter().map(|p| (&**store, p)));
    let mut found: Vec<_> = packs.filter(|(_, pack)| fits(pack)).collect();
    if found.iter().any(|(_, pack)| pack.is_whole_build()) {
        found.retain(|(_, pack)| pack.is_whole_build());
    }
    found
}

impl PackStep {
    fn new(found: &[(&Path, &Pack)], package: &Package, into: PathBuf, is_source: bool) -> Self {
        let copies = found.iter().map(|(store, pack)| {
            let packs = Index::packs_dir(store);
            let shards = pack.shards.iter();
            let shards = shards.map(|shard| (packs.join(shard.file_name()), shard.clone()));
            Copy { shards: shards.collect(), mark: pack.mark() }
        });
        Self {
            package: package.name.clone(),
            package_dir: package.dir.clone(),
            clone: package.lock.as_ref().map_or(&package.dir, |lock| &lock.clone).clone(),
            store: found.first().map(|(store, _)| (*store).to_owned()).unwrap_or_default(),
            into,
            copies: copies.collect(),
            is_source,
        }
    }

    pub fn is_source(&self) -> bool {
        self.is_source
    }

    /// Why the build is not to be unpacked, if the checkout is not what it was made of.
    ///
    /// # Errors
    /// Fails if git does.
    pub fn changed_sources(&self) -> Result<Option<String>> {
        let work = changed_sources(&self.clone)?;
        Ok(work.map(|work| format!("its sources are not those of the build: {work}")))
    }

    /// Modules in the build's place that neither came from a pack nor from an archive.
    pub fn own_modules(&self) -> Vec<Module> {
        if self.is_source {
            return Vec::new();
        }
        let ledger = Ledger::read(&self.into);
        let is_own = |module: &Module| {
            Files::find(&self.into, module)
                .is_some_and(|files| !ledger.knows(module, &files) && !is_packed(&files))
        };
        built_modules(&self.into).into_iter().filter(is_own).collect()
    }

    /// Takes out of the unpacked build in `tree` what the user has built. Returns `true` if there is any that
    /// stays: everything, or something that the pack has no equal of, as long as Lake finds it up to date.
    fn spare(&self, tree: &Path, is_built: AskLake) -> Result<bool> {
        let own = self.own_modules();
        let packed = built_modules(tree);
        let dep_hash = |build: &Path, module| Files::find(build, module)?.dep_hash().ok();
        let is_equal = |module| dep_hash(tree, module) == dep_hash(&self.into, module);
        let has_gaps = packed.iter().any(|module| !own.contains(module));
        if own.is_empty()
            || has_gaps && own.iter().all(is_equal)
            || !is_built(&own.iter().collect::<Vec<_>>())?
        {
            return Ok(false);
        }
        own.iter()
            .filter_map(|module| Files::find(tree, module))
            .try_for_each(|files| files.remove())?;
        Ok(true)
    }

    /// What it holds, in a word.
    pub fn what(&self) -> &'static str {
        if self.is_source { "sources" } else { "build" }
    }

    /// The directory that it needs: its own, or that of all packages while there is no clone.
    pub fn place(&self) -> &Path {
        match self.clone.parent() {
            Some(all) if !self.clone.exists() => all,
            _ => &self.into,
        }
    }

    /// Bytes of its files.
    pub fn bytes(&self) -> u64 {
        let shards = self.copies.first().into_iter().flat_map(|copy| &copy.shards);
        shards.map(|(_, shard)| shard.unpacked).fold(0, u64::saturating_add)
    }

    /// Unpacks it, telling `progress` how many bytes more are done. What the user has built stays if `is_built`
    /// says that it is up to date.
    ///
    /// # Errors
    /// When a shard is missing or not what it should be; nothing of the pack is then published.
    pub fn apply(&self, jobs: usize, is_built: AskLake, progress: Progress) -> Result<()> {
        // A build without its sources would be a package that is no clone, which Lake deletes.
        ensure!(
            self.is_source || if_there(fs::metadata(&self.clone))?.is_some(),
            "the build of `{}` is not unpacked, for its sources are not there",
            self.package
        );
        let parent = if self.is_source { self.into.parent() } else { Some(self.into.as_path()) };
        let parent = parent.context("a package has a parent directory")?;
        let stage = stage(parent)?;
        let tree = stage.path().join("tree");
        let mut unpacked = Err(anyhow!("no store has them"));
        for copy in &self.copies {
            fs::create_dir(&tree)?;
            unpacked = unpack(&copy.shards, &tree, jobs, progress).map(|()| &copy.mark);
            if unpacked.is_ok() {
                break;
            }
            fs::remove_dir_all(&tree)?;
        }
        let what = || format!("the {} of `{}`", self.what(), self.package);
        let mark = unpacked.with_context(what)?;
        if self.is_source {
            // Another process may have been faster, and its sources are as good.
            let is_there =
                rename_to_new(&tree, &self.into)? == Renamed::Done || is_dir(&self.into)?;
            ensure!(is_there, "`{}` is a symlink that leads nowhere", self.into.display());
            return Ok(());
        }
        let own = if self.spare(&tree, is_built)? { OWN } else { "" };
        // From here on it is neither the old build nor the new one.
        unmark(&self.into, &[])?;
        forget(&tree, &self.into)?;
        merge_build(&tree, &self.into)?;
        replace_name(&self.into.join(MARK), format!("{own}{mark}").as_bytes())
    }
}

/// The modules that have a trace in `build`.
fn built_modules(build: &Path) -> Vec<Module> {
    let lib = LIBS.iter().map(|lib| build.join(lib)).find(|lib| lib.is_dir());
    let Some(lib) = lib else { return Vec::new() };
    let module = |file: &PathBuf| {
        let stem = file.strip_prefix(&lib).ok()?.to_str()?.strip_suffix(".trace")?;
        Some(Module::new(stem.split('/').map(str::to_owned).collect()))
    };
    files_below(&lib).unwrap_or_default().iter().filter_map(module).collect()
}
