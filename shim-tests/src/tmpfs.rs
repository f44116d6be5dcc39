//! A small file system of its own: another device, and one that can be full.

use std::path::{Path, PathBuf};
use std::process::Command;

use fs_err as fs;

use crate::or_panic::OrPanic as _;

/// A tmpfs, unmounted when dropped: declare it after the sandbox. The test needs `has = "mount"`.
pub struct Tmpfs(PathBuf);

impl Tmpfs {
    /// Mounts one of `size` (`64k`, `10m`) at a directory, which is made.
    #[track_caller]
    pub fn mount(path: impl AsRef<Path>, size: &str) -> Tmpfs {
        let path = path.as_ref().to_owned();
        fs::create_dir_all(&path).or_panic();
        mount(&path, &format!("size={size},mode=755"));
        Tmpfs(path)
    }

    /// Gives it another size.
    #[track_caller]
    pub fn resize(&self, size: &str) {
        mount(&self.0, &format!("remount,size={size}"));
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        // Lazily: an orphan of a killed run may still have a file open there.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[track_caller]
fn mount(path: &Path, options: &str) {
    let mut command = Command::new("mount");
    command.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(path);
    assert!(command.status().or_panic().success(), "cannot mount a tmpfs at {}", path.display());
}
