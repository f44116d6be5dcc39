//! The fault suite: every operation under every fault, and the table of what came of it.
//!
//! `cargo test -p shim-tests --test faults` runs its short form, `shim-tests/faults.sh --long` the long one, which writes
//! `RELIABILITY.md`.
//!
//! A round puts a sandbox back to the operation's start, has a fault meet the operation, and asks an oracle what is
//! lost and what is half-published (`shim_tests::oracle` says what that means), and the run itself whether it ended as
//! it should. Then the same once more, without the fault: it has to come to exactly the tree that a run comes to which
//! nothing ever struck. In which ways a fault strikes (at which system call, at which moment) is drawn by a seed.
//!
//! | argument | meaning |
//! |---|---|
//! | any words | only rows (`<operation> / <fault>`) whose names have all of them in it |
//! | `--must-match` | no such row is a failure |
//! | `--list` | print the rows, and run nothing |
//! | `--long` | the long form |
//! | `--rounds N` | at most so many rounds a row |
//! | `--every` | in every way in which a fault can strike, not as often as the form has it |
//! | `--broken` | also break the shim on purpose, and see whether that is noticed |
//! | `--write FILE` | write the table there |
//!
//! Those of Rust's own harness are understood too: a filter that is meant for another suite is none of this one's business.
//! Unless rows are chosen, every fault has to strike somewhere.
//!
//! | variable | meaning |
//! |---|---|
//! | `SHIM_FAULT_SEED` | the seed; else 1, and another every time in the long form |
//! | `SHIM_FAULT_WAY` | only this way: one round of one row again |

#![expect(clippy::print_stdout, reason = "a table is what it is for")]

mod args;
mod broken;
mod fault;
mod form;
mod operation;
mod row;
mod scene;
mod suite;
mod table;
mod verdict;

use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::killpg;
use nix::sys::statvfs::statvfs;
use nix::unistd::Pid;
use shim_tests::{Call, Run};

/// How long children may outlive a run that was killed. Long, for the machine may be busy.
const CHILDREN_END: Duration = Duration::from_secs(20);

/// Enough for a sandbox a core, with the programs in it. Bytes.
const ROOM: u64 = 2 << 30;

fn main() -> ExitCode {
    let args = args::Args::parse(std::env::args().skip(1));
    if args.is_list {
        suite::rows(&args).iter().for_each(|row| println!("{}", row.name()));
        return ExitCode::SUCCESS;
    }
    if cfg!(not(all(has = "cc", has = "mount", has = "setpriv"))) {
        // With `SHIM_TEST_NEED_ALL=1` this was not even compiled.
        println!("ignored: it needs cc, mount and setpriv, and to be root");
        return ExitCode::SUCCESS;
    }
    if args.form == form::Form::Short && !args.broken {
        in_memory();
    }
    suite::run(&args)
}

/// Has the sandboxes in memory, where there is room for them: the short form has to be quick, and most of what it does
/// is to put them back. Returns where nothing is to be changed.
fn in_memory() {
    let is_asked = std::env::var_os("TMPDIR").is_some();
    let has_room =
        statvfs("/dev/shm").is_ok_and(|disk| disk.blocks_available() * disk.fragment_size() > ROOM);
    if is_asked || !has_room {
        return;
    }
    let myself = std::env::current_exe().expect("a suite knows itself");
    let error =
        Command::new(myself).args(std::env::args_os().skip(1)).env("TMPDIR", "/dev/shm").exec();
    panic!("{error}");
}

/// Runs a call, and waits for its children too: what they do is part of the fault.
fn run_with_children(call: Call<'_>) -> Run {
    let running = call.spawn();
    let group = running.pid();
    let run = running.wait();
    wait_for_group(group);
    run
}

/// Waits for whoever a run has left behind.
fn wait_for_group(group: u32) {
    let start = Instant::now();
    let is_alive = || killpg(Pid::from_raw(group.cast_signed()), None) != Err(Errno::ESRCH);
    while is_alive() {
        assert!(start.elapsed() < CHILDREN_END, "children outlive the run");
        std::thread::sleep(Duration::from_millis(1));
    }
}
