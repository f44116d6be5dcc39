//! Work in a checkout that is nowhere else.

use super::{Checkout, object_name, with_settings};
use crate::child::Variables;
use crate::read;
use anyhow::{Context, Result, ensure};
use fs_err as fs;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::unix::ffi::OsStringExt;

/// Shown of each kind.
const SHOWN: usize = 3;

/// The part of a checkout that cannot be had again from its repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Tracked files that differ from HEAD, or that git is told not to look at.
    pub changed: Vec<String>,
    /// Files that are neither tracked nor ignored.
    pub untracked: Vec<String>,
    /// Ignored files and directories, Lake's own left out.
    pub ignored: Vec<String>,
    pub has_stash: bool,
    /// Linked worktrees: their commits lie in this checkout.
    pub worktrees: Vec<String>,
    /// Commits that no remote-tracking branch reaches: on a branch, and where commits may have been made also on a
    /// tag. (A tag that was fetched looks like one of the user's.)
    pub on_branches: Vec<String>,
    /// The same, but only HEAD reaches them: a checkout of another commit loses them.
    pub on_head: Vec<String>,
}

impl Work {
    /// Reads the state of `checkout`. `env` is added to git's environment.
    ///
    /// # Errors
    /// Fails if git does.
    pub fn of(checkout: &Checkout, env: &Variables) -> Result<Self> {
        let env = &with_settings(env, checkout.filters_off(env)?);
        let git = |args: &[&str]| -> Result<String> {
            let mut git = checkout.git(args).context("cannot run `git`")?;
            let output = git.envs(env).output().context("cannot run `git`")?;
            let said = String::from_utf8_lossy(&output.stderr);
            let dir = checkout.work_tree.display();
            ensure!(
                output.status.success(),
                "`git {}` in `{dir}`: {}",
                args.join(" "),
                said.trim()
            );
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        };
        let mut work = Self { worktrees: checkout.worktrees(), ..Self::default() };
        let status = [
            "--no-optional-locks",
            "status",
            "--porcelain",
            "-z",
            "--untracked-files=all",
            "--ignored=matching",
            "--no-renames",
        ];
        for entry in git(&status)?.split('\0').filter(|entry| entry.len() > 3) {
            let (kind, path) = entry.split_at(3);
            // Lake's own directory, which some packages do not ignore. A package in a subdirectory has its own.
            let is_lakes = || path.split('/').any(|part| part == ".lake");
            match kind {
                "?? " | "!! " if is_lakes() => {}
                "?? " => work.untracked.push(path.to_owned()),
                "!! " => work.ignored.push(path.to_owned()),
                _ => work.changed.push(path.to_owned()),
            }
        }
        // `assume-unchanged` and `skip-worktree` hide changes from `git status`.
        let listed = git(&["ls-files", "-v", "-z"])?;
        let hidden = listed.split('\0').filter(|line| !line.is_empty() && !line.starts_with("H "));
        work.changed.extend(hidden.filter_map(|line| Some(line.get(2..)?.to_owned())));
        // Every layout has the stash there, reftable too.
        work.has_stash = !git(&["for-each-ref", "refs/stash"])?.is_empty();
        let fetched = checkout.fetched();
        let log = |of: &[&str]| -> Result<Vec<String>> {
            // Fetched commits may have been pruned since. A HEAD that is gone has failed above.
            let args = ["log", "--ignore-missing", "--format=%h %s", "--max-count=4"];
            let fetched: Vec<_> = fetched.iter().map(String::as_str).collect();
            Ok(git(&[&args, of, &fetched].concat())?.lines().map(str::to_owned).collect())
        };
        if checkout.made_no_commits() {
            work.on_branches = log(&["--branches", "--not", "--remotes", "--tags"])?;
        } else {
            work.on_branches = log(&["--branches", "--tags", "--not", "--remotes"])?;
            work.on_head = log(&["HEAD", "--not", "--branches", "--remotes", "--tags"])?;
        }
        Ok(work)
    }

    /// `true` if the checkout can be made again from its repository.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// The part that a checkout of another commit loses, and the `git clean -xf` behind it if Lake `cleans`. (A
    /// deletion loses all of it.) git itself refuses to overwrite changed and untracked files.
    pub fn lost_by_checkout(self, cleans: bool) -> Self {
        let Self { untracked, ignored, on_head, .. } = self;
        // Without `-d` directories stay.
        let cleaned = |files: Vec<String>| {
            files.into_iter().filter(|file| cleans && !file.ends_with('/')).collect()
        };
        Self {
            untracked: cleaned(untracked),
            ignored: cleaned(ignored),
            on_head,
            ..Self::default()
        }
    }
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { changed, untracked, ignored, has_stash, worktrees, on_branches, on_head } = self;
        let commits: Vec<String> = on_branches.iter().chain(on_head).cloned().collect();
        let mut parts = Vec::new();
        for (what, list) in [
            ("changed", changed),
            ("untracked", untracked),
            ("ignored", ignored),
            ("only here:", &commits),
            ("worktrees at", worktrees),
        ] {
            if !list.is_empty() {
                let shown: Vec<_> =
                    list.iter().take(SHOWN).map(|item| format!("`{item}`")).collect();
                let more = if list.len() > SHOWN { " and more" } else { "" };
                parts.push(format!("{what} {}{more}", shown.join(", ")));
            }
        }
        if *has_stash {
            parts.push("a stash".to_owned());
        }
        f.write_str(&parts.join("; "))
    }
}

impl Checkout {
    /// Settings without which git would run what the checkout's configuration has for a filter; a file that
    /// only a filter makes equal then counts as changed.
    pub fn filters_off(&self, env: &Variables) -> Result<Vec<(OsString, &'static str)>> {
        const OFF: [(&str, &str); 3] = [("clean", ""), ("process", ""), ("required", "false")];
        let mut list = self.git(&["config", "--null", "--name-only", "--list"])?;
        let names = list.envs(env).output().context("cannot run `git`")?.stdout;
        let filter = |name: &[u8]| {
            let end = name.iter().rposition(|&byte| byte == b'.')?;
            name.starts_with(b"filter.").then(|| name[..=end].to_vec())
        };
        let filters: BTreeSet<_> = names.split(|&byte| byte == 0).filter_map(filter).collect();
        let off = |filter: Vec<u8>| {
            OFF.map(|(option, value)| {
                (OsString::from_vec([&filter, option.as_bytes()].concat()), value)
            })
        };
        Ok(filters.into_iter().flat_map(off).collect())
    }

    /// `true` if HEAD's log goes back to the beginning (its first entry has no commit before it) and has no entry of
    /// a command that makes commits: HEAD has only ever been at commits that were fetched.
    fn made_no_commits(&self) -> bool {
        const MAKES: [&str; 7] =
            ["commit", "rebase", "am", "cherry-pick", "revert", "merge", "pull"];
        let log = read::bytes(&self.git_dir.join("logs/HEAD"), read::REFS).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let makes = |line: &str| {
            let message = line.split_once('\t').map_or("", |(_, message)| message);
            MAKES.iter().any(|command| message.starts_with(command))
        };
        log.starts_with(&"0".repeat(40)) && !log.lines().any(makes)
    }

    /// Commits that came from elsewhere, whether a ref reaches them or not: of the last fetch, and those that a
    /// shallow clone begins with.
    fn fetched(&self) -> Vec<String> {
        let files = [self.git_dir.join("FETCH_HEAD"), self.common_dir().join("shallow")];
        let texts = files.map(|file| read::text(&file, read::REFS).unwrap_or_default());
        let lines = texts.iter().flat_map(|text| text.lines());
        lines.filter_map(|line| object_name(line.split_whitespace().next()?)).collect()
    }

    fn worktrees(&self) -> Vec<String> {
        let entries = fs::read_dir(self.git_dir.join("worktrees"));
        let dir = |entry: fs::DirEntry| {
            let dot_git = read::text(&entry.path().join("gitdir"), read::TEXT).unwrap_or_default();
            dot_git.trim_end().trim_end_matches("/.git").to_owned()
        };
        entries.into_iter().flatten().filter_map(Result::ok).map(dir).collect()
    }

    /// The reason why the checkout cannot be moved or replaced without breaking something that points into it:
    /// a `.git` that is a file (submodule, worktree) or a link, worktrees, submodules. `None` if there is none.
    ///
    /// # Errors
    /// Fails if `.git` cannot be looked at.
    pub fn is_tied(&self) -> io::Result<Option<&'static str>> {
        let has_submodules = || {
            fs::read_dir(self.git_dir.join("modules")).is_ok_and(|mut dirs| dirs.next().is_some())
        };
        let dot_git = fs::symlink_metadata(self.work_tree.join(".git"))?;
        Ok(if !dot_git.is_dir() {
            Some("its `.git` is not a directory, as in a submodule or a worktree")
        } else if !self.worktrees().is_empty() {
            Some("it has worktrees elsewhere")
        } else if has_submodules() {
            Some("it has submodules")
        } else {
            None
        })
    }

    /// The value of `remote.origin.url`, before any `insteadOf`. `None` if there is none, or if git fails.
    pub fn configured_origin(&self) -> Option<String> {
        self.asked_origin().ok()?
    }

    /// As [`Checkout::configured_origin`], but a git that fails is an error.
    pub fn asked_origin(&self) -> Result<Option<String>> {
        let git = self.git(&["config", "--get", "remote.origin.url"]);
        let output = git.and_then(|mut git| git.output()).context("cannot run `git`")?;
        // 1: there is no such value.
        let is_answer = matches!(output.status.code(), Some(0 | 1));
        ensure!(is_answer, "cannot be read by git: `git config` ended with {}", output.status);
        let url = String::from_utf8(output.stdout)?.trim().to_owned();
        Ok((!url.is_empty()).then_some(url))
    }
}
