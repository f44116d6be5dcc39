//! The settings of the environment, as flags.

use crate::settings::Environment;
use crate::workspace::Location;
use clap::Args;
use clap::builder::{PossibleValuesParser, RangedU64ValueParser, TypedValueParser};
use std::ffi::OsString;

#[derive(Debug, Args)]
#[command(next_help_heading = "Settings")]
pub struct Flags {
    /// The workspace, if not the one around the current directory
    #[arg(short = 'd', long, global = true, value_name = "DIR")]
    dir: Option<OsString>,
    /// Stores, `:`-separated, in order of preference [env: LAKE_SHIM_STORE]
    #[arg(long, global = true, value_name = "DIRS")]
    store: Option<OsString>,
    /// Shared packages directory [env: LAKE_PKG_DIR]
    #[arg(long, global = true, value_name = "DIR")]
    pkg_dir: Option<OsString>,
    /// May the real lake fetch what no store has [env: LAKE_SHIM_NETWORK]
    #[arg(long, global = true, value_name = "WHEN", value_parser = one_of(["auto", "never"]))]
    network: Option<OsString>,
    /// The real lake [env: LAKE_SHIM_LAKE]
    #[arg(long, global = true, value_name = "FILE")]
    lake: Option<OsString>,
    /// leantar [env: LAKE_SHIM_LEANTAR]
    #[arg(long, global = true, value_name = "FILE")]
    leantar: Option<OsString>,
    /// Hold leantar to its files [env: LAKE_SHIM_CONFINE]
    #[arg(long, global = true, value_name = "WHEN", value_parser = one_of(["auto", "always", "never"]))]
    confine: Option<OsString>,
    /// Threads [env: LAKE_SHIM_JOBS]
    #[arg(short = 'j', long, global = true, value_name = "N", value_parser = number())]
    jobs: Option<OsString>,
    /// How much to say [env: LAKE_SHIM_LOG]
    #[arg(long, global = true, value_name = "LEVEL", value_parser = one_of(["quiet", "info", "debug"]))]
    log: Option<OsString>,
}

fn one_of<const N: usize>(values: [&'static str; N]) -> impl TypedValueParser<Value = OsString> {
    PossibleValuesParser::new(values).map(OsString::from)
}

fn number() -> impl TypedValueParser<Value = OsString> {
    RangedU64ValueParser::<usize>::new().range(1..).map(|n| n.to_string().into())
}

impl Flags {
    /// The environment with the flags' values in it.
    pub fn over(&self, env: Environment) -> Environment {
        let over = |flag: &Option<OsString>, variable| flag.clone().or(variable);
        Environment {
            store: over(&self.store, env.store),
            pkg_dir: over(&self.pkg_dir, env.pkg_dir),
            network: over(&self.network, env.network),
            lake: over(&self.lake, env.lake),
            leantar: over(&self.leantar, env.leantar),
            confine: over(&self.confine, env.confine),
            jobs: over(&self.jobs, env.jobs),
            log: over(&self.log, env.log),
            ..env
        }
    }

    pub fn location(&self) -> Location {
        Location { dir: self.dir.clone(), search_above: true, ..Location::default() }
    }
}
