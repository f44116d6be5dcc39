//! `lake-shim doctor`.

use super::flags::Flags;
use crate::doctor::{AREAS, examine};
use crate::report::{data, page};
use crate::settings::{Environment, Settings};
use crate::threads;
use anyhow::Result;
use clap::Args;
use clap::builder::PossibleValuesParser;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Report on these areas only, as `shim lake` in a script that sets up PATH; all, if none is
    /// named
    #[arg(value_name = "AREA", value_parser = PossibleValuesParser::new(AREAS), hide_possible_values = true)]
    areas: Vec<String>,
    /// Print findings and facts as one JSON object
    #[arg(long)]
    json: bool,
}

impl DoctorArgs {
    pub(super) fn run(&self, flags: &Flags) -> Result<ExitCode> {
        let env = flags.over(Environment::capture());
        threads::prepare(Settings::new(&env).map_or(1, |settings| settings.jobs()));
        let diagnosis = examine(&env, &flags.location()).only(&self.areas);
        let text = match self.json {
            true => format!("{:#}\n", diagnosis.json()),
            false => page(&env).print(&diagnosis),
        };
        data(&text)?;
        Ok(if diagnosis.has_errors() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}
