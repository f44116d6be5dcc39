//! What each verb comes to.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use fs_err as fs;
use serde_json::Value;

use crate::cache;
use crate::config::Config;
use crate::options::Options;
use crate::workspace::Workspace;

/// `setup-file` says so that there is no workspace.
const NO_CONFIG_FILE: u8 = 2;
/// `--no-build` says so that there is something to build.
const WOULD_BUILD: u8 = 3;

pub(crate) fn run(options: &Options, verb: &str, args: &[OsString]) -> Result<u8> {
    match verb {
        "build" => build(options, args),
        "exe" | "exec" => exe(options, args),
        "env" => env_verb(options, args),
        "serve" => serve(options),
        "setup-file" => setup_file(options, args),
        "update" | "upgrade" => Workspace::update(options).map(|_| 0),
        // These load the root's config and no dependency.
        "check-build" | "check-test" | "check-lint" | "translate-config" | "reservoir-config"
        | "version-tags" => Workspace::load_root(options).map(|_| 0),
        "new" | "init" | "self-check" | "help" => Ok(0),
        _ => Workspace::load(options).map(|_| 0),
    }
}

fn build(options: &Options, targets: &[OsString]) -> Result<u8> {
    let workspace = Workspace::load(options)?;
    if !options.no_build {
        write_program(&workspace)?;
        println!("Build completed successfully.");
        return Ok(0);
    }
    let stale = stale_modules(&workspace, targets)?;
    if stale.is_empty() {
        println!("All targets up-to-date.");
        return Ok(0);
    }
    for module in stale {
        eprintln!("error: target is out-of-date and needs to be rebuilt: {module}");
    }
    Ok(WOULD_BUILD)
}

/// The executable that `FAKE_LAKE_PROGRAM` names, which says its name.
fn write_program(workspace: &Workspace) -> Result<()> {
    let Ok(name) = env::var("FAKE_LAKE_PROGRAM") else {
        return Ok(());
    };
    let program = workspace.root.join(".lake/build/bin").join(&name);
    fs::create_dir_all(program.parent().context("it has a parent")?)?;
    fs::write(&program, format!("#!/bin/sh\necho {name}\n"))?;
    fs::set_permissions(&program, Permissions::from_mode(0o755))?;
    Ok(())
}

/// Those of the modules of `FAKE_LAKE_MODULES` that lack an olean, or whose trace has another `depHash`. Targets
/// such as `+Mathlib.Init` ask for these modules only.
fn stale_modules(workspace: &Workspace, targets: &[OsString]) -> Result<Vec<String>> {
    let Ok(modules) = env::var("FAKE_LAKE_MODULES") else {
        return Ok(Vec::new());
    };
    let modules: Value = serde_json::from_str(&modules).context("FAKE_LAKE_MODULES")?;
    let modules = modules.as_object().context("FAKE_LAKE_MODULES is no object")?;
    let asked: Vec<_> =
        targets.iter().filter_map(|target| target.to_str()?.strip_prefix('+')).collect();
    let mut stale = Vec::new();
    for (module, built) in modules {
        let text = |key: &str| built[key].as_str().unwrap_or_default();
        let trace = fs::read(workspace.root.join(text("trace"))).unwrap_or_default();
        let trace: Value = serde_json::from_slice(&trace).unwrap_or_default();
        let is_built =
            workspace.root.join(text("olean")).exists() && trace["depHash"] == text("depHash");
        if !is_built && (asked.is_empty() || asked.contains(&module.as_str())) {
            stale.push(module.clone());
        }
    }
    Ok(stale)
}

fn exe(options: &Options, args: &[OsString]) -> Result<u8> {
    let (spec, args) = args.split_first().context("missing executable target")?;
    let workspace = Workspace::load(options)?;
    let spec = spec.to_string_lossy();
    let (package, name) = match spec.split_once('/') {
        Some((package, name)) => (package.trim_start_matches('@'), name),
        None => ("mathlib", spec.as_ref()),
    };
    if package == "mathlib" && name == "cache" && workspace.has_package("mathlib") {
        return cache::run(&workspace, args);
    }
    let program = workspace.root.join(".lake/build/bin").join(name);
    if !program.exists() {
        bail!("unknown executable `{spec}`");
    }
    spawn(program.as_os_str(), args)
}

/// Works without a workspace as well.
fn env_verb(options: &Options, args: &[OsString]) -> Result<u8> {
    if Config::exists(&options.root, &options.config_file) {
        Workspace::load(options)?;
    }
    match args.split_first() {
        Some((program, args)) => spawn(program, args),
        None => {
            for (name, value) in toolchain_env() {
                println!("{name}={}", value.to_string_lossy());
            }
            Ok(0)
        }
    }
}

/// Where the real one becomes `lean --server`: what is said to it comes back. A broken workspace is a warning.
fn serve(options: &Options) -> Result<u8> {
    if let Err(error) = Workspace::load(options) {
        eprintln!("{error:#}");
        eprintln!(
            "warning: package configuration has errors, falling back to plain `lean --server`"
        );
    }
    io::copy(&mut io::stdin(), &mut io::stdout())?;
    Ok(0)
}

fn setup_file(options: &Options, args: &[OsString]) -> Result<u8> {
    args.first().context("missing file path")?;
    if !Config::exists(&options.root, &options.config_file) {
        return Ok(NO_CONFIG_FILE);
    }
    Workspace::load(options)?;
    println!("{}", serde_json::json!({ "name": "Fake", "plugins": [] }));
    Ok(0)
}

/// Runs a child in the toolchain's environment and passes its code on.
fn spawn(program: &OsStr, args: &[OsString]) -> Result<u8> {
    let status = Command::new(program)
        .args(args)
        .envs(toolchain_env())
        .status()
        .with_context(|| format!("failed to execute '{}'", program.display()))?;
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    Ok(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}

/// `LAKE` and a PATH with the toolchain first, so that a nested lake is this one and nobody's proxy.
pub(crate) fn toolchain_env() -> Vec<(&'static str, OsString)> {
    let own = env::current_exe().unwrap_or_default();
    let bin = own.parent().unwrap_or(Path::new("")).to_owned();
    let home = bin.parent().unwrap_or(Path::new("")).to_owned();
    let path = env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = [bin].into_iter().chain(env::split_paths(&path)).collect();
    vec![
        ("LAKE", own.into()),
        ("LAKE_HOME", home.into()),
        ("PATH", env::join_paths(folders).unwrap_or(path)),
    ]
}
