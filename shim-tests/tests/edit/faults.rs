//! Files that may not be written or read, and what is not ours to clear away. What full disks and kills can do is the
//! fault suite's (`tests/faults`).

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use shim_tests::preload::{Act, Strike};
use shim_tests::{NOBODY, Tree};

use crate::{WRONG, expect_no_leftovers, normalize, right, workspace, wrong_manifest};

#[test]
#[cfg_attr(not(has = "setpriv"), ignore = "needs setpriv")]
fn a_directory_that_may_not_be_written_is_an_error_that_names_it() {
    let sandbox = workspace();
    sandbox.write("app/lakefile.toml", WRONG).write("app/lake-manifest.json", wrong_manifest());
    sandbox.chown("app", NOBODY).chmod("app", 0o555);
    let before = Tree::of(sandbox.workspace());
    let run = normalize(&sandbox, "").as_user(NOBODY).run();
    run.expect_code(1)
        .expect_stdout("")
        .stderr_contains("Permission denied")
        .stderr_contains(&sandbox.workspace().display().to_string());
    before.assert_unchanged();
    // Looking is allowed.
    normalize(&sandbox, "--check").as_user(NOBODY).run().expect_code(1).expect_stderr("");
    before.assert_unchanged();
}

#[test]
#[cfg_attr(not(has = "setpriv"), ignore = "needs setpriv")]
fn what_could_not_be_written_is_not_told_as_done() {
    let sandbox = workspace();
    sandbox.write("app/a/x.toml", WRONG).write("app/b/x.toml", WRONG).chown("app", NOBODY);
    sandbox.chmod("app/b", 0o555);
    let run = normalize(&sandbox, "a/x.toml b/x.toml").as_user(NOBODY).run();
    run.expect_code(1).stdout_lacks("b/x.toml").stderr_contains("app/b");
    assert_eq!(sandbox.read("app/b/x.toml"), WRONG);
    assert_eq!(sandbox.read("app/a/x.toml"), right(WRONG), "those before it are written by then");
    expect_no_leftovers(&sandbox, "app");
}

#[test]
#[cfg_attr(not(has = "setpriv"), ignore = "needs setpriv")]
fn a_file_that_may_not_be_read_is_an_error_that_names_it() {
    let sandbox = workspace();
    sandbox.write("app/a.toml", WRONG).write("app/b.toml", WRONG).chmod("app/b.toml", 0o000);
    sandbox.chown("app/a.toml", NOBODY).chmod("app", 0o777);
    let before = Tree::of(sandbox.workspace());
    let run = normalize(&sandbox, "a.toml b.toml").as_user(NOBODY).run();
    run.expect_code(1).expect_stdout("").stderr_contains("app/b.toml");
    before.assert_unchanged();
}

/// It says in its `owner` file which process made it.
#[test]
#[cfg_attr(not(has = "cc"), ignore = "needs cc")]
fn what_another_run_works_in_is_not_cleared_away() {
    let sandbox = workspace();
    sandbox.write("app/lakefile.toml", WRONG);
    // The first rename gives the directory its owner.
    let strike =
        Strike { calls: "rename", programs: "lake-shim", at: 2, lasting: false, act: Act::Stop };
    let (call, armed) = strike.arm(&sandbox, normalize(&sandbox, ""));
    let other = call.spawn();
    other.wait_until(|| armed.struck().is_some());
    let theirs = sandbox.leftovers("app");
    assert_eq!(theirs.len(), 1, "{theirs:?}");
    normalize(&sandbox, "").run().expect_code(0);
    assert!(theirs[0].join("work/file").exists(), "it is alive");
    let _ = killpg(Pid::from_raw(other.pid().cast_signed()), Signal::SIGKILL);
    other.wait();
    sandbox.write("app/lakefile.toml", WRONG);
    normalize(&sandbox, "").run().expect_code(0);
    expect_no_leftovers(&sandbox, "app");
}
