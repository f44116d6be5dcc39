//! `lean-toolchain`, and where elan keeps what it names.

use crate::programs::on_path;
use crate::read;
use crate::settings::Environment;
use anyhow::{Context, Result, ensure};
use fs_err as fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where elan looks for a release without an origin.
const DEFAULT_ORIGIN: &str = "leanprover/lean4";

/// The toolchain that `dir/lean-toolchain` asks for, without surrounding white space; nothing when
/// there is no such file.
pub fn read(dir: &Path) -> std::io::Result<Option<String>> {
    match read::text(&dir.join("lean-toolchain"), read::TEXT) {
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// The `bin` directory of the toolchain a command would run with: of the real `lake` when lean
/// stands beside it, else of the elan toolchain named by `+toolchain`, `ELAN_TOOLCHAIN` or the
/// workspace.
pub fn bin(lake: Option<&Path>, named: Option<&str>, env: &Environment) -> Option<PathBuf> {
    let beside = lake.and_then(|lake| fs::canonicalize(lake).ok());
    let beside = beside.as_deref().and_then(Path::parent).filter(|bin| is_toolchain_bin(bin));
    if let Some(bin) = beside {
        return Some(bin.to_owned());
    }
    let toolchains = env.elan_home()?.join("toolchains");
    let dirs = elan_dirs(named?).into_iter().map(|dir| toolchains.join(dir).join("bin"));
    dirs.into_iter().find(|bin| is_toolchain_bin(bin))
}

/// `Lean.githash` of the toolchain in `bin`, or of the `lean` on PATH.
///
/// # Errors
/// When there is no lean to ask.
pub fn githash(bin: Option<&Path>) -> Result<String> {
    let lean = bin.map(|bin| bin.join("lean")).or_else(|| on_path("lean").next());
    let lean = lean.context("there is no `lean` on PATH")?;
    let output = Command::new(&lean).arg("--githash").stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("cannot run `{}`", lean.display()))?;
    ensure!(output.status.success(), "`{} --githash` failed: {}", lean.display(), output.status);
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// A toolchain has `lake` and `lean` side by side; so has `~/.elan/bin`, whose are elan itself.
fn is_toolchain_bin(bin: &Path) -> bool {
    bin.join("lean").is_file() && !is_elan(&bin.join("lean"))
}

/// Whether a `lake` or `lean` is elan's proxy, which may download a toolchain before it answers.
/// elan's own have it beside them; Debian puts links to `elan` into `/usr/bin`.
pub fn is_elan(proxy: &Path) -> bool {
    let target = fs::canonicalize(proxy).ok();
    proxy.with_file_name("elan").exists()
        || target.is_some_and(|target| target.file_name().is_some_and(|name| name == "elan"))
}

/// The directory names that elan may have given a toolchain: that of a linked one, which goes by its
/// release alone, and that of `[origin:]release`, completed as elan does it (elan's `toolchain.rs`,
/// `lookup_unresolved_toolchain_desc`). Newer
/// ones also take a path, which we do not: no workspace may say which programs we run.
///
/// No name leads out of the directory of all toolchains: what has a `/` has a `--` instead, and what
/// is only dots is no name.
pub(super) fn elan_dirs(toolchain: &str) -> Vec<String> {
    let (origin, release) = toolchain.rsplit_once(':').unwrap_or((DEFAULT_ORIGIN, toolchain));
    if release.bytes().all(|byte| byte == b'.') {
        return Vec::new();
    }
    let is_lacking = release.starts_with("nightly") && !origin.ends_with("-nightly");
    let nightly = if is_lacking { "-nightly" } else { "" };
    let v = if release.starts_with(char::is_numeric) { "v" } else { "" };
    [release.to_owned(), format!("{origin}{nightly}:{v}{release}")]
        .map(|name| name.replace('/', "--").replace(':', "---"))
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elan_names() {
        for (toolchain, linked, downloaded) in [
            ("leanprover/lean4:v4.27.0", "v4.27.0", "leanprover--lean4---v4.27.0"),
            ("leanprover/lean4:4.27.0", "4.27.0", "leanprover--lean4---v4.27.0"),
            ("v4.27.0", "v4.27.0", "leanprover--lean4---v4.27.0"),
            ("4.27.0-rc1", "4.27.0-rc1", "leanprover--lean4---v4.27.0-rc1"),
            ("stable", "stable", "leanprover--lean4---stable"),
            (
                "nightly-2026-01-01",
                "nightly-2026-01-01",
                "leanprover--lean4-nightly---nightly-2026-01-01",
            ),
            (
                "leanprover/lean4:nightly-2026-01-01",
                "nightly-2026-01-01",
                "leanprover--lean4-nightly---nightly-2026-01-01",
            ),
            (
                "leanprover/lean4-nightly:nightly-2026-01-01",
                "nightly-2026-01-01",
                "leanprover--lean4-nightly---nightly-2026-01-01",
            ),
            (
                "leanprover/lean4-pr-releases:pr-release-1",
                "pr-release-1",
                "leanprover--lean4-pr-releases---pr-release-1",
            ),
            ("my-build", "my-build", "leanprover--lean4---my-build"),
        ] {
            assert_eq!(elan_dirs(toolchain), [linked, downloaded], "{toolchain}");
        }
        for upwards in ["..", ".", "", "a/b:..", "../..:x", "../../app", "/app"] {
            for dir in elan_dirs(upwards) {
                assert!(dir != ".." && !dir.contains('/'), "{upwards} is {dir}");
            }
        }
    }
}
