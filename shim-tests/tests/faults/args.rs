//! What the suite was asked for; also in the words of Rust's own harness, for `cargo test` hands its arguments to
//! every suite.

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
    pub skipped: Vec<String>,
    /// Whether words are whole names.
    pub is_exact: bool,
    /// Whether only ignored rows are asked for. There are none.
    pub is_ignored: bool,
    /// Whether it is a failure that there is no such row.
    pub must_match: bool,
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
            skipped: Vec::new(),
            is_exact: false,
            is_ignored: false,
            must_match: false,
        };
        while let Some(arg) = args.next() {
            let (flag, attached) = match arg.split_once('=') {
                Some((flag, value)) if flag.starts_with('-') => (flag, Some(value.to_owned())),
                _ => (arg.as_str(), None),
            };
            let mut value = || {
                let value = attached.clone().or_else(|| args.next());
                value.unwrap_or_else(|| panic!("`{flag}` takes a value"))
            };
            match flag {
                "--list" => parsed.is_list = true,
                "--long" => parsed.form = Form::Long,
                "--rounds" => parsed.rounds = value().parse().expect("`--rounds` takes a number"),
                "--every" => parsed.every = true,
                "--broken" => parsed.broken = true,
                "--write" => parsed.write = Some(value().into()),
                "--must-match" => parsed.must_match = true,
                "--skip" => parsed.skipped.push(value()),
                "--exact" => parsed.is_exact = true,
                "--ignored" => parsed.is_ignored = true,
                // What means nothing here.
                "--include-ignored" | "--nocapture" | "--no-capture" | "--show-output" => {}
                "--quiet" | "-q" | "--test" | "--report-time" | "--ensure-time" | "--shuffle" => {}
                "--test-threads" | "--format" | "--color" | "--logfile" | "--shuffle-seed"
                | "-Z" => {
                    value();
                }
                _ if arg.starts_with('-') => panic!("`{arg}` is no argument of the fault suite"),
                _ => parsed.words.push(arg),
            }
        }
        let by_the_clock =
            || SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |t| t.as_secs());
        parsed.seed =
            number("SHIM_FAULT_SEED").unwrap_or_else(|| parsed.form.of(1, by_the_clock()));
        parsed
    }

    /// Whether a row of this name is asked for.
    pub fn wants(&self, name: &str) -> bool {
        let is_meant = |word: &String| match self.is_exact {
            true => name == word,
            false => name.contains(word.as_str()),
        };
        let is_named = self.words.iter().all(is_meant) && !self.skipped.iter().any(is_meant);
        is_named && !self.is_ignored
    }

    /// Whether that is every row, in ways of the suite's own choice.
    pub fn wants_all(&self) -> bool {
        self.words.is_empty() && self.skipped.is_empty() && !self.is_ignored && self.way.is_none()
    }
}

fn number(variable: &str) -> Option<u64> {
    let value = env::var(variable).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{variable} is a number, not `{value}`")))
}
