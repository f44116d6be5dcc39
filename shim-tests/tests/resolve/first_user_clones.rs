//! The first user's script where the shared packages directory holds clones already, as a stock lake left them.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use shim_tests::tree::Entry;
use shim_tests::{Sandbox, Tree, modules};

use crate::first_user::{DEFAULT, MATHLIB, Work, generated, script};

/// Which it comes as in the second library's manifest.
fn dot_git() -> String {
    format!("{MATHLIB}.git")
}

/// The generated packages, and clones whose mathlib is from `origin`, with a file that nobody committed.
fn with_clones(origin: &str) -> Sandbox {
    let sandbox = generated();
    sandbox.copy("lampe/lake-manifest.json", "app/lake-manifest.json").mkdir("shared");
    sandbox.clone_packages(&sandbox.path("shared")).write("shared/mathlib/MARKER", "mine");
    let mathlib = sandbox.path("shared/mathlib");
    sandbox.git(&mathlib, &["remote", "set-url", "origin", origin]);
    // As every command that looks at it would leave it.
    sandbox.git(&mathlib, &["status"]);
    sandbox.remove("app");
    sandbox
}

/// What of the clones has to stay: everything but what is built.
fn checkouts(sandbox: &Sandbox) -> BTreeMap<PathBuf, Entry> {
    let is_source = |path: &Path| {
        let inside: PathBuf = path.components().skip(1).collect();
        path.components().count() > 1 && !inside.starts_with(".lake")
    };
    let tree = Tree::of(sandbox.path("shared"));
    tree.entries().clone().into_iter().filter(|(path, _)| is_source(path)).collect()
}

/// Inode, and when it was last changed in any way.
fn marks(sandbox: &Sandbox) -> Vec<(u64, i64, i64)> {
    let files = ["mathlib/.git", "mathlib/.git/HEAD", "mathlib/.git/config", "batteries/.git/HEAD"];
    let mark = |file| {
        let meta = fs::metadata(sandbox.path("shared").join(file)).expect("a clone");
        (meta.ino(), meta.ctime(), meta.ctime_nsec())
    };
    files.map(mark).into()
}

#[test]
#[cfg_attr(not(has = "unshare"), ignore = "needs unshare")]
fn clones_that_lie_there_are_kept_whatever_their_spelling() {
    for origin in [MATHLIB, &dot_git()] {
        let sandbox = with_clones(origin);
        let (before, marks_before) = (checkouts(&sandbox), marks(&sandbox));
        let works = [0, 1].map(|i| Work::prepare(&sandbox, i, DEFAULT));
        let manifests = works.each_ref().map(|work| {
            let run = work.start(&sandbox).wait();
            let manifest = work.assert_built(&sandbox, &run);
            assert_eq!(checkouts(&sandbox), before, "{origin}\n{run}");
            assert_eq!(marks(&sandbox), marks_before, "{origin}\n{run}");
            manifest
        });
        assert_eq!(manifests[0].replace("case0", "case1"), manifests[1]);
    }
}

#[test]
#[cfg_attr(not(has = "unshare"), ignore = "needs unshare")]
fn a_clone_at_another_revision_is_not_deleted_over_its_spelling() {
    let prepare = || {
        let sandbox = with_clones(MATHLIB);
        let mathlib = sandbox.path("shared/mathlib");
        sandbox.git(&mathlib, &["commit", "--quiet", "--allow-empty", "--message", "next"]);
        // The last require's spelling is what Lake wants.
        let lampe = sandbox.read("lampe/lakefile.toml").replace(MATHLIB, &dot_git());
        sandbox.write("lampe/lakefile.toml", lampe);
        let manifest = sandbox.read("proven-zk/lake-manifest.json");
        sandbox.write("lampe/lake-manifest.json", manifest.replace("«proven-zk»", "lampe"));
        sandbox
    };
    let sandbox = prepare();
    let work = Work::prepare(&sandbox, 0, DEFAULT);
    let run = sandbox.real_lake("build").cwd(&work.dir).without_network().run();
    run.stderr_contains("URL has changed; deleting");
    assert!(!sandbox.path("shared/mathlib/MARKER").exists(), "{run}");
    let sandbox = prepare();
    let (work, marks_before) = (Work::prepare(&sandbox, 0, DEFAULT), marks(&sandbox));
    let run = work.start(&sandbox).wait();
    run.stderr_lacks("deleting");
    assert!(sandbox.path("shared/mathlib/MARKER").exists(), "{run}");
    assert_eq!(marks(&sandbox)[0].0, marks_before[0].0, "another clone\n{run}");
}

#[test]
#[cfg_attr(not(has = "unshare"), ignore = "needs unshare")]
fn without_cache_get_the_build_restores_and_paths_may_be_relative() {
    let mut sandbox = generated();
    sandbox.set_env("CI", "");
    let root = sandbox.path("");
    for i in [0, 1] {
        let lakefile = sandbox.read(format!("cases/{i}/lakefile.toml"));
        let relative = lakefile.replace(&*root.to_string_lossy(), "../");
        assert!(relative.contains("path = \"../lampe\""), "{relative}");
        sandbox.write(format!("cases/{i}/lakefile.toml"), relative);
    }
    let works = [0, 1].map(|i| Work::prepare(&sandbox, i, DEFAULT));
    let runs = works.each_ref().map(|work| work.start(&sandbox).wait());
    runs[0].stderr_contains("restored 11 modules, 2 packages");
    runs[1].stderr_lacks("restored");
    let manifests = [0, 1].map(|i| works[i].assert_built(&sandbox, &runs[i]));
    assert!(manifests[0].contains("\"dir\": \"../lampe\""), "{}", manifests[0]);
    let names: Vec<_> = modules().iter().map(|module| module.name.as_str()).collect();
    sandbox.expect_restored_below("shared", &names);
    // Once more, and the script as a whole.
    for work in &works {
        let run = script(&sandbox, "run").arg(&work.dir).without_network().run();
        run.expect_code(0).stderr_lacks("resolved").stderr_lacks("restored");
    }
}
