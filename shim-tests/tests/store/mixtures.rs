//! Cache files of one name can be of two builds, which need not fit each other: a bake takes all from one place if one
//! has all.

use std::fs;
use std::path::{Path, PathBuf};

use shim_tests::ltar::Ltar;
use shim_tests::{Run, Sandbox};

use crate::{bake, baked, files, files_ending, ltar, verify};

const INIT: &str = "Mathlib.Init";
const LATTICE: &str = "Mathlib.Order.Lattice";
const MIXED: &str = "warning: no place has all cache files, so that they are mixed: ";

/// The user's cache.
fn cache(sandbox: &Sandbox) -> PathBuf {
    sandbox.home().join(".cache/mathlib")
}

/// Makes every archive in `store` one of another build.
fn rebuild(store: &Path) {
    for entry in fs::read_dir(store).expect("a store") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "ltar") {
            let archive = Ltar::parse(&fs::read(&path).expect("a file")).expect("the fake's");
            fs::write(&path, archive.rebuilt("other").to_bytes()).expect("written");
        }
    }
}

/// A plain store of every file where tests bake to, the user's cache with all files of another build, and no build.
fn two_builds() -> Sandbox {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.copy("store", "baked").copy("store", cache(&sandbox));
    rebuild(&cache(&sandbox));
    sandbox
}

fn same_place(sandbox: &Sandbox, file: &Path) -> PathBuf {
    cache(sandbox).join(file.file_name().expect("a name"))
}

/// How many of the baked files are equal to those of the user's cache.
fn of_the_cache(sandbox: &Sandbox) -> usize {
    let (cached, baked) = (files(cache(sandbox)), files(baked(sandbox)));
    cached.iter().filter(|(name, digest)| baked.get(*name) == Some(digest)).count()
}

#[track_caller]
fn expect_whole(sandbox: &Sandbox, run: &Run) {
    run.expect_code(0).stderr_contains("is whole");
    verify(sandbox, "").run().expect_code(0);
}

#[test]
#[cfg_attr(not(has = "fake-leantar"), ignore = "needs the fake leantar")]
fn a_store_with_everything_takes_nothing_fake_leantar_only() {
    let sandbox = two_builds();
    let run = bake(&sandbox, "").run();
    expect_whole(&sandbox, &run);
    run.stderr_lacks("copied").stderr_lacks(MIXED);
    assert_eq!(of_the_cache(&sandbox), 0);
}

#[test]
#[cfg_attr(not(has = "fake-leantar"), ignore = "needs the fake leantar")]
fn a_place_with_everything_replaces_a_store_with_a_gap_fake_leantar_only() {
    for first in [false, true] {
        let sandbox = two_builds();
        if first {
            bake(&sandbox, "").run().expect_code(0);
        }
        sandbox.remove(ltar(&sandbox, LATTICE));
        let run = bake(&sandbox, "").run();
        expect_whole(&sandbox, &run);
        run.stderr_contains("copied 11 files").stderr_lacks(MIXED).stderr_lacks("running `lake");
        assert_eq!(of_the_cache(&sandbox), 11);
    }
}

/// Files of one build only fill the gap.
#[test]
fn equal_files_stay() {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.copy("store", "baked").copy("store", cache(&sandbox)).remove(ltar(&sandbox, LATTICE));
    let run = bake(&sandbox, "").run();
    expect_whole(&sandbox, &run);
    run.stderr_contains("copied 1 file").stderr_lacks(MIXED).stderr_lacks("running `lake");
}

#[test]
#[cfg_attr(
    not(all(has = "fake-lake", has = "fake-leantar")),
    ignore = "needs the fake lake, the fake leantar"
)]
fn the_cloud_goes_before_a_mixture_fake_leantar_only() {
    let sandbox = two_builds().with_cloud();
    sandbox.remove("baked");
    sandbox.remove(same_place(&sandbox, &sandbox.ltar(INIT)));
    let run = bake(&sandbox, "").run();
    expect_whole(&sandbox, &run);
    run.stderr_lacks("copied").stderr_lacks(MIXED);
    assert_eq!(of_the_cache(&sandbox), 0);
}

#[test]
#[cfg_attr(
    not(all(has = "fake-lake", has = "fake-leantar")),
    ignore = "needs the fake lake, the fake leantar"
)]
fn a_mixture_is_said_fake_leantar_only() {
    let sandbox = two_builds();
    sandbox.remove(ltar(&sandbox, LATTICE)).remove(same_place(&sandbox, &sandbox.ltar(INIT)));
    let run = bake(&sandbox, "").run();
    expect_whole(&sandbox, &run);
    let places = [baked(&sandbox), cache(&sandbox)].map(|place| place.display().to_string());
    run.stderr_contains(&format!("{MIXED}10 of `{}`, 1 of `{}`. ", places[0], places[1]));
    run.stderr_contains("hint: `lake build --no-build`");
    // A file that is not whole does not make a place one that has all.
    let sandbox = two_builds();
    sandbox.remove(ltar(&sandbox, LATTICE)).truncate(same_place(&sandbox, &sandbox.ltar(INIT)));
    expect_whole(&sandbox, &bake(&sandbox, "").run());
    assert_eq!(of_the_cache(&sandbox), 1);
}

/// Modules of another lock may fit only the file that is there.
#[test]
#[cfg_attr(
    not(all(has = "fake-lake", has = "fake-leantar")),
    ignore = "needs the fake lake, the fake leantar"
)]
fn files_of_another_lock_stay_fake_leantar_only() {
    let sandbox = two_builds();
    bake(&sandbox, "").run().expect_code(0);
    let before = files_ending(&sandbox, ".ltar").len();
    let [old, new] = crate::move_batteries(&sandbox);
    // The cache has every file of the new lock, all of another build.
    rebuild(&cache(&sandbox));
    let run = bake(&sandbox, "").run();
    expect_whole(&sandbox, &run);
    run.stderr_contains(MIXED);
    assert_eq!(files_ending(&sandbox, ".ltar").len(), before + new.len());
    assert_eq!(old.len(), new.len());
    assert_eq!(of_the_cache(&sandbox), new.len());
}
