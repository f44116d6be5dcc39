//! Linking the packages directory to the shared one of `LAKE_PKG_DIR`, by `lake-shim link` and by the proxy.

mod clean;
mod moves;
mod nonsense;
mod packages;
mod private;
mod races;
mod refusals;
mod reproducible;
mod states;
mod verbs;

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use shim_tests::{Call, Run, Sandbox, Tree};

/// A workspace of its own without packages, and the shared directory that is not made yet.
fn bare() -> (Sandbox, PathBuf) {
    let sandbox = Sandbox::empty();
    sandbox.write("app/lakefile.toml", "name = \"app\"\n");
    let shared = sandbox.path("shared");
    (sandbox, shared)
}

/// `lake-shim link` to a shared directory.
fn link<'a>(sandbox: &'a Sandbox, shared: &Path) -> Call<'a> {
    sandbox.lake_shim("link").env("LAKE_PKG_DIR", shared)
}

/// Asserts that a packages directory is a symlink to exactly this directory, which is one.
#[track_caller]
fn expect_link(packages: &Path, shared: &Path) {
    assert_eq!(
        fs::read_link(packages).ok().as_deref(),
        Some(shared),
        "the link at {}",
        packages.display()
    );
    assert!(shared.is_dir(), "{} is not a directory", shared.display());
}

/// Asserts that a run has left `packages` as it was, unlinked, and said so with these parts.
#[track_caller]
fn expect_left(run: &Run, packages: &Tree, parts: &[&str]) {
    run.expect_code(1).expect_stdout("").stderr_contains("lake-shim: warning: ");
    run.stderr_contains("is not linked to `").stderr_contains("\nhint: nothing was moved");
    for part in parts {
        run.stderr_contains(part);
    }
    let meta = fs::symlink_metadata(packages.root()).expect("a packages directory");
    assert!(meta.is_dir(), "{run}");
    packages.assert_unchanged();
}

/// What tells whether a path was written, even if by the same thing once more.
fn identity(path: &Path) -> (u64, i64, i64, i64, i64) {
    let meta = fs::symlink_metadata(path).expect("something there");
    (meta.ino(), meta.mtime(), meta.mtime_nsec(), meta.ctime(), meta.ctime_nsec())
}

/// Asserts that no temporary of the shim is left.
#[track_caller]
fn expect_no_leftovers(sandbox: &Sandbox) {
    let found = sandbox.leftovers("");
    assert!(found.is_empty(), "left behind: {found:?}");
}
