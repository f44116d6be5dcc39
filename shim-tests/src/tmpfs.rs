//! A small file system of its own: another device, and one that can be full.

use std::path::{Path, PathBuf};
use std::process::Command;

use fs_err as fs;

use crate::or_panic::OrPanic as _;

/// A mount, unmounted when dropped: declare it after the sandbox. The test needs `has = "mount"`.
pub struct Tmpfs(PathBuf);

impl Tmpfs {
    /// Mounts one of `size` (`64k`, `10m`) at a directory, which is made.
    #[track_caller]
    pub fn mount(path: impl AsRef<Path>, size: &str) -> Tmpfs {
        Tmpfs::mount_with(path, &format!("size={size}"))
    }

    /// As [`Tmpfs::mount`], with any options of `tmpfs(5)`.
    #[track_caller]
    pub fn mount_with(path: impl AsRef<Path>, options: &str) -> Tmpfs {
        let path = path.as_ref().to_owned();
        fs::create_dir_all(&path).or_panic();
        mount(&path, &format!("{options},mode=755"));
        Tmpfs(path)
    }

    /// Has a directory, which is made, be read-only until this is dropped.
    #[track_caller]
    pub fn read_only(path: impl AsRef<Path>) -> Tmpfs {
        let path = path.as_ref().to_owned();
        fs::create_dir_all(&path).or_panic();
        let bind = |options: &[&str]| {
            let mut command = Command::new("mount");
            let status = command.args(options).arg(&path).arg(&path).status().or_panic();
            assert!(status.success(), "cannot mount {} upon itself", path.display());
        };
        bind(&["--bind"]);
        bind(&["-o", "remount,bind,ro"]);
        Tmpfs(path)
    }

    /// Has a directory, which exists, be at another path too.
    #[track_caller]
    pub fn bind(directory: impl AsRef<Path>, path: impl AsRef<Path>) -> Tmpfs {
        let path = path.as_ref().to_owned();
        fs::create_dir_all(&path).or_panic();
        let mut command = Command::new("mount");
        let status = command.arg("--bind").arg(directory.as_ref()).arg(&path).status().or_panic();
        assert!(status.success(), "cannot mount {}", path.display());
        Tmpfs(path)
    }

    /// Mounts an overlay, as a container has it, whose lower layer is the directory `lower` of `layers`. That is on a
    /// tmpfs: an upper layer may not be on an overlay.
    #[track_caller]
    pub fn overlay(layers: impl AsRef<Path>, path: impl AsRef<Path>) -> Tmpfs {
        let (layers, path) = (layers.as_ref(), path.as_ref().to_owned());
        for folder in [&layers.join("upper"), &layers.join("work"), &path] {
            fs::create_dir_all(folder).or_panic();
        }
        let layer = |name: &str| layers.join(name).display().to_string();
        let (lower, upper, work) = (layer("lower"), layer("upper"), layer("work"));
        let options = format!("lowerdir={lower},upperdir={upper},workdir={work}");
        let mut command = Command::new("mount");
        command.args(["-t", "overlay", "-o", &options, "overlay"]).arg(&path);
        assert!(command.status().or_panic().success(), "cannot mount an overlay");
        Tmpfs(path)
    }

    /// Gives it another size.
    #[track_caller]
    pub fn resize(&self, size: &str) {
        self.limit(&format!("size={size}"));
    }

    /// Gives it other options.
    #[track_caller]
    pub fn limit(&self, options: &str) {
        mount(&self.0, &format!("remount,{options}"));
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
