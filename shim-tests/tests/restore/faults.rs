//! What a user with other rights, a second process and a dead one can do to a restore. What disks and killers can is
//! the fault suite's (`tests/faults`).

use std::path::Path;

use nix::sys::signal::Signal;
use shim_tests::{NOBODY, Sandbox, Tree};

use crate::{all_but, clean, expect_leantar_runs, expect_no_leftovers, offline, offline_get};

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

#[test]
fn a_dead_processs_stage_is_swept_away() {
    let sandbox = Sandbox::mini_mathlib();
    let stage = sandbox.leave_work_dir(sandbox.package("mathlib").join(".lake/build"));
    sandbox.write(stage.join("work/.lake/build/lib/lean/Mathlib.trace"), "{}");
    offline_get(&sandbox).run().expect_code(0);
    sandbox.expect_all_restored();
    expect_no_leftovers(&sandbox);
}

#[test]
fn a_dead_processs_stage_is_swept_away_though_there_is_nothing_to_do() {
    // What a kill between publishing and cleaning up leaves.
    let sandbox = Sandbox::mini_mathlib();
    offline_get(&sandbox).run().expect_code(0);
    sandbox.leave_work_dir(sandbox.package("mathlib").join(".lake/build"));
    offline_get(&sandbox).run().expect_code(0).stderr_contains("nothing to do");
    expect_no_leftovers(&sandbox);
}

#[test]
fn a_directory_with_such_a_name_stays() {
    let sandbox = Sandbox::mini_mathlib();
    let build = sandbox.package("mathlib").join(".lake/build");
    let names = [".lake-shim-notes", ".lake-shim-0123456789ab", ".lake-shim-work"];
    for name in names {
        sandbox.write(build.join(name).join("work/mine"), "mine");
    }
    offline_get(&sandbox).run().expect_code(0);
    sandbox.expect_all_restored();
    offline_get(&sandbox).run().expect_code(0).stderr_contains("nothing to do");
    for name in names {
        assert_eq!(sandbox.read(build.join(name).join("work/mine")), "mine", "{name}");
    }
}

#[test]
#[cfg_attr(not(has = "fake-leantar"), ignore = "needs the fake leantar")]
fn of_two_restores_at_once_one_waits_and_finds_nothing_to_do_fake_leantar_only() {
    let sandbox = Sandbox::mini_mathlib();
    let gate = sandbox.path("gate");
    let restore = || offline_get(&sandbox).env("FAKE_LEANTAR_WAIT_FOR", &gate).spawn();
    let first = restore();
    first.wait_until(|| !sandbox.leantar_calls().is_empty());
    let second = restore();
    second.wait_until_it_says("waiting for");
    sandbox.write(&gate, "");
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
    let never = sandbox.path("never");
    let first = offline_get(&sandbox).env("FAKE_LEANTAR_WAIT_FOR", never).spawn();
    first.wait_until(|| !sandbox.leantar_calls().is_empty());
    let second = offline_get(&sandbox).spawn();
    second.wait_until_it_says("waiting for");
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
