//! A stand-in for lake that keeps its contracts (ARCHITECTURE.md, Facts) and builds nothing.
//!
//! It reads options as Lake does, loads a workspace and materialises the manifest's git packages with the real
//! git, deleting clones where Lake would. `exe cache get` plays mathlib's tool against a directory for a cloud, and
//! an update runs the tool too if mathlib's lakefile has the word `MATHLIB_NO_CACHE_ON_UPDATE` in it.
//!
//! Switches of its own, all in the environment:
//!
//! | variable | effect |
//! |---|---|
//! | `FAKE_LAKE_DIALECT` | `4.16`, `4.27` (unset), `4.36` (or `4.35`): the Lake it stands in for, see [`dialect::Dialect`] |
//! | `FAKE_LAKE_NEW_VERBS` | further verbs, which load the workspace as `build` does |
//! | `FAKE_LAKE_NEW_OPTIONS` | further long options: `--flag`, or `--name=` if it takes a value |
//! | `FAKE_LAKE_LOG` | append a line per call, see `shim_tests::call_log` |
//! | `FAKE_LAKE_STATE` | a directory in which it may count calls |
//! | `FAKE_LAKE_EXIT` | the exit code of every command that would have succeeded |
//! | `FAKE_LAKE_SIGNAL` | `SEGV`, `KILL`, …: die of that signal instead |
//! | `FAKE_LAKE_SLEEP` | seconds to sleep before the end |
//! | `FAKE_LAKE_READ_STDIN` | `1`: read stdin to its end and print how many bytes came |
//! | `FAKE_LAKE_MODULES` | JSON, module → `olean`, `trace` (relative to the workspace) and `depHash`: what `build --no-build` looks at |
//! | `FAKE_LAKE_PROGRAM` | the executable that `build` writes to `.lake/build/bin`; it prints its name |
//! | `FAKE_LAKE_LEANTAR` | leantar; else `leantar-*` in the cache directory, else PATH |
//! | `MATHLIB_NO_CACHE_ON_UPDATE` | `1`: mathlib's hook after an update does nothing (as the real one) |
//! | `FAKE_CLOUD` | a directory of `.ltar` files to download from; unset: no network |
//! | `MATHLIB_CACHE_GET_URL` | download from there instead, with curl, as the real tool does |
//! | `FAKE_CLOUD_NAMES` | a file of JSON, module → `<hex>.ltar` |
//! | `FAKE_CLOUD_FAILURES` | fail so many `cache get` first (needs `FAKE_LAKE_STATE`) |

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a tool of the command line talks there"
)]

mod cache;
mod config;
mod dialect;
mod git;
mod hook;
mod manifest;
mod materialize;
mod mirror;
mod options;
mod resolve;
mod switches;
mod treeless;
mod verbs;
mod workspace;

use std::env;
use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Result;
use shim_tests::call_log::{self, LakeCall};

use dialect::Dialect;
use options::{Command, Options};
use workspace::Workspace;

fn main() -> ExitCode {
    match run(env::args_os().skip(1).collect()) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: Vec<OsString>) -> Result<u8> {
    let dialect = Dialect::from_env()?;
    let parsed = Options::parse(dialect, &args);
    let root = parsed
        .as_ref()
        .map_or_else(|_| env::current_dir(), |(options, _)| Ok(options.root.clone()))?;
    call_log::append(
        call_log::LAKE_LOG,
        &LakeCall::describe(&Workspace::packages_dir_below(&root)),
    )?;
    let (options, command) = parsed?;
    let code = match command {
        Command::Usage => {
            println!("{}\n\nUSAGE:\n  lake [OPTIONS] <COMMAND>", dialect.version());
            0
        }
        Command::Version => {
            println!("{}", dialect.version());
            0
        }
        Command::Verb { verb, args } => verbs::run(&options, &verb, &args)?,
    };
    switches::finish(code)
}
