//! An operation in a sandbox that can be put back, and what there is to say of a run in it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use shim_tests::Sandbox;
use shim_tests::oracle::Oracle;
use shim_tests::tree::{Entry, Tree};

use crate::operation::{Ends, LAKE_RAN, Operation};
use crate::verdict::{Found, Kind};

/// Files that differ from run to run: git writes its index again when it looks at a clone (and leaves its lock there when it
/// is killed), a ledger has times. [`Oracle`] knows what a ledger must say.
const VOLATILE: [&str; 3] = [".git/index", ".git/index.lock", ".lake-shim.ledger"];
/// Notes of the shim that it can find out again.
const CACHE: &str = ".cache/lake-shim";

/// What is said where the operation goes wrong by itself.
pub const NOT_WHOLE: &str = "what nothing has struck is not whole";

pub struct Scene {
    pub sandbox: Sandbox,
    pub operation: &'static Operation,
    /// How long it takes when nothing goes wrong.
    pub took: Duration,
    oracle: Oracle,
    /// The directories that it changes, when it is done.
    whole: Vec<Tree>,
}

impl Scene {
    /// Where the start is kept.
    pub const START: &str = "start";

    /// Prepares the operation, and runs it once to see what it comes to.
    pub fn new(operation: &'static Operation) -> Scene {
        let sandbox = (operation.prepare)();
        let mut oracle = Oracle::new();
        for dir in operation.packages {
            oracle.packages_in(sandbox.path(dir));
        }
        oracle.learn().keep().store(sandbox.path(operation.store));
        for text in operation.texts {
            oracle.text(sandbox.path(text));
        }
        if let Some(store) = operation.bakes.filter(|store| sandbox.path(store).exists()) {
            oracle.baked(sandbox.path(store));
        }
        for dir in operation.changes.iter().filter(|dir| sandbox.path(dir).exists()) {
            sandbox.copy(dir, format!("{}/{dir}", Scene::START));
        }
        let run = (operation.call)(&sandbox).run();
        run.expect_code(0);
        (operation.check)(&sandbox);
        oracle.learn();
        for text in operation.texts {
            oracle.text(sandbox.path(text));
        }
        if let Some(store) = operation.bakes {
            oracle.baked(sandbox.path(store));
        }
        let whole = operation.changes.iter().map(|dir| picture(&sandbox, dir)).collect();
        let mut scene = Scene { sandbox, operation, took: run.took, oracle, whole };
        let verdict = scene.oracle.judge();
        assert!(verdict.is_clean(), "{NOT_WHOLE}: {verdict:?}");
        scene.reset();
        scene.took = scene.took.min(scene.call().run().took); // the first is the slower one
        scene.reset();
        scene
    }

    /// As it was before the operation.
    pub fn reset(&self) {
        let changes = self.operation.changes.join(" ");
        self.shell(&format!("rm -rf {changes} && cp -a {}/. .", Scene::START));
    }

    /// Runs a script in the sandbox.
    pub fn shell(&self, script: &str) {
        let root = self.sandbox.path("");
        let done = Command::new("sh").args(["-ec", script]).current_dir(root).status();
        assert!(done.is_ok_and(|status| status.success()), "{script}");
    }

    /// Whether anything is lost or half-published now.
    pub fn judge(&self) -> Vec<Found> {
        let verdict = self.oracle.judge();
        let lost = verdict.lost.into_iter().map(|what| Found::new(Kind::Lost, what));
        let half = verdict.half_published.into_iter();
        lost.chain(half.map(|what| Found::new(Kind::HalfPublished, what))).collect()
    }

    /// What differs from the operation's being done: leftovers too, unless they do not count.
    pub fn differences(&self, leftovers_count: bool) -> Vec<String> {
        let mut differences = Vec::new();
        for (dir, whole) in self.operation.changes.iter().zip(&self.whole) {
            let mut now = picture(&self.sandbox, dir);
            let mut whole = whole.clone();
            if self.operation.is_stock {
                // What is downloaded and lost again is downloaded again; where there can be no cache, none is kept.
                let is_cached = |path: &Path| {
                    path.extension() == Some(OsStr::new("ltar"))
                        || [".cache", ".cache/mathlib"].iter().any(|dir| path == Path::new(dir))
                };
                now = now.filtered(|path| !is_cached(path));
                whole = whole.filtered(|path| !is_cached(path));
            }
            if !leftovers_count {
                now = now.filtered(|path| !is_leftover(path));
            }
            // leantar makes files for its user alone, and the stock tool leaves it at that.
            let mode = |entry: &Entry| if self.operation.is_stock { 0 } else { entry.mode };
            let is_same = |a: &Entry, b: &Entry| (&a.kind, mode(a)) == (&b.kind, mode(b));
            let changes = whole.differences(&now, is_same);
            differences.extend(changes.into_iter().map(|change| format!("{dir}: {change}")));
        }
        differences
    }

    /// How another directory differs from what the operation makes of `dir`, whoever it belongs to.
    pub fn unlike(&self, dir: &str, other: &str) -> Vec<String> {
        let mut whole = self.operation.changes.iter().zip(&self.whole);
        let whole = whole.find(|(changed, _)| **changed == dir);
        let (_, whole) = whole.unwrap_or_else(|| panic!("`{dir}` is not changed"));
        let changes = whole.content_changes_to(&picture(&self.sandbox, other));
        changes.into_iter().map(|change| format!("{other}: {change}")).collect()
    }

    /// Whether there is such a path, or was at the start, or is in the end.
    pub fn knows(&self, path: &Path) -> bool {
        let path = finished(path);
        let Ok(below) = path.strip_prefix(self.sandbox.path("")) else { return false };
        let start = self.sandbox.path(Scene::START).join(below);
        let mut whole = self.operation.changes.iter().zip(&self.whole);
        path.symlink_metadata().is_ok()
            || start.symlink_metadata().is_ok()
            || whole.any(|(dir, tree)| {
                below.strip_prefix(dir).is_ok_and(|path| tree.entries().contains_key(path))
            })
    }

    /// What lies about in them under a name of what is not finished.
    pub fn leftovers(&self) -> Vec<PathBuf> {
        let changes = self.operation.changes.iter().filter(|dir| self.sandbox.path(dir).exists());
        let left = changes.flat_map(|dir| {
            let tree = Tree::of(self.sandbox.path(dir)).filtered(is_leftover);
            tree.entries().keys().map(|path| Path::new(dir).join(path)).collect::<Vec<_>>()
        });
        left.collect()
    }

    /// The run that follows, when nothing goes wrong any more.
    pub fn run_again(&self) -> Vec<Found> {
        let run = self.call().run();
        let mut found = Vec::new();
        if run.code != Some(0)
            || self.operation.ends == Ends::Build && !run.stdout.contains(LAKE_RAN)
        {
            found.push(Found::new(Kind::NotWhole, format!("the run after it fails: {run}")));
        } else if let Some(difference) = self.differences(true).first() {
            let what = format!("after the next run: {difference}\n{run}");
            found.push(Found::new(Kind::NotWhole, what));
        }
        found.extend(self.judge());
        found
    }

    pub fn call(&self) -> shim_tests::Call<'_> {
        (self.operation.call)(&self.sandbox)
    }
}

pub fn picture(sandbox: &Sandbox, dir: impl AsRef<Path>) -> Tree {
    let is_volatile = |path: &Path| VOLATILE.iter().any(|end| path.ends_with(end));
    let is_cache = |path: &Path| path == Path::new(".cache") || path.starts_with(CACHE);
    Tree::of(sandbox.path(dir)).filtered(|path| !is_volatile(path) && !is_cache(path))
}

/// What a path is before it comes to what is not finished.
pub fn finished(path: &Path) -> &Path {
    path.ancestors()
        .filter(|above| is_leftover(above))
        .last()
        .and_then(Path::parent)
        .unwrap_or(path)
}

fn is_leftover(path: &Path) -> bool {
    path.iter().any(|part| {
        let part = part.to_string_lossy();
        part.starts_with(".lake-shim-")
            || part.starts_with("lake-shim-")
            || part.starts_with(".tmp")
    })
}
