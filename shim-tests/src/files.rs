//! Writing, linking and damaging files of a sandbox. Paths are relative to its root, or absolute.

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt as _, lchown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use fs_err as fs;

use crate::or_panic::OrPanic as _;
use crate::sandbox::Sandbox;

/// Folders of a sandbox as they were, which costs less than to make a sandbox for each case.
pub struct Kept<'a> {
    sandbox: &'a Sandbox,
    folders: Vec<&'static str>,
}

impl Kept<'_> {
    /// Makes the folders what they were. One that did not exist is gone.
    pub fn put_back(&self) {
        for folder in &self.folders {
            if self.sandbox.path(folder).exists() {
                self.sandbox.remove(folder);
            }
            let kept = self.sandbox.path("kept").join(folder);
            if kept.exists() {
                self.sandbox.copy(kept, folder);
            }
        }
    }
}

impl Sandbox {
    /// Writes a file and the directories that lead to it.
    pub fn write(&self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) -> &Sandbox {
        fs::write(self.with_parent(path.as_ref()), content).or_panic();
        self
    }

    /// Writes a shell script that can be run, `#!/bin/sh` included.
    pub fn script(&self, path: impl AsRef<Path>, body: &str) -> &Sandbox {
        // By a child, for the reason given at `place`: no thread of ours may have it open for writing.
        let path = self.with_parent(path.as_ref());
        let script = format!("#!/bin/sh\n{body}\n");
        let mut command = Command::new("sh");
        command
            .args(["-c", "printf %s \"$1\" > \"$2\" && chmod 755 \"$2\"", "sh", &script])
            .arg(&path);
        assert!(command.status().or_panic().success(), "cannot write {}", path.display());
        self
    }

    #[track_caller]
    pub fn read(&self, path: impl AsRef<Path>) -> String {
        fs::read_to_string(self.path(path)).or_panic()
    }

    pub fn mkdir(&self, path: impl AsRef<Path>) -> &Sandbox {
        fs::create_dir_all(self.path(path)).or_panic();
        self
    }

    /// `target` is taken literally: give an absolute path, or one relative to the link.
    pub fn symlink(&self, target: impl AsRef<Path>, link: impl AsRef<Path>) -> &Sandbox {
        symlink(target, self.with_parent(link.as_ref())).or_panic();
        self
    }

    /// Removes a file, a symlink or a whole tree.
    pub fn remove(&self, path: impl AsRef<Path>) -> &Sandbox {
        let path = self.path(path);
        match fs::symlink_metadata(&path).or_panic().is_dir() {
            true => fs::remove_dir_all(path).or_panic(),
            false => fs::remove_file(path).or_panic(),
        }
        self
    }

    pub fn rename(&self, from: impl AsRef<Path>, to: impl AsRef<Path>) -> &Sandbox {
        fs::rename(self.path(from), self.with_parent(to.as_ref())).or_panic();
        self
    }

    /// Copies a file or a tree, symlinks as symlinks, times kept.
    pub fn copy(&self, from: impl AsRef<Path>, to: impl AsRef<Path>) -> &Sandbox {
        let (from, to) = (self.path(from), self.with_parent(to.as_ref()));
        // `-T`: onto the directory, not into it, where it exists.
        let copied = Command::new("cp").args(["-a", "-T"]).arg(&from).arg(&to).status().or_panic();
        assert!(copied.success(), "cannot copy {} to {}", from.display(), to.display());
        self
    }

    /// Notes how these folders are, for [`Kept::put_back`].
    pub fn keep<'a>(&'a self, folders: &[&'static str]) -> Kept<'a> {
        for folder in folders.iter().filter(|folder| self.path(folder).exists()) {
            self.copy(folder, Path::new("kept").join(folder));
        }
        Kept { sandbox: self, folders: folders.to_vec() }
    }

    pub fn chmod(&self, path: impl AsRef<Path>, mode: u32) -> &Sandbox {
        fs::set_permissions(self.path(path), Permissions::from_mode(mode)).or_panic();
        self
    }

    /// Gives a tree to another user (and the group of that number). Needs root.
    pub fn chown(&self, path: impl AsRef<Path>, user: u32) -> &Sandbox {
        let path = self.path(path);
        lchown(&path, Some(user), Some(user)).or_panic();
        if fs::symlink_metadata(&path).or_panic().is_dir() {
            for entry in fs::read_dir(&path).or_panic() {
                self.chown(entry.or_panic().path(), user);
            }
        }
        self
    }

    /// Cuts a file to half its length: a download that broke off.
    pub fn truncate(&self, path: impl AsRef<Path>) -> &Sandbox {
        let bytes = fs::read(self.path(path.as_ref())).or_panic();
        self.write(path, &bytes[..bytes.len() / 2])
    }

    /// Flips one bit in the middle of a file.
    pub fn flip_bit(&self, path: impl AsRef<Path>) -> &Sandbox {
        let mut bytes = fs::read(self.path(path.as_ref())).or_panic();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x10;
        self.write(path, bytes)
    }

    /// Clones without printing, whoever the source belongs to.
    pub(crate) fn git_clone(&self, from: &Path, to: &Path, kind: &[&str]) {
        let mut command = Command::new("git");
        command.args(["-c", "safe.directory=*", "clone", "--quiet"]).args(kind).arg(from).arg(to);
        command.env("HOME", self.home()).stdin(Stdio::null());
        assert!(command.status().or_panic().success(), "cannot clone {}", from.display());
    }

    fn with_parent(&self, path: &Path) -> PathBuf {
        let path = self.path(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).or_panic();
        }
        path
    }
}
