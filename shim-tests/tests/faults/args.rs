//! What the suite was asked for.

use std::env;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::form::Form;

pub struct Args {
    pub form: Form,
    pub is_list: bool,
    /// At most, a row.
    pub rounds: u64,
    /// Every way there is, not only as many as the form has rounds for.
    pub every: bool,
    pub seed: u64,
    /// Only this way.
    pub way: Option<u64>,
    pub broken: bool,
    pub write: Option<PathBuf>,
    pub words: Vec<String>,
}

impl Args {
    pub fn parse(mut args: impl Iterator<Item = String>) -> Args {
        let mut parsed = Args {
            form: Form::Short,
            is_list: false,
            rounds: u64::MAX,
            every: false,
            seed: 1,
            way: number("SHIM_FAULT_WAY"),
            broken: false,
            write: None,
            words: Vec::new(),
        };
        while let Some(arg) = args.next() {
            let mut value = || args.next().unwrap_or_else(|| panic!("`{arg}` takes a value"));
            match arg.as_str() {
                "--list" => parsed.is_list = true,
                "--long" => parsed.form = Form::Long,
                "--rounds" => parsed.rounds = value().parse().expect("`--rounds` takes a number"),
                "--every" => parsed.every = true,
                "--broken" => parsed.broken = true,
                "--write" => parsed.write = Some(value().into()),
                // What `cargo test` hands to every suite.
                "--nocapture" | "--quiet" | "-q" => {}
                word if word.starts_with('-') => {
                    panic!("`{word}` is no argument of the fault suite")
                }
                word => parsed.words.push(word.to_owned()),
            }
        }
        let by_the_clock =
            || SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |t| t.as_secs());
        parsed.seed =
            number("SHIM_FAULT_SEED").unwrap_or_else(|| parsed.form.of(1, by_the_clock()));
        parsed
    }
}

fn number(variable: &str) -> Option<u64> {
    let value = env::var(variable).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{variable} is a number, not `{value}`")))
}
