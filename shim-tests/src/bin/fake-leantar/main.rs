//! A stand-in for leantar with its contract, and its payload replaced (see `shim_tests::ltar`).
//!
//! What the shim has to survive is kept, in the nastier of the observed spellings: a truncated archive is
//! **deleted** and the exit code is 0, a flipped bit aborts the whole run, files get mode 0600. It works through
//! its list one by one where the real one is parallel; what a run leaves behind does not depend on that.
//!
//! Switches of its own, all in the environment:
//!
//! | variable | effect |
//! |---|---|
//! | `FAKE_LEANTAR_LOG` | append a line per call to this open descriptor, see `shim_tests::call_log` |
//! | `FAKE_LEANTAR_KEEP` | `1`: report a truncated archive and exit 1, unless `-r` was given |
//! | `FAKE_LEANTAR_DIE` | `kill` or `abort`: die so, in the middle of a module, … |
//! | `FAKE_LEANTAR_DIE_AFTER` | … when this many files are published (0 if unset) |
//! | `FAKE_LEANTAR_WAIT_FOR` | before every archive, wait until this file is there |
//! | `FAKE_LEANTAR_ATTACK` | do harm before it unpacks, see `attack.rs` |

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a tool of the command line talks there"
)]

mod attack;
mod options;
mod pack;
mod unpack;

use std::process::ExitCode;

use anyhow::Result;
use fs_err as fs;
use serde_json::Value;
use shim_tests::call_log::{self, LeantarCall};
use shim_tests::ltar::Ltar;

use options::{Mode, Options};

const VERSION: &str = "leantar 0.1.19";

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode> {
    let mut options = Options::parse(std::env::args_os().skip(1))?;
    let list = match &mut options.mode {
        Mode::Unpack { archives } => unpack::expand_stdin(archives)?,
        _ => Value::Null,
    };
    let attack = match &options.mode {
        Mode::Unpack { archives } => attack::attack(archives)?,
        _ => None,
    };
    call_log::append(call_log::LEANTAR_LOG, &LeantarCall::describe(&list, attack))?;
    match &options.mode {
        Mode::Version => println!("{VERSION}"),
        Mode::Comments { archive } => return comments(archive),
        Mode::Pack { archive, trace, entries } => {
            pack::pack(&options.base, archive, trace, entries)?
        }
        Mode::Unpack { archives } => return unpack::unpack_all(&options, archives),
    }
    Ok(ExitCode::SUCCESS)
}

fn comments(archive: &str) -> Result<ExitCode> {
    match Ltar::parse(&fs::read(archive)?) {
        Ok(ltar) => {
            ltar.comments().for_each(|comment| println!("{comment}"));
            Ok(ExitCode::SUCCESS)
        }
        Err(damage) => {
            eprintln!("{archive}: {damage:?}");
            Ok(ExitCode::FAILURE)
        }
    }
}
