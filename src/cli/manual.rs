//! Completions and manual pages, from the definition of the command line.

use super::Cli;
use crate::report::data;
use anyhow::Result;
use clap::CommandFactory;
use clap_complete::Shell;
use std::path::Path;
use std::process::ExitCode;

pub fn completions(shell: Shell) -> Result<ExitCode> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "lake-shim", &mut text);
    data(&String::from_utf8(text)?)?;
    Ok(ExitCode::SUCCESS)
}

/// Writes a page for every command into `dir`, or prints that of `lake-shim` itself.
pub fn pages(dir: Option<&Path>) -> Result<ExitCode> {
    match dir {
        Some(dir) => {
            fs_err::create_dir_all(dir)?;
            clap_mangen::generate_to(Cli::command(), dir)?;
        }
        None => {
            let mut text = Vec::new();
            clap_mangen::Man::new(Cli::command()).render(&mut text)?;
            data(&String::from_utf8(text)?)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
