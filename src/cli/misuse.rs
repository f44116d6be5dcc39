//! What clap has to say of a wrong command line, in the words and the layout of all other errors.

use super::Cli;
use crate::error::{Failure, hint};
use crate::report::printed;
use anyhow::{Result, bail};
use clap::CommandFactory;
use clap::Error;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use std::error::Error as _;
use std::ffi::OsString;
use std::process::ExitCode;

/// Prints the help that was asked for, or says what is wrong with `args`.
pub fn answer(error: &Error, args: &[OsString]) -> Result<ExitCode> {
    if !matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion)
        && error.kind() != ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    {
        bail!(Failure::Misused(hint(message(error), advice(error, args))));
    }
    printed(error.print())?;
    Ok(u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from))
}

fn message(error: &Error) -> String {
    let said = |kind| strings(error, kind).join(", ");
    let (arg, value) = (said(ContextKind::InvalidArg), said(ContextKind::InvalidValue));
    match error.kind() {
        ErrorKind::InvalidSubcommand => {
            format!("`{}` is no command", said(ContextKind::InvalidSubcommand))
        }
        ErrorKind::UnknownArgument if arg.starts_with('-') => format!("there is no flag `{arg}`"),
        ErrorKind::UnknownArgument => format!("`{arg}` is one argument too many"),
        ErrorKind::MissingRequiredArgument => format!("`{arg}` is missing"),
        ErrorKind::ArgumentConflict => {
            format!("`{arg}` cannot be used with `{}`", said(ContextKind::PriorArg))
        }
        ErrorKind::InvalidValue if value.is_empty() => format!("`{arg}` needs a value"),
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            let why = error.source().map(|why| format!(": {why}")).unwrap_or_default();
            format!("`{value}` is no value of `{arg}`{why}")
        }
        // Its own first line, whatever that is.
        _ => {
            let text = error.to_string();
            let line = text.lines().next().unwrap_or_default();
            line.trim_start_matches("error: ").to_owned()
        }
    }
}

/// What was perhaps meant, then where to read on.
fn advice(error: &Error, args: &[OsString]) -> String {
    let quoted = |kind| {
        let names = strings(error, kind).into_iter().map(|name| format!("`{name}`"));
        names.collect::<Vec<_>>()
    };
    let meant =
        [ContextKind::SuggestedSubcommand, ContextKind::SuggestedArg, ContextKind::SuggestedValue];
    let meant = meant.map(quoted).concat();
    let values = quoted(ContextKind::ValidValue);
    let cli = Cli::command();
    let command = args.iter().find_map(|word| cli.find_subcommand(word));
    let help = match command {
        Some(command) => format!("`lake-shim {} --help` explains it", command.get_name()),
        None => "`lake-shim --help` lists what there is".to_owned(),
    };
    if !meant.is_empty() {
        return format!("did you mean {}? {help}", meant.join(" or "));
    }
    if !values.is_empty() {
        return format!("it is one of {}", values.join(", "));
    }
    help
}

fn strings(error: &Error, kind: ContextKind) -> Vec<String> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => vec![text.clone()],
        Some(ContextValue::Strings(texts)) => texts.clone(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::help;
    use super::*;

    #[test]
    fn mistakes_are_told_in_one_voice() {
        for (line, expected) in [
            (
                "restroe",
                "`restroe` is no command\nhint: did you mean `resolve` or `restore`? \
                 `lake-shim --help` lists what there is",
            ),
            (
                "restore --sotre x",
                "there is no flag `--sotre`\nhint: did you mean `--store`? \
                 `lake-shim restore --help` explains it",
            ),
            (
                "frobnicate",
                "`frobnicate` is no command\nhint: `lake-shim --help` lists what there is",
            ),
            (
                "verify twice",
                "`twice` is one argument too many\nhint: `lake-shim verify --help` explains it",
            ),
            (
                "restore --network neever",
                "`neever` is no value of `--network <WHEN>`\nhint: did you mean `never`? \
                 `lake-shim restore --help` explains it",
            ),
            (
                "env --shell tcl",
                "`tcl` is no value of `--shell <SHELL>`\nhint: it is one of `sh`, `fish`, \
                 `github`, `json`",
            ),
            (
                "bake --level 30",
                "`30` is no value of `--level <LEVEL>`: 30 is not in 1..=22\nhint: \
                 `lake-shim bake --help` explains it",
            ),
            (
                "restore --jobs",
                "`--jobs <N>` needs a value\nhint: `lake-shim restore --help` explains it",
            ),
            (
                "key --json --value",
                "`--json` cannot be used with `--value`\nhint: `lake-shim key --help` explains it",
            ),
            (
                "completions",
                "`<SHELL>` is missing\nhint: `lake-shim completions --help` explains it",
            ),
        ] {
            let args: Vec<OsString> = line.split(' ').map(Into::into).collect();
            let words = std::iter::once("lake-shim".into()).chain(args.iter().cloned());
            let error = help::command().try_get_matches_from(words).expect_err(line);
            assert_eq!(hint(message(&error), advice(&error, &args)), expected, "{line}");
        }
    }
}
