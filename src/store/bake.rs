//! Filling a store: cache files, sources, builds; and an index once everything is proven.
//!
//! Every step finds what an earlier, interrupted bake has done: cache files and shards have names
//! that say what is in them, and the index comes last. An incomplete store gets no index.

use super::fill::{Places, own_files};
use super::index::{Content, Index, Lock, Pack};
use super::pack::Digest;
use super::pack::{self, Shard, WriteOptions};
use super::source::{changed_sources, shallow_clone};
use super::verify::{self, Found};
use crate::confine::State;
use crate::error::hint;
use crate::fs::{
    Lock as FileLock, WorkDir, copy_tree, ensure_dirs, is_dir, is_symlink, new_file_mode,
};
use crate::lake::toolchain;
use crate::mathlib::leantar::{self, Leantar, Version};
use crate::mathlib::names::NamedModule;
use crate::mathlib::request::{Wanted, lacking_targets};
use crate::read;
use crate::workspace::git::Checkout;
use crate::workspace::manifest::{Manifest, Source};
use crate::workspace::{GitLock, Package, Workspace};
use anyhow::{Context, Result, bail};
use fs_err as fs;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::Permissions;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

/// Which form builds are kept in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Covered modules as cache files, the rest as packs
    Ltar,
    /// The build of every package as a pack
    Pack,
    /// Both of these
    Both,
}

/// The time of every file of a packed build, in seconds: Lake goes by hashes.
pub const BUILD_TIME: u64 = 1_000_000_000;

/// What is going on, for whoever shows it.
#[derive(Debug)]
pub enum Event {
    /// Somebody else bakes into this store.
    Waiting(String),
    /// The real lake runs.
    Lake(String),
    /// leantar is about to run, held like this.
    Held(State),
    /// So many cache files came from another store.
    Copied(usize),
    /// So many cache files are of each of these places, which may have other builds.
    Mixed(Places),
    /// So many are made from the build files that are there.
    Packing(usize),
    /// The leantar at this path is a script, so that the store gets none.
    NoLeantar(PathBuf),
    /// A package is being packed.
    Package { name: String, what: &'static str },
    /// Everything is read once more.
    Verifying,
}

/// Runs the real lake with arguments and variables.
pub type RunLake<'a> = &'a dyn Fn(&[&str], &BTreeMap<OsString, OsString>) -> Result<ExitStatus>;

/// What a bake works with.
pub struct Bake<'a> {
    pub workspace: &'a Workspace,
    pub store: &'a Path,
    pub format: Format,
    /// Build and pack rather than download.
    pub from_source: bool,
    /// zstd's.
    pub level: i32,
    pub jobs: usize,
    /// Other stores, to copy from.
    pub others: &'a [PathBuf],
    pub leantar: &'a dyn Fn(Option<&Version>) -> Result<Leantar>,
    pub names: &'a dyn Fn(&Workspace) -> Result<Wanted>,
    pub run_lake: RunLake<'a>,
    pub observer: &'a dyn Fn(Event),
    /// Told how many bytes were packed since it was last told.
    pub bytes: &'a (dyn Fn(u64) + Sync),
}

impl Bake<'_> {
    /// Fills the store. What is missing at the end is in the result, and then no index was written.
    ///
    /// # Errors
    /// When a tool cannot be run, or the disk refuses.
    pub fn run(&self) -> Result<Found> {
        self.materialise()?;
        self.check_sources()?;
        let toolchain = toolchain::read(&self.workspace.root)?.with_context(|| {
            hint("this workspace has no `lean-toolchain`", "a store is baked for one toolchain")
        })?;
        ensure_dirs(&Index::packs_dir(self.store))?;
        let tell = |holder| (self.observer)(Event::Waiting(holder));
        let _lock = FileLock::acquire(&super::lock_dir(self.store), tell, || Ok(()))?;
        super::sweep(self.store);
        let mut index = Index::read(self.store)?.unwrap_or_default();
        let mut lock = Lock::of(self.workspace, &toolchain)?;
        for (dir, suffix) in [(self.store, ".ltar"), (&Index::packs_dir(self.store), ".tar.zst")] {
            own_files(dir, suffix)?;
        }
        let wanted = self.wanted()?;
        let covered = &wanted.modules;
        if self.format != Format::Pack {
            self.check_leantar_places()?;
            self.fill(&wanted, &mut index, &lock.id())?;
            if !covered.is_empty() {
                self.put_leantar(&(self.leantar)(wanted.leantar.as_ref())?)?;
            }
            let names = covered.iter().map(|n| (n.module.to_string(), n.file));
            lock.modules.extend(names);
            lock.leantar = wanted.leantar.as_ref().map(Version::to_string);
        }
        let lacking = lacking_targets(self.workspace, &wanted);
        if !lacking.is_empty() {
            let targets = lacking.iter().map(String::as_str);
            self.lake(&["build"].into_iter().chain(targets).collect::<Vec<_>>(), &BTreeMap::new())?;
        }
        // A pack says that it is the build of these sources. Builds of other packages say nothing:
        // Lake takes of them what fits.
        if self.format != Format::Ltar && !covered.is_empty() && !self.build()? {
            bail!(failed("lake build Mathlib"));
        }
        for package in &self.workspace.packages {
            if let Some(git) = &package.lock {
                index.add(self.pack_source(package, git)?);
                let build = self.pack_build(package, git, &toolchain, covered)?;
                let is_wanted = self.format != Format::Ltar && self.is_covered(package, covered);
                if build.is_some() || is_wanted {
                    lock.builds.insert(package.name.clone());
                }
                build.into_iter().for_each(|build| index.add(build));
            }
        }
        (self.observer)(Event::Verifying);
        let id = lock.id();
        index.locks.insert(id.clone(), lock);
        let mut found = verify::lock(self.store, &index, &id, verify::Depth::Contents, self.bytes);
        found.missing.extend(lacking_targets(self.workspace, &wanted));
        if found.is_whole() {
            index.write(self.store)?;
        }
        Ok(found)
    }

    /// Has every package's clone at the revision that the manifest locks.
    fn materialise(&self) -> Result<()> {
        if self.workspace.manifest.is_none() {
            bail!(hint(
                format!("`{}` has no `lake-manifest.json`", self.workspace.root.display()),
                "`lake update` makes one; a store is baked for what it locks",
            ));
        }
        let is_there = |package: &Package| match &package.lock {
            Some(lock) => {
                Checkout::open(&lock.clone).and_then(|c| c.head_or_asked()).as_ref()
                    == Some(&lock.rev)
            }
            None => package.dir.is_dir(),
        };
        if self.workspace.packages.iter().all(is_there) {
            return Ok(());
        }
        if !self.lake(&["resolve-deps"], &BTreeMap::new())? {
            bail!(failed("lake resolve-deps"));
        }
        match self.workspace.packages.iter().find(|package| !is_there(package)) {
            Some(package) => bail!(hint(
                format!("`{}` is not at the revision that the manifest locks", package.name),
                "what `lake resolve-deps` said is above",
            )),
            None => Ok(()),
        }
    }

    /// Refuses packages that are not as they are locked: their builds, and the names of their modules, would be baked
    /// as those of the locked revision.
    fn check_sources(&self) -> Result<()> {
        for package in &self.workspace.packages {
            let Some(lock) = &package.lock else { continue };
            if let Some(work) = changed_sources(&lock.clone)? {
                let dir = lock.clone.display();
                bail!(hint(
                    format!(
                        "the sources of `{}` are not those of its locked revision: {work}",
                        package.name
                    ),
                    format!(
                        "take the changes back (`git -C {dir} stash --include-untracked`), or commit \
                         and lock them; `git -C {dir} ls-files -v` tells files that `git status` hides"
                    ),
                ));
            }
        }
        Ok(())
    }

    fn wanted(&self) -> Result<Wanted> {
        match self.workspace.mathlib() {
            Some(_) => (self.names)(self.workspace),
            None => Ok(Wanted::default()),
        }
    }

    /// Puts the leantar that unpacked the cache files on trial into the store, so that a machine without one
    /// can unpack them. A script is left out: what it runs may be nowhere else.
    fn put_leantar(&self, leantar: &Leantar) -> Result<()> {
        let mut program = read::open(leantar.path())?;
        let mut start = [0; 4];
        program.read_exact(&mut start)?;
        let path = self.store.join(format!("leantar-{}", leantar.version()));
        if start != *b"\x7fELF" {
            (self.observer)(Event::NoLeantar(leantar.path().to_owned()));
            return Ok(());
        }
        let is_equal = read::open(&path)
            .and_then(|mut file| Digest::of_reader(&mut file))
            .is_ok_and(|there| {
                let used = read::open(leantar.path()).and_then(|mut f| Digest::of_reader(&mut f));
                used.is_ok_and(|used| used == there)
            });
        let is_there = is_equal && !is_symlink(&path)?;
        if !is_there || fs::metadata(&path)?.permissions().mode() & 0o111 == 0 {
            let work = WorkDir::new_in(self.store)?;
            let copy = work.path().join("leantar");
            copy_tree(&fs::canonicalize(leantar.path())?, &copy)?;
            let mode = new_file_mode(work.path())?;
            // Who may read it may run it.
            fs::set_permissions(&copy, Permissions::from_mode(mode | (mode & 0o444) >> 2))?;
            fs::rename(copy, path)?;
        }
        Ok(())
    }

    /// Fails if a directory has the name of a leantar, before anything is downloaded.
    fn check_leantar_places(&self) -> Result<()> {
        for path in leantar::of_store(self.store) {
            let meta = fs::symlink_metadata(&path)?;
            if meta.is_dir() {
                let path = path.display();
                bail!(hint(
                    format!("`{path}` is not a file but a directory, in the place of a leantar"),
                    format!("`mv {path} {path}.old`, and bake again"),
                ));
            }
        }
        Ok(())
    }

    /// Has mathlib built from the sources that are there. Lake itself says whether a build is of
    /// them: an old one under a new name would be a wrong file.
    pub(super) fn build(&self) -> Result<bool> {
        let env = BTreeMap::new();
        let is_built = !self.from_source && self.lake(&["build", "--no-build", "Mathlib"], &env)?;
        Ok(is_built || self.lake(&["build", "Mathlib"], &env)?)
    }

    fn pack_source(&self, package: &Package, lock: &GitLock) -> Result<Pack> {
        (self.observer)(Event::Package { name: package.name.clone(), what: "sources" });
        let tree = WorkDir::new_in(&Index::packs_dir(self.store))?;
        shallow_clone(&lock.clone, &lock.rev, &lock.url, tree.path())?;
        let shards = self.write(tree.path(), &|_| true, None)?;
        let content = Content::Source { url: lock.url.clone() };
        Ok(Pack { package: package.name.clone(), rev: lock.rev.clone(), content, shards })
    }

    /// What of the package's build no cache file holds; all of it with [`Format::Pack`].
    fn pack_build(
        &self,
        package: &Package,
        lock: &GitLock,
        toolchain: &str,
        covered: &[NamedModule],
    ) -> Result<Option<Pack>> {
        let build = package.dir.join(".lake/build");
        if !is_dir(&build)? {
            return Ok(None);
        }
        let without_lean = self.format == Format::Ltar && self.is_covered(package, covered);
        let keep = |path: &Path| !(is_machines_own(path) || without_lean && is_lean_output(path));
        let entries = fs::read_dir(&build)?.collect::<io::Result<Vec<_>>>()?;
        if !entries.iter().any(|entry| keep(Path::new(&entry.file_name()))) {
            return Ok(None);
        }
        (self.observer)(Event::Package { name: package.name.clone(), what: "build" });
        let shards = self.write(&build, &keep, Some(BUILD_TIME))?;
        let content = Content::Build {
            toolchain: toolchain.to_owned(),
            platform: super::platform(),
            whole: !without_lean,
            dependencies: self.dependencies(package)?,
        };
        let (package, rev) = (package.name.clone(), lock.rev.clone());
        Ok(Some(Pack { package, rev, content, shards }))
    }

    fn is_covered(&self, package: &Package, covered: &[NamedModule]) -> bool {
        let sources = self.workspace.source_path();
        covered.iter().any(|named| sources[named.package] == package.dir)
    }

    /// The revisions that this workspace has of what the package's own manifest names.
    fn dependencies(&self, package: &Package) -> Result<BTreeMap<String, String>> {
        let manifest = Manifest::read(&package.dir.join("lake-manifest.json"))?.unwrap_or_default();
        let own: BTreeSet<_> = manifest.packages.into_iter().map(|entry| entry.name).collect();
        let ours = self.workspace.manifest.iter().flat_map(|manifest| &manifest.packages);
        let revision = |source: &Source| match source {
            Source::Git { rev, .. } => Some(rev.clone()),
            Source::Path { .. } => None,
        };
        let dependencies = ours.filter(|entry| own.contains(&entry.name));
        Ok(dependencies.filter_map(|e| Some((e.name.plain(), revision(&e.source)?))).collect())
    }

    fn write(
        &self,
        tree: &Path,
        keep: &dyn Fn(&Path) -> bool,
        mtime: Option<u64>,
    ) -> Result<Vec<Shard>> {
        let (level, jobs, shard_bytes) = (self.level, self.jobs, pack::SHARD_BYTES);
        let options = WriteOptions { level, jobs, shard_bytes, mtime };
        let count = |n| {
            (self.bytes)(n);
            Ok(())
        };
        pack::write(tree, keep, &Index::packs_dir(self.store), options, &count)
    }

    /// Whether the real lake succeeds. What it says is on the screen.
    ///
    /// # Errors
    /// When it cannot be run.
    pub(super) fn lake(&self, args: &[&str], env: &BTreeMap<OsString, OsString>) -> Result<bool> {
        (self.observer)(Event::Lake(args.join(" ")));
        Ok((self.run_lake)(args, env)?.success())
    }
}

fn failed(command: &str) -> String {
    hint(format!("`{command}` failed"), "what it said is above")
}

/// Lean's outputs, which cache files hold for covered packages.
fn is_lean_output(path: &Path) -> bool {
    path.starts_with("lib") || path.starts_with("ir")
}

/// What names the baker's directories, or is nobody's output: setup files, logs, our own marks.
fn is_machines_own(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.ends_with(".setup.json") || name.ends_with(".log") || name.starts_with(".lake-shim")
}
