//! `lake-shim gc`: what goes, and what stays.

use serde_json::json;
use shim_tests::{Call, Sandbox, Tree};
use std::path::{Path, PathBuf};

use crate::{
    bake, baked, baked_and_fresh, built, clear, edit_index, files, index, move_batteries, restore,
    shard, verify,
};

fn gc<'a>(sandbox: &'a Sandbox, words: &str) -> Call<'a> {
    sandbox.lake_shim("gc --store").arg(baked(sandbox)).args(words.split_whitespace())
}

/// A store with two locks: their ids, and the files of only the first and of only the second.
fn two_locks() -> (Sandbox, [String; 2], [Vec<String>; 2]) {
    let sandbox = built();
    bake(&sandbox, "").run().expect_code(0);
    let first = locks(&sandbox)[0].clone();
    let sources = shard(&sandbox, "batteries", "source").display().to_string();
    let [old, _] = move_batteries(&sandbox);
    let before = files(baked(&sandbox));
    bake(&sandbox, "").run().expect_code(0);
    let second = locks(&sandbox).into_iter().find(|lock| *lock != first).expect("a second lock");
    let added = files(baked(&sandbox)).into_keys().filter(|path| !before.contains_key(path));
    let store = baked(&sandbox);
    let new = added.map(|path| store.join(path).display().to_string()).collect();
    let mut old: Vec<_> = old.iter().map(|file| store.join(file).display().to_string()).collect();
    old.push(sources);
    old.sort();
    (sandbox, [first, second], [old, new])
}

fn locks(sandbox: &Sandbox) -> Vec<String> {
    index(sandbox)["locks"].as_object().into_iter().flatten().map(|(id, _)| id.clone()).collect()
}

#[test]
fn a_dry_run_lists_and_removes_nothing() {
    let (sandbox, [first, second], [old, new]) = two_locks();
    let before = Tree::of(baked(&sandbox));
    for (keep, goes) in [(first, new), (second, old)] {
        let run = gc(&sandbox, &format!("--dry-run --keep {keep}")).run();
        run.expect_code(0).stderr_contains("would remove");
        let mut listed: Vec<_> = run.stdout.lines().map(str::to_owned).collect();
        listed.sort();
        assert_eq!(listed, goes);
    }
    let run = gc(&sandbox, "--dry-run").run();
    run.expect_code(0).expect_stdout("");
    before.assert_unchanged();
}

#[test]
fn what_only_the_other_lock_needs_is_removed() {
    for kept in [0, 1] {
        let (sandbox, ids, only) = two_locks();
        let before = files(baked(&sandbox));
        gc(&sandbox, &format!("--keep {}", ids[kept])).run().expect_code(0).expect_stdout("");
        let after = files(baked(&sandbox));
        let gone = before.keys().filter(|path| !after.contains_key(*path));
        let gone: Vec<_> =
            gone.map(|path| baked(&sandbox).join(path).display().to_string()).collect();
        assert_eq!(gone, only[1 - kept]);
        assert_eq!(locks(&sandbox), [ids[kept].clone()]);
        verify(&sandbox, "").run().expect_code(0).stderr_contains("is whole");
        // And nothing more goes.
        gc(&sandbox, "").run().expect_code(0);
        assert_eq!(files(baked(&sandbox)), after);
    }
}

#[test]
fn what_is_left_is_what_a_bake_of_that_lock_makes() {
    let (sandbox, [first, _], _) = two_locks();
    gc(&sandbox, &format!("--keep {first}")).run().expect_code(0);
    let alone = built();
    bake(&alone, "").run().expect_code(0);
    let names = |sandbox: &Sandbox| files(baked(sandbox)).into_keys().collect::<Vec<_>>();
    assert_eq!(names(&sandbox), names(&alone));
    assert_eq!(
        files(baked(&sandbox))[Path::new("lake-shim/index.json")],
        files(baked(&alone))[Path::new("lake-shim/index.json")]
    );
}

#[test]
fn both_locks_may_be_kept() {
    let (sandbox, [first, second], _) = two_locks();
    let before = files(baked(&sandbox));
    gc(&sandbox, &format!("--keep {first} {second}")).run().expect_code(0);
    gc(&sandbox, "").run().expect_code(0);
    assert_eq!(files(baked(&sandbox)), before);
}

#[test]
fn what_no_lock_needs_goes_and_tools_stay() {
    let sandbox = baked_and_fresh();
    let whole = files(baked(&sandbox));
    let zeros = "0".repeat(64);
    // Put aside as damaged, by a bake that did not live to find a better one.
    let is_ltar = |path: &&PathBuf| path.extension().is_some_and(|extension| extension == "ltar");
    let needed = whole.keys().find(is_ltar).expect("a cache file");
    let aside = Path::new("baked/lake-shim/damaged").join(needed);
    sandbox.write(&aside, "may be better than none");
    sandbox
        .write("baked/0000000000000000.ltar", "old")
        .write(format!("baked/lake-shim/packs/{zeros}.tar.zst"), "old")
        .write("baked/lake-shim/damaged/0000000000000000.ltar", "older");
    sandbox.install_leantar("baked/leantar-0.1.16").write("baked/README", "mine");
    let run = gc(&sandbox, "").run();
    run.expect_code(0).stderr_contains("removed 3 files");
    let after = files(baked(&sandbox));
    for path in whole.keys() {
        assert_eq!(after.get(path), whole.get(path), "{}", path.display());
    }
    assert!(sandbox.path("baked/leantar-0.1.16").exists() && sandbox.path("baked/README").exists());
    assert!(sandbox.path(&aside).exists());
    assert_eq!(after.len(), whole.len() + 3);
    clear_and_restore(&sandbox);
}

/// One store may serve several platforms, and any of them may clear it up.
#[test]
fn builds_of_other_platforms_stay_with_their_lock() {
    let sandbox = built();
    bake(&sandbox, "--format both").run().expect_code(0);
    edit_index(&sandbox, |index| {
        let packs = index["packs"].as_array_mut().into_iter().flatten();
        let builds: Vec<_> = packs.filter(|pack| pack["content"] == "build").collect();
        assert!(!builds.is_empty(), "there are builds");
        builds.into_iter().for_each(|build| build["platform"] = json!("riscv64-linux"));
    });
    let (before, packs) = (files(baked(&sandbox)), index(&sandbox)["packs"].clone());
    for words in [String::new(), format!("--keep {}", locks(&sandbox)[0])] {
        gc(&sandbox, &words).run().expect_code(0).stderr_contains("removed 0 files");
        assert!(files(baked(&sandbox)).keys().eq(before.keys()), "{words}");
        assert_eq!(index(&sandbox)["packs"], packs);
    }
    // Here they are of no use.
    verify(&sandbox, "").run().expect_code(1).stderr_contains("its build is not packed");
}

#[test]
fn what_a_killed_bake_left_goes_too() {
    let sandbox = baked_and_fresh();
    // Nothing of ours: only the names are like it.
    sandbox
        .write("baked/.lake-shim-x1y2z3", "a file")
        .write("baked/lake-shim/.lake-shim-notes/mine", "mine")
        .write("baked/lake-shim/packs/.lake-shim-abcdefghijkl/work/mine", "mine");
    let whole = files(baked(&sandbox));
    for place in ["baked", "baked/lake-shim", "baked/lake-shim/packs"] {
        sandbox.leave_work_dir(place);
    }
    gc(&sandbox, "").run().expect_code(0);
    assert_eq!(files(baked(&sandbox)), whole);
}

#[test]
fn an_unknown_lock_is_told_with_those_there_are() {
    let (sandbox, ids, _) = two_locks();
    let before = Tree::of(baked(&sandbox));
    for words in ["--keep 0123456789abcdef", "--dry-run --keep 0123456789abcdef"] {
        let run = gc(&sandbox, words).run();
        run.expect_code(1).expect_stdout("").stderr_contains("no lock `0123456789abcdef`");
        run.stderr_contains(&format!("`{}`", ids[0])).stderr_contains(&format!("`{}`", ids[1]));
    }
    before.assert_unchanged();
}

#[test]
fn a_store_without_an_index_is_left_alone() {
    let sandbox = built();
    let before = Tree::of(sandbox.store());
    let run = sandbox.lake_shim("gc --store").arg(sandbox.store()).run();
    run.expect_code(1).expect_stdout("").stderr_contains("has no index").stderr_contains("hint: ");
    before.assert_unchanged();
}

fn clear_and_restore(sandbox: &Sandbox) {
    if sandbox.path("app/.lake").exists() {
        clear(sandbox);
    }
    restore(sandbox, "").run().expect_code(0);
    sandbox.expect_all_restored();
}
