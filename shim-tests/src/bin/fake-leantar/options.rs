//! leantar's command line: options first, then what they are about.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Context as _, Result, anyhow, bail};

use crate::unpack::Archive;

pub(crate) struct Options {
    pub(crate) mode: Mode,
    /// `-C`: where relative paths of archives begin.
    pub(crate) base: PathBuf,
    pub(crate) verbose: bool,
    pub(crate) force: bool,
    pub(crate) delete_corrupted: bool,
}

pub(crate) enum Mode {
    Version,
    Comments { archive: String },
    Unpack { archives: Vec<Archive> },
    Pack { archive: PathBuf, trace: String, entries: Vec<PackEntry> },
}

pub(crate) enum PackEntry {
    File(String),
    Comment(String),
}

impl Options {
    pub(crate) fn parse(args: impl Iterator<Item = OsString>) -> Result<Options> {
        let args: Vec<String> = args
            .map(|arg| arg.into_string().map_err(|arg| anyhow!("not UTF-8: {arg:?}")))
            .collect::<Result<_>>()?;
        let mut args = args.into_iter().peekable();
        let (mut extract, mut comments) = (false, false);
        let mut options = Options {
            mode: Mode::Version,
            base: PathBuf::from("."),
            verbose: false,
            force: false,
            delete_corrupted: false,
        };
        while let Some(option) = args.next_if(|arg| is_option(arg)) {
            match option.as_str() {
                "--version" => return Ok(options),
                "-v" => options.verbose = true,
                "-f" => options.force = true,
                "-j" => {} // 0.1.19 always takes JSON
                "-r" | "--delete-corrupted" => options.delete_corrupted = true,
                "-d" | "-x" => extract = true,
                "-k" => comments = true,
                "-C" => options.base = args.next().context("-C missing argument")?.into(),
                "--jobs" => {
                    let jobs = args.next().context("--jobs missing argument")?;
                    jobs.parse::<usize>().context("--jobs takes a number")?;
                }
                other => bail!("unknown option {other}"),
            }
        }
        options.mode = if comments {
            Mode::Comments { archive: args.next().context("expected FILE.ltar")? }
        } else if extract {
            Mode::Unpack { archives: args.map(Archive::named).collect() }
        } else {
            Mode::Pack {
                archive: args.next().context("expected OUT.ltar")?.into(),
                trace: args.next().context("expected FILE.trace")?,
                entries: pack_entries(args)?,
            }
        };
        Ok(options)
    }
}

/// `-` alone stands for stdin.
fn is_option(arg: &str) -> bool {
    arg.len() > 1 && arg.starts_with('-')
}

fn pack_entries(mut args: impl Iterator<Item = String>) -> Result<Vec<PackEntry>> {
    let mut entries = Vec::new();
    while let Some(arg) = args.next() {
        entries.push(match arg.as_str() {
            "-c" => PackEntry::Comment(args.next().context("expected comment argument")?),
            _ => PackEntry::File(arg),
        });
    }
    Ok(entries)
}
