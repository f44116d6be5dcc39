//! Whether anything on disk would be taken for what it is not, and whether anything is gone.
//!
//! **Half-published** is a tree in which one of these holds:
//!
//! - A module has a trace, and not every file of the build that the trace's depHash names is there with that build's
//!   bytes; or the trace cannot be read, or names a build that nobody made. (Lake goes by the trace and never reads
//!   what it promises.)
//! - A directory among the packages is not a whole clone: HEAD, objects, every source file. (Lake deletes what has no
//!   HEAD; a clone that lacks a source builds something else.)
//! - A ledger (`.lake-shim.ledger`) names another archive than the one that a module's files came from, and its
//!   entry has the time and the size of the module's trace. (The shim goes by such an entry.)
//! - A build is marked as unpacked (`.lake-shim.pack`), and it lacks a file of the pack or has another one. (The shim
//!   goes by the mark.)
//! - A manifest or a lakefile is neither the old text nor the new one, or has another mode.
//! - A store in the making has an index that names what is not there, or a file whose name says what is in it and is
//!   wrong. (A restore goes by the names.)
//!
//! **Lost** is a package that was there before and is nowhere now, and whatever has changed in a store that is only
//! read. Names that begin with `.lake-shim-` are nobody's: the shim's own, unfinished.

mod builds;
mod clones;
mod store;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use fs_err as fs;

use crate::or_panic::OrPanic as _;
use crate::tree::Tree;
use builds::Build;

/// Relative path → sha256.
type Files = BTreeMap<PathBuf, String>;

/// What the shim calls things that are not finished.
const UNFINISHED: &str = ".lake-shim-";

/// What is known of the trees that a run may leave.
#[derive(Default)]
pub struct Oracle {
    /// Packages directories, or links to one.
    packages: Vec<PathBuf>,
    /// By package: its whole clones.
    clones: BTreeMap<String, Vec<Tree>>,
    /// Every build of every module.
    builds: Vec<Build>,
    /// By package: marks, and the files below its build directory that they stand for.
    marked: BTreeMap<String, BTreeMap<String, Files>>,
    texts: Vec<Text>,
    /// Stores that are only read, as they were.
    stores: Vec<Tree>,
    /// Stores in the making, and the files that whole ones have.
    baked: BTreeMap<PathBuf, Vec<Files>>,
    /// Packages that must be somewhere.
    kept: BTreeSet<String>,
}

/// A file that is replaced as a whole.
struct Text {
    path: PathBuf,
    /// Contents and modes; nothing where the file may be absent.
    versions: Vec<Option<(Vec<u8>, u32)>>,
}

/// What an oracle found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    pub lost: Vec<String>,
    pub half_published: Vec<String>,
}

impl Oracle {
    pub fn new() -> Oracle {
        Oracle::default()
    }

    /// Packages may lie in `dir`, or where it leads to.
    pub fn packages_in(&mut self, dir: impl AsRef<Path>) -> &mut Oracle {
        self.packages.push(dir.as_ref().to_owned());
        self
    }

    /// All that is in these packages directories now is whole: clones, builds, marks.
    pub fn learn(&mut self) -> &mut Oracle {
        for dir in self.places() {
            let tree = Tree::of(&dir);
            for package in clones::packages(&tree) {
                let clone = Tree::of(dir.join(&package)).filtered(clones::is_source);
                self.clones.entry(package.clone()).or_default().push(clone);
                if let Some((mark, files)) = builds::marked(&dir.join(&package)) {
                    self.marked.entry(package).or_default().insert(mark, files);
                }
            }
            self.builds.extend(builds::learn(&dir, &tree));
        }
        self
    }

    /// Every package that is there now must stay somewhere.
    pub fn keep(&mut self) -> &mut Oracle {
        let places = self.places();
        self.kept.extend(places.iter().flat_map(|dir| clones::packages(&Tree::of(dir))));
        self
    }

    /// The file at `path` may be what it is now, or absent if it is. It keeps the mode that it had when it was first
    /// heard of.
    pub fn text(&mut self, path: impl AsRef<Path>) -> &mut Oracle {
        let version = read_text(path.as_ref());
        match self.texts.iter_mut().find(|text| text.path == path.as_ref()) {
            Some(text) => text.learn(version),
            None => {
                self.texts.push(Text { path: path.as_ref().to_owned(), versions: vec![version] })
            }
        }
        self
    }

    /// A store that is only read.
    pub fn store(&mut self, dir: impl AsRef<Path>) -> &mut Oracle {
        self.stores.push(Tree::of(dir));
        self
    }

    /// A store in the making, which is whole now.
    pub fn baked(&mut self, dir: impl AsRef<Path>) -> &mut Oracle {
        let files = Tree::of(dir.as_ref()).files();
        self.baked.entry(dir.as_ref().to_owned()).or_default().push(files);
        self
    }

    /// Looks at everything.
    pub fn judge(&self) -> Verdict {
        let mut verdict = Verdict::default();
        let mut found = BTreeSet::new();
        for dir in self.places() {
            let tree = Tree::of(&dir);
            found.extend(clones::packages(&tree));
            self.judge_packages(&dir, &tree, &mut verdict.half_published);
        }
        let lost = self.kept.difference(&found).map(|package| format!("the package `{package}`"));
        verdict.lost.extend(lost);
        for store in &self.stores {
            let changes = store.changes_to(&Tree::of(store.root()));
            verdict.lost.extend(
                changes
                    .into_iter()
                    .map(|change| format!("in {}: {change}", store.root().display())),
            );
        }
        verdict.half_published.extend(self.texts.iter().filter_map(Text::judge));
        for (dir, whole) in &self.baked {
            store::judge(dir, whole, &mut verdict.half_published);
        }
        verdict
    }

    fn judge_packages(&self, dir: &Path, tree: &Tree, faults: &mut Vec<String>) {
        for package in clones::packages(tree) {
            let known = self.clones.get(&package).map(Vec::as_slice).unwrap_or_default();
            faults.extend(clones::judge(&dir.join(&package), known));
            if let Some((mark, files)) = builds::marked(&dir.join(&package)) {
                let fault = match self.marked.get(&package).and_then(|known| known.get(&mark)) {
                    None => Some("no pack that anybody made".to_owned()),
                    Some(whole) => first_difference(whole, &files),
                };
                faults.extend(fault.map(|fault| format!("the mark of `{package}`: {fault}")));
            }
        }
        faults.extend(builds::judge(dir, tree, &self.builds));
    }

    /// The directories that packages may be in, each once.
    fn places(&self) -> Vec<PathBuf> {
        let real: BTreeSet<_> =
            self.packages.iter().filter_map(|dir| fs::canonicalize(dir).ok()).collect();
        real.into_iter().collect()
    }
}

impl Text {
    fn learn(&mut self, version: Option<(Vec<u8>, u32)>) {
        let mode = self.versions.iter().flatten().map(|(_, mode)| *mode).next();
        self.versions.push(version.map(|(bytes, now)| (bytes, mode.unwrap_or(now))));
    }

    fn judge(&self) -> Option<String> {
        let path = self.path.display();
        let now = read_text(&self.path);
        if self.versions.contains(&now) {
            return None;
        }
        Some(match now {
            None => format!("`{path}` is gone"),
            Some((bytes, mode)) => {
                format!("`{path}` is neither old nor new: {} bytes, mode {mode:o}", bytes.len())
            }
        })
    }
}

impl Verdict {
    pub fn is_clean(&self) -> bool {
        *self == Verdict::default()
    }
}

fn read_text(path: &Path) -> Option<(Vec<u8>, u32)> {
    let bytes = fs::read(path).ok()?;
    Some((bytes, fs::metadata(path).or_panic().permissions().mode() & 0o7777))
}

/// The first of the `whole` files that is missing or another one.
fn first_difference(whole: &Files, files: &Files) -> Option<String> {
    whole.iter().find_map(|(path, sha256)| match files.get(path) {
        None => Some(format!("`{}` is missing", path.display())),
        Some(found) if found != sha256 => Some(format!("`{}` has other bytes", path.display())),
        Some(_) => None,
    })
}

/// Whether a part of the path is the shim's own and not finished.
fn is_unfinished(path: &Path) -> bool {
    path.iter().any(|part| part.to_string_lossy().starts_with(UNFINISHED))
}
