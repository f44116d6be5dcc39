//! Files that may not be written or read, and what is not ours to clear away. What full disks and kills can do is the
//! fault suite's (`tests/faults`).

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use shim_tests::{NOBODY, Tree, tools};

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

#[test]
fn what_another_run_works_in_is_not_cleared_away() {
    let sandbox = workspace();
    sandbox.write("app/lakefile.toml", WRONG).mkdir("app/.lake-shim-theirs");
    sandbox.write("app/.lake-shim-theirs/file", "half");
    let lock = "exec 9<.lake-shim-theirs; flock -x 9; echo locked; sleep 300";
    let holder = sandbox.command(tools::find_on_path("sh").expect("sh"), "-c").arg(lock);
    let flock = tools::find_on_path("flock").expect("util-linux");
    let holder = holder.env("PATH", flock.parent().expect("a folder")).spawn();
    holder.wait_until_it_says("locked");
    normalize(&sandbox, "").run().expect_code(0);
    assert_eq!(sandbox.read("app/.lake-shim-theirs/file"), "half");
    let group = Pid::from_raw(holder.pid().cast_signed());
    let _ = killpg(group, Signal::SIGKILL);
    holder.wait();
    sandbox.write("app/lakefile.toml", WRONG);
    normalize(&sandbox, "").run().expect_code(0);
    expect_no_leftovers(&sandbox, "app");
}
