//! Signals: whoever sends one to the process he started sends it to lake.

use std::time::Duration;

use nix::sys::signal::Signal;
use shim_tests::Sandbox;

const SIGNALS: [Signal; 5] =
    [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGKILL];

#[test]
fn the_process_started_becomes_the_parent_of_lakes_children() {
    for signal in SIGNALS {
        let sandbox = Sandbox::mini_mathlib();
        let seen = sandbox.path("tmp/parent");
        // It outlives lake for a moment, and must not hold the pipes of the test open.
        let child = r#"exec >/dev/null 2>&1; echo "$PPID" >"$SEEN.new"; mv "$SEEN.new" "$SEEN"; exec sleep 1"#;
        let running = sandbox.lake("env sh -c").arg(child).env("SEEN", &seen).spawn();
        running.wait_until(|| seen.exists());
        assert_eq!(sandbox.read(&seen).trim(), running.pid().to_string());
        running.signal(signal);
        let run = running.wait();
        run.expect_signal(signal).expect_stderr("");
        assert!(run.took < Duration::from_secs(10), "{run}");
    }
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn signals_reach_lake_at_work_fake_lake_only() {
    let sandbox = Sandbox::mini_mathlib();
    let log = sandbox.path("logs/lake.jsonl");
    for words in ["build", "serve", "exe cache", "frobnicate --help"] {
        for signal in SIGNALS {
            sandbox.write(&log, "");
            let running = sandbox.lake(words).env("FAKE_LAKE_SLEEP", "20").spawn();
            running.wait_until(|| sandbox.read(&log).ends_with('\n'));
            assert_eq!(sandbox.lake_calls()[0].pid, running.pid(), "{words}");
            running.signal(signal);
            let run = running.wait();
            run.expect_signal(signal);
            assert!(run.took < Duration::from_secs(10), "{run}");
        }
    }
}

/// `nohup lake build` goes on when the terminal closes, also when the shim was at work before it.
#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn a_signal_that_was_ignored_stays_ignored_after_a_restore_fake_lake_only() {
    let sandbox = Sandbox::mini_mathlib();
    let log = sandbox.path("logs/lake.jsonl");
    let ignoring = sandbox.command("sh", "-c").arg("trap '' HUP; exec \"$@\"").arg("sh");
    let lake = sandbox.shim_bin().join("lake");
    let running = ignoring
        .arg(lake)
        .arg("build")
        .env("LAKE_SHIM_RESTORE", "always")
        .env("FAKE_LAKE_SLEEP", "1")
        .spawn();
    running.wait_until(|| log.exists() && sandbox.read(&log).ends_with('\n'));
    running.signal(Signal::SIGHUP);
    running.wait().expect_code(0).stderr_contains("restored 11 modules");
}
