//! Workspaces whose packages lie in a directory that others use, and what tells whether a clone was lost.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

pub use shim_tests::mini_mathlib::FORK;
use shim_tests::{Run, Sandbox};

use crate::MATHLIB;

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
    move_head(sandbox, clone);
    sandbox.git(clone, &["remote", "set-url", "origin", origin]);
}

/// Checks out another revision, as a fetch and a checkout do. By plumbing: what `git commit` makes is local work.
pub fn move_head(sandbox: &Sandbox, clone: &Path) {
    let next = sandbox.git(clone, &["commit-tree", "HEAD^{tree}", "-p", "HEAD", "-m", "next"]);
    sandbox.git(clone, &["checkout", "--quiet", "--detach", &next]);
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

/// A file that is lost when a clone is deleted, even if it is cloned again. In `.git`, so that it is no local work.
pub struct Keepsake {
    clone: PathBuf,
    inode: u64,
}

impl Keepsake {
    pub fn leave(sandbox: &Sandbox, clone: impl AsRef<Path>) -> Keepsake {
        let clone = sandbox.path(clone);
        sandbox.write(clone.join(".git/MARKER"), "mine");
        Keepsake { inode: inode(&clone), clone }
    }

    pub fn is_lost(&self) -> bool {
        self.is_lost_at(&self.clone)
    }

    fn is_lost_at(&self, clone: &Path) -> bool {
        !clone.join(".git/MARKER").exists() || inode(clone) != self.inode
    }

    /// Wherever it is by now: through links, or moved away.
    #[track_caller]
    pub fn assert_kept(&self, run: &Run) {
        self.assert_kept_at(&self.clone, run);
    }

    #[track_caller]
    pub fn assert_kept_at(&self, clone: &Path, run: &Run) {
        assert!(!self.is_lost_at(clone), "{} was deleted\n{run}", clone.display());
    }
}

/// Of what a path leads to.
fn inode(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |meta| meta.ino())
}

/// Asserts that a packages directory is a link to exactly this directory.
#[track_caller]
pub fn expect_link(dir: &Path, shared: &Path) {
    let path = dir.to_string_lossy();
    let target = std::fs::read_link(path.trim_end_matches('/'));
    assert_eq!(target.ok().as_deref(), Some(shared), "{} is a link", dir.display());
    assert!(shared.is_dir());
}

/// Asserts that the packages directory is one, and no link.
#[track_caller]
pub fn expect_own(dir: &Path) {
    assert!(dir.is_dir() && !dir.is_symlink(), "{} is no directory of its own", dir.display());
}

/// The names in a directory, without the shim's notes.
pub fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).expect("a directory").flatten();
    let mut names: Vec<_> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.retain(|name| name != ".lake-shim");
    names.sort();
    names
}
