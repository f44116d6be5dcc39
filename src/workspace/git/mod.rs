//! The state of a checkout, read from its files.
//!
//! Every command asks where each package's HEAD is, and nine `git rev-parse` cost more than the whole
//! shim may. So HEAD is read as git stores it: loose refs, packed refs, `gitdir:` files and worktrees'
//! common directory. What is stored in another way (reftable) counts as unknown, and git is asked.

mod proof;
mod work;

pub use work::Work;

use crate::child::Variables;
use crate::programs;
use crate::read;
use crate::settings::{git_config_count, var};
use anyhow::{Context, Result, ensure};
use fs_err as fs;
use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// git follows this many symbolic refs.
const MAX_SYMREFS: usize = 5;

/// A work tree with a git directory of its own.
#[derive(Clone, Debug)]
pub struct Checkout {
    work_tree: PathBuf,
    git_dir: PathBuf,
}

impl Checkout {
    /// The checkout at `work_tree`. `None` if it has no `.git`: git would go on to the enclosing
    /// repository, which is why Lake then deletes the directory.
    pub fn open(work_tree: &Path) -> Option<Self> {
        let dot_git = work_tree.join(".git");
        let git_dir = if dot_git.is_dir() {
            dot_git
        } else {
            let text = read::text(&dot_git, read::TEXT).ok()?;
            work_tree.join(text.strip_prefix("gitdir:")?.trim())
        };
        Some(Self { work_tree: work_tree.to_owned(), git_dir })
    }

    /// `true` if there is a HEAD, and a directory of objects.
    pub fn is_usable(&self) -> bool {
        self.common_dir().join("objects").is_dir() && self.head_or_asked().is_some()
    }

    /// `true` if git takes the directory for a repository: it has a HEAD in every layout.
    pub fn is_repository(&self) -> bool {
        self.git_dir.join("HEAD").exists()
    }

    /// The commit that HEAD is at, as 40 (or 64) hex digits. `None` if files do not tell.
    pub fn head(&self) -> Option<String> {
        let common = self.common_dir();
        let mut name = "HEAD".to_owned();
        for _ in 0..MAX_SYMREFS {
            // A worktree has its own HEAD; branches are the common directory's.
            let dir = if name == "HEAD" { &self.git_dir } else { &common };
            let Ok(text) = read::text(&dir.join(&name), read::TEXT) else {
                return packed_ref(&common, &name);
            };
            match text.strip_prefix("ref:") {
                Some(target) => name = ref_name(target.trim())?.to_owned(),
                None => return object_name(text.trim()),
            }
        }
        None
    }

    /// As [`Checkout::head`], and git is asked where files do not tell.
    pub fn head_or_asked(&self) -> Option<String> {
        self.head().or_else(|| self.asked_head())
    }

    /// As [`Checkout::head`], from git itself, which knows every layout.
    fn asked_head(&self) -> Option<String> {
        let mut git = self.git(&["rev-parse", "--verify", "--quiet", "HEAD"]).ok()?;
        // Here and nowhere else: git would go on to an enclosing repository, and refuse another
        // user's.
        git.env("GIT_DIR", &self.git_dir).stderr(Stdio::null());
        let output = git.output().ok().filter(|output| output.status.success())?;
        object_name(String::from_utf8(output.stdout).ok()?.trim())
    }

    fn common_dir(&self) -> PathBuf {
        match read::text(&self.git_dir.join("commondir"), read::TEXT) {
            Ok(text) => self.git_dir.join(text.trim()),
            Err(_) => self.git_dir.clone(),
        }
    }

    /// `true` if git does not refuse the clone as another user's (`safe.directory`): it looks at the owner of the
    /// work tree and of the git directory.
    pub fn is_owned_by(&self, uid: u32) -> bool {
        let is_owned = |path: &Path| fs::metadata(path).is_ok_and(|meta| meta.uid() == uid);
        let dot_git = self.work_tree.join(".git");
        is_owned(&self.work_tree)
            && is_owned(&dot_git)
            && (self.git_dir == dot_git || is_owned(&self.git_dir))
    }

    /// The output of `git remote get-url origin`, which is what Lake compares. A user's
    /// `url.<base>.insteadOf` is applied. `env` is added to git's environment.
    ///
    /// # Errors
    /// Fails if git cannot be run, or knows no `origin`.
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

    /// `url` after the user's `url.<base>.insteadOf`, which [`Checkout::origin_url`] has applied already. Asks no
    /// server.
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

    /// `true` if the commit `rev` is there. Asks no server.
    pub fn has(&self, rev: &str) -> bool {
        let commit = format!("{rev}^{{commit}}");
        let git = self.git(&["cat-file", "-e", "--end-of-options", &commit]);
        let found = git.and_then(|mut git| git.stderr(Stdio::null()).status());
        found.is_ok_and(|status| status.success())
    }

    /// The commit that `rev` names, if no fetch can have it name another one: that of a commit, or of a tag and no
    /// branch. Asks no server.
    pub fn fixed(&self, rev: &str) -> Option<String> {
        let ask = |name: &str| {
            let args = ["rev-parse", "--verify", "--quiet", "--end-of-options", name];
            let output = self.git(&args).ok()?.stderr(Stdio::null()).output().ok()?;
            object_name(String::from_utf8(output.stdout).ok()?.trim())
        };
        let is_branch = || ask(&format!("refs/remotes/origin/{rev}")).is_some();
        object_name(rev).or_else(|| match is_branch() {
            true => None,
            false => ask(&format!("refs/tags/{rev}^{{commit}}")),
        })
    }

    /// A file of the commit `rev`, which is there. `None` if that has no such file.
    pub fn file_at(&self, rev: &str, path: &str) -> Result<Option<String>> {
        let object = format!("{rev}:{path}");
        let git = self.git(&["cat-file", "--end-of-options", "blob", &object]);
        let child =
            git.and_then(|mut git| git.stdout(Stdio::piped()).stderr(Stdio::null()).spawn());
        let mut child = child.context("cannot run `git`")?;
        let mut text = Vec::new();
        let output = child.stdout.take().context("git has an output")?;
        let read = output.take(read::TEXT + 1).read_to_end(&mut text);
        // Its output is closed by now, so that it ends even if there were more to say.
        let status = child.wait().context("cannot run `git`")?;
        read?;
        ensure!(
            text.len() as u64 <= read::TEXT,
            "`{object}` in `{}` has more than {} MiB",
            self.work_tree.display(),
            read::TEXT >> 20
        );
        Ok(status.success().then(|| String::from_utf8_lossy(&text).into_owned()))
    }

    fn git(&self, args: &[&str]) -> io::Result<Command> {
        command(&self.work_tree, args)
    }
}

/// Variables that git exports to a hook: with these, git works in the hook's repository wherever it runs.
pub const ELSEWHERE: [&str; 5] =
    ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR"];

/// git in a directory that may be hostile, for what needs no server. A repository's configuration can
/// name programs to run; of those that our commands would come by, none is.
pub fn command(dir: &Path, args: &[&str]) -> io::Result<Command> {
    let mut git = programs::command("git")?;
    git.args(["-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"])
        .args(args)
        .current_dir(dir)
        // What a partial clone lacks it would fetch, by a program that its configuration names.
        .env("GIT_NO_LAZY_FETCH", "1")
        // The same for a git from before 2.45, and for all else that would ask a server.
        .env("GIT_ALLOW_PROTOCOL", "none")
        .stdin(Stdio::null());
    for name in ELSEWHERE {
        git.env_remove(name);
    }
    Ok(git)
}

/// Variables with which git reads a repository of any owner.
pub fn of_any_owner() -> Variables {
    let settings = [
        ("GIT_CONFIG_COUNT", "1"),
        ("GIT_CONFIG_KEY_0", "safe.directory"),
        ("GIT_CONFIG_VALUE_0", "*"),
    ];
    settings.map(|(name, value)| (name.into(), value.into())).into()
}

/// The variables in `env`, and settings for git that come after those of the variables and so count. Adds nothing
/// to a count that is no number: every git fails over it, and says so.
pub fn with_settings<N: Into<OsString>, V: Into<OsString>>(
    env: &Variables,
    settings: impl IntoIterator<Item = (N, V)>,
) -> Variables {
    let given = env.get(OsStr::new(var::GIT_CONFIG_COUNT)).cloned().or_else(git_config_count);
    let mut env = env.clone();
    let count = match given.filter(|count| !count.is_empty()) {
        None => Some(0_u32),
        Some(count) => count.to_str().and_then(|count| count.trim().parse().ok()),
    };
    let Some(mut count) = count else { return env };
    for (name, value) in settings {
        env.insert(format!("GIT_CONFIG_KEY_{count}").into(), name.into());
        env.insert(format!("GIT_CONFIG_VALUE_{count}").into(), value.into());
        count += 1;
        env.insert(var::GIT_CONFIG_COUNT.into(), count.to_string().into());
    }
    env
}

/// Looks `name` up in `packed-refs`: lines of `<object> <name>`, comments, and `^` for peeled tags.
fn packed_ref(common: &Path, name: &str) -> Option<String> {
    let text = read::text(&common.join("packed-refs"), read::REFS).ok()?;
    let entry = |line: &str| {
        let (object, found) = line.split_once(' ')?;
        (found == name).then(|| object_name(object))?
    };
    text.lines().find_map(entry)
}

/// A ref that is a path below the git directory, and nothing else: `git check-ref-format`.
fn ref_name(name: &str) -> Option<&str> {
    let is_part =
        |part: &str| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock");
    let is_odd = |c: char| c.is_ascii_control() || " ~^:?*[\\".contains(c);
    let is_name = name.starts_with("refs/")
        && name.split('/').all(is_part)
        && !name.contains("..")
        && !name.contains("@{")
        && !name.contains(is_odd)
        && !name.ends_with('.');
    is_name.then_some(name)
}

fn object_name(text: &str) -> Option<String> {
    let is_hex = text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    (is_hex && matches!(text.len(), 40 | 64)).then(|| text.to_owned())
}
