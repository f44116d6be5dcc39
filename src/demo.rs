//! `lake-shim demo`: the main job on an example that is compiled in.
//!
//! The example is a project on a miniature mathlib and a store that was baked for it, sources and
//! builds as packs, so that nothing but this binary is needed to restore it.
//! `shim-tests/make-demo.sh` makes it.

use crate::lake::RealLake;
use crate::lake::toolchain;
use crate::mathlib::request::Request;
use crate::report::{Report, data};
use crate::restore::session::{Mode, Session};
use crate::settings::{Environment, Settings, var};
use crate::workspace::{Location, Workspace};
use anyhow::{Context, Result};
use std::path::Path;
use std::process::Stdio;
use tempfile::TempDir;

static EXAMPLE: &[u8] = include_bytes!("demo.tar.zst");

/// Restores the example into a directory of its own, and leaves it there to be looked at.
pub fn run(env: &Environment, report: &Report) -> Result<()> {
    let dir = TempDir::with_prefix("lake-shim-demo-")?.keep();
    tar::Archive::new(zstd::Decoder::new(EXAMPLE)?).unpack(&dir)?;
    let (app, store) = (dir.join("app"), dir.join("store"));
    say("a project on a small mathlib, and nothing of it here yet:", &app)?;
    say("a store that was baked for it:", &store)?;

    let env = Environment {
        store: Some(store.into()),
        network: Some("never".into()),
        pkg_dir: None,
        ..env.clone()
    };
    let settings = Settings::new(&env)?;
    let workspace = Workspace::discover(&app, &Location::default())?.context("the example")?;
    let lake = RealLake::find(&env).ok();
    let observer = |event| report.event(event);
    let bytes = report.count_bytes();
    let session = Session {
        workspace: &workspace,
        settings: &settings,
        env: &env,
        lake: lake.as_ref().map(|lake| lake.path.as_path()),
        toolchain: None,
        observer: &observer,
        bytes: &bytes,
    };
    let mode =
        Mode { force: false, only_fetch: false, run_lake: None, resolve: None, is_built: None };
    let outcome = session.restore(&Request::default(), mode)?.outcome()?;
    report.outcome(&outcome);
    if let Some(failure) = outcome.failure() {
        return Err(failure.into());
    }
    say("restored; have a look:", &workspace.packages_dir)?;
    match lake.filter(|lake| toolchain::bin(Some(&lake.path), None, &env).is_some()) {
        Some(lake) => prove(&lake, &app),
        None => data(
            "there is no lake here to ask, but every shard of the store was compared with its sha256\n",
        ),
    }
}

/// Asks the real lake whether it would have to build anything. A Lake only agrees when it is of the
/// version that built the example, so its no is reported and is no failure.
fn prove(lake: &RealLake, app: &Path) -> Result<()> {
    let args = ["build", "--no-build", "Mathlib"].map(Into::into);
    let mut command = lake.command(&args, &Default::default());
    command.current_dir(app).env(var::DISABLE, "1").stdin(Stdio::null());
    let output = command.output().context("cannot run the real lake")?;
    let text = match output.status.code() {
        Some(0) => {
            "`lake build --no-build Mathlib` says that everything is up to date\n".to_owned()
        }
        Some(3) => {
            "this lake would build it again: the example was built by another version\n".to_owned()
        }
        _ => format!(
            "`lake build --no-build Mathlib` cannot tell ({}): {}\n",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        ),
    };
    data(&text)
}

fn say(what: &str, path: &Path) -> Result<()> {
    data(&format!("{what}\n  {}\n", path.display()))
}
