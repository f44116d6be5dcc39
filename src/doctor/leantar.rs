//! leantar: found, runnable, and held to its files as far as the kernel can.

use super::{Area, Finding, Severity, nearest, quoted, shown};
use crate::ask::{ask, version};
use crate::confine::State;
use crate::mathlib::leantar::{self, Leantar, Unfit};
use crate::mathlib::recipe::Recipe;
use crate::settings::{Confine, Environment, Network, Settings, var};
use crate::workspace::Workspace;
use fs_err as fs;
use serde_json::json;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A leantar, and what it says of its version.
struct Found<'a> {
    path: &'a Path,
    state: State,
    answer: Result<String, String>,
    /// Whether it answers only when it is not held.
    is_hindered: bool,
}

/// Looks for the leantar of a toolchain whose programs lie in `bin`. That there is none is nobody's
/// loss unless a restore of `workspace` `unpacks` cache files.
pub fn look(
    env: &Environment,
    settings: &Settings,
    workspace: Option<&Workspace>,
    bin: Option<&Path>,
    unpacks: bool,
) -> Area {
    let at_least =
        workspace.and_then(Workspace::mathlib).and_then(|mathlib| Recipe::read(mathlib).ok());
    let at_least = at_least.and_then(|recipe| recipe.leantar);
    let named = settings.leantar.as_deref();
    let candidates = match named {
        Some(named) => vec![named.to_owned()],
        None => leantar::candidates(bin, &settings.stores, env),
    };
    let chosen = leantar::choose(&candidates, at_least.as_ref(), settings, &Unfit::new());
    let (path, unfit) = match chosen {
        Ok(leantar) => (Some(leantar.path().to_owned()), Vec::new()),
        Err(unfit) => (candidates.first().cloned(), unfit),
    };
    let found = path.as_deref().map(|path| Found::ask(path, settings, workspace));
    let (summary, finding) = match &found {
        Some(found) => {
            let finding = found.judge(named.is_some(), &unfit, settings.confine);
            (found.summary(), finding.map(|finding| weighed(finding, unpacks || named.is_some())))
        }
        None if unpacks => ("not found".to_owned(), Some(missing(settings.network))),
        None => ("not found, and not needed".to_owned(), None),
    };
    let facts = json!({
        "path": path.as_deref().map(shown),
        "version": found.as_ref().and_then(Found::version),
        "landlock_abi": found.as_ref().and_then(|found| found.state.abi()),
    });
    let area = Area::new("leantar", vec![summary], facts).with(finding.into_iter().collect());
    Area { is_sound: found.is_some(), ..area }
}

/// What a restore would have leantar read, and where it would have it write: a cache file of each
/// store, and for each package what there is of the way to its build directory.
fn places(settings: &Settings, workspace: Option<&Workspace>) -> BTreeSet<PathBuf> {
    let files = settings.stores.iter().filter_map(|store| {
        let mut paths = fs::read_dir(store).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
        paths.find(|path| path.extension().is_some_and(|end| end == "ltar") && path.is_file())
    });
    let packages = workspace.map(Workspace::source_path).unwrap_or_default();
    let builds = packages.iter().filter_map(|package| nearest(&package.join(".lake/build")));
    files.chain(builds).collect()
}

impl<'a> Found<'a> {
    fn ask(path: &'a Path, settings: &Settings, workspace: Option<&Workspace>) -> Self {
        let leantar = Leantar::new(path.to_owned(), settings);
        let places = places(settings, workspace);
        // Directories are listed, not written to: that too shows whether their rules hold.
        let places = places.iter().map(PathBuf::as_path).collect();
        let (mut command, state) = leantar.command_however_held(places, &[]);
        let answer = ask(command.arg("--version"));
        let is_hindered = answer.is_err()
            && state.abi().is_some()
            && ask(Command::new(path).arg("--version")).is_ok();
        Self { path, state, answer, is_hindered }
    }

    fn version(&self) -> Option<String> {
        version(self.answer.as_deref().ok()?)
    }

    fn summary(&self) -> String {
        let version = self.version().unwrap_or_else(|| "unknown version".to_owned());
        let state = if self.state.abi().is_some() { "confined" } else { "not confined" };
        format!("{version} {}, {state}", self.path.display())
    }

    /// `unfit` says of every candidate why it cannot be used, if none can.
    fn judge(&self, is_named: bool, unfit: &[String], confine: Confine) -> Option<Finding> {
        match &self.answer {
            Err(reason) if self.is_hindered => Some(hindered(self.path, reason)),
            _ if matches!((&self.state, confine), (State::Free(_), Confine::Always)) => {
                unconfined(&self.state, confine)
            }
            _ if !unfit.is_empty() => Some(broken(self.path, is_named, unfit)),
            _ => unconfined(&self.state, confine),
        }
    }
}

/// A fault of what is not needed is worth a note.
fn weighed(finding: Finding, is_needed: bool) -> Finding {
    match is_needed {
        true => finding,
        false => Finding { severity: Severity::Note, ..finding },
    }
}

/// What leantar could do that it should not.
fn unconfined(state: &State, confine: Confine) -> Option<Finding> {
    let kernel = "use a kernel from Linux 6.12 on with `landlock` in its `lsm=` list, and for stores \
                  and packages a file system of its own (no 9p); in a container, a seccomp profile \
                  that allows the `landlock_*` system calls";
    let (severity, message, hint) = match (state, confine) {
        (State::Confined { .. }, _) if state.lacks().is_empty() => return None,
        (State::Confined { .. }, _) => (Severity::Note, "leantar is not fully confined", kernel),
        (State::Free(_), Confine::Always) => {
            (Severity::Error, "leantar cannot be confined, and is not run without", kernel)
        }
        (State::Free(_), Confine::Auto) => (Severity::Note, "leantar is not confined", kernel),
        (State::Free(_), Confine::Never) => {
            (Severity::Note, "leantar is not confined", "`unset LAKE_SHIM_CONFINE`")
        }
    };
    let finding = Finding::new(severity, "leantar-unconfined", message, hint);
    Some(match state {
        State::Confined { abi } => finding.seen(format!(
            "this kernel's Landlock (ABI {abi}) does not cover {}",
            state.lacks().join(", ")
        )),
        State::Free(reason) => {
            finding.seen(reason).seen("a crafted `.ltar` can make leantar write wherever you may")
        }
    })
}

/// Its libraries may lie in a place that nobody thought of.
fn hindered(path: &Path, reason: &str) -> Finding {
    let hint =
        format!("use a leantar that is linked statically, or `export {}=never`", var::CONFINE);
    let message = "leantar does not run confined";
    let finding = Finding::error("leantar-fails-confined", message, hint);
    finding.seen(format!("{} {reason}", quoted(path))).seen("it runs when it is not confined")
}

fn missing(network: Network) -> Finding {
    let (severity, seen) = match network {
        Network::Auto => (Severity::Warning, "the real `lake exe cache get` downloads its own"),
        Network::Never => (Severity::Error, "nothing can be unpacked from `.ltar` files"),
    };
    let hint = format!("put `leantar-<version>` into the store, or name it by `{}`", var::LEANTAR);
    Finding::new(severity, "no-leantar", "there is no leantar", hint)
        .seen("it is not in the toolchain, the stores, PATH or the user's cache")
        .seen(seen)
}

fn broken(path: &Path, is_named: bool, unfit: &[String]) -> Finding {
    let hint = if is_named {
        format!("name leantar by `{0}`, or `unset {0}` to have it searched for", var::LEANTAR)
    } else {
        format!("replace {}, or name another by `{}`", quoted(path), var::LEANTAR)
    };
    let finding = Finding::error("leantar-fails", "leantar does not run", hint);
    unfit.iter().fold(finding, |finding, reason| finding.seen(reason))
}
