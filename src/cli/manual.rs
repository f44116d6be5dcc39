//! Completions and manual pages, from the definition of the command line.

use super::Cli;
use super::examples::examples;
use super::help::VARIABLES;
use crate::report::data;
use anyhow::Result;
use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

pub fn completions(shell: Shell) -> Result<ExitCode> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "lake-shim", &mut text);
    let mut text = String::from_utf8(text)?;
    if shell == Shell::Bash {
        // Two spellings of a name with a hyphen, which never meet (clap-rs/clap#6421).
        text = text.replace("lake__subcmd__shim", "lake__shim");
    }
    data(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// Writes a page for every command into `dir`, or prints that of `lake-shim` itself.
pub fn pages(dir: Option<&Path>) -> Result<ExitCode> {
    let mut cli = Cli::command().disable_help_subcommand(true);
    cli.build();
    match dir {
        Some(dir) => {
            fs_err::create_dir_all(dir)?;
            for command in cli.get_subcommands().chain([&cli]) {
                let file = dir.join(Man::new(command.clone()).get_filename());
                fs_err::write(file, page(command)?)?;
            }
        }
        None => data(&String::from_utf8(page(&cli)?)?)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn page(command: &Command) -> io::Result<Vec<u8>> {
    let man = Man::new(command.clone());
    let name = command.get_display_name().unwrap_or("lake-shim");
    let mut text = Vec::new();
    // Not its own title: without a date it has the version where the date belongs.
    let version = env!("CARGO_PKG_VERSION");
    writeln!(text, ".TH \"{name}\" 1 \"\" \"lake-shim {version}\" \"lake-shim\"")?;
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    man.render_options_section(&mut text)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut text)?;
        as_typed("ENVIRONMENT OF LAKE", VARIABLES).to_writer(&mut text)?;
    }
    if let Some(examples) = examples(command.get_name()) {
        as_typed("EXAMPLES", &examples).to_writer(&mut text)?;
    }
    Ok(text)
}

/// A section whose lines are not filled.
fn as_typed(title: &str, lines: &str) -> Roff {
    let mut section = Roff::default();
    section.control("SH", [title]).control("nf", []);
    let lines =
        lines.lines().map(|line| roman(format!("{}\n", line.strip_prefix("  ").unwrap_or(line))));
    section.text(lines.collect::<Vec<_>>());
    section.control("fi", []);
    section
}
