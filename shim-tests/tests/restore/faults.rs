//! What a disk, a user with other rights, a second process and a killer can do to a restore.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::sys::signal::Signal;
use nix::unistd::Pid;
use shim_tests::{NOBODY, Sandbox, Tmpfs, Tree};

use crate::{
    all_but, clean, expect_absent_or_whole, expect_leantar_runs, expect_no_leftovers, offline,
    offline_get,
};

#[test]
#[cfg_attr(not(has = "setpriv"), ignore = "needs setpriv")]
fn packages_that_may_not_be_written_are_an_error_that_names_them() {
    let sandbox = Sandbox::mini_mathlib();
    let packages = Tree::of(sandbox.packages());
    let run = offline_get(&sandbox).as_user(NOBODY).run();
    run.expect_code(1)
        .expect_stdout("")
        .stderr_contains("cannot restore into")
        .stderr_contains("/packages/")
        .stderr_contains("Permission denied")
        .stderr_contains("hint: ");
    packages.assert_unchanged();
}

#[test]
#[cfg_attr(not(has = "setpriv"), ignore = "needs setpriv")]
fn a_build_goes_on_where_packages_may_not_be_written() {
    let sandbox = Sandbox::mini_mathlib();
    offline_get(&sandbox).run().expect_code(0);
    sandbox.remove(sandbox.package("batteries").join(".lake/build/lib/lean/Batteries.trace"));
    let packages = Tree::of(sandbox.packages());
    let run = sandbox.lake("env true").env("LAKE_SHIM_RESTORE", "always").as_user(NOBODY).run();
    run.expect_code(0).expect_stdout("").stderr_contains("warning: cannot restore into");
    packages.assert_same_content();
}

#[test]
#[cfg_attr(not(has = "setpriv"), ignore = "needs setpriv")]
fn what_root_restored_serves_another_user() {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.shim_bin();
    sandbox.command("sh", "-c").arg("umask 022; exec lake exe cache get").run().expect_code(0);
    let workspace = Tree::of(sandbox.workspace());
    let run = offline_get(&sandbox).as_user(NOBODY).run();
    run.expect_code(0).stderr_contains("nothing to do: 11 modules up to date");
    workspace.assert_unchanged();
    expect_leantar_runs(&sandbox, 1);
    // And through a guarded build, for the packages are another user's.
    sandbox.lake("env true").as_user(NOBODY).run().expect_code(0).stderr_lacks("deleting");
    assert!(sandbox.package("mathlib").join("Mathlib.lean").exists());
}

#[test]
#[cfg_attr(not(has = "mount"), ignore = "needs mount")]
fn a_full_disk_is_an_error_and_what_is_published_is_whole() {
    for size in ["8k", "64k", "128k", "200k"] {
        let sandbox = Sandbox::mini_mathlib();
        let lake = sandbox.package("mathlib").join(".lake");
        let disk = Tmpfs::mount(&lake, size);
        let run = offline_get(&sandbox).run();
        if run.code == Some(0) {
            // The real archives are smaller than the made-up ones.
            sandbox.expect_all_restored();
            continue;
        }
        run.expect_code(1).stderr_contains(&lake.display().to_string());
        assert!(
            run.stderr.contains("disk was full") || run.stderr.contains("No space left on device"),
            "{run}"
        );
        expect_absent_or_whole(&sandbox);
        expect_no_leftovers(&sandbox);
        disk.resize("32m");
        offline_get(&sandbox).run().expect_code(0);
        sandbox.expect_all_restored();
        drop(disk);
    }
}

#[test]
fn a_symlink_loop_in_a_packages_lake_directory_is_an_error() {
    for link in [".lake", ".lake/build"] {
        let sandbox = Sandbox::mini_mathlib();
        let name = Path::new(link).file_name().expect("a name");
        sandbox.symlink(name, sandbox.package("mathlib").join(link));
        let run = offline_get(&sandbox).run();
        let place = sandbox.package("mathlib").join(link);
        run.expect_code(1)
            .expect_stdout("")
            .stderr_contains(&place.display().to_string())
            .stderr_contains("hint: ");
        assert!(place.is_symlink());
        expect_no_leftovers(&sandbox);
    }
}

#[test]
fn a_file_where_a_directory_should_be_is_an_error() {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.write(sandbox.package("mathlib").join(".lake/build"), "in the way");
    let run = offline_get(&sandbox).run();
    run.expect_code(1).stderr_contains("mathlib/.lake/build");
    assert_eq!(sandbox.read(sandbox.package("mathlib").join(".lake/build")), "in the way");
}

const SLEEP_MS: u64 = 15;
const KILLS: u64 = 30;

/// Kills at moments spread over a restore that is slowed down, each time on a fresh workspace.
fn kill_at_many_moments(kill: impl Fn(&Sandbox, &shim_tests::Running) -> bool) {
    let sandbox = Sandbox::mini_mathlib();
    let store = Tree::of(sandbox.store());
    let mut killed = 0;
    for round in 0..KILLS {
        let jitter = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |now| u64::from(now.subsec_micros()));
        let moment = round * 13_000 + jitter % 13_000;
        let running =
            offline_get(&sandbox).env("FAKE_LEANTAR_SLEEP_MS", SLEEP_MS.to_string()).spawn();
        thread::sleep(Duration::from_micros(moment));
        killed += u32::from(kill(&sandbox, &running));
        let run = running.wait();
        expect_absent_or_whole(&sandbox);
        let next = offline_get(&sandbox).run();
        assert_eq!(next.code, Some(0), "killed after {moment} µs\n{run}{next}");
        sandbox.expect_all_restored();
        store.assert_unchanged();
        // An orphaned leantar may work on for a while.
        thread::sleep(Duration::from_millis(SLEEP_MS * 12));
        let left = sandbox.leftovers("app");
        assert!(left.is_empty(), "killed after {moment} µs, left {left:?}\n{run}{next}");
        clean(&sandbox);
    }
    assert!(killed >= 8, "only {killed} kills met their victim");
}

#[test]
#[cfg_attr(not(has = "fake-leantar"), ignore = "needs the fake leantar")]
fn a_shim_killed_at_any_moment_leaves_nothing_half_written_fake_leantar_only() {
    kill_at_many_moments(|_, running| {
        running.signal(Signal::SIGKILL);
        true
    });
}

#[test]
#[cfg_attr(not(has = "fake-leantar"), ignore = "needs the fake leantar")]
fn a_leantar_killed_at_any_moment_leaves_nothing_half_written_fake_leantar_only() {
    kill_at_many_moments(|_, running| {
        let children = format!("/proc/{0}/task/{0}/children", running.pid());
        let children = fs::read_to_string(children).unwrap_or_default();
        let child = children.split_whitespace().next().and_then(|pid| pid.parse().ok());
        child.is_some_and(|child| {
            nix::sys::signal::kill(Pid::from_raw(child), Signal::SIGKILL).is_ok()
        })
    });
}

#[test]
fn a_dead_processs_stage_is_swept_away() {
    let sandbox = Sandbox::mini_mathlib();
    let build = sandbox.package("mathlib").join(".lake/build");
    sandbox.write(build.join(".lake-shim-dead01/.lake/build/lib/lean/Mathlib.trace"), "{}");
    offline_get(&sandbox).run().expect_code(0);
    sandbox.expect_all_restored();
    expect_no_leftovers(&sandbox);
}

#[test]
fn a_dead_processs_stage_is_swept_away_though_there_is_nothing_to_do() {
    // What a kill between publishing and cleaning up leaves.
    let sandbox = Sandbox::mini_mathlib();
    offline_get(&sandbox).run().expect_code(0);
    let build = sandbox.package("mathlib").join(".lake/build");
    sandbox.write(build.join(".lake-shim-dead01/links/x"), "");
    offline_get(&sandbox).run().expect_code(0).stderr_contains("nothing to do");
    expect_no_leftovers(&sandbox);
}

#[test]
#[cfg_attr(not(has = "fake-leantar"), ignore = "needs the fake leantar")]
fn of_two_restores_at_once_one_waits_and_finds_nothing_to_do_fake_leantar_only() {
    let sandbox = Sandbox::mini_mathlib();
    let slow = || offline_get(&sandbox).env("FAKE_LEANTAR_SLEEP_MS", "60").spawn();
    let first = slow();
    first.wait_until(|| !sandbox.leantar_calls().is_empty());
    let second = slow();
    let first_pid = first.pid();
    first.wait().expect_code(0).stderr_contains("restored 11 modules").stderr_lacks("waiting");
    second
        .wait()
        .expect_code(0)
        .stderr_contains(&format!("waiting for `lake exe cache get` (process {first_pid})"))
        .stderr_contains("nothing to do: 11 modules up to date");
    sandbox.expect_all_restored();
    expect_leantar_runs(&sandbox, 1);
    expect_no_leftovers(&sandbox);
}

#[test]
#[cfg_attr(not(has = "fake-leantar"), ignore = "needs the fake leantar")]
fn a_waiting_restore_does_the_rest_itself_when_the_first_is_killed_fake_leantar_only() {
    let sandbox = Sandbox::mini_mathlib();
    let first = offline_get(&sandbox).env("FAKE_LEANTAR_SLEEP_MS", "100").spawn();
    first.wait_until(|| !sandbox.leantar_calls().is_empty());
    let second = offline_get(&sandbox).spawn();
    thread::sleep(Duration::from_millis(100));
    first.signal(Signal::SIGKILL);
    first.wait().expect_signal(Signal::SIGKILL);
    second
        .wait()
        .expect_code(0)
        .stderr_contains("waiting for")
        .stderr_contains("restored 11 modules");
    sandbox.expect_all_restored();
}

#[test]
fn restores_of_different_modules_at_once_are_both_whole() {
    let sandbox = Sandbox::mini_mathlib();
    for _ in 0..10 {
        let runs = [
            "exe cache get Mathlib.Algebra",
            "exe cache get Mathlib.Order.Lattice",
            "exe cache get Batteries",
        ]
        .map(|line| offline(&sandbox, line).spawn());
        for running in runs {
            running.wait().expect_code(0);
        }
        sandbox.expect_restored(&all_but(&["Mathlib"]));
        expect_no_leftovers(&sandbox);
        clean(&sandbox);
    }
}

#[test]
#[cfg_attr(not(has = "fake-leantar"), ignore = "needs the fake leantar")]
fn an_interrupted_restore_leaves_nothing_half_written_fake_leantar_only() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let sandbox = Sandbox::mini_mathlib();
        let running = offline_get(&sandbox).env("FAKE_LEANTAR_SLEEP_MS", "50").spawn();
        running.wait_until(|| !sandbox.leantar_calls().is_empty());
        // A terminal signals the whole group.
        nix::sys::signal::killpg(Pid::from_raw(running.pid().cast_signed()), signal)
            .expect("signalled");
        let run = running.wait();
        assert!(run.code != Some(0), "{run}");
        expect_absent_or_whole(&sandbox);
        offline_get(&sandbox).run().expect_code(0);
        sandbox.expect_all_restored();
        expect_no_leftovers(&sandbox);
    }
}
