//! Lake's command line: options before the verb, options directly after it, and for most verbs anywhere behind.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};

use crate::dialect::Dialect;
use crate::manifest::{self, Entry};
use crate::switches;

const VERBS: &str = "new init build check-build query query-kind update upgrade resolve-deps pack unpack upload cache \
    setup-file test check-test lint check-lint clean script scripts run serve env exe exec lean translate-config \
    reservoir-config version-tags self-check help";

const NEWER_VERBS: &str = "shake check comparator samply builtin-lint";

/// Verbs whose own arguments begin with the first that is no option.
const PASS_ON: &str = "exe exec env run script cache";

/// Long options with a value that has no effect here.
const WITH_VALUE: &str =
    "--log-level --fail-level --scope --repo --platform --toolchain --rev --max-revs";

/// Long options without a value, nor an effect here.
const WITHOUT_VALUE: &str = "--verbose --keep-toolchain --reconfigure --old --text --json --no-cache --try-cache --rehash \
    --offline --wfail --iofail --force-download --ansi --no-ansi";

const NEWER_WITH_VALUE: &str = "--linters --lint-only --checks --package --service --config";

const NEWER_WITHOUT_VALUE: &str = "--builtin-lint --builtin-only --code-quality --record-exceptions --no-overwrite \
    --force-overwrite --mappings-only --download-arts --paranoid --raw --no-serve --force --keep-implied --keep-prefix \
    --keep-public --add-public --gh-style --explain --trace --fix --only --allow-empty --fail-fast";

#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) dialect: Dialect,
    pub(crate) root: PathBuf,
    /// Relative to the root; without extension Lake looks for `.lean` first, then `.toml`.
    pub(crate) config_file: PathBuf,
    /// Entries of every `--packages`, in order.
    pub(crate) overrides: Vec<Entry>,
    pub(crate) update: bool,
    pub(crate) no_build: bool,
    pub(crate) quiet: bool,
    help: bool,
}

#[derive(Debug)]
pub(crate) enum Command {
    Usage,
    Version,
    Verb { verb: String, args: Vec<OsString> },
}

impl Options {
    pub(crate) fn parse(dialect: Dialect, args: &[OsString]) -> Result<(Options, Command)> {
        let mut options = Options {
            dialect,
            root: PathBuf::from("."),
            config_file: PathBuf::from("lakefile"),
            overrides: Vec::new(),
            update: false,
            no_build: false,
            quiet: false,
            help: false,
        };
        match args {
            [] => return Ok((options, Command::Usage)),
            [only] if only == "--version" => return Ok((options, Command::Version)),
            _ => {}
        }
        let mut args: VecDeque<_> = args.iter().cloned().collect();
        options.leading(&mut args)?;
        let Some(verb) = args.pop_front() else {
            ensure!(options.help, "missing command");
            return Ok((options, Command::Usage));
        };
        options.leading(&mut args)?;
        let verb = verb.to_string_lossy().into_owned();
        if options.help {
            return Ok((options, Command::Usage));
        }
        if verb.starts_with('+') {
            bail!(
                "the `+` option is an Elan feature; rerun Lake via Elan and ensure this option comes first."
            );
        }
        if !options.knows_verb(&verb) {
            bail!("unknown command '{verb}'");
        }
        let args = match is_among(PASS_ON, &verb) {
            true => args.into(),
            false => options.everywhere(args)?,
        };
        Ok((options, Command::Verb { verb, args }))
    }

    fn knows_verb(&self, verb: &str) -> bool {
        is_among(VERBS, verb)
            || self.dialect.knows_newer_words() && is_among(NEWER_VERBS, verb)
            || is_among(&switches::words("FAKE_LAKE_NEW_VERBS"), verb)
    }

    fn is_flag(&self, option: &str) -> bool {
        is_among(WITHOUT_VALUE, option)
            || self.dialect.knows_newer_words() && is_among(NEWER_WITHOUT_VALUE, option)
            || is_among(&switches::words("FAKE_LAKE_NEW_OPTIONS"), option)
    }

    fn takes_value(&self, option: &str) -> bool {
        is_among(WITH_VALUE, option)
            || self.dialect.knows_newer_words() && is_among(NEWER_WITH_VALUE, option)
            || is_among(&switches::words("FAKE_LAKE_NEW_OPTIONS"), &format!("{option}="))
    }

    /// Takes options up to the first argument that is none; empty arguments on the way are dropped.
    fn leading(&mut self, args: &mut VecDeque<OsString>) -> Result<()> {
        while let Some(arg) = args.pop_front() {
            if is_option(&arg) {
                self.take(&arg, args)?;
            } else if !arg.is_empty() {
                args.push_front(arg);
                break;
            }
        }
        Ok(())
    }

    /// Takes options wherever they stand, and returns the rest.
    fn everywhere(&mut self, mut args: VecDeque<OsString>) -> Result<Vec<OsString>> {
        let mut rest = Vec::new();
        while let Some(arg) = args.pop_front() {
            if is_option(&arg) {
                self.take(&arg, &mut args)?;
            } else if !arg.is_empty() {
                rest.push(arg);
            }
        }
        Ok(rest)
    }

    fn take(&mut self, option: &OsStr, args: &mut VecDeque<OsString>) -> Result<()> {
        match option.as_bytes() {
            [b'-', b'-', ..] => self.long(option, args),
            [b'-', short] => self.short(*short, args),
            // `-x=value`, `-x value` in one argument, `-xvalue`
            [b'-', short, b'=', value @ ..] => self.short_with(*short, value, args),
            [b'-', short, value @ ..] => self.short_with(*short, value.trim_ascii_start(), args),
            _ => bail!("unknown option"),
        }
    }

    /// As Lake: the rest goes back to the arguments, and is left there by an option that takes none.
    fn short_with(&mut self, short: u8, value: &[u8], args: &mut VecDeque<OsString>) -> Result<()> {
        args.push_front(OsString::from_vec(value.to_vec()));
        self.short(short, args)
    }

    fn short(&mut self, short: u8, args: &mut VecDeque<OsString>) -> Result<()> {
        match short {
            b'd' => self.root = value(args, "path", "-d")?.into(),
            b'f' => self.config_file = value(args, "path", "-f")?.into(),
            b'o' => drop(value(args, "path", "-o")?),
            b'K' => drop(value(args, "key-value pair", "-K")?),
            b'q' => self.quiet = true,
            b'h' => self.help = true,
            b'U' => self.update = true,
            b'v' | b'R' | b'H' | b'J' => {}
            other => bail!("unknown short option '-{}'", char::from(other)),
        }
        Ok(())
    }

    fn long(&mut self, option: &OsStr, args: &mut VecDeque<OsString>) -> Result<()> {
        let bytes = option.as_bytes();
        // `--long=value`, or `--long value` in one argument
        let end = bytes
            .iter()
            .position(|&byte| byte == b'=')
            .or_else(|| bytes.iter().position(|&byte| byte == b' '));
        let name = &bytes[..end.unwrap_or(bytes.len())];
        if let Some(end) = end {
            args.push_front(OsString::from_vec(bytes[end + 1..].to_vec()));
        }
        let name = String::from_utf8_lossy(name).into_owned();
        match name.as_str() {
            "--dir" => self.root = value(args, "path", "--dir")?.into(),
            "--file" => self.config_file = value(args, "path", "--file")?.into(),
            "--packages" if self.dialect.has_overrides() => {
                let file = value(args, "package overrides file", "--packages")?;
                // Lake reads it here, before the verb is known and relative to the current directory.
                self.overrides.extend(manifest::load_overrides(Path::new(&file))?);
            }
            "--update" => self.update = true,
            "--no-build" => self.no_build = true,
            "--quiet" => self.quiet = true,
            "--help" => self.help = true,
            "--" => args.clear(),
            name if self.is_flag(name) => {}
            name if self.takes_value(name) => drop(value(args, "value", name)?),
            _ => bail!("unknown long option '{name}'"),
        }
        Ok(())
    }
}

fn is_among(words: &str, word: &str) -> bool {
    words.split_whitespace().any(|known| known == word)
}

fn is_option(arg: &OsStr) -> bool {
    arg.len() > 1 && arg.as_bytes()[0] == b'-'
}

fn value(args: &mut VecDeque<OsString>, what: &str, option: &str) -> Result<OsString> {
    args.pop_front().with_context(|| format!("missing {what} for {option}"))
}
