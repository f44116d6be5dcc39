//! The variables themselves, for those who write them.

/// Stores, `:`-separated; the first hit wins.
pub const STORE: &str = "LAKE_SHIM_STORE";
/// The shared packages directory that workspaces are linked to. Absolute.
pub const PKG_DIR: &str = "LAKE_PKG_DIR";
/// `auto` or `never`.
pub const NETWORK: &str = "LAKE_SHIM_NETWORK";
/// `always`, `baked` or `never`.
pub const RESTORE: &str = "LAKE_SHIM_RESTORE";
/// The real lake.
pub const LAKE: &str = "LAKE_SHIM_LAKE";
/// leantar.
pub const LEANTAR: &str = "LAKE_SHIM_LEANTAR";
/// `auto`, `always` or `never`.
pub const CONFINE: &str = "LAKE_SHIM_CONFINE";
/// Threads.
pub const JOBS: &str = "LAKE_SHIM_JOBS";
/// `quiet`, `info` or `debug`.
pub const LOG: &str = "LAKE_SHIM_LOG";
/// `1`: the workspace has a packages directory of its own.
pub const PRIVATE: &str = "LAKE_SHIM_PRIVATE";
/// `1`: become the real lake at once.
pub const DISABLE: &str = "LAKE_SHIM_DISABLE";
/// The shims that handed over to this process; written by the shim, for its own loop guard.
pub const SEEN: &str = "LAKE_SHIM_SEEN";
/// Lake's map from package names to URLs, a JSON object.
pub const URL_MAP: &str = "LAKE_PKG_URL_MAP";
/// How many `GIT_CONFIG_KEY_<n>` there are.
pub const GIT_CONFIG_COUNT: &str = "GIT_CONFIG_COUNT";
/// Where mathlib's cache tool keeps its files.
pub const MATHLIB_CACHE_DIR: &str = "MATHLIB_CACHE_DIR";
/// In a step of GitHub Actions: the file whose lines the next step finds first on PATH, the last
/// line before the others.
pub const GITHUB_PATH: &str = "GITHUB_PATH";
/// The lake that runs us; Lake sets it for its children.
pub const INSIDE_LAKE: &str = "LAKE";
/// Where the loader of programs looks for libraries first.
pub const LIBRARY_PATH: &str = "LD_LIBRARY_PATH";
/// Libraries that it loads into every program.
pub const PRELOAD: &str = "LD_PRELOAD";
/// Where a step of a GitHub workflow writes its outputs.
pub const GITHUB_OUTPUT: &str = "GITHUB_OUTPUT";
/// `1`: Mathlib's `post_update` hook does not fetch the cache.
pub const NO_CACHE_ON_UPDATE: &str = "MATHLIB_NO_CACHE_ON_UPDATE";
