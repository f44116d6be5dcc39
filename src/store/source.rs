//! A package's sources as a clone that Lake takes without a second look.
//!
//! What is packed is a git repository of one commit: HEAD detached at the locked revision, `origin`
//! the manifest's URL, and an index whose times agree with the files', so that `git diff HEAD` right
//! after unpacking reads no file. It is made afresh rather than copied, so that nothing of the
//! baker's machine is in it: no hooks, no other branches, no paths, no user.

use crate::error::{advice, hint};
use crate::fs::{exists, is_dir, is_full, remove_if_there, set_modified};
use crate::workspace::git::{self, Checkout, Work};
use crate::workspace::url::has_secret;
use anyhow::{Context, Result, anyhow, bail, ensure};
use fs_err as fs;
use sha1::{Digest as _, Sha1};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, SystemTime};

/// Every file's time. git compares whole seconds, and wants the index to be younger than the files.
const FILE_TIME: u64 = 1_000_000_000;
const INDEX_TIME: u64 = FILE_TIME + 100;

/// Makes the clone of `rev` in the empty directory `into`, out of the clone at `package`.
///
/// # Errors
/// When the package has no such commit, when a git fails, or when `url` has a password in it.
pub fn shallow_clone(package: &Path, rev: &str, url: &str, into: &Path) -> Result<()> {
    ensure!(!has_secret(url), "the URL of `{}` has a password in it", package.display());
    let git = Git { work_tree: into };
    git.run(&["init", "--quiet", "--template=", "."])?;
    let dot_git = into.join(".git");
    pack_commit(package, rev, &dot_git)?;
    fs::write(dot_git.join("config"), config(url))?;
    fs::write(dot_git.join("HEAD"), format!("{rev}\n"))?;
    fs::write(dot_git.join("shallow"), format!("{rev}\n"))?;
    for unused in ["description", "branches", "hooks", "info"] {
        let path = dot_git.join(unused);
        if is_dir(&path)? {
            fs::remove_dir_all(path)?;
        } else {
            remove_if_there(&path)?;
        }
    }
    git.run(&["read-tree", rev])?;
    git.run(&["checkout-index", "--all", "--quiet"])?;
    set_times(into)?;
    git.run(&["update-index", "-q", "--refresh"])?;
    let index = dot_git.join("index");
    set_times(into)?; // the directories, and what git wrote of its own
    let mut bytes = fs::read(&index)?;
    forget_machine(&mut bytes).with_context(|| format!("the index of `{}`", package.display()))?;
    fs::write(&index, bytes)?;
    set_time(&index, INDEX_TIME)
}

/// The changes in the clone at `clone` that a build of it has and its commit does not. `None` if there are none.
///
/// # Errors
/// Fails if git does.
pub fn changed_sources(clone: &Path) -> Result<Option<Work>> {
    let Some(checkout) = Checkout::open(clone) else { return Ok(None) };
    // The right to execute a file changes no build.
    let env = git::with_settings(&git::of_any_owner(), [("core.fileMode", "false")]);
    let Work { mut changed, mut untracked, .. } = Work::of(&checkout, &env)?;
    // A sparse checkout has no files that Lake does not read.
    let is_there = |file: &String| exists(&clone.join(file)).unwrap_or(true);
    changed.retain(|file| is_lakes(file) || is_there(file));
    untracked.retain(|file| is_lakes(file));
    let work = Work { changed, untracked, ..Work::default() };
    Ok((!work.is_none()).then_some(work))
}

/// `true` if Lake reads a file of this name in any package.
fn is_lakes(file: &str) -> bool {
    const CONFIG: [&str; 3] = ["lakefile.toml", "lean-toolchain", "lake-manifest.json"];
    let name = file.rsplit('/').next().unwrap_or(file);
    name.ends_with(".lean") || CONFIG.contains(&name)
}

/// The stat cache has to survive being unpacked elsewhere: only sizes and whole-second times are
/// compared.
fn config(url: &str) -> String {
    format!(
        "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n\
         \ttrustctime = false\n\tcheckStat = minimal\n\
         [remote \"origin\"]\n\turl = {}\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n",
        quoted(url)
    )
}

/// As git quotes a configuration value.
fn quoted(value: &str) -> String {
    let escaped = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("\"{escaped}\"")
}

/// One commit with its trees and blobs, as one pack whose bytes depend on nothing but them.
fn pack_commit(package: &Path, rev: &str, dot_git: &Path) -> Result<()> {
    let source = Git { work_tree: package };
    let objects =
        source.output(&["rev-list", "--objects", "--no-walk", "--no-object-names", rev])?;
    let mut names: Vec<_> = objects.lines().collect();
    names.sort_unstable();
    ensure!(names.contains(&rev), "`{}` has no commit {rev}", package.display());
    // To a file of ours: git would put its temporaries among the package's own objects.
    let stream = dot_git.join("stream");
    let mut packing = source.command(&["pack-objects", "--stdout", "--quiet", "--threads=1"])?;
    packing
        .args(["--no-reuse-delta", "--no-reuse-object", "--window=10"])
        .stdin(Stdio::piped())
        .stdout(fs::File::create(&stream)?.into_file())
        .stderr(Stdio::piped());
    let mut child = packing.spawn().context("cannot run `git`")?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all((names.join("\n") + "\n").as_bytes())?;
    }
    source.check("pack-objects", &child.wait_with_output()?)?;

    let into = dot_git.parent().context("a `.git` lies in a work tree")?;
    let clone = Git { work_tree: into };
    let mut indexing = clone.command(&["index-pack", "--stdin", "--no-rev-index"])?;
    let indexed = indexing.stdin(fs::File::open(&stream)?.into_file()).output();
    clone.check("index-pack", &indexed.context("cannot run `git`")?)?;
    Ok(fs::remove_file(stream)?)
}

fn set_times(dir: &Path) -> Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            set_times(&entry.path())?;
            set_time(&entry.path(), FILE_TIME)?;
        } else if kind.is_file() {
            set_time(&entry.path(), FILE_TIME)?;
        } else if kind.is_symlink() {
            set_link_time(&entry.path())?;
        }
    }
    Ok(())
}

fn set_time(path: &Path, seconds: u64) -> Result<()> {
    set_modified(path, SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}

fn set_link_time(path: &Path) -> Result<()> {
    use nix::fcntl::AT_FDCWD;
    use nix::sys::stat::{UtimensatFlags, utimensat};
    use nix::sys::time::TimeSpec;
    let time = TimeSpec::new(FILE_TIME.cast_signed(), 0);
    Ok(utimensat(AT_FDCWD, path, &time, &time, UtimensatFlags::NoFollowSymlink)?)
}

/// Bytes of an index entry before its path: ten stat fields, the object's name, the flags.
const ENTRY: usize = 40 + 20 + 2;

/// Clears what an index (version 2, `Documentation/gitformat-index`) says of the machine it was
/// made on: change times, nanoseconds, device, inode, owner. With `checkStat = minimal` git does not
/// look at them.
fn forget_machine(index: &mut [u8]) -> Result<()> {
    ensure!(index.len() > 32 && index.starts_with(b"DIRC\0\0\0\x02"), "not of version 2");
    let count = u32::from_be_bytes(index[8..12].try_into()?);
    let end = index.len() - 20;
    let mut at = 12;
    for _ in 0..count {
        ensure!(at + ENTRY < end, "cut short");
        let stat = &mut index[at..at + 40];
        stat[..8].fill(0); // ctime
        stat[12..16].fill(0); // nanoseconds of mtime
        stat[16..24].fill(0); // device, inode
        stat[28..36].fill(0); // user, group
        let path = &index[at + ENTRY..end];
        let length = path.iter().position(|&b| b == 0).context("a path without an end")?;
        at += (ENTRY + length + 8) & !7; // one to eight NUL bytes
    }
    let digest = Sha1::digest(&index[..end]);
    index[end..].copy_from_slice(&digest);
    Ok(())
}

/// git, without anything of the user's.
struct Git<'a> {
    work_tree: &'a Path,
}

impl Git<'_> {
    fn command(&self, args: &[&str]) -> Result<Command> {
        const SETTINGS: [&str; 10] = [
            "-c",
            "core.autocrlf=false",
            "-c",
            "index.version=2",
            "-c",
            "safe.directory=*",
            "-c",
            "core.checkStat=minimal",
            "-c",
            "core.trustctime=false",
        ];
        let mut git = git::command(self.work_tree, &[&SETTINGS, args].concat())
            .context("cannot run `git`")?;
        git.env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_SYSTEM", "/dev/null")
            .env("GIT_CONFIG_COUNT", "1")
            .env("GIT_CONFIG_KEY_0", "safe.directory")
            .env("GIT_CONFIG_VALUE_0", "*")
            .env("GIT_DEFAULT_HASH", "sha1")
            .env("GIT_DEFAULT_REF_FORMAT", "files");
        Ok(git)
    }

    fn output(&self, args: &[&str]) -> Result<String> {
        let output = self.command(args)?.output().context("cannot run `git`")?;
        self.check(&args.join(" "), &output)?;
        Ok(String::from_utf8(output.stdout)?)
    }

    /// What a git that failed at `task` has to say.
    fn check(&self, task: &str, output: &Output) -> Result<()> {
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let said = format!("`git {task}` in `{}`: {}", self.work_tree.display(), said.trim());
        if is_full(self.work_tree) {
            bail!(hint(said, "the disk is full: make room there, and run it again"));
        }
        let error = anyhow!(said);
        if advice(&error).is_none() {
            bail!(hint(error, "is there room, and may it be written there?"));
        }
        Err(error)
    }

    fn run(&self, args: &[&str]) -> Result<()> {
        self.output(args).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    /// A URL that could end its line could set anything.
    #[test]
    fn git_reads_the_url_that_is_written() {
        let dir = TempDir::new().expect("a temporary directory");
        let file = dir.path().join("config");
        for url in [
            "https://e.org/a",
            "",
            " a ",
            "a\"b\\c\\\\",
            "a # b ; c",
            "a\n[core]\n\tfsmonitor = touch evil",
            "a\\\n\tsshCommand = evil",
            "\ttab",
            "-é☺",
        ] {
            fs::write(&file, config(url)).expect("a file");
            let git = |args: &[&str]| {
                let mut git = Command::new("git");
                git.args(["config", "--null", "--file"]).arg(&file).args(args);
                String::from_utf8(git.output().expect("git runs").stdout).expect("UTF-8")
            };
            assert_eq!(git(&["--get", "remote.origin.url"]), format!("{url}\0"), "{url:?}");
            assert_eq!(git(&["--list", "--name-only"]).matches('\0').count(), 7, "{url:?}");
        }
    }
}
