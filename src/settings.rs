//! Every environment variable the shim reads, in one place, read once.
//!
//! [`Environment`] is what is there, taken as it is; it cannot fail, so that the real lake is found
//! whatever else is wrong. [`Settings`] is what it means, checked; a bad value is an error naming
//! the variable, the value and what is allowed.

pub mod var;

use crate::error::hint;
use anyhow::{Context, Error, Result, bail};
use std::ffi::{OsStr, OsString};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

/// More threads than any machine has cores. Each needs memory of its own.
const MAX_JOBS: NonZeroUsize = NonZeroUsize::new(1024).expect("it is not 0");

/// Where images have their baked store.
pub const IMAGE_STORE: &str = "/opt/mathlib-cache";

/// What the process was started with.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    pub path: Option<OsString>,
    pub home: Option<PathBuf>,
    pub xdg_cache_home: Option<PathBuf>,
    pub mathlib_cache_dir: Option<PathBuf>,
    pub elan_home: Option<PathBuf>,
    pub elan_toolchain: Option<String>,
    pub url_map: Option<OsString>,
    pub git_config_count: Option<OsString>,
    pub store: Option<OsString>,
    pub pkg_dir: Option<OsString>,
    pub network: Option<OsString>,
    pub restore: Option<OsString>,
    pub lake: Option<OsString>,
    pub leantar: Option<OsString>,
    pub confine: Option<OsString>,
    pub jobs: Option<OsString>,
    pub log: Option<OsString>,
    pub private: Option<OsString>,
    pub disable: Option<OsString>,
    pub seen: Option<OsString>,
    pub github_path: Option<PathBuf>,
    pub inside_lake: Option<PathBuf>,
    pub no_color: bool,
    pub term: Option<OsString>,
    pub github_output: Option<PathBuf>,
    pub library_path: Option<OsString>,
    pub preload: Option<OsString>,
}

impl Environment {
    /// Reads the process's environment. An empty variable counts as unset.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn capture() -> Self {
        let var = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let path = |name: &str| var(name).map(PathBuf::from);
        Self {
            path: var("PATH"),
            home: path("HOME"),
            xdg_cache_home: path("XDG_CACHE_HOME"),
            mathlib_cache_dir: path(var::MATHLIB_CACHE_DIR),
            elan_home: path("ELAN_HOME"),
            elan_toolchain: var("ELAN_TOOLCHAIN").and_then(|name| name.into_string().ok()),
            url_map: var(var::URL_MAP),
            git_config_count: var(var::GIT_CONFIG_COUNT),
            store: var(var::STORE),
            pkg_dir: var(var::PKG_DIR),
            network: var(var::NETWORK),
            restore: var(var::RESTORE),
            lake: var(var::LAKE),
            leantar: var(var::LEANTAR),
            confine: var(var::CONFINE),
            jobs: var(var::JOBS),
            log: var(var::LOG),
            private: var(var::PRIVATE),
            disable: var(var::DISABLE),
            seen: var(var::SEEN),
            github_path: path(var::GITHUB_PATH),
            inside_lake: path(var::INSIDE_LAKE),
            no_color: var("NO_COLOR").is_some(),
            term: var("TERM"),
            github_output: path(var::GITHUB_OUTPUT),
            library_path: var(var::LIBRARY_PATH),
            preload: var(var::PRELOAD),
        }
    }

    /// Where the stock cache tool downloads to: `IO.CACHEDIR` in mathlib's `Cache/IO.lean`.
    pub fn user_cache(&self) -> Option<PathBuf> {
        let xdg = || Some(self.xdg_cache_home.as_ref()?.join("mathlib"));
        let home = || Some(self.home.as_ref()?.join(".cache/mathlib"));
        self.mathlib_cache_dir.clone().or_else(xdg).or_else(home)
    }

    /// Where the shim keeps what it can find out again.
    pub fn shim_cache(&self) -> Option<PathBuf> {
        let home = || Some(self.home.as_ref()?.join(".cache"));
        let caches = self.xdg_cache_home.clone().filter(|dir| dir.is_absolute()).or_else(home);
        Some(caches?.join("lake-shim"))
    }

    pub fn elan_home(&self) -> Option<PathBuf> {
        let home = || Some(self.home.as_ref()?.join(".elan"));
        self.elan_home.clone().or_else(home)
    }

    /// Whether the shim is told to stand aside.
    pub fn is_disabled(&self) -> bool {
        self.disable.as_deref().is_some_and(|value| value == "1")
    }
}

/// Where the command runs.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub fn current_dir() -> Result<PathBuf> {
    std::env::current_dir().context("there is no current directory any more")
}

/// Where programs are looked for: PATH, but for entries that are not absolute. Such an entry is another
/// directory in every workspace, and what is found there is the workspace's.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub fn search_path() -> OsString {
    absolute_entries(&std::env::var_os("PATH").unwrap_or_default())
}

/// PATH as a child has it, where it names no directory the system's default.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub fn process_path() -> OsString {
    let path = std::env::var_os("PATH").filter(|path| !path.is_empty());
    path.unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into())
}

/// `true` if the variable is set, to anything.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub fn is_set(name: &str) -> bool {
    std::env::var_os(name).is_some()
}

/// The number of settings that the environment has for git (`GIT_CONFIG_COUNT`), as it was given.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub fn git_config_count() -> Option<OsString> {
    std::env::var_os(var::GIT_CONFIG_COUNT)
}

/// The user's home directory (`HOME`).
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub fn home_dir() -> Option<PathBuf> {
    std::env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from)
}

/// Where temporary files go (`TMPDIR`).
pub fn temp_dir() -> PathBuf {
    std::env::temp_dir()
}

/// The environment's meaning.
#[derive(Clone, Debug)]
pub struct Settings {
    /// In order of lookup. Those named explicitly may not exist; the default ones do.
    pub stores: Vec<PathBuf>,
    /// Whether the stores were named, so that a missing one is an error.
    pub stores_are_named: bool,
    pub pkg_dir: Option<PathBuf>,
    /// Whether the workspace has a packages directory of its own, whatever `pkg_dir` is.
    pub private: bool,
    pub network: Network,
    pub restore: Restore,
    pub leantar: Option<PathBuf>,
    pub confine: Confine,
    /// Libraries, and directories of libraries, that the environment gives every program.
    pub libraries: Vec<PathBuf>,
    /// Threads; nothing means as many as there are cores, see [`Settings::jobs`].
    jobs: Option<NonZeroUsize>,
    pub log: Log,
}

/// Whether what the store lacks may be downloaded.
#[derive(Default, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// By the real lake.
    #[default]
    Auto,
    /// Fail, and list what is missing.
    Never,
}

/// Whether to restore before builds too, and not only on `cache get`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restore {
    Always,
    /// When a store with an index is complete for this lock.
    Baked,
    Never,
}

/// Whether leantar runs confined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confine {
    /// As far as the kernel can.
    Auto,
    /// Or not at all.
    Always,
    Never,
}

/// How much to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Log {
    /// Warnings and errors.
    Quiet,
    Info,
    Debug,
}

impl Settings {
    /// Checks what `env` says.
    ///
    /// # Errors
    /// The first of [`Settings::lenient`].
    pub fn new(env: &Environment) -> Result<Self> {
        let (settings, faults) = Self::lenient(env);
        faults.into_iter().next().map_or(Ok(settings), Err)
    }

    /// What `env` says, with the default for every value that is not allowed, and what is wrong with
    /// each of these.
    pub fn lenient(env: &Environment) -> (Self, Vec<Error>) {
        let (stores, stores_are_named) = match &env.store {
            Some(list) => (split_paths(list), true),
            None => (default_stores(env), false),
        };
        let mut faults = Vec::new();
        let switch = |name, value| choice(name, value, &[("1", true), ("0", false)], false);
        or_default(switch(var::DISABLE, env.disable.as_deref()), false, &mut faults);
        let private = switch(var::PRIVATE, env.private.as_deref());
        let pkg_dir = env.pkg_dir.as_deref().map(absolute_pkg_dir).transpose();
        let networks = [("auto", Network::Auto), ("never", Network::Never)];
        let network = choice(var::NETWORK, env.network.as_deref(), &networks, Network::Auto);
        let restores =
            [("always", Restore::Always), ("baked", Restore::Baked), ("never", Restore::Never)];
        let restore = choice(var::RESTORE, env.restore.as_deref(), &restores, Restore::Baked);
        let confines =
            [("auto", Confine::Auto), ("always", Confine::Always), ("never", Confine::Never)];
        let confine = choice(var::CONFINE, env.confine.as_deref(), &confines, Confine::Auto);
        let jobs = env.jobs.as_deref().map(jobs).transpose();
        let settings = Self {
            stores,
            stores_are_named,
            pkg_dir: or_default(pkg_dir, None, &mut faults),
            private: or_default(private, false, &mut faults),
            network: or_default(network, Network::Auto, &mut faults),
            restore: or_default(restore, Restore::Baked, &mut faults),
            leantar: env.leantar.as_deref().map(PathBuf::from),
            confine: or_default(confine, Confine::Auto, &mut faults),
            libraries: libraries(env),
            jobs: or_default(jobs, None, &mut faults),
            log: or_default(Log::of(env), Log::Info, &mut faults),
        };
        (settings, faults)
    }
}

impl Settings {
    /// How many threads to use. Counting the cores costs more than a pass-through may.
    pub fn jobs(&self) -> usize {
        let cores = std::thread::available_parallelism().ok();
        self.jobs.or(cores).map_or(1, NonZeroUsize::get)
    }
}

impl Log {
    /// The level that `env` asks for.
    pub fn of(env: &Environment) -> Result<Self> {
        let levels = [("quiet", Self::Quiet), ("info", Self::Info), ("debug", Self::Debug)];
        choice(var::LOG, env.log.as_deref(), &levels, Self::Info)
    }
}

/// The first of these that exist is where most machines have their files.
fn default_stores(env: &Environment) -> Vec<PathBuf> {
    let stock = Environment { mathlib_cache_dir: None, ..env.clone() }.user_cache();
    let candidates = [env.mathlib_cache_dir.clone(), Some(PathBuf::from(IMAGE_STORE)), stock];
    candidates.into_iter().flatten().filter(|dir| dir.is_dir()).collect()
}

fn absolute_entries(path: &OsStr) -> OsString {
    let entries = split_paths(path).into_iter().filter(|entry| entry.is_absolute());
    std::env::join_paths(entries).unwrap_or_default()
}

#[expect(clippy::disallowed_methods, reason = "splits a string; reads no variable")]
fn split_paths(list: &OsStr) -> Vec<PathBuf> {
    std::env::split_paths(list).filter(|path| !path.as_os_str().is_empty()).collect()
}

/// What `ld.so(8)` takes from the environment.
fn libraries(env: &Environment) -> Vec<PathBuf> {
    let list = |list: &Option<OsString>| list.as_deref().map(split_paths).unwrap_or_default();
    // Which may be separated by spaces as well.
    let preload = env.preload.as_deref().map(|list| list.to_string_lossy().replace(' ', ":"));
    let preload = preload.map(OsString::from);
    list(&env.library_path).into_iter().chain(list(&preload)).collect()
}

/// A relative path would mean another directory in every workspace.
fn absolute_pkg_dir(value: &OsStr) -> Result<PathBuf> {
    let path = Path::new(value);
    if path.is_relative() {
        bail!(bad(var::PKG_DIR, value, "an absolute path"));
    }
    Ok(path.to_owned())
}

fn jobs(value: &OsStr) -> Result<NonZeroUsize> {
    match value.to_str().and_then(|text| text.parse().ok()) {
        Some(jobs) if jobs <= MAX_JOBS => Ok(jobs),
        _ => bail!(bad(var::JOBS, value, &format!("a number of threads, 1 to {MAX_JOBS}"))),
    }
}

fn or_default<T>(checked: Result<T>, default: T, faults: &mut Vec<Error>) -> T {
    checked.unwrap_or_else(|fault| {
        faults.push(fault);
        default
    })
}

fn choice<T: Copy>(
    name: &str,
    value: Option<&OsStr>,
    allowed: &[(&str, T)],
    default: T,
) -> Result<T> {
    let Some(value) = value else {
        return Ok(default);
    };
    if let Some((_, choice)) = allowed.iter().find(|(text, _)| value == *text) {
        return Ok(*choice);
    }
    let names: Vec<_> = allowed.iter().map(|(text, _)| format!("`{text}`")).collect();
    bail!(bad(name, value, &names.join(", ")))
}

fn bad(name: &str, value: &OsStr, allowed: &str) -> String {
    let value = value.to_string_lossy();
    hint(format!("`{name}` is `{value}`"), format!("set it to {allowed}, or unset it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(set: impl FnOnce(&mut Environment)) -> Result<Settings> {
        let mut env = Environment::default();
        set(&mut env);
        Settings::new(&env)
    }

    #[test]
    fn defaults() {
        let settings = with(|_| {}).expect("an empty environment is fine");
        assert_eq!(settings.network, Network::Auto);
        assert_eq!(settings.restore, Restore::Baked);
        assert_eq!(settings.log, Log::Info);
        assert!(settings.jobs() >= 1);
    }

    #[test]
    fn stores_are_split() {
        let settings = with(|env| env.store = Some("/a::/b".into())).expect("paths");
        assert_eq!(settings.stores, [PathBuf::from("/a"), PathBuf::from("/b")]);
    }

    #[test]
    fn no_program_comes_from_the_workspace() {
        for (path, expected) in
            [("/a:/b", "/a:/b"), (".:/a::bin:../b:", "/a"), (".", ""), ("", ""), ("~/bin:/a", "/a")]
        {
            assert_eq!(absolute_entries(OsStr::new(path)), expected, "{path}");
        }
    }

    #[test]
    fn libraries_of_the_environment() {
        let settings = with(|env| {
            env.library_path = Some("/a::/b".into());
            env.preload = Some("/c.so /d.so:/e.so".into());
        });
        let expected = ["/a", "/b", "/c.so", "/d.so", "/e.so"].map(PathBuf::from);
        assert_eq!(settings.expect("paths").libraries, expected);
    }

    #[test]
    fn bad_values_name_variable_value_and_what_is_allowed() {
        type Set = fn(&mut Environment, OsString);
        let cases: [(&str, &str, Set); 9] = [
            (var::DISABLE, "`1`, `0`", |env, v| env.disable = Some(v)),
            (var::PRIVATE, "`1`, `0`", |env, v| env.private = Some(v)),
            (var::NETWORK, "`auto`, `never`", |env, v| env.network = Some(v)),
            (var::RESTORE, "`always`, `baked`, `never`", |env, v| env.restore = Some(v)),
            (var::CONFINE, "`auto`, `always`, `never`", |env, v| env.confine = Some(v)),
            (var::LOG, "`quiet`, `info`, `debug`", |env, v| env.log = Some(v)),
            (var::JOBS, "1 to 1024", |env, v| env.jobs = Some(v)),
            (var::JOBS, "1 to 1024", |env, _| env.jobs = Some("0x".into())),
            (var::PKG_DIR, "an absolute path", |env, v| env.pkg_dir = Some(v)),
        ];
        for (name, allowed, set) in cases {
            let error = with(|env| set(env, "0x".into())).expect_err(name).to_string();
            for part in [name, "`0x`", allowed] {
                assert!(error.contains(part), "{error}");
            }
        }
    }
}
