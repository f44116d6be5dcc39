//! Directories that one process of ours works in, beside the place where the result is published.
//!
//! A work directory holds two things: `owner`, which says which process made it, and `work`, where the
//! process puts its files. Another process removes a directory only if it has our `owner` file and the
//! process that the file names is dead. A name alone proves nothing: people call directories
//! `.lake-shim-notes` too. A lock proves nothing either: on NFS, virtiofs or 9p every process gets it.
//!
//! `owner` is written first and as a whole, and goes last. So a process may die and leave a directory without
//! one. It is empty or has the beginning of our text, and its mode is one that no person gives a directory
//! ([`MODE`]): any process removes it, and the process that made it, if alive, makes another.

use super::if_there;
use crate::read;
use anyhow::Result;
use fs_err as fs;
use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::{Pid, geteuid};
use std::fs::Permissions;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

/// Start of the name. [`RANDOM`] letters and digits follow.
const PREFIX: &str = ".lake-shim-";
const RANDOM: usize = 12;
/// For this user alone, and sticky, which means nothing here: it tells an empty directory of ours from one
/// that the user made.
const MODE: u32 = 0o1700;

/// The first line of an `owner` file.
const TITLE: &str = "work directory of lake-shim";
/// Bytes read of an `owner` file. Ours have about 150.
const OWNER_LIMIT: u64 = 4096;
/// The `owner` file before it is whole.
const UNFINISHED_OWNER: &str = "owner.new";
/// Limit on making a directory again that another process has removed.
const ATTEMPTS: usize = 100;

/// Age at which a directory is abandoned if its process cannot be looked up: it ran on another machine, in
/// another container, or before a reboot. No work takes longer.
const FOREIGN_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// A directory of our own, removed when dropped. Other users can neither read nor write in it, regardless of
/// the umask and default ACLs; files made in it have the modes that they would have beside it.
#[derive(Debug)]
pub struct WorkDir {
    /// Removed with everything in it when this is dropped.
    dir: TempDir,
    work: PathBuf,
}

impl WorkDir {
    /// Makes one in `parent`, and removes those of dead processes.
    pub fn new_in(parent: &Path) -> Result<Self> {
        Self::sweep(parent);
        let mut builder = tempfile::Builder::new();
        builder.prefix(PREFIX).rand_bytes(RANDOM).permissions(Permissions::from_mode(MODE));
        let mut attempts = 1..=ATTEMPTS;
        loop {
            let dir = builder.tempdir_in(parent)?;
            match write_owner(dir.path()) {
                // Another process swept it before it had an owner.
                Err(e) if e.kind() == ErrorKind::NotFound && attempts.next().is_some() => {}
                written => {
                    written?;
                    let work = dir.path().join("work");
                    fs::create_dir(&work)?;
                    return Ok(Self { dir, work });
                }
            }
        }
    }

    /// Where the process puts its files.
    pub fn path(&self) -> &Path {
        &self.work
    }

    /// Leaves the directory in its place for good, with all that is in it. Returns where that is.
    pub fn keep(self) -> PathBuf {
        let work = self.work.clone();
        let _ = fs::remove_file(owner_file(self.dir.path())); // without it no process sweeps it
        std::mem::forget(self);
        work
    }

    /// Removes the work directories that dead processes of this user left in `parent`. Does no harm if one
    /// cannot be removed.
    pub fn sweep(parent: &Path) {
        Self::sweep_with(parent, |_| {});
    }

    /// As [`WorkDir::sweep`], calling `rescue` with the files of each directory before it goes.
    pub fn sweep_with(parent: &Path, rescue: impl Fn(&Path)) {
        for dir in Self::of_this_user(parent) {
            if is_abandoned(&dir) {
                let work = dir.join("work");
                rescue(&work);
                let _ = fs::remove_dir_all(work);
                let _ = fs::remove_dir_all(dir);
            } else if is_unfinished(&dir) {
                let _ = fs::remove_file(dir.join(UNFINISHED_OWNER));
                let _ = fs::remove_dir(dir); // which takes only an empty one
            }
        }
    }

    /// The work directories that dead processes of this user left in `parent`.
    pub fn abandoned(parent: &Path) -> impl Iterator<Item = PathBuf> + use<> {
        Self::of_this_user(parent).filter(|dir| is_abandoned(dir))
    }

    /// The work directories of this user in `parent`, in use or left behind.
    pub fn of_this_user(parent: &Path) -> impl Iterator<Item = PathBuf> + use<> {
        let me = geteuid().as_raw();
        let entries = fs::read_dir(parent).into_iter().flatten().filter_map(Result::ok);
        let named = entries.filter(|entry| {
            let name = entry.file_name();
            let random = name.as_encoded_bytes().strip_prefix(PREFIX.as_bytes());
            random.is_some_and(|random| random.len() == RANDOM)
        });
        let owned = named.filter(move |entry| {
            entry.metadata().is_ok_and(|meta| meta.is_dir() && meta.uid() == me)
        });
        owned.map(|entry| entry.path()).filter(|dir| owner(dir).is_some() || is_unfinished(dir))
    }
}

impl Drop for WorkDir {
    fn drop(&mut self) {
        // Before the owner, without which nothing would tell that it may go.
        let _ = fs::remove_dir_all(&self.work);
        let _ = fs::remove_dir_all(self.dir.path()); // `TempDir` tries once more
    }
}

fn owner_file(dir: &Path) -> PathBuf {
    dir.join("owner")
}

fn write_owner(dir: &Path) -> io::Result<()> {
    let unfinished = dir.join(UNFINISHED_OWNER);
    fs::File::create_new(&unfinished)?.write_all(Owner::this().print().as_bytes())?;
    fs::rename(unfinished, owner_file(dir))
}

/// `true` if the process that made `dir` is dead.
fn is_abandoned(dir: &Path) -> bool {
    let is_old = || {
        let made = fs::symlink_metadata(dir).and_then(|meta| meta.modified());
        let age = |made| SystemTime::now().duration_since(made);
        made.is_ok_and(|made| age(made).is_ok_and(|age| age > FOREIGN_AGE))
    };
    owner(dir).is_some_and(|owner| owner.is_dead().unwrap_or_else(is_old))
}

/// The process that made `dir`. `None` if it is not a work directory.
fn owner(dir: &Path) -> Option<Owner> {
    Owner::parse(&read::text(&owner_file(dir), OWNER_LIMIT).ok()?)
}

/// `true` if `dir` is a work directory that has nothing in it yet, or nothing any more.
fn is_unfinished(dir: &Path) -> bool {
    // Without `setgid`, which comes from the directory that it is in.
    let has_mode = fs::symlink_metadata(dir).is_ok_and(|meta| meta.mode() & 0o5777 == MODE);
    let mut entries = fs::read_dir(dir).into_iter().flatten();
    let is_owner = |entry: io::Result<fs::DirEntry>| {
        entry.is_ok_and(|entry| entry.file_name() == UNFINISHED_OWNER)
    };
    let text = || read::bytes(&dir.join(UNFINISHED_OWNER), OWNER_LIMIT).unwrap_or_default();
    let is_ours = || text().iter().zip(TITLE.as_bytes()).all(|(is, ours)| is == ours);
    has_mode && entries.all(is_owner) && is_ours()
}

/// A process, so that another one can tell whether it is alive.
#[derive(Debug, PartialEq, Eq)]
struct Owner {
    /// The boot and the process namespace, without which a process id says nothing. `None` without `/proc`.
    system: Option<String>,
    pid: i32,
    /// In clock ticks after boot: ids are used again.
    started: Option<String>,
}

impl Owner {
    fn this() -> Self {
        let pid = Pid::this().as_raw();
        Self { system: system(), pid, started: started(pid) }
    }

    fn print(&self) -> String {
        let Self { system, pid, started } = self;
        let or_unknown = |text: &Option<String>| text.clone().unwrap_or_else(|| "?".to_owned());
        format!("{TITLE}\n{}\n{pid}\n{}\n", or_unknown(system), or_unknown(started))
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let known = |line: &str| (line != "?").then(|| line.to_owned());
        if lines.next()? != TITLE {
            return None;
        }
        let system = known(lines.next()?);
        let pid = lines.next()?.parse().ok()?;
        Some(Self { system, pid, started: known(lines.next()?) })
    }

    /// `None` if this process cannot tell.
    fn is_dead(&self) -> Option<bool> {
        if self.system.is_none() || self.system != system() {
            return None;
        }
        if kill(Pid::from_raw(self.pid), None) == Err(Errno::ESRCH) {
            return Some(true);
        }
        Some(self.started.is_some() && started(self.pid) != self.started)
    }
}

/// Names the boot and the process namespace of this process.
fn system() -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{} {}", boot.trim(), namespace.display()))
}

/// The start time in `/proc/<pid>/stat`, field 22. The name in field 2 may have blanks and parentheses.
fn started(pid: i32) -> Option<String> {
    let stat = if_there(fs::read_to_string(format!("/proc/{pid}/stat"))).ok()??;
    stat.rsplit_once(')')?.1.split_whitespace().nth(19).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_are_printed_and_read() {
        let this = Owner::this();
        assert_eq!(Owner::parse(&this.print()).as_ref(), Some(&this));
        assert_eq!(this.is_dead(), Some(false));
        let dead = Owner { started: Some("1".into()), ..Owner::this() };
        assert_eq!(dead.is_dead(), Some(true), "another process has the id");
        let foreign = Owner { system: Some("elsewhere".into()), ..Owner::this() };
        assert_eq!(foreign.is_dead(), None);
        for text in ["", "mine\n", TITLE, &format!("{TITLE}\n?\nx\n?\n")] {
            assert_eq!(Owner::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn only_what_dead_processes_left_is_swept() {
        let parent = TempDir::new().expect("a directory");
        let alive = WorkDir::new_in(parent.path()).expect("a work directory");
        let dir = |name: &str, owner: Option<&Owner>| {
            let dir = parent.path().join(name);
            fs::create_dir_all(&dir).expect("a directory");
            if let Some(owner) = owner {
                fs::write(owner_file(&dir), owner.print()).expect("a file");
            }
            dir
        };
        let gone = Owner { started: Some("1".into()), ..Owner::this() };
        let elsewhere = Owner { system: Some("elsewhere".into()), ..Owner::this() };
        let dead = dir(".lake-shim-abcdefghijkl", Some(&gone));
        let kept = [
            dir(".lake-shim-notes", Some(&gone)),
            dir(".lake-shim-mnopqrstuvwx/mine", None),
            dir(".lake-shim-yzabcdefghij", Some(&elsewhere)),
            alive.path().to_owned(),
        ];
        // Their processes died before they had written an owner, or after they had removed it.
        let unfinished = |letter: &str, mode: u32, text: Option<&str>| {
            let dir = dir(&format!("{PREFIX}{}", letter.repeat(RANDOM)), None);
            fs::set_permissions(&dir, Permissions::from_mode(mode)).expect("a mode");
            if let Some(text) = text {
                fs::write(dir.join(UNFINISHED_OWNER), text).expect("a file");
            }
            dir
        };
        let nameless = [
            unfinished("a", MODE, None),
            unfinished("z", MODE | 0o2000, None),
            unfinished("b", MODE, Some("")),
            unfinished("c", MODE, Some(&TITLE[..5])),
            unfinished("d", MODE, Some(&gone.print())),
        ];
        // A person's, under a name like ours.
        let persons = [
            unfinished("e", 0o755, None),
            unfinished("f", 0o700, Some("mine\n")),
            unfinished("g", 0o700, Some("")),
            unfinished("h", MODE, Some("mine\n")),
        ];
        let kept_for_good = WorkDir::new_in(parent.path()).expect("a work directory").keep();
        let kept = kept.iter().chain(&persons).chain([&kept_for_good]);
        WorkDir::sweep(parent.path());
        assert_eq!(WorkDir::of_this_user(parent.path()).count(), 2, "the living and the foreign");
        for dir in nameless.iter().chain([&dead]) {
            assert!(!dir.exists(), "{}", dir.display());
        }
        for dir in kept {
            assert!(dir.exists(), "{}", dir.display());
        }
    }
}
