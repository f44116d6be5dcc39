//! Proof that git works in a checkout as Lake is about to run it.
//!
//! Lake takes every failure of git for an answer: no HEAD, another URL. Then it deletes the checkout. The
//! ways for git to fail are many (no git, a typo in `~/.gitconfig`, another owner, variables of a hook, an
//! extension that this git does not know), so none of them is looked for: git is run.

use super::Checkout;
use crate::child::Variables;
use crate::programs::on_path;
use fs_err as fs;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Stdio};

impl Checkout {
    /// Runs git as Lake is about to, with the process's own environment and `env` besides.
    ///
    /// # Errors
    /// Says why git does not work here, or that it works on something else.
    pub fn prove(&self, env: &Variables) -> Result<(), String> {
        let head = self.head();
        // Where HEAD is not born yet, asking for it would fail.
        let which = if head.is_some() { &["HEAD"][..] } else { &[] };
        let said = self.ask(&[&["rev-parse", "--absolute-git-dir"], which].concat(), env)?;
        // A path may have a line break in it. A commit has none.
        let (git_dir, found) = match said.iter().rposition(|byte| *byte == b'\n') {
            Some(at) if head.is_some() => (&said[..at], &said[at + 1..]),
            _ => (&said[..], &[][..]),
        };
        let git_dir = Path::new(OsStr::from_bytes(git_dir));
        let is_own = match (fs::canonicalize(git_dir), fs::canonicalize(&self.git_dir)) {
            (Ok(found), Ok(own)) => found == own,
            _ => false,
        };
        if !is_own {
            return Err(format!("git works on `{}` there{}", git_dir.display(), variables()));
        }
        if head.is_some_and(|head| head.as_bytes() != found) {
            let found = String::from_utf8_lossy(found);
            return Err(format!("git takes HEAD for `{found}`{}", variables()));
        }
        Ok(())
    }

    /// The output of `git remote get-url origin`, asked as Lake asks. `None` if there is no `origin`.
    pub fn printed_origin(&self, env: &Variables) -> Option<String> {
        let said = self.ask(&["remote", "get-url", "origin"], env).ok()?;
        Some(String::from_utf8_lossy(&said).trim().to_owned())
    }

    /// Returns what git prints, without the line break at its end.
    fn ask(&self, args: &[&str], env: &Variables) -> Result<Vec<u8>, String> {
        let path = env.get(OsStr::new("PATH")).map(|path| path.as_os_str());
        let mut git = lakes_git(path).ok_or("there is no `git` on PATH")?;
        git.args(args).current_dir(&self.work_tree).envs(env);
        let output =
            git.stdin(Stdio::null()).output().map_err(|e| format!("`git` cannot be run: {e}"))?;
        if output.status.success() {
            return Ok(output.stdout.strip_suffix(b"\n").unwrap_or(&output.stdout).to_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let why = said.trim().lines().next().map_or(output.status.to_string(), str::to_owned);
        Err(format!("`git {}` fails: {why}", args.join(" ")))
    }
}

fn lakes_git(path: Option<&OsStr>) -> Option<Command> {
    let own = path.and_then(|path| which::which_in_global("git", Some(path)).ok()?.next());
    own.or_else(|| on_path("git").next()).map(Command::new)
}

/// Names the variables that point git elsewhere, if there are any.
fn variables() -> String {
    let set = super::ELSEWHERE.iter().filter(|name| crate::settings::is_set(name));
    let set: Vec<_> = set.map(|name| format!("`{name}`")).collect();
    if set.is_empty() { String::new() } else { format!(", because of {}", set.join(", ")) }
}
