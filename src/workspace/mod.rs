//! A Lake workspace on disk: its root, its lock, its packages. Only [`link`] changes one, and only
//! [`Workspace::write_state`] writes there, in a directory of our own.

mod adopt;
pub mod git;
pub mod lakefile;
pub mod lean_json;
pub mod link;
pub mod manifest;
pub mod name;
pub mod resolve;
pub mod respell;
pub mod shared;
pub mod url;
pub mod wanted;

use crate::error::hint;
use crate::fs::links::check_way;
use crate::fs::{ensure_dir, if_there, is_same_file, replace_name};
use crate::read;
use crate::settings::var;
use anyhow::{Context, Result, bail};
use fs_err as fs;
use git::Checkout;
use lakefile::Lakefile;
use link::real_path;
use manifest::{Entry, MANIFEST_FILE, Manifest, Source};
use shared::Shared;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Component, Path, PathBuf};

/// Lake's default for `packagesDir`.
pub const PACKAGES_DIR: &str = ".lake/packages";
/// Entries that take the place of the manifest's. Lake reads them on every load but for an update.
const OVERRIDES: &str = ".lake/package-overrides.json";
/// Lake's default for `-f`.
const CONFIG_FILE: &str = "lakefile";
/// Lake's directory below the root.
const LAKE_DIR: &str = ".lake";
/// Our own directory below the root.
const STATE_DIR: [&str; 2] = [LAKE_DIR, "lake-shim"];

/// A workspace.
#[derive(Debug)]
pub struct Workspace {
    /// Absolute, without symlinks.
    pub root: PathBuf,
    pub config: Config,
    pub manifest: Option<Manifest>,
    /// Where the manifest is, or would be.
    pub manifest_path: PathBuf,
    /// Where Lake keeps the clones. May not exist, may be a symlink.
    pub packages_dir: PathBuf,
    /// In the manifest's order, which is the order in which Lake resolved them.
    pub packages: Vec<Package>,
}

/// The root's configuration file. Lake prefers the former.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Config {
    Lean(PathBuf),
    Toml(PathBuf),
}

/// A locked dependency and where it lies.
#[derive(Clone, Debug)]
pub struct Package {
    pub name: String,
    /// Where its configuration file and its sources are.
    pub dir: PathBuf,
    /// `None` for a path dependency.
    pub lock: Option<GitLock>,
    /// As the manifest or an override file has it.
    pub entry: Entry,
    /// `true` if an override file decides, which comes after what the manifest says.
    pub is_overridden: bool,
}

/// Repository and revision that Lake wants a clone to have.
#[derive(Clone, Debug)]
pub struct GitLock {
    /// The clone; the package's directory, unless that is a subdirectory of it.
    pub clone: PathBuf,
    pub url: String,
    pub rev: String,
}

/// Where to look for a workspace; [`crate::proxy::invocation`] has it from the command line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Location {
    /// `-d`.
    pub dir: Option<OsString>,
    /// `-f`, relative to the root.
    pub file: Option<OsString>,
    /// `--packages`, relative to where the command runs.
    pub overrides: Vec<OsString>,
    /// A directory above counts too. Lake itself looks nowhere else (4.27, run).
    pub search_above: bool,
    /// The manifest is about to be made again, so that the configuration's `packagesDir` counts and
    /// overrides do not.
    pub updates: bool,
}

impl Location {
    /// `true` if any command that runs in the root finds the same workspace.
    pub fn is_plain(&self) -> bool {
        self.file.is_none() && self.overrides.is_empty()
    }
}

impl Workspace {
    /// Finds the workspace that a command run in `cwd` is about. `None` if there is none.
    ///
    /// # Errors
    /// Fails if there is one and its manifest cannot be understood.
    pub fn discover(cwd: &Path, location: &Location) -> Result<Option<Self>> {
        let Some((root, config)) = find_root(cwd, location)? else {
            return Ok(None);
        };
        let manifest_path = root.join(config.manifest_file()?);
        let manifest = Manifest::read(&manifest_path)?;
        let packages_dir = packages_dir(manifest.as_ref(), &config, location.updates)?;
        let packages_dir = plain(&root.join(packages_dir));
        let entries = manifest.as_ref().map(|m| m.packages.clone()).unwrap_or_default();
        let mut packages: Vec<_> = entries
            .into_iter()
            .map(|entry| Package::new(entry, &root, &packages_dir, false))
            .collect();
        if !location.updates {
            let own = root.join(OVERRIDES);
            let named = location.overrides.iter().map(|file| cwd.join(file));
            for file in std::iter::once(own).chain(named) {
                for entry in
                    Manifest::read(&file).context("package overrides")?.unwrap_or_default().packages
                {
                    let new = Package::new(entry, &root, &packages_dir, true);
                    match packages.iter_mut().find(|old| old.entry.name == new.entry.name) {
                        Some(old) => *old = new,
                        None => packages.push(new),
                    }
                }
            }
        }
        Ok(Some(Self { root, config, manifest, manifest_path, packages_dir, packages }))
    }

    /// Mathlib's directory. `None` if mathlib is neither a dependency nor the root itself.
    pub fn mathlib(&self) -> Option<&Path> {
        if let Some(package) = self.package("mathlib") {
            return Some(&package.dir);
        }
        let named = self.manifest.as_ref().and_then(|m| m.name.as_ref());
        let is_named = named.is_none_or(|name| name.as_str() == "mathlib");
        let has_tool =
            || self.root.join("Mathlib.lean").exists() && self.root.join("Cache").is_dir();
        (is_named && has_tool()).then_some(&self.root)
    }

    /// `true` if the packages lie outside of the workspace, through a link or by `packagesDir`, so that other
    /// workspaces may use them too.
    pub fn shares_packages(&self) -> bool {
        let packages_dir = self.packages_now();
        let real = fs::canonicalize(&packages_dir);
        !real.as_ref().unwrap_or(&packages_dir).starts_with(&self.root)
    }

    /// Where the shim keeps what it knows of this workspace.
    pub fn state_dir(&self) -> PathBuf {
        STATE_DIR.iter().fold(self.root.clone(), |dir, name| dir.join(name))
    }

    /// Writes a file of [`Workspace::state_dir`], unless it has these contents already. Returns its path.
    ///
    /// # Errors
    /// Fails if the workspace is read-only, or if a symlink on the way does not count.
    pub fn write_state(&self, name: &str, contents: &[u8]) -> Result<PathBuf> {
        let path = self.state_dir().join(name);
        if !read::bytes(&path, read::TEXT).is_ok_and(|old| old == contents) {
            self.make_state_dir()?;
            replace_name(&path, contents)?;
        }
        Ok(path)
    }

    /// `true` if `text` was not the last message about `topic` in this workspace: what stays as it is, is
    /// said once.
    pub fn is_news(&self, topic: &str, text: &str) -> bool {
        let name = format!("said-about-{topic}");
        let is_old =
            read::text(&self.state_dir().join(&name), read::TEXT).is_ok_and(|old| old == text);
        if !is_old {
            let _ = self.write_state(&name, text.as_bytes()); // else it is said again
        }
        !is_old
    }

    /// Refuses to write a manifest outside of the workspace, where the configuration may put it.
    pub fn check_manifest_path(&self) -> Result<()> {
        let path = without_dots(&self.manifest_path);
        let parent = path.parent().and_then(|parent| fs::canonicalize(parent).ok());
        if parent.is_some_and(|parent| parent.starts_with(&self.root)) {
            return Ok(());
        }
        bail!(hint(
            format!("`manifestFile` is `{}`, which is outside of the workspace", path.display()),
            "nothing is written there; give `manifestFile` a name in the workspace, or leave it out",
        ))
    }

    fn make_state_dir(&self) -> Result<()> {
        check_way(&self.state_dir())?;
        let mut dir = self.root.clone();
        for name in STATE_DIR {
            dir.push(name);
            ensure_dir(&dir)?;
        }
        Ok(())
    }

    /// The directory to lock while restoring into these packages: one beside the packages if other workspaces
    /// may use them by the user's setting, else one of the workspace.
    pub fn lock_dir(&self) -> PathBuf {
        let shared = self.shares_packages().then(|| Shared::of(&self.packages_now()));
        shared.and_then(|shared| shared.lock_dir()).unwrap_or_else(|| self.own_lock_dir())
    }

    /// The directory to lock while changing the packages directory itself.
    fn own_lock_dir(&self) -> PathBuf {
        let _ = self.make_state_dir(); // without it there is no lock
        self.state_dir().join("lock")
    }

    /// Refuses a packages directory that the manifest or the configuration puts outside of the workspace,
    /// unless it is `named` by the user's own setting. Nothing is made, moved or deleted there.
    pub fn check_packages_dir(&self, named: Option<&Path>) -> Result<()> {
        self.check_inside(&self.packages_dir, named)?;
        // Git keeps symlinks, so a link of any other name may come from the project too.
        let dir = without_dots(&self.packages_dir);
        let is_users = dir == self.root.join(PACKAGES_DIR) || !dir.is_symlink();
        if is_users || is_named(&dir, named) || self.has_linked(&dir) || self.is_inside(&dir) {
            return Ok(());
        }
        bail!(self.is_outside(&dir))
    }

    /// As [`Workspace::check_packages_dir`], for the place of the packages directory or of the one before it:
    /// where a symlink leads that is there now does not matter.
    pub fn check_inside(&self, packages_dir: &Path, named: Option<&Path>) -> Result<()> {
        let dir = without_dots(packages_dir);
        let is_inside = || {
            dir != self.root && packages_dir.parent().is_some_and(|parent| self.is_inside(parent))
        };
        if is_named(&dir, named) || is_inside() {
            return Ok(());
        }
        bail!(self.is_outside(&dir))
    }

    /// `true` if `path` is below the root once symlinks are followed. `.lake` may be one, to a bigger disk.
    fn is_inside(&self, path: &Path) -> bool {
        let lake_dir = self.root.join(LAKE_DIR);
        let real_lake_dir = || real_path(&lake_dir).ok();
        real_path(path).is_ok_and(|real| {
            real.starts_with(&self.root)
                || without_dots(path).starts_with(&lake_dir)
                    && real_lake_dir().is_some_and(|lake_dir| real.starts_with(lake_dir))
        })
    }

    /// `true` if we made the link at `packages_dir`.
    fn has_linked(&self, packages_dir: &Path) -> bool {
        fs::symlink_metadata(packages_dir)
            .is_ok_and(|link| Shared::of(packages_dir).has_link(&self.root, &link))
    }

    fn is_outside(&self, dir: &Path) -> String {
        let real = real_path(dir).unwrap_or_else(|_| dir.to_owned());
        hint(
            format!(
                "the packages directory `{}` is outside of the workspace `{}`",
                dir.display(),
                self.root.display()
            ),
            format!(
                "if you trust this project with that directory, set `{}={}`; else give `packagesDir` a \
                 directory in the workspace, such as `{PACKAGES_DIR}`",
                var::PKG_DIR,
                real.display()
            ),
        )
    }

    /// Where the packages are now, before Lake does anything.
    pub fn packages_now(&self) -> PathBuf {
        self.old_packages_dir().unwrap_or_else(|| self.packages_dir.clone())
    }

    /// Where the packages were when the manifest was written, if an update is about to have them
    /// elsewhere. Lake renames that directory (`reuseManifest`).
    pub fn old_packages_dir(&self) -> Option<PathBuf> {
        let old = plain(&self.root.join(self.manifest.as_ref()?.packages_dir.as_ref()?));
        (old != self.packages_dir && old.exists()).then_some(old)
    }

    /// The root package's name, as far as it is written down.
    pub fn name(&self) -> Option<String> {
        let of_manifest = || self.manifest.as_ref()?.name.clone();
        let name = self.lakefile().ok().flatten().and_then(|lakefile| lakefile.name);
        name.or_else(of_manifest).map(|name| name.to_string())
    }

    pub fn package(&self, name: &str) -> Option<&Package> {
        self.packages.iter().find(|package| package.name == name)
    }

    /// Package directories in the order in which Lean looks for a module's source: Lake puts each
    /// package *before* those it resolved earlier, so the root comes last (`Workspace.leanSrcPath`
    /// in `Lake/Config/Workspace.lean`).
    pub fn source_path(&self) -> Vec<PathBuf> {
        let dirs = self.packages.iter().rev().map(|package| &package.dir);
        dirs.chain([&self.root]).cloned().collect()
    }

    /// The revisions that git packages are locked to.
    pub fn revisions(&self) -> BTreeMap<String, String> {
        let locked = self.packages.iter().filter_map(|p| Some((p.name.clone(), p.lock.as_ref()?)));
        locked.map(|(name, lock)| (name, lock.rev.clone())).collect()
    }

    /// Packages whose sources are not there.
    pub fn missing_packages(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| !package.dir.is_dir())
    }

    /// Clones that are not at their locked revision, with the one they are at. Lake checks those out
    /// before it does anything else, so that nothing can be said of what is there now.
    pub fn outdated_packages(&self) -> impl Iterator<Item = (&Package, String)> {
        self.packages.iter().filter_map(|package| {
            let lock = package.lock.as_ref()?;
            let head = Checkout::open(&lock.clone)?.head()?;
            (head != lock.rev).then_some((package, head))
        })
    }

    /// `true` if Lake has no package to clone and none to check out.
    pub fn has_locked_packages(&self) -> bool {
        self.packages.iter().all(|package| match &package.lock {
            // While a package is being cloned its HEAD is not known.
            Some(lock) => {
                Checkout::open(&lock.clone).and_then(|checkout| checkout.head_or_asked()).as_ref()
                    == Some(&lock.rev)
                    && package.dir.is_dir()
            }
            None => package.dir.is_dir(),
        })
    }

    /// `true` if there is no manifest, and the configuration speaks of mathlib.
    pub fn lacks_manifest_for_mathlib(&self) -> bool {
        let (Config::Toml(path) | Config::Lean(path)) = &self.config;
        self.manifest.is_none()
            && read::text(path, read::TEXT)
                .is_ok_and(|text| text.to_lowercase().contains("mathlib"))
    }

    /// The root's `lakefile.toml`. `None` if it is a `lakefile.lean`.
    pub fn lakefile(&self) -> Result<Option<Lakefile>> {
        match &self.config {
            Config::Lean(_) => Ok(None),
            Config::Toml(path) => Lakefile::read(path).map(Some),
        }
    }
}

impl Package {
    fn new(entry: Entry, root: &Path, packages_dir: &Path, is_overridden: bool) -> Self {
        let (name, dir, lock) = match &entry.source {
            Source::Path { dir, copy: false } => (entry.name.label(), root.join(dir), None),
            Source::Path { copy: true, .. } => {
                (entry.name.label(), packages_dir.join(entry.name.plain()), None)
            }
            Source::Git { url, rev, sub_dir, .. } => {
                let name = entry.name.plain();
                let clone = packages_dir.join(&name);
                let dir = sub_dir.as_ref().map_or_else(|| clone.clone(), |sub| clone.join(sub));
                let lock = GitLock { clone, url: url.clone(), rev: rev.clone() };
                (name, dir, Some(lock))
            }
        };
        Self { name, dir, lock, entry, is_overridden }
    }
}

/// With `-d` the workspace is there or nowhere; else it is `cwd` or, if asked for, the nearest
/// directory above that has a configuration file.
fn find_root(cwd: &Path, location: &Location) -> Result<Option<(PathBuf, Config)>> {
    let file = location.file.as_deref().unwrap_or(OsStr::new(CONFIG_FILE));
    let above: Box<dyn Iterator<Item = PathBuf>> = match &location.dir {
        Some(dir) => Box::new(std::iter::once(cwd.join(dir))),
        None => {
            let levels = if location.search_above { usize::MAX } else { 1 };
            Box::new(cwd.ancestors().take(levels).map(Path::to_owned))
        }
    };
    for (level, dir) in above.enumerate() {
        match Config::find(&dir, file) {
            Ok(Some(config)) => return Ok(Some((fs::canonicalize(dir)?, config))),
            // A directory further up may not be readable, and has nothing to do with the workspace.
            Err(error) if level == 0 => return Err(error.into()),
            Ok(None) | Err(_) => {}
        }
    }
    Ok(None)
}

impl Config {
    fn find(root: &Path, file: &OsStr) -> io::Result<Option<Self>> {
        let is_there = |path: &Path| Ok::<_, io::Error>(if_there(fs::metadata(path))?.is_some());
        let path = root.join(file);
        let kind: fn(PathBuf) -> Self = match path.extension().and_then(OsStr::to_str) {
            Some("toml") => Self::Toml,
            Some(_) => Self::Lean,
            None => {
                let [lean, toml] = ["lean", "toml"].map(|extension| path.with_extension(extension));
                if is_there(&lean)? {
                    return Ok(Some(Self::Lean(lean)));
                }
                return Ok(is_there(&toml)?.then_some(Self::Toml(toml)));
            }
        };
        Ok(is_there(&path)?.then(|| kind(path)))
    }

    pub fn path(&self) -> &Path {
        match self {
            Self::Lean(path) | Self::Toml(path) => path,
        }
    }

    /// The manifest's name. A `lakefile.lean` may override this; we do not evaluate those.
    fn manifest_file(&self) -> Result<String> {
        let Self::Toml(path) = self else { return Ok(MANIFEST_FILE.to_owned()) };
        // Hardly a project has it, and every build comes by here.
        let is_named =
            read::bytes(path, read::TEXT)?.windows(12).any(|text| text == b"manifestFile");
        let named = if is_named { Lakefile::read(path)?.manifest_file } else { None };
        Ok(named.unwrap_or_else(|| MANIFEST_FILE.to_owned()))
    }
}

fn is_named(dir: &Path, named: Option<&Path>) -> bool {
    named.is_some_and(|named| named == dir || is_same_file(named, dir))
}

/// Without `..`, taken as text: what a manifest says is looked at before any symlink in it.
fn without_dots(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut path, component| {
        match component {
            Component::ParentDir => drop(path.pop()),
            component => path.push(component),
        }
        path
    })
}

/// Without `.` and without a slash at its end, which would make a link's name that of its target.
fn plain(path: &Path) -> PathBuf {
    path.components().collect()
}

/// The manifest's `packagesDir`, else the configuration's, else Lake's default.
fn packages_dir(manifest: Option<&Manifest>, config: &Config, updates: bool) -> Result<PathBuf> {
    let locked = manifest.filter(|_| !updates).and_then(|m| m.packages_dir.clone());
    let configured = || match config {
        Config::Toml(path) => Ok::<_, anyhow::Error>(Lakefile::read(path)?.packages_dir),
        // A program; what it was when the manifest was written is the best guess.
        Config::Lean(_) => Ok(manifest.and_then(|m| m.packages_dir.clone())),
    };
    let dir = match locked {
        Some(dir) => Some(dir),
        None => configured()?,
    };
    Ok(dir.map_or_else(|| PACKAGES_DIR.into(), PathBuf::from))
}
