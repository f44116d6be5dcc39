//! The real lake and its lean: found, runnable, and of the version that the workspace asks for.
//!
//! elan's proxy is never run: it would download a toolchain that is not there. What it would run is
//! looked up instead.

use super::path::is_shim;
use super::probe::{ask, version};
use super::{Area, Finding, quoted, shown};
use crate::child::Variables;
use crate::lake::RealLake;
use crate::lake::toolchain::{self, is_elan};
use crate::lake::version::Version;
use crate::programs::on_path;
use crate::settings::{Environment, var};
use anyhow::Error;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What there is of a toolchain.
#[derive(Debug)]
pub struct Lake {
    found: Result<PathBuf, Error>,
    /// Whether `LAKE_SHIM_LAKE` names it.
    is_named: bool,
    is_elan: bool,
    /// Whether it is a lake-shim, so that nothing real is behind us.
    is_shim: bool,
    /// What the workspace asks for.
    toolchain: Option<String>,
    /// What `ELAN_TOOLCHAIN` asks for, when that is something else and decides.
    overriding: Option<String>,
    /// Where the toolchain's programs lie.
    pub bin: Option<PathBuf>,
    /// What it says of its version; nothing when it was not asked.
    answer: Option<Result<String, String>>,
    pub lean: Lean,
}

/// The lean that this lake runs.
#[derive(Debug, Default)]
pub struct Lean {
    path: Option<PathBuf>,
    answer: Option<Result<String, String>>,
}

/// Looks for lake and lean, for a workspace on `toolchain`.
pub fn look(env: &Environment, toolchain: Option<&str>) -> (Lake, [Area; 2]) {
    let real = RealLake::find(env);
    let path = real.as_ref().ok().map(|real| real.path.clone());
    let is_elan = path.as_deref().is_some_and(is_elan);
    let is_shim = path.as_deref().is_some_and(is_shim);
    // A toolchain's own lake does not ask for the variable; elan asks for nothing else, if it is set.
    let own = toolchain::bin(path.as_deref(), None, env);
    let overriding =
        env.elan_toolchain.as_deref().filter(|name| own.is_none() && Some(*name) != toolchain);
    let bin = own.or_else(|| toolchain::bin(path.as_deref(), overriding.or(toolchain), env));
    let answer = match (&real, &bin) {
        (Ok(_), Some(bin)) if is_elan => Some(ask_version(&bin.join("lake"))),
        (Ok(real), _) if !is_elan && !is_shim => {
            let stand_aside = Variables::from([(var::DISABLE.into(), "1".into())]);
            Some(ask(&mut real.command(&["--version".into()], &stand_aside)))
        }
        _ => None,
    };
    let lake = Lake {
        found: real.map(|real| real.path),
        is_named: env.lake.is_some(),
        is_elan,
        is_shim,
        toolchain: toolchain.map(str::to_owned),
        overriding: overriding.map(str::to_owned),
        lean: lean(bin.as_deref()),
        bin,
        answer,
    };
    let areas = [lake.area(), lake.lean_area()];
    (lake, areas)
}

/// The lean of the toolchain, or the one on PATH, unless that is elan's.
fn lean(bin: Option<&Path>) -> Lean {
    let on_path = || on_path("lean").next();
    let path = bin.map(|bin| bin.join("lean")).or_else(on_path).filter(|lean| !is_elan(lean));
    let answer = path.as_deref().map(ask_version);
    Lean { path, answer }
}

fn ask_version(program: &Path) -> Result<String, String> {
    ask(Command::new(program).arg("--version").env(var::DISABLE, "1"))
}

impl Lake {
    fn area(&self) -> Area {
        let version = self.version();
        let by = if self.is_elan { " by elan" } else { "" };
        let summary = match &self.found {
            Ok(path) => format!(
                "{}{by} {}",
                version.as_deref().unwrap_or("unknown version"),
                path.display()
            ),
            Err(_) => "not found".to_owned(),
        };
        let facts = json!({
            "path": self.found.as_deref().ok().map(shown),
            "by_elan": self.is_elan,
            "version": version,
            "toolchain": self.bin.as_deref().map(shown),
        });
        Area::new("lake", vec![summary], facts).with(self.judge())
    }

    fn lean_area(&self) -> Area {
        let version = self.lean.version();
        let findings = self.judge_lean();
        let summary = match &self.lean.path {
            Some(path) => vec![format!(
                "{} {}",
                version.as_deref().unwrap_or("unknown version"),
                path.display()
            )],
            // What is wrong with lake is why, and is said there.
            None if findings.is_empty() => Vec::new(),
            None => vec!["not found".to_owned()],
        };
        let facts: Value =
            json!({ "path": self.lean.path.as_deref().map(shown), "version": version });
        Area::new("lean", summary, facts).with(findings)
    }

    fn version(&self) -> Option<String> {
        version(self.answer.as_ref()?.as_ref().ok()?)
    }

    /// Decides what it does with packages. `None` if it was not asked, or does not tell.
    pub fn lean_version(&self) -> Option<Version> {
        Version::of_answer(self.answer.as_ref()?.as_ref().ok()?)
    }

    fn judge(&self) -> Vec<Finding> {
        let another = format!(
            "set `{0}` to the real lake, or `unset {0}` to have PATH searched for it",
            var::LAKE
        );
        let path = match &self.found {
            Ok(path) => path,
            Err(error) => {
                let check = if self.is_named { "named-lake" } else { "no-lake" };
                return vec![Finding::of_error(check, error, &another)];
            }
        };
        if self.is_shim && self.is_named {
            let message = format!("`{}` names a lake-shim, and no real lake", var::LAKE);
            return vec![Finding::error("named-lake", message, another).seen(quoted(path))];
        }
        if self.is_elan && self.bin.is_none() {
            return self.not_installed().into_iter().collect();
        }
        let lake = self.bin.as_ref().filter(|_| self.is_elan).map(|bin| bin.join("lake"));
        let lake = lake.unwrap_or_else(|| path.clone());
        let hint = match (self.is_named, self.is_elan) {
            (true, _) => another,
            (_, true) => {
                "`elan toolchain uninstall` it, and the next `lake` installs it anew".into()
            }
            _ => format!("mend {}, or name another lake by `{}`", quoted(&lake), var::LAKE),
        };
        let fault = fault(&lake, self.answer.as_ref());
        fault
            .map(|seen| Finding::error("lake-fails", "the real lake does not run", hint).seen(seen))
            .into_iter()
            .collect()
    }

    /// elan will download the toolchain when `lake` is first called.
    fn not_installed(&self) -> Option<Finding> {
        let toolchain = self.overriding.as_ref().or(self.toolchain.as_ref())?;
        let name = toolchain.rsplit(':').next().unwrap_or(toolchain);
        if ["stable", "beta", "nightly"].contains(&name) {
            return None; // only a server knows which one that is
        }
        let message = format!("elan has no toolchain `{toolchain}`");
        let hint = match &self.overriding {
            Some(_) => "`unset ELAN_TOOLCHAIN`, and the workspace says which one".to_owned(),
            None => format!("`elan toolchain install {toolchain}`, with network"),
        };
        let finding = Finding::warning("toolchain-not-installed", message, hint);
        let finding =
            finding.seen("the first `lake` in this workspace downloads it, or fails offline");
        Some(finding.all_seen(self.overridden()))
    }

    /// That the workspace is not asked for its toolchain.
    fn overridden(&self) -> Option<String> {
        let name = self.overriding.as_ref()?;
        Some(format!("`ELAN_TOOLCHAIN` is `{name}`, whatever the workspace asks for"))
    }

    fn judge_lean(&self) -> Vec<Finding> {
        if self.found.is_err() || self.is_shim || self.is_elan && self.bin.is_none() {
            return Vec::new(); // said of lake
        }
        let Some(path) = &self.lean.path else {
            let message = "there is no `lean` for the real lake";
            let hint = "put the toolchain's `bin` directory on PATH, or install elan";
            let seen = "neither beside the real lake nor on PATH";
            return vec![Finding::error("no-lean", message, hint).seen(seen)];
        };
        let fault = fault(path, self.lean.answer.as_ref());
        if let Some(seen) = fault {
            let hint = format!("install the toolchain anew: {} is part of it", quoted(path));
            return vec![Finding::error("lean-fails", "lean does not run", hint).seen(seen)];
        }
        self.judge_version().into_iter().collect()
    }

    /// Build files of one Lean are useless to another.
    fn judge_version(&self) -> Option<Finding> {
        let toolchain = self.toolchain.as_ref()?;
        let found = self.lean.version()?;
        if is_of(&found, toolchain)? {
            return None;
        }
        let message = format!("lean is {found}, and the workspace asks for `{toolchain}`");
        let way = match &self.overriding {
            Some(_) => "`unset ELAN_TOOLCHAIN`".to_owned(),
            None => {
                format!("have elan choose it, or name that toolchain's lake by `{}`", var::LAKE)
            }
        };
        let hint = format!("{way}: build files of one Lean are useless to another");
        let lean = self.lean.path.as_deref().unwrap_or(Path::new(""));
        let finding = Finding::warning("lean-version", message, hint);
        let finding = finding.seen(format!("{} says {found}", quoted(lean)));
        Some(finding.all_seen(self.overridden()))
    }
}

impl Lean {
    /// Whether it answers.
    pub fn runs(&self) -> bool {
        self.version().is_some()
    }

    fn version(&self) -> Option<String> {
        version(self.answer.as_ref()?.as_ref().ok()?)
    }
}

/// What is wrong with an answer to `--version`.
fn fault(program: &Path, answer: Option<&Result<String, String>>) -> Option<String> {
    let program = quoted(program);
    match answer? {
        Err(reason) => Some(format!("{program} {reason}")),
        Ok(text) if version(text).is_none() => {
            let text: String = text.chars().take(60).collect();
            Some(format!("{program} says no version, but `{}`", text.escape_debug()))
        }
        Ok(_) => None,
    }
}

/// Whether a lean of this version is the one of `toolchain`: `4.27.0` of `leanprover/lean4:v4.27.0`,
/// `4.27.0-nightly-2025-11-01` of `leanprover/lean4:nightly-2025-11-01`. Nothing where the name does
/// not tell, as of `stable` or a toolchain of one's own.
fn is_of(version: &str, toolchain: &str) -> Option<bool> {
    let name = toolchain.rsplit(':').next()?;
    let is_number = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
    match name.strip_prefix("nightly-") {
        Some(date) if is_number(date) => Some(version.ends_with(&format!("-{name}"))),
        _ => {
            let number = name.strip_prefix('v').unwrap_or(name);
            is_number(number).then(|| version == number)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound() -> Lake {
        let answer = |text: &str| Some(Ok(text.to_owned()));
        Lake {
            found: Ok("/lean/bin/lake".into()),
            is_named: false,
            is_elan: false,
            is_shim: false,
            toolchain: Some("leanprover/lean4:v4.27.0".into()),
            overriding: None,
            bin: Some("/lean/bin".into()),
            answer: answer("Lake version 5.0.0 (Lean version 4.27.0)"),
            lean: Lean {
                path: Some("/lean/bin/lean".into()),
                answer: answer("Lean (version 4.27.0, Release)"),
            },
        }
    }

    fn checks(lake: &Lake) -> Vec<&'static str> {
        lake.judge().into_iter().chain(lake.judge_lean()).map(|finding| finding.check).collect()
    }

    #[test]
    fn what_can_be_wrong() {
        type Break = fn(&mut Lake);
        let cases: [(Break, &[&str]); 10] = [
            (|_| {}, &[]),
            (|lake| lake.found = Err(anyhow::anyhow!("none")), &["no-lake"]),
            (
                |lake| (lake.found, lake.is_named) = (Err(anyhow::anyhow!("none")), true),
                &["named-lake"],
            ),
            (|lake| (lake.is_shim, lake.is_named) = (true, true), &["named-lake"]),
            (|lake| lake.answer = Some(Err("fails".into())), &["lake-fails"]),
            (|lake| lake.answer = Some(Ok(String::new())), &["lake-fails"]),
            (|lake| (lake.is_elan, lake.bin) = (true, None), &["toolchain-not-installed"]),
            (|lake| lake.lean = Lean::default(), &["no-lean"]),
            (|lake| lake.lean.answer = Some(Err("fails".into())), &["lean-fails"]),
            (|lake| lake.toolchain = Some("leanprover/lean4:v4.9.0".into()), &["lean-version"]),
        ];
        for (number, (break_it, expected)) in cases.into_iter().enumerate() {
            let mut lake = sound();
            break_it(&mut lake);
            assert_eq!(checks(&lake), expected, "case {number}");
        }
    }

    #[test]
    fn versions_of_toolchains() {
        for (version, toolchain, expected) in [
            ("4.27.0", "leanprover/lean4:v4.27.0", Some(true)),
            ("4.27.0", "leanprover/lean4:v4.27.1", Some(false)),
            ("4.27.0-rc1", "leanprover/lean4:4.27.0-rc1", Some(true)),
            ("4.27.0-rc1", "leanprover/lean4:v4.27.0", Some(false)),
            ("4.9.0", "v4.9.0", Some(true)),
            ("4.27.0-nightly-2025-11-01", "leanprover/lean4:nightly-2025-11-01", Some(true)),
            ("4.27.0-nightly-2025-11-02", "leanprover/lean4:nightly-2025-11-01", Some(false)),
            ("4.27.0", "leanprover/lean4:nightly-2025-11-01", Some(false)),
            ("4.27.0", "leanprover/lean4:nightly", None),
            ("4.27.0", "leanprover/lean4:stable", None),
            ("4.27.0", "my-build", None),
        ] {
            assert_eq!(is_of(version, toolchain), expected, "{version} {toolchain}");
        }
    }
}
