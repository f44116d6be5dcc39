//! The ends that a test can ask for.

use std::env;
use std::io::{self, Read as _};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use nix::sys::signal::{Signal, raise};

/// The last thing before the exit of a command that came to `code`.
pub(crate) fn finish(code: u8) -> Result<u8> {
    if env::var_os("FAKE_LAKE_READ_STDIN").is_some_and(|value| value == "1") {
        let mut bytes = Vec::new();
        io::stdin().read_to_end(&mut bytes)?;
        println!("{}", bytes.len());
    }
    if let Some(seconds) = number::<f64>("FAKE_LAKE_SLEEP")? {
        thread::sleep(Duration::from_secs_f64(seconds));
    }
    if let Ok(name) = env::var("FAKE_LAKE_SIGNAL") {
        let signal: Signal = format!("SIG{}", name.trim_start_matches("SIG")).parse()?;
        // Rust's handler of SIGSEGV takes the first for a stack overflow that is none, and steps aside.
        raise(signal)?;
        raise(signal)?;
    }
    match number("FAKE_LAKE_EXIT")? {
        Some(asked) if code == 0 => Ok(asked),
        _ => Ok(code),
    }
}

/// A switch that is a list of words, empty if it is not set.
pub(crate) fn words(variable: &str) -> String {
    env::var(variable).unwrap_or_default()
}

/// A switch that is a number.
pub(crate) fn number<N: std::str::FromStr>(variable: &str) -> Result<Option<N>> {
    let Ok(value) = env::var(variable) else {
        return Ok(None);
    };
    let number = value.parse().ok();
    number.map(Some).with_context(|| format!("{variable} is a number, not `{value}`"))
}
