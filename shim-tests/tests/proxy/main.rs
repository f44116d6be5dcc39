//! The shim called as `lake`: whatever it does before, what Lake then gets, says and leaves behind is what it would be
//! without the shim, except that no clone is lost.
//!
//! Most tests run a command twice, with the shim and without it. Many replace the lake behind it by a script that tells
//! what it was given, so that they hold with a real lake under test as well.

mod arguments;
mod broken;
mod broken_git;
mod elan;
mod exec;
mod first_user;
mod guard;
mod heads;
mod instead_of;
mod limits;
mod local_work;
mod outside;
#[path = "../link/packages.rs"]
mod packages;
mod passthrough;
mod resolving;
mod settings;
mod settled;
mod sharing;
mod signals;
mod update;
mod variables;

use std::path::{Path, PathBuf};

use shim_tests::mini_mathlib::{FORK, MATHLIB};
use shim_tests::{Call, Run, Sandbox, Tree};

/// Which no clone has.
const OTHER_REV: &str = "0000000000000000000000000000000000000001";

/// Runs a command without the shim and with it, asserts that nothing tells the two apart, and returns the latter.
#[track_caller]
fn alike<'a>(sandbox: &'a Sandbox, words: &str, with: impl Fn(Call<'a>) -> Call<'a>) -> Run {
    let direct = with(sandbox.real_lake(words)).run();
    let shim = with(sandbox.lake(words)).run();
    assert_alike(&direct, &shim);
    shim
}

#[track_caller]
fn assert_alike(direct: &Run, shim: &Run) {
    let seen = |run: &Run| {
        let Run { code, signal, stdout_bytes, stderr_bytes, .. } = run.clone();
        (code, signal, stdout_bytes, stderr_bytes)
    };
    assert!(seen(direct) == seen(shim), "without the shim:\n{direct}\nwith it:\n{shim}");
}

/// As [`assert_alike`], but for warnings of the shim ahead of all else on stderr, which hold each of `parts`.
#[track_caller]
fn assert_alike_but_warned(direct: &Run, shim: &Run, parts: &[&str]) {
    let said = shim.stderr.strip_suffix(&direct.stderr);
    let said =
        said.unwrap_or_else(|| panic!("lake's own words are not the last:\n{direct}\n{shim}"));
    let mut without_it = shim.clone();
    without_it.stderr_bytes.clone_from(&direct.stderr_bytes);
    assert_alike(direct, &without_it);
    assert!(said.starts_with("lake-shim: warning: "), "no warning:\n{shim}");
    for part in parts {
        assert!(said.contains(part), "no `{part}` in the warning:\n{shim}");
    }
}

/// A lake that writes its arguments to stdout, a NUL behind each. The shim's own option is left out.
fn mirror(sandbox: &Sandbox) -> PathBuf {
    let body = "for arg; do case $arg in --packages=*/settled-*.json) ;; *) printf '%s\\0' \"$arg\" ;; esac; done";
    sandbox.script("mirror/lake", body);
    sandbox.path("mirror/lake")
}

/// Checks out another revision in a clone, as a fetch and a checkout do. By plumbing: what `git commit` makes is local
/// work.
fn move_head(sandbox: &Sandbox, clone: &Path) {
    let next = sandbox.git(clone, &["commit-tree", "HEAD^{tree}", "-p", "HEAD", "-m", "next"]);
    sandbox.git(clone, &["checkout", "--quiet", "--detach", &next]);
}

/// Changes what the manifest says of mathlib.
fn relock(sandbox: &Sandbox, url: &str, rev: &str) {
    let (old_url, old_rev) = sandbox.locked("mathlib");
    let manifest = sandbox.read("app/lake-manifest.json");
    let manifest = manifest.replace(&format!("\"{old_url}\""), &format!("\"{url}\""));
    sandbox.write("app/lake-manifest.json", manifest.replace(&old_rev, rev));
}

fn set_origin(sandbox: &Sandbox, clone: &Path, url: &str) {
    sandbox.git(clone, &["remote", "set-url", "origin", url]);
}

/// A workspace on mathlib, cloned from one URL and locked to another, at a revision that the clone lacks.
fn spelled(origin: &str, wanted: &str) -> Sandbox {
    let sandbox = Sandbox::mini_mathlib();
    relock(&sandbox, wanted, OTHER_REV);
    set_origin(&sandbox, &sandbox.package("mathlib"), origin);
    sandbox
}

/// What is lost when a clone is deleted, even if it is cloned again: a file that nobody committed, the objects.
struct Keepsake {
    marker: PathBuf,
    objects: Tree,
}

impl Keepsake {
    fn leave(sandbox: &Sandbox, clone: &Path) -> Keepsake {
        let marker = clone.join("MARKER");
        sandbox.write(&marker, "mine");
        Keepsake { marker, objects: Tree::of(clone.join(".git/objects")) }
    }

    fn is_lost(&self) -> bool {
        !self.marker.exists()
    }

    /// More objects than before are fine: those of a fetch.
    #[track_caller]
    fn assert_kept(&self, run: &Run) {
        assert!(!self.is_lost(), "the clone was deleted\n{run}");
        let root = self.marker.with_file_name(".git").join("objects");
        let now = Tree::of(root).files();
        let gone = self.objects.files().into_keys().find(|object| !now.contains_key(object));
        assert!(gone.is_none(), "{gone:?} is gone\n{run}");
    }
}

/// Shows that a command loses mathlib's clone without the shim, and with it does not.
#[track_caller]
fn lost_without_kept_with(prepare: impl Fn() -> Sandbox, words: &str) -> (Sandbox, Run) {
    assert_lost_without(&prepare, words);
    let sandbox = prepare();
    let keepsake = Keepsake::leave(&sandbox, &sandbox.package("mathlib"));
    let run = sandbox.lake(words).run();
    keepsake.assert_kept(&run);
    run.stderr_lacks("deleting");
    (sandbox, run)
}

#[track_caller]
fn assert_lost_without(prepare: impl Fn() -> Sandbox, words: &str) {
    let sandbox = prepare();
    let keepsake = Keepsake::leave(&sandbox, &sandbox.package("mathlib"));
    let run = sandbox.real_lake(words).run();
    run.stderr_contains("mathlib: URL has changed; deleting");
    assert!(keepsake.is_lost(), "this lake deletes nothing, so that the test shows nothing\n{run}");
}
