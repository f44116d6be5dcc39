//! The version of the Lake that is about to run.
//!
//! It decides whether Lake knows `--packages`, and what Lake does to a checkout. An option that Lake does
//! not know would break a build that worked, so a version that cannot be told counts as too old for it.

use super::RealLake;
use super::toolchain::{elan_dirs, is_elan};
use crate::ask::ask;
use crate::child::Variables;
use crate::fs::{ensure_dirs, replace_name};
use crate::read;
use crate::settings::{Environment, var};
use fs_err as fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Major and minor version of Lean, which Lake shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(u32, u32);

impl Version {
    /// Knows `--packages` and `.lake/package-overrides.json` (lean4#6411).
    pub const OVERRIDES: Self = Self(4, 17);
    /// Runs `git clean -xf` after it checked out another revision.
    pub const CLEANS: Self = Self(4, 29);
    /// Compares the URL on every load (lean4#14782). Read, not run: 4.35 is probably the first release with it,
    /// and nightlies had that number before. So the one before may do it, and the one behind does.
    pub const MAY_COMPARE_ALWAYS: Self = Self(4, 34);
    /// Deletes no checkout (the same change).
    pub const NEVER_DELETES: Self = Self(4, 36);

    /// Reads the answer of `lake --version`.
    pub fn of_answer(said: &str) -> Option<Self> {
        said.rsplit_once("(Lean version ").and_then(|(_, text)| Self::parse(text))
    }

    /// Reads `4.27` at the beginning of `text`.
    fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split(|c: char| !c.is_ascii_digit());
        Some(Self(numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
    }
}

/// The version of `lake`, for a command that runs in `cwd` with `+toolchain` or without. `None` if it
/// cannot be told without downloading a toolchain.
pub fn version(
    lake: &RealLake,
    toolchain: Option<&str>,
    cwd: &Path,
    env: &Environment,
) -> Option<Version> {
    let written = written(lake, toolchain, cwd, env);
    if written.is_some() || is_elan(&lake.path) {
        return written;
    }
    asked(lake, toolchain, cwd, env)
}

/// As [`version`], from files alone.
pub fn written(
    lake: &RealLake,
    toolchain: Option<&str>,
    cwd: &Path,
    env: &Environment,
) -> Option<Version> {
    if is_elan(&lake.path) {
        let name = toolchain.map(str::to_owned).or_else(|| elan_choice(cwd, env))?;
        return of_toolchain(&name, env);
    }
    of_header(fs::canonicalize(&lake.path).ok()?.parent()?.parent()?)
}

/// The toolchain that elan takes: `ELAN_TOOLCHAIN`, then of `cwd` and the directories above it an override
/// or a `lean-toolchain`, then the default.
fn elan_choice(cwd: &Path, env: &Environment) -> Option<String> {
    if let Some(name) = &env.elan_toolchain {
        return Some(name.clone());
    }
    let settings = env.elan_home()?.join("settings.toml");
    let settings = read::text(&settings, read::TEXT).unwrap_or_default();
    let settings: toml_edit::Document<String> = toml_edit::Document::parse(settings).ok()?;
    let overrides = settings.get("overrides").and_then(|overrides| overrides.as_table_like());
    let near = cwd.ancestors().find_map(|dir| {
        let chosen = overrides.and_then(|table| table.get(dir.to_str()?)?.as_str());
        let named = || super::toolchain::read(dir).ok().flatten();
        chosen.map(str::to_owned).or_else(named)
    });
    near.or_else(|| Some(settings.get("default_toolchain")?.as_str()?.to_owned()))
}

/// The version of a toolchain of elan's: of its files if it is installed, else by its name.
fn of_toolchain(name: &str, env: &Environment) -> Option<Version> {
    let toolchains = env.elan_home()?.join("toolchains");
    let dirs = elan_dirs(name).into_iter().map(|dir| toolchains.join(dir));
    let path = Path::new(name).is_absolute().then(|| PathBuf::from(name));
    let release = name.rsplit_once(':').map_or(name, |(_, release)| release);
    dirs.chain(path)
        .find_map(|dir| of_header(&dir))
        .or_else(|| Version::parse(release.strip_prefix('v').unwrap_or(release)))
}

/// The version in the header that every toolchain has.
fn of_header(toolchain: &Path) -> Option<Version> {
    let header = read::text(&toolchain.join("include/lean/version.h"), read::TEXT).ok()?;
    let number = |name: &str| -> Option<u32> {
        let line =
            header.lines().find_map(|line| line.strip_prefix("#define ")?.strip_prefix(name))?;
        line.trim().parse().ok()
    };
    Some(Version(number("LEAN_VERSION_MAJOR ")?, number("LEAN_VERSION_MINOR ")?))
}

/// The answer of `lake --version`, remembered in the user's cache for this file unless the command fails. A script
/// may start another Lake for each toolchain, so there it is remembered by toolchain too.
fn asked(
    lake: &RealLake,
    toolchain: Option<&str>,
    cwd: &Path,
    env: &Environment,
) -> Option<Version> {
    let meta = fs::metadata(&lake.path).ok()?;
    let mut name = format!("{}-{}-{}-{}", meta.dev(), meta.ino(), meta.size(), meta.mtime());
    let mut args = vec!["--version".into()];
    if lake.is_script {
        args.splice(0..0, toolchain.map(|toolchain| format!("+{toolchain}").into()));
        let choice = toolchain.map(str::to_owned).or_else(|| elan_choice(cwd, env));
        name += &format!("-{}", choice.unwrap_or_default().replace('/', "--"));
    }
    let remembered = env.shim_cache().map(|dir| dir.join("versions").join(name));
    if let Some(text) = remembered.as_deref().and_then(|file| read::text(file, read::TEXT).ok()) {
        return Version::parse(&text);
    }
    let mut command = lake.command(&args, &Variables::new());
    command.current_dir(cwd).env(var::DISABLE, "1");
    let version = Version::of_answer(&ask(&mut command).ok()?);
    if let Some(file) = remembered {
        let text =
            version.map_or("unknown".to_owned(), |version| format!("{}.{}", version.0, version.1));
        // Where it cannot be written, the next command asks again.
        let _ = file.parent().map(ensure_dirs).map(|_| replace_name(&file, text.as_bytes()));
    }
    version
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        for (text, expected) in [
            ("4.27.0", Some(Version(4, 27))),
            ("4.9.0-rc1", Some(Version(4, 9))),
            ("4.17", Some(Version(4, 17))),
            ("nightly-2026-01-01", None),
            ("unknown", None),
            ("", None),
        ] {
            assert_eq!(Version::parse(text), expected, "{text}");
        }
        assert!(Version(4, 9) < Version::OVERRIDES && Version(4, 100) > Version::NEVER_DELETES);
    }
}
