//! The fault suite: every operation under every fault, and the table of what came of it.
//!
//! `cargo test --test faults` runs its short form, `shim-tests/faults.sh --long` the long one, which writes
//! `RELIABILITY.md`. Arguments are parts of the names of rows; `--list` prints them.
//!
//! A round puts a sandbox back to the operation's start, has a fault meet the operation, and asks an oracle what is
//! lost and what is half-published (`shim_tests::oracle` says what that means), and the run's own output whether it
//! ended as it should. Then the same once more, without the fault: it has to come to exactly the tree that a run comes
//! to which nothing ever struck. The ways in which a fault can strike (which call, which moment) are drawn by a seed.

#![expect(clippy::print_stdout, reason = "a table is what it is for")]

mod fault;
mod operation;
mod scene;
mod suite;
mod verdict;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::killpg;
use nix::unistd::Pid;

fn main() -> ExitCode {
    suite::run(std::env::args().skip(1))
}

/// Waits for whoever a killed run has left behind: what they do is part of the fault.
pub fn wait_for_group(group: u32) {
    let start = Instant::now();
    let is_alive = || killpg(Pid::from_raw(group.cast_signed()), None) != Err(Errno::ESRCH);
    while is_alive() {
        assert!(start.elapsed() < Duration::from_secs(20), "children outlive the run");
        std::thread::sleep(Duration::from_millis(1));
    }
}
