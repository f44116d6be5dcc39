//! Workspaces whose packages lie in a directory that others use, and what tells whether a clone was lost.

use std::path::{Path, PathBuf};

use shim_tests::{Run, Sandbox, Tree};

use crate::{Identity, MATHLIB};

pub const FORK: &str = "https://github.com/somebody/mathlib4";

/// A workspace on mathlib that is linked to `shared/`, and `LAKE_PKG_DIR` set to that. Online.
pub fn shared() -> Sandbox {
    shared_at(".lake/packages")
}

/// As [`shared`], with another packages directory in the manifest and in the configuration.
pub fn shared_at(packages_dir: &str) -> Sandbox {
    let mut sandbox = Sandbox::mini_mathlib_without_packages().online();
    sandbox.clone_packages(&sandbox.path("shared"));
    set_packages_dir(&sandbox, Some(packages_dir), Some(packages_dir));
    sandbox.symlink(sandbox.path("shared"), Path::new("app").join(packages_dir));
    sandbox.set_env("LAKE_PKG_DIR", sandbox.path("shared"));
    sandbox.shim_bin();
    sandbox
}

/// Says in the manifest and in the configuration where packages are; nothing leaves it to Lake.
pub fn set_packages_dir(sandbox: &Sandbox, locked: Option<&str>, configured: Option<&str>) {
    let line = |dir: Option<&str>| dir.map_or("null".to_owned(), |dir| format!("\"{dir}\""));
    let manifest = sandbox.read("app/lake-manifest.json");
    let (before, rest) = manifest.split_once("\"packagesDir\": ").expect("a manifest");
    let (_, after) = rest.split_once(",\n").expect("a manifest");
    let manifest = format!("{before}\"packagesDir\": {},\n{after}", line(locked));
    sandbox.write("app/lake-manifest.json", manifest);
    if let Some(configured) = configured {
        let lakefile = sandbox.read("app/lakefile.toml");
        let others: Vec<_> =
            lakefile.lines().filter(|line| !line.starts_with("packagesDir")).collect();
        let lakefile = format!("packagesDir = \"{configured}\"\n{}\n", others.join("\n"));
        sandbox.write("app/lakefile.toml", lakefile);
    }
}

/// Takes a clone off the locked revision and gives it another origin, so that Lake compares and finds a difference.
pub fn make_other(sandbox: &Sandbox, clone: &Path, origin: &str) {
    sandbox.git(clone, &["commit", "--quiet", "--allow-empty", "--message", "other"]);
    sandbox.git(clone, &["remote", "set-url", "origin", origin]);
}

/// mathlib's clone in the shared directory is that of a fork.
pub fn forked(sandbox: Sandbox) -> Sandbox {
    make_other(&sandbox, &sandbox.path("shared/mathlib"), FORK);
    sandbox
}

/// mathlib's clone in the shared directory is right, but spelled otherwise.
pub fn spelled_otherwise(sandbox: Sandbox) -> Sandbox {
    make_other(&sandbox, &sandbox.path("shared/mathlib"), &format!("{MATHLIB}.git"));
    sandbox
}

/// What is lost when a clone is deleted, even if it is cloned again.
pub struct Keepsake {
    clone: PathBuf,
    identity: u64,
    marker: PathBuf,
}

impl Keepsake {
    pub fn leave(sandbox: &Sandbox, clone: impl AsRef<Path>) -> Keepsake {
        let clone = sandbox.path(clone);
        let marker = clone.join("MARKER");
        sandbox.write(&marker, "mine");
        Keepsake { identity: Identity::of(&clone).inode, clone, marker }
    }

    pub fn is_lost(&self) -> bool {
        !self.marker.exists() || Identity::of(&self.clone).inode != self.identity
    }

    #[track_caller]
    pub fn assert_kept(&self, run: &Run) {
        assert!(!self.is_lost(), "{} was deleted\n{run}", self.clone.display());
    }
}

/// Asserts that the packages directory is one, and no link.
#[track_caller]
pub fn expect_own(dir: &Path) {
    assert!(dir.is_dir() && !dir.is_symlink(), "{} is no directory of its own", dir.display());
}

/// What is in a directory, without what lies below.
pub fn names(dir: &Path) -> Vec<String> {
    let tree = Tree::of(dir);
    let paths = tree.entries().keys().filter(|path| path.components().count() == 1);
    paths.map(|path| path.to_string_lossy().into_owned()).collect()
}
