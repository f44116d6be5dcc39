//! What the shim edits, and what it leaves alone: lakefiles and manifests that `normalize` respells, links that `unlink`
//! takes back, packages directories that are elsewhere, clones that Lake would lose on its way to a manifest.

mod arguments;
mod cases;
mod clones;
mod faults;
mod files;
mod guard;
mod manifests;
mod moved;
mod packages_dir;
mod per_package;
mod unlink;

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use shim_tests::mini_mathlib::MATHLIB;
use shim_tests::{Call, Sandbox, mini_mathlib};

/// What has to be respelled; [`right`] is what it becomes.
const WRONG: &str = "\
# the pinned library
name = \"app\"

[[require]]
name = \"mathlib\"
git = \"https://github.com/leanprover-community/mathlib4.git\" # by hand
";

fn right(wrong: &str) -> String {
    wrong.replace("mathlib4.git\"", "mathlib4\"")
}

/// A manifest in Lean's layout, to be respelled.
fn wrong_manifest() -> String {
    let manifest = fs::read_to_string(mini_mathlib::fixture().join("app/lake-manifest.json"));
    manifest.expect("a manifest").replace("mathlib4\"", "mathlib4.git\"")
}

/// A workspace with nothing in it, and a lock beside it.
fn workspace() -> Sandbox {
    let sandbox = Sandbox::empty();
    sandbox.copy(mini_mathlib::fixtures().join("normalize/lock.json"), "lock.json");
    sandbox
}

/// `lake-shim normalize --lock lock.json …`
fn normalize<'a>(sandbox: &'a Sandbox, words: &str) -> Call<'a> {
    let call = sandbox.lake_shim("normalize --lock").arg(sandbox.path("lock.json"));
    call.args(words.split_whitespace())
}

/// Asserts that no temporary of the shim is left.
#[track_caller]
fn expect_no_leftovers(sandbox: &Sandbox, below: impl AsRef<Path>) {
    let found = sandbox.leftovers(below);
    assert_eq!(found, Vec::<PathBuf>::new(), "left behind");
}

/// What tells whether a path was written, even if by the same bytes once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    inode: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Identity {
    #[track_caller]
    fn of(path: &Path) -> Identity {
        let meta = fs::symlink_metadata(path);
        let meta = meta.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Identity {
            inode: meta.ino(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        }
    }
}
