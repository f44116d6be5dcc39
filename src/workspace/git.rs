//! The state of a clone, read from its files.
//!
//! Every pass-through asks where each package's HEAD is, and nine `git rev-parse` cost more than
//! the whole shim may. So HEAD is read as git stores it: loose refs, packed refs, `gitdir:` files
//! and worktrees' common directory. What is stored in another way (reftable, a ref that is not
//! there) counts as unknown, and whoever needs to know asks git.

use crate::programs;
use anyhow::{Context, Result, ensure};
use fs_err as fs;
use std::ffi::OsStr;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// git follows this many symbolic refs.
const MAX_SYMREFS: usize = 5;

/// A clone's git directory.
#[derive(Clone, Debug)]
pub struct Clone {
    work_tree: PathBuf,
    git_dir: PathBuf,
}

impl Clone {
    /// The clone at `work_tree`, or nothing when that directory is no clone of its own. (git would
    /// go on to the enclosing repository, which is why Lake then deletes the directory.)
    pub fn open(work_tree: &Path) -> Option<Self> {
        let dot_git = work_tree.join(".git");
        let git_dir = if dot_git.is_dir() {
            dot_git
        } else {
            let text = fs::read_to_string(&dot_git).ok()?;
            work_tree.join(text.strip_prefix("gitdir:")?.trim())
        };
        Some(Self { work_tree: work_tree.to_owned(), git_dir })
    }

    /// The commit that HEAD is at, as 40 (or 64) hex digits; nothing when files do not tell.
    pub fn head(&self) -> Option<String> {
        let common = self.common_dir();
        let mut name = "HEAD".to_owned();
        for _ in 0..MAX_SYMREFS {
            // A worktree has its own HEAD; branches are the common directory's.
            let dir = if name == "HEAD" { &self.git_dir } else { &common };
            let Ok(text) = fs::read_to_string(dir.join(&name)) else {
                return packed_ref(&common, &name);
            };
            match text.strip_prefix("ref:") {
                Some(target) => name = ref_name(target.trim())?.to_owned(),
                None => return object_name(text.trim()),
            }
        }
        None
    }

    fn common_dir(&self) -> PathBuf {
        match fs::read_to_string(self.git_dir.join("commondir")) {
            Ok(text) => self.git_dir.join(text.trim()),
            Err(_) => self.git_dir.clone(),
        }
    }

    /// Whether git would refuse the clone as another user's (`safe.directory`): it looks at the
    /// owner of the work tree and of the git directory.
    pub fn is_owned_by(&self, uid: u32) -> bool {
        let owner = |path: &Path| fs::metadata(path).is_ok_and(|meta| meta.uid() == uid);
        owner(&self.work_tree) && owner(&self.git_dir) && owner(&self.work_tree.join(".git"))
    }

    /// What `git remote get-url origin` prints, which is what Lake compares; a user's
    /// `url.<base>.insteadOf` has its say in it. `env` is added to git's environment.
    ///
    /// # Errors
    /// When git cannot be run, or knows no `origin`.
    pub fn origin_url<K, V>(&self, env: impl IntoIterator<Item = (K, V)>) -> Result<String>
    where
        K: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        let asked =
            self.git(&["remote", "get-url", "origin"]).and_then(|mut g| g.envs(env).output());
        let output = asked.context("cannot run `git`")?;
        ensure!(
            output.status.success(),
            "`git remote get-url origin` in `{}`: {}",
            self.work_tree.display(),
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// What git makes of `url` here: the user's `url.<base>.insteadOf`, which is what
    /// [`Clone::origin_url`] has in it already. Asks no server.
    pub fn rewritten<K, V>(
        &self,
        url: &str,
        env: impl IntoIterator<Item = (K, V)>,
    ) -> Option<String>
    where
        K: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        let output =
            self.git(&["ls-remote", "--get-url", "--", url]).ok()?.envs(env).output().ok()?;
        let url = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        (output.status.success() && !url.is_empty()).then_some(url)
    }

    /// Whether the commit `rev` is there, without asking a server.
    pub fn has(&self, rev: &str) -> bool {
        let commit = format!("{rev}^{{commit}}");
        let git = self.git(&["cat-file", "-e", "--end-of-options", &commit]);
        let found = git.and_then(|mut git| git.stderr(Stdio::null()).status());
        found.is_ok_and(|status| status.success())
    }

    /// A file of the commit `rev`, which is there; nothing when that has no such file.
    pub fn file_at(&self, rev: &str, path: &str) -> Result<Option<String>> {
        let object = format!("{rev}:{path}");
        let git = self.git(&["cat-file", "--end-of-options", "blob", &object]);
        let output = git.and_then(|mut git| git.output()).context("cannot run `git`")?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(output.status.success().then_some(text))
    }

    /// Points `origin` at `url`.
    pub fn set_origin_url(&self, url: &str) -> Result<()> {
        let git = self.git(&["remote", "set-url", "--", "origin", url]);
        let output = git.and_then(|mut git| git.output()).context("cannot run `git`")?;
        ensure!(
            output.status.success(),
            "`git remote set-url origin` in `{}`: {}",
            self.work_tree.display(),
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(())
    }

    fn git(&self, args: &[&str]) -> io::Result<Command> {
        command(&self.work_tree, args)
    }
}

/// git in a directory that may be hostile, for what needs no server. A repository's configuration can
/// name programs to run; of those that our commands would come by, none is.
pub fn command(dir: &Path, args: &[&str]) -> io::Result<Command> {
    let mut git = programs::command("git")?;
    git.args(["-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"])
        .args(args)
        .current_dir(dir)
        // What a partial clone lacks it would fetch, by a program that its configuration names.
        .env("GIT_NO_LAZY_FETCH", "1")
        // The same for a git from before 2.45, and whatever else would ask a server.
        .env("GIT_ALLOW_PROTOCOL", "none")
        .stdin(Stdio::null());
    Ok(git)
}

/// Looks `name` up in `packed-refs`: lines of `<object> <name>`, comments, and `^` for peeled tags.
fn packed_ref(common: &Path, name: &str) -> Option<String> {
    let text = fs::read_to_string(common.join("packed-refs")).ok()?;
    let entry = |line: &str| {
        let (object, found) = line.split_once(' ')?;
        (found == name).then(|| object_name(object))?
    };
    text.lines().find_map(entry)
}

/// A ref that is a path below the git directory, and nothing else.
fn ref_name(name: &str) -> Option<&str> {
    let is_plain = name.starts_with("refs/") && !name.split('/').any(|part| part == "..");
    is_plain.then_some(name)
}

fn object_name(text: &str) -> Option<String> {
    let is_hex = text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    (is_hex && matches!(text.len(), 40 | 64)).then(|| text.to_owned())
}
