//! Bakes and restores that are killed at any moment.

use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use shim_tests::{Call, Sandbox, Tree};

use crate::{
    bake, baked, baked_and_fresh_from, built, clear, expect_clones, expect_no_leftovers, files,
    restore, verify,
};

const KILLS: u32 = 30;

/// Starts the call and kills it and its children, after a share of the time that it takes.
fn kill_at(round: u32, took: Duration, call: Call<'_>) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.subsec_micros());
    let moment = took / KILLS * round + took / KILLS * (now % 1000) / 1000;
    let running = call.spawn();
    thread::sleep(moment);
    let group = Pid::from_raw(running.pid().cast_signed());
    let _ = killpg(group, Signal::SIGKILL);
    running.wait().signal == Some(Signal::SIGKILL as i32)
}

#[test]
fn a_bake_killed_at_any_moment_is_whole_when_run_again() {
    let sandbox = built();
    sandbox.add_extra();
    let took = bake(&sandbox, "--format both").run().expect_code(0).took;
    let whole = files(baked(&sandbox));
    let mut killed = 0;
    for round in 0..KILLS {
        sandbox.remove("baked");
        killed += u32::from(kill_at(round, took, bake(&sandbox, "--format both")));
        if sandbox.path("baked/lake-shim/index.json").exists() {
            // What has an index is whole.
            verify(&sandbox, "").run().expect_code(0);
        }
        let run = bake(&sandbox, "--format both").run();
        run.expect_code(0);
        let now = files(baked(&sandbox));
        let strays: Vec<_> = now.keys().filter(|path| !whole.contains_key(*path)).collect();
        assert!(strays.is_empty(), "left behind by round {round}: {strays:?}");
        assert_eq!(now, whole, "round {round}");
    }
    assert!(killed >= KILLS / 4, "only {killed} kills met their victim");
    let tmp = Tree::of(sandbox.path("tmp"));
    let left = tmp.entries().keys().filter(|path| path.components().count() == 1);
    let left: Vec<_> = left.filter(|path| !path.as_os_str().is_empty()).collect();
    assert!(
        left.len() <= KILLS as usize * 2,
        "one killed bake leaves one directory or two: {left:?}"
    );
}

#[test]
fn a_restore_killed_at_any_moment_leaves_no_half_package() {
    let sandbox = built();
    sandbox.add_extra();
    let sandbox = baked_and_fresh_from(sandbox, "");
    kill_restores(&sandbox);
}

#[test]
fn a_restore_from_packs_alone_killed_at_any_moment_leaves_no_half_package() {
    let sandbox = baked_and_fresh_from(built(), "--format pack");
    kill_restores(&sandbox);
}

fn kill_restores(sandbox: &Sandbox) {
    let took = restore(sandbox, "").run().expect_code(0).took;
    let store = Tree::of(baked(sandbox));
    let mut killed = 0;
    for round in 0..KILLS {
        clear(sandbox);
        killed += u32::from(kill_at(round, took, restore(sandbox, "")));
        for package in ["mathlib", "batteries"] {
            if sandbox.package(package).exists() {
                expect_clones(sandbox, &[package]);
            }
        }
        let run = restore(sandbox, "").run();
        assert_eq!(run.code, Some(0), "round {round}: {run}");
        sandbox.expect_all_restored();
        expect_clones(sandbox, &["mathlib", "batteries"]);
        expect_no_leftovers(sandbox);
    }
    store.assert_unchanged();
    assert!(killed >= KILLS / 4, "only {killed} kills met their victim");
}
