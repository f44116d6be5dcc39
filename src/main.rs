//! One binary with two names.
//!
//! Called as `lake`, first on PATH, it is a proxy in front of the real lake: scripts and people go
//! on calling `lake` and need not know. Called by any other name it is `lake-shim`, which manages
//! what the proxy needs. One file for both means that they share every rule by construction, and
//! that an image has one thing to install.

use lake_shim::{Failure, end_by, report_failure, run_cli, run_proxy};
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    // Not `args()`, which panics on what is not UTF-8.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the arguments")]
    let mut args = std::env::args_os();
    let arg0 = args.next().unwrap_or_default();
    let args: Vec<OsString> = args.collect();
    let done = match Path::new(&arg0).file_name() {
        Some(name) if name == "lake" => run_proxy(&args),
        _ => run_cli(&args),
    };
    done.unwrap_or_else(|error| {
        report_failure(&error);
        if let Some(&Failure::Interrupted(signal)) = error.downcast_ref() {
            end_by(signal);
        }
        ExitCode::from(Failure::code(&error))
    })
}
