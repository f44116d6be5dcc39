//! Where a tool is.

use std::env;
use std::path::PathBuf;

/// Where `.ci/lint-tools` installs.
pub const LINTERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/lint/bin");

/// The first file of that name on the PATH of this process, else a linter that `.ci/lint-tools` has installed.
pub fn find_on_path(tool: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let folders = env::split_paths(&path).chain([LINTERS.into()]);
    folders.map(|folder: PathBuf| folder.join(tool)).find(|file| file.is_file())
}
