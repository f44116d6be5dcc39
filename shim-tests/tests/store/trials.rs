//! What a bake does with cache files that are in the store already: none goes because of something that is not its
//! fault, and none before there is a better one.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use shim_tests::{NOBODY, Run, Sandbox, Tmpfs, modules};

use crate::{bake, baked, built, files, ltar, verify};

const LATTICE: &str = "Mathlib.Order.Lattice";

/// A workspace without builds, and a plain store of every cache file where tests bake to.
fn plain() -> Sandbox {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.copy("store", "baked");
    sandbox
}

fn cache_files(sandbox: &Sandbox) -> BTreeMap<PathBuf, String> {
    let mut files = files(baked(sandbox));
    files.retain(|path, _| path.extension().is_some_and(|extension| extension == "ltar"));
    files
}

/// Asserts that nobody has been asked for other cache files.
#[track_caller]
fn expect_nothing_asked(sandbox: &Sandbox, run: &Run) {
    run.expect_code(1).expect_stdout("").stderr_contains("hint: ").stderr_lacks("running `lake");
    assert!(!baked(sandbox).join("lake-shim/index.json").exists());
}

#[test]
fn a_leantar_that_unpacks_nothing_costs_no_cache_file() {
    for script in ["echo 'unknown option -j' >&2; exit 1", "exit 0", "kill -9 $$"] {
        let sandbox = plain();
        let before = cache_files(&sandbox);
        let version = r#"[ "$1" = --version ] && echo leantar 0.1.19 && exit"#;
        sandbox.script("old/leantar", &format!("{version}\n{script}"));
        let leantar = sandbox.path("old/leantar");
        let run = bake(&sandbox, "").env("LAKE_SHIM_LEANTAR", &leantar).run();
        let said = if script.starts_with("echo") { ": unknown option -j\n" } else { "\n" };
        let count = modules().len();
        run.stderr_contains(&format!(
            "`{}` unpacks none of the {count} cache files tried{said}",
            leantar.display()
        ));
        expect_nothing_asked(&sandbox, &run);
        assert_eq!(cache_files(&sandbox), before, "{script}");
    }
}

#[test]
#[cfg_attr(not(has = "mount"), ignore = "needs mount")]
fn a_full_disk_costs_no_cache_file() {
    let sandbox = Sandbox::mini_mathlib();
    let disk = Tmpfs::mount(baked(&sandbox), "64m");
    sandbox.copy("store", "baked");
    let before = cache_files(&sandbox);
    // Room for some of the modules, and not for all.
    let pages =
        |path: &PathBuf| fs::metadata(baked(&sandbox).join(path)).expect("a file").len() / 4096 + 1;
    let used: u64 = before.keys().map(pages).sum();
    disk.resize(&format!("{}k", 4 * (used + 20)));
    let run = bake(&sandbox, "").run();
    run.stderr_contains(&format!("the disk is full at `{}`", baked(&sandbox).display()));
    expect_nothing_asked(&sandbox, &run);
    assert_eq!(cache_files(&sandbox), before);
    disk.resize("64m");
    bake(&sandbox, "").run().expect_code(0);
    verify(&sandbox, "").run().expect_code(0);
}

#[test]
#[cfg_attr(not(has = "setpriv"), ignore = "needs setpriv")]
fn a_cache_file_that_may_not_be_read_is_named_and_stays() {
    let sandbox = plain();
    let file = ltar(&sandbox, LATTICE);
    sandbox.chown("baked", NOBODY).chown(&file, 0).chmod(&file, 0o600);
    let before = cache_files(&sandbox);
    let run = bake(&sandbox, "").as_user(NOBODY).run();
    run.stderr_contains(&file.display().to_string()).stderr_contains("Permission denied");
    expect_nothing_asked(&sandbox, &run);
    assert_eq!(cache_files(&sandbox), before);
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn a_damaged_cache_file_stays_until_there_is_a_better_one_fake_lake_only() {
    let sandbox = plain().with_cloud();
    let file = ltar(&sandbox, LATTICE);
    let in_cloud = sandbox.cloud().join(file.file_name().expect("a name"));
    sandbox.truncate(&file).rename(&in_cloud, "later");
    let before = cache_files(&sandbox);
    let run = bake(&sandbox, "").run();
    run.expect_code(1).stderr_contains(&format!("  {LATTICE}\n"));
    assert_eq!(cache_files(&sandbox), before);
    sandbox.rename("later", &in_cloud);
    bake(&sandbox, "").run().expect_code(0);
    let bytes = |path| fs::read(path).expect("a file");
    assert!(bytes(file) == bytes(sandbox.ltar(LATTICE)));
    assert!(!baked(&sandbox).join("lake-shim/damaged").exists(), "nothing is left of the old one");
}

/// The only file on trial says nothing of leantar when others have been unpacked before.
#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn a_single_damaged_copy_is_replaced_from_the_cloud_fake_lake_only() {
    let sandbox = plain().with_cloud();
    bake(&sandbox, "").run().expect_code(0);
    sandbox.remove(ltar(&sandbox, LATTICE)).truncate(sandbox.ltar(LATTICE));
    let run = bake(&sandbox, "").env("MATHLIB_CACHE_DIR", sandbox.store()).run();
    run.expect_code(0).stderr_lacks("copied").stderr_contains("running `lake exe cache");
    verify(&sandbox, "").run().expect_code(0);
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn no_real_lake_is_no_missing_module_fake_lake_only() {
    let sandbox = built();
    sandbox.remove("toolchain/bin/lake");
    for words in ["", "--format pack"] {
        let run = bake(&sandbox, words).run();
        run.expect_code(127).stderr_contains("no real lake").stderr_contains("hint: ");
        run.stderr_lacks("missing");
    }
}
