//! SIGTERM and Ctrl-C are answered within a second, at any time.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use shim_tests::Sandbox;

use crate::{expect_no_leftovers, offline_get};

/// The work under way would take a minute.
const PROMPT: Duration = Duration::from_secs(5);

#[test]
fn a_leantar_that_ignores_signals_is_not_waited_for() {
    // A script, whose child holds its pipes.
    let version = r#"[ "$1" = --version ] && echo leantar 0.1.19 && exit"#;
    for body in ["trap '' TERM INT; sleep 60", "trap '' TERM INT; sleep 60 & wait; sleep 60"] {
        for signal in [Signal::SIGTERM, Signal::SIGINT] {
            let sandbox = Sandbox::mini_mathlib();
            let started = sandbox.path("logs/started");
            sandbox.script("leantar", &format!("{version}\n: > {}\n{body}", started.display()));
            let running = offline_get(&sandbox)
                .env("LAKE_SHIM_LEANTAR", sandbox.path("leantar"))
                .env("LAKE_SHIM_CONFINE", "never")
                .spawn();
            running.wait_until(|| started.exists());
            let told = Instant::now();
            running.signal(signal);
            let run = running.wait();
            assert_eq!(run.signal, Some(signal as i32), "{run}");
            assert!(told.elapsed() < PROMPT, "{:?}", told.elapsed());
            expect_no_leftovers(&sandbox);
        }
    }
}
