//! The packages of a workspace, resolved as Lake resolves them without a manifest.
//!
//! This is the walk of `Lake/Load/Resolve.lean` (4.27). The root's requires come from last to first,
//! and all of them before anything else, so that what the root says wins. Then, package by package,
//! the requires of each that no package met before it has taken, from last to first again. Each
//! package that is met brings the entries of its own manifest, and the first entry of a name wins:
//! whatever is required by that name later gets that entry's revision.
//!
//! Lake clones on the way, and asks git what a branch is at. Here [`Materials`] answers instead:
//! from a store's lock when a manifest is to be written, from the packages that lie there when the
//! guard wants to know which URLs Lake is going to compare. What it cannot answer becomes a [`Gap`].

use super::lakefile::{Lakefile, Require, Wanted};
use super::manifest::{Entry, MANIFEST_FILE, Manifest, Source};
use super::name::Name;
use crate::read::{TEXT, text};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

/// Where a package's configuration is when nobody says.
const CONFIG_FILE: &str = "lakefile";

/// What takes the place of the network.
pub trait Materials {
    /// What a git URL, or Reservoir, has for `require`.
    ///
    /// # Errors
    /// Why that is not known.
    fn lock(&self, require: &Require) -> Result<Entry, String>;

    /// `entry`, which a dependency's manifest has locked already, from where it can be had: at the
    /// same revision, the URL maybe spelled otherwise.
    ///
    /// # Errors
    /// Why it cannot be had.
    fn pinned(&self, entry: &Entry) -> Result<Entry, String>;

    /// A file of a git package at its revision, by its path in the repository; nothing when there
    /// is no such file.
    ///
    /// # Errors
    /// Why the package's files are not at hand.
    fn read(&self, entry: &Entry, path: &str) -> Result<Option<String>, String>;
}

/// What Lake would lock a workspace to.
#[derive(Debug, Default)]
pub struct Resolution {
    /// In the order of the manifest.
    pub packages: Vec<Entry>,
    /// What could not be known. Without any the packages are those of Lake's own manifest.
    pub gaps: Vec<Gap>,
}

/// Something that only the network, or running a program, could tell.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gap {
    pub package: Name,
    pub kind: GapKind,
    pub reason: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum GapKind {
    /// Which revision, or whether it can be had.
    Package,
    /// What the package requires.
    Requires,
    /// What the package requires, since its files are nowhere.
    Files,
}

/// Why a package's configuration is not known.
type Why = (GapKind, String);

fn unclear(reason: String) -> Why {
    (GapKind::Requires, reason)
}

/// The package that is resolved.
#[derive(Clone, Copy, Debug)]
pub struct Root<'a> {
    /// Where it lies.
    pub dir: &'a Path,
    pub name: &'a Name,
    /// These relative to `dir`.
    pub config_file: &'a str,
    pub manifest_file: &'a str,
    pub packages_dir: &'a str,
    /// In the order of the file.
    pub requires: &'a [Require],
}

/// Resolves what `root` requires.
pub fn resolve(root: Root, materials: &dyn Materials) -> Resolution {
    let mut walk = Walk {
        root,
        materials,
        locked: BTreeMap::new(),
        loaded: Vec::new(),
        met: BTreeSet::new(),
        clones: BTreeMap::new(),
        gaps: Vec::new(),
        told: BTreeSet::new(),
    };
    let requires = root.requires.iter().rev();
    let direct: Vec<_> = requires.filter_map(|require| walk.require(require)).collect();
    for entry in direct {
        walk.load(entry);
    }
    let mut pending: VecDeque<_> = (0..walk.loaded.len()).collect();
    while let Some(parent) = pending.pop_front() {
        let met = walk.loaded.len();
        for require in walk.loaded[parent].requires.clone() {
            if walk.is_met(&require.name) {
                continue;
            }
            if let Some(entry) = walk.materialize(Some(parent), &require) {
                walk.load(entry);
            }
        }
        // What a package's own dependencies require comes before what its siblings do.
        (met..walk.loaded.len()).rev().for_each(|package| pending.push_front(package));
    }
    let mut packages: Vec<_> = walk.loaded.into_iter().map(|loaded| loaded.entry).collect();
    // The root itself, if some dependency's manifest has an entry of its name (`writeManifest`).
    if let Some(entry) = walk.locked.remove(root.name) {
        let config_file = Some(root.config_file.to_owned());
        let manifest_file = Some(root.manifest_file.to_owned());
        packages.insert(0, Entry { config_file, manifest_file, ..entry });
    }
    Resolution { packages, gaps: walk.gaps }
}

struct Walk<'a> {
    root: Root<'a>,
    materials: &'a dyn Materials,
    /// What names are locked to so far.
    locked: BTreeMap<Name, Entry>,
    loaded: Vec<Loaded>,
    /// The names of what is loaded.
    met: BTreeSet<Name>,
    /// The git packages that names are locked to, by their directories among the packages.
    clones: BTreeMap<String, Name>,
    gaps: Vec<Gap>,
    /// What is among them.
    told: BTreeSet<Gap>,
}

/// A package whose configuration has been read.
struct Loaded {
    entry: Entry,
    /// In the order in which Lake takes them.
    requires: Vec<Require>,
}

/// What a package's files say.
struct Config {
    file: String,
    manifest_file: String,
    requires: Vec<Require>,
    manifest: Manifest,
}

impl Walk<'_> {
    /// Whether a package of that name needs nothing more. Cycles end here, in Lake as well.
    fn is_met(&self, name: &Name) -> bool {
        name == self.root.name || self.met.contains(name)
    }

    /// The entry of what the root requires. Only there does Lake mind a cycle.
    fn require(&mut self, require: &Require) -> Option<Entry> {
        if require.name == *self.root.name {
            let reason = "the root has that name, and would require itself: a cycle".to_owned();
            self.gap(&require.name, GapKind::Package, reason);
            return None;
        }
        self.materialize(None, require)
    }

    /// Lake's `updateAndMaterializeDep`: the entry of what `parent`, or the root, requires.
    fn materialize(&mut self, parent: Option<usize>, require: &Require) -> Option<Entry> {
        let entry = match (self.locked.get(&require.name), &require.source) {
            (Some(entry), _) if entry.is_git() => self.materials.pinned(entry),
            (Some(entry), _) => Ok(entry.clone()),
            (None, Wanted::Path { dir }) => Ok(self.path(parent, require, dir)),
            (None, Wanted::Git { .. } | Wanted::Registry { .. }) => self.lock(parent, require),
            (None, Wanted::Unknown(reason)) => Err(reason.clone()),
        };
        let entry =
            entry.map_err(|reason| self.gap(&require.name, GapKind::Package, reason)).ok()?;
        self.lock_to(entry.clone());
        Some(entry)
    }

    fn lock_to(&mut self, entry: Entry) {
        if entry.is_git() {
            self.clones.insert(entry.name.plain(), entry.name.clone());
        }
        self.locked.insert(entry.name.clone(), entry);
    }

    fn path(&self, parent: Option<usize>, require: &Require, dir: &str) -> Entry {
        let parent_dir = parent.map(|parent| self.package_dir(&self.loaded[parent].entry));
        Entry {
            name: require.name.clone(),
            scope: require.scope.clone(),
            inherited: parent.is_some(),
            config_file: None,
            manifest_file: None,
            source: Source::Path {
                dir: join(parent_dir.as_deref().unwrap_or("."), dir),
                copy: false,
            },
        }
    }

    fn lock(&self, parent: Option<usize>, require: &Require) -> Result<Entry, String> {
        let mut entry = self.materials.lock(require)?;
        entry.scope.clone_from(&require.scope);
        entry.inherited = parent.is_some();
        // Lake holds the manifest against the root's configuration, on every build and to the letter.
        if let (None, Source::Git { url, .. }, Some(wanted)) =
            (parent, &mut entry.source, require.url())
        {
            wanted.clone_into(url);
        }
        Ok(entry)
    }

    /// Lake's `loadDepPackage` and `addDependencyEntries`.
    fn load(&mut self, mut entry: Entry) {
        let mut requires = Vec::new();
        match self.config(&entry) {
            Ok(config) => {
                for pinned in config.manifest.packages {
                    let pinned = self.relative_to(&entry, pinned);
                    if !self.locked.contains_key(&pinned.name) {
                        self.lock_to(pinned);
                    }
                }
                entry.config_file = Some(config.file);
                entry.manifest_file = Some(config.manifest_file);
                requires = config.requires;
            }
            Err((kind, reason)) => self.gap(&entry.name, kind, reason),
        }
        self.met.insert(entry.name.clone());
        self.loaded.push(Loaded { entry, requires });
    }

    /// An entry of `package`'s manifest as this workspace's.
    fn relative_to(&self, package: &Entry, mut entry: Entry) -> Entry {
        if let Source::Path { dir, .. } = &mut entry.source {
            *dir = join(&self.package_dir(package), dir);
        }
        Entry { inherited: true, ..entry }
    }

    /// Reads a package's configuration and its manifest.
    fn config(&self, entry: &Entry) -> Result<Config, Why> {
        let (file, text) = self.config_file(entry)?;
        if !file.ends_with(".toml") {
            let manifest_file =
                entry.manifest_file.clone().unwrap_or_else(|| MANIFEST_FILE.to_owned());
            let manifest = self.manifest(entry, &manifest_file)?.ok_or_else(|| {
                let what = "is a program, and there is no manifest that tells what it requires";
                unclear(format!("its `{file}` {what}"))
            })?;
            // Its own manifest has what it requires itself in the order in which Lake takes that.
            let direct = manifest.packages.iter().filter(|entry| !entry.inherited);
            let requires = direct.map(|entry| entry.as_require()).collect();
            return Ok(Config { file, manifest_file, requires, manifest });
        }
        let lakefile = Lakefile::parse(&text);
        let mut lakefile = lakefile.map_err(|e| unclear(format!("its `{file}`: {e:#}")))?;
        let manifest_file = lakefile.manifest_file.unwrap_or_else(|| MANIFEST_FILE.to_owned());
        let manifest = self.manifest(entry, &manifest_file)?.unwrap_or_default();
        lakefile.requires.reverse();
        Ok(Config { file, manifest_file, requires: lakefile.requires, manifest })
    }

    /// The name and the text of a package's configuration. Lake prefers `lakefile.lean`.
    fn config_file(&self, entry: &Entry) -> Result<(String, String), Why> {
        let named = entry.config_file.as_deref().unwrap_or(CONFIG_FILE);
        let candidates = match Path::new(named).extension() {
            Some(_) => vec![named.to_owned()],
            None => vec![format!("{named}.lean"), format!("{named}.toml")],
        };
        for file in &candidates {
            if let Some(text) = self.read(entry, file)? {
                return Ok((file.clone(), text));
            }
        }
        Err(unclear(format!("it has no `{}`", candidates.join("` or `"))))
    }

    fn manifest(&self, entry: &Entry, file: &str) -> Result<Option<Manifest>, Why> {
        let text = self.read(entry, file)?;
        let manifest = text.map(|text| Manifest::parse_strictly(text.as_bytes())).transpose();
        let manifest = manifest.map_err(|e| unclear(format!("its `{file}`: {e:#}")))?;
        Ok(manifest.flatten())
    }

    /// A file of a package; nothing when there is none.
    fn read(&self, entry: &Entry, file: &str) -> Result<Option<String>, Why> {
        let (package, inside) = match &entry.source {
            Source::Git { sub_dir, .. } => {
                (entry, sub_dir.clone().unwrap_or_else(|| ".".to_owned()))
            }
            Source::Path { dir, .. } => match self.repository_of(dir) {
                Some(found) => found,
                None => return read(&self.root.dir.join(dir), file).map_err(unclear),
            },
        };
        let path = simplified(&join(&inside, file));
        let text = self.materials.read(package, &path.to_string_lossy());
        text.map_err(|reason| (GapKind::Files, reason))
    }

    /// The git package whose clone `dir` is in, and where in there: a package that comes with
    /// another one is at the other's revision.
    fn repository_of(&self, dir: &str) -> Option<(&Entry, String)> {
        let dir = simplified(dir);
        let below = dir.strip_prefix(simplified(self.root.packages_dir)).ok()?;
        let clone = below.iter().next()?;
        let entry = self.locked.get(self.clones.get(clone.to_str()?)?).filter(|e| e.is_git())?;
        let inside = below.strip_prefix(clone).ok()?.to_str()?;
        Some((entry, if inside.is_empty() { "." } else { inside }.to_owned()))
    }

    /// Where a package lies, relative to the root.
    fn package_dir(&self, entry: &Entry) -> String {
        match &entry.source {
            Source::Path { dir, .. } => dir.clone(),
            Source::Git { sub_dir, .. } => {
                let clone = join(self.root.packages_dir, &entry.name.plain());
                join(&clone, sub_dir.as_deref().unwrap_or("."))
            }
        }
    }

    fn gap(&mut self, package: &Name, kind: GapKind, reason: String) {
        let gap = Gap { package: package.clone(), kind, reason };
        if self.told.insert(gap.clone()) {
            self.gaps.push(gap);
        }
    }
}

/// Lake's `joinRelative`: `.` adds nothing, an absolute path stands for itself, and nothing is
/// simplified.
fn join(a: &str, b: &str) -> String {
    if b == "." {
        a.to_owned()
    } else if a == "." || b.starts_with('/') {
        b.to_owned()
    } else {
        format!("{a}/{b}")
    }
}

/// `path` without `.`, and without `..` where it takes back a name before it.
fn simplified(path: &str) -> PathBuf {
    let mut simple = PathBuf::new();
    for component in Path::new(path).components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir
                if matches!(simple.components().next_back(), Some(Component::Normal(_))) =>
            {
                simple.pop();
            }
            component => simple.push(component),
        }
    }
    simple
}

/// A file of a package that lies at `dir`; nothing when it has no such file.
///
/// # Errors
/// When there is no package, or the file cannot be read.
pub fn read(dir: &Path, file: &str) -> Result<Option<String>, String> {
    if !dir.is_dir() {
        return Err(format!("there is no directory `{}`", dir.display()));
    }
    match text(&dir.join(file), TEXT) {
        Ok(text) => Ok(Some(text)),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e.to_string()),
    }
}
