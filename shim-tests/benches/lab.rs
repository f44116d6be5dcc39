//! Where the figures are taken: a directory of our own, the programs, and an environment that has
//! nothing of the user's.

use crate::scale::Scale;
use anyhow::{Context, Result, ensure};
use fs_err as fs;
use nix::sys::statvfs::statvfs;
use std::ffi::OsString;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// Where Linux has a file system in memory.
pub const MEMORY: &str = "/dev/shm";
/// Bytes that a module of small files takes three times over, with the stores made of it: most of its
/// files are shorter than a page, and take one.
const ROOM: u64 = 160 << 10;

pub struct Lab {
    /// All that is made lies below.
    pub work: PathBuf,
    /// A directory with the shim under the name `lake`.
    pub shim: PathBuf,
    pub lake: Lake,
    pub leantar: Leantar,
    pub scale: Scale,
    path: OsString,
}

/// A lake that loads a workspace: a real one, or the tests' stand-in, which starts git as Lake does.
pub struct Lake {
    pub path: PathBuf,
    pub is_fake: bool,
}

pub struct Leantar(pub PathBuf);

impl Leantar {
    /// Whether it is the tests' stand-in, which does not compress.
    pub fn is_fake(&self) -> bool {
        self.0.ends_with("fake-leantar")
    }
}

impl Lab {
    pub fn new(
        work: &Path,
        shim: &Path,
        lake: Lake,
        leantar: Leantar,
        scale: Scale,
    ) -> Result<Self> {
        let dir = work.join("shim");
        for dir in [&dir, &work.join("home"), &work.join("toolchain/bin")] {
            fs::create_dir_all(dir)?;
        }
        symlink(fs::canonicalize(shim)?, dir.join("lake"))?;
        symlink(fs::canonicalize(shim)?, dir.join("lake-shim"))?;
        // The real lake does nothing, so that nothing but the way to it is measured.
        for name in ["lake", "lean"] {
            fs::copy("/bin/true", work.join("toolchain/bin").join(name))?;
        }
        // As in every toolchain.
        let header = work.join("toolchain/include/lean/version.h");
        fs::create_dir_all(work.join("toolchain/include/lean"))?;
        fs::write(header, "#define LEAN_VERSION_MAJOR 4\n#define LEAN_VERSION_MINOR 27\n")?;
        let system = std::env::var_os("PATH").unwrap_or_default();
        let mut path = OsString::from(format!("{0}/shim:{0}/toolchain/bin:", work.display()));
        path.push(system);
        Ok(Self { work: work.to_owned(), shim: dir, lake, leantar, scale, path })
    }

    /// A command that finds nothing of the user's.
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command.env_clear().env("PATH", &self.path).env("HOME", self.work.join("home"));
        command.env("LAKE_SHIM_NETWORK", "never").env("LAKE_SHIM_LOG", "quiet");
        command.env("LAKE_SHIM_LEANTAR", &self.leantar.0);
        command.env("GIT_CONFIG_NOSYSTEM", "1").env("LC_ALL", "C.UTF-8");
        command
    }

    /// Runs a command that has to succeed, and returns what it prints.
    pub fn run(&self, dir: &Path, program: impl AsRef<Path>, args: &[&str]) -> Result<String> {
        let name = program.as_ref().display().to_string();
        let output = self.command(program).args(args).current_dir(dir).output();
        let output = output.with_context(|| format!("cannot run `{name}`"))?;
        ensure!(
            output.status.success(),
            "`{name} {}` failed: {}",
            args.join(" "),
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8(output.stdout)?)
    }

    /// The build files that a real Lean wrote and that come with the shim, unpacked.
    pub fn example(&self) -> Result<PathBuf> {
        let dir = self.work.join("example");
        fs::create_dir_all(&dir)?;
        let demo =
            self.command(self.shim.join("lake-shim")).arg("demo").env("TMPDIR", &dir).output()?;
        ensure!(demo.status.success(), "`lake-shim demo` failed");
        Ok(dir)
    }

    /// A command that takes `dirs` out of the way. On a disk their files stay until the end, without
    /// contents: for a minute after many were deleted ext4 passes over each of them for every new
    /// one, which would be measured as if it were the restore's.
    pub fn clear(&self, name: &str, dirs: &[&Path]) -> Result<String> {
        if dirs.iter().all(|dir| dir.starts_with(MEMORY)) {
            let dirs: Vec<_> = dirs.iter().map(|dir| dir.display().to_string()).collect();
            return self.script(name, &format!("rm -rf {}", dirs.join(" ")));
        }
        let mut text = format!("trash=$(mktemp -d {}/trash-XXXXXX)\n", self.work.display());
        for (i, dir) in dirs.iter().enumerate() {
            text += &format!("[ ! -e {0} ] || mv {0} $trash/{i}\n", dir.display());
        }
        text += "find $trash -type f -size +0 -exec truncate -s 0 {} +\nsync";
        self.script(name, &text)
    }

    /// A directory for the small files of so many modules, which is gone when it is dropped: in memory
    /// where there is room for them.
    pub fn room_for(&self, modules: usize) -> Result<TempDir> {
        let free = statvfs(MEMORY).map_or(0, |fs| fs.blocks_available() * fs.fragment_size());
        let dir = if free > modules as u64 * ROOM { Path::new(MEMORY) } else { &self.work };
        // `bench.sh` removes what is called so if we cannot.
        let name = self.work.file_name().context("a directory has a name")?;
        Ok(tempfile::Builder::new().prefix(name).tempdir_in(dir)?)
    }

    /// Takes a directory out of the way.
    pub fn discard(&self, dir: &Path) -> Result<()> {
        self.run(&self.work, self.clear("discard", &[dir])?, &[]).map(drop)
    }

    /// A shell script, to be run as one command.
    pub fn script(&self, name: &str, text: &str) -> Result<String> {
        let path = self.work.join(format!("{name}.sh"));
        fs::write(&path, format!("#!/bin/sh\nset -eu\n{text}\n"))?;
        fs::set_permissions(&path, PermissionsExt::from_mode(0o755))?;
        Ok(path.display().to_string())
    }
}
