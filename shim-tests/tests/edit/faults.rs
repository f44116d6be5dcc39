//! Disks that refuse, and ends that come too early: the old text or the new one, nothing between and nothing left behind.

use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use shim_tests::{NOBODY, Sandbox, Tmpfs, Tree, tools};

use crate::{WRONG, expect_no_leftovers, normalize, right, workspace, wrong_manifest};

const KILLS: u32 = 30;
const FILES: usize = 40;

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
#[cfg_attr(not(has = "mount"), ignore = "needs mount")]
fn a_full_disk_leaves_the_old_file_whole() {
    let sandbox = workspace();
    let disk = Tmpfs::mount(sandbox.path("app/disk"), "512k");
    let long = format!("{WRONG}{}", "# a comment\n".repeat(8000));
    sandbox.write("app/disk/lakefile.toml", &long);
    sandbox.write("app/disk/filler", vec![0; 512 * 1024 - 96_256 - 4096]);
    let before = Tree::of(sandbox.path("app/disk"));
    let run = normalize(&sandbox, "disk/lakefile.toml").run();
    run.expect_code(1)
        .expect_stdout("")
        .stderr_contains("No space left on device")
        .stderr_contains("app/disk/");
    before.assert_same_content();
    expect_no_leftovers(&sandbox, "app");
    disk.resize("2m");
    normalize(&sandbox, "disk/lakefile.toml").run().expect_code(0);
    assert_eq!(sandbox.read("app/disk/lakefile.toml"), right(&long));
    drop(disk);
}

/// Files to be respelled, all in one directory.
fn many() -> (Sandbox, String) {
    let sandbox = workspace();
    let names: Vec<_> = (0..FILES).map(|n| format!("{n:02}.toml")).collect();
    rewrite(&sandbox, &names.join(" "));
    (sandbox, names.join(" "))
}

fn rewrite(sandbox: &Sandbox, names: &str) {
    for name in names.split_whitespace() {
        sandbox.write(format!("app/{name}"), WRONG);
    }
}

#[track_caller]
fn expect_old_or_new(sandbox: &Sandbox, names: &str) {
    for name in names.split_whitespace() {
        let text = sandbox.read(format!("app/{name}"));
        assert!(text == WRONG || text == right(WRONG), "{name} is\n{text}");
    }
}

#[test]
fn a_kill_at_any_moment_leaves_old_or_new_texts() {
    let (sandbox, names) = many();
    let took = normalize(&sandbox, &names).run().expect_code(0).took;
    let (mut killed, mut left) = (0, 0);
    for round in 0..KILLS {
        rewrite(&sandbox, &names);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.subsec_micros());
        let running = normalize(&sandbox, &names).spawn();
        thread::sleep(took / KILLS * round + took / KILLS * (now % 1000) / 1000);
        running.signal(Signal::SIGKILL);
        killed += u32::from(running.wait().signal == Some(Signal::SIGKILL as i32));
        expect_old_or_new(&sandbox, &names);
        left += sandbox.leftovers("app").len();
        // Something is to be written, and so whoever was killed is cleared away.
        sandbox.write("app/00.toml", WRONG);
        normalize(&sandbox, &names).run().expect_code(0);
        expect_no_leftovers(&sandbox, "app");
        for name in names.split_whitespace() {
            assert_eq!(sandbox.read(format!("app/{name}")), right(WRONG), "{name}, round {round}");
        }
    }
    assert!(killed >= KILLS / 3, "only {killed} kills met their victim");
    assert!(left > 0, "no kill met it at work, so that this shows little");
}

/// The system calls by which a file is replaced; a kill at each of them.
const STEPS: [&str; 8] =
    ["mkdir", "openat", "write", "fchown", "chmod", "fsync", "rename", "unlinkat"];

/// Kills a run when it makes the last call of that name.
fn killed_at(step: &str, is_linked: bool) -> Sandbox {
    let sandbox = workspace();
    if is_linked {
        sandbox.mkdir("app/elsewhere").symlink("elsewhere/x.toml", "app/lakefile.toml");
    }
    sandbox.write("app/lakefile.toml", WRONG);
    let strace = tools::find_on_path("strace").expect("strace");
    let log = sandbox.path("logs/strace");
    let traced = |options: &[&str]| {
        let shim = sandbox.shim_bin().join("lake-shim");
        let call = sandbox.command(&strace, "-f -o").arg(&log).args(options).arg(shim);
        call.args(["normalize", "--lock", "../lock.json"]).run()
    };
    traced(&["-e", &format!("trace={step}")]).expect_code(0);
    let count =
        sandbox.read(&log).lines().filter(|line| line.contains(&format!(" {step}("))).count();
    assert!(count > 0, "no `{step}` at all");
    sandbox.write("app/lakefile.toml", WRONG);
    // The last write is of what is told on stdout, the last openat that of a directory to be cleared.
    let when = format!("inject={step}:signal=KILL:when={count}");
    let run = traced(&["-e", &format!("trace={step}"), "-e", &when]);
    run.expect_signal(Signal::SIGKILL);
    sandbox
}

#[test]
#[cfg_attr(not(has = "strace"), ignore = "needs strace")]
fn a_kill_at_every_step_leaves_the_old_or_the_new_text() {
    for step in STEPS {
        let sandbox = killed_at(step, false);
        let text = sandbox.read("app/lakefile.toml");
        assert!(text == WRONG || text == right(WRONG), "at {step}:\n{text}");
        sandbox.write("app/other.toml", WRONG);
        normalize(&sandbox, "lakefile.toml other.toml").run().expect_code(0);
        assert_eq!(sandbox.read("app/lakefile.toml"), right(WRONG), "at {step}");
        expect_no_leftovers(&sandbox, "app");
    }
}

#[test]
#[cfg_attr(not(has = "strace"), ignore = "needs strace")]
fn what_a_kill_after_the_rename_leaves_is_cleared_by_the_next_run() {
    expect_cleared(false);
}

#[test]
#[cfg_attr(not(has = "strace"), ignore = "needs strace")]
fn what_a_kill_leaves_behind_a_link_is_cleared_by_the_next_run() {
    expect_cleared(true);
}

#[track_caller]
fn expect_cleared(is_linked: bool) {
    let sandbox = killed_at("unlinkat", is_linked);
    assert_eq!(sandbox.read("app/lakefile.toml"), right(WRONG));
    assert!(!sandbox.leftovers("app").is_empty(), "there is something to clear");
    normalize(&sandbox, "").run().expect_code(0);
    expect_no_leftovers(&sandbox, "app");
}

#[test]
fn what_another_run_works_in_is_not_cleared_away() {
    let sandbox = workspace();
    sandbox.write("app/lakefile.toml", WRONG).mkdir("app/.lake-shim-theirs");
    sandbox.write("app/.lake-shim-theirs/file", "half");
    let lock = "exec 9<.lake-shim-theirs; flock -x 9; echo locked; sleep 30";
    let holder = sandbox.command(tools::find_on_path("sh").expect("sh"), "-c").arg(lock);
    let flock = tools::find_on_path("flock").expect("util-linux");
    let holder =
        holder.env("PATH", flock.parent().expect("a folder")).timeout(Duration::from_secs(60));
    let holder = holder.spawn();
    thread::sleep(Duration::from_millis(300));
    normalize(&sandbox, "").run().expect_code(0);
    assert_eq!(sandbox.read("app/.lake-shim-theirs/file"), "half");
    let group = Pid::from_raw(holder.pid().cast_signed());
    let _ = killpg(group, Signal::SIGKILL);
    holder.wait();
    sandbox.write("app/lakefile.toml", WRONG);
    normalize(&sandbox, "").run().expect_code(0);
    expect_no_leftovers(&sandbox, "app");
}
