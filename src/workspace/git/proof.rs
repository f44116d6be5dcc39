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
        // A path may have line ends of its own.
        let last_line = head.as_ref().and_then(|_| said.rsplit_once('\n'));
        let (git_dir, found) = last_line.unwrap_or((&said, ""));
        let is_own = match (fs::canonicalize(git_dir), fs::canonicalize(&self.git_dir)) {
            (Ok(found), Ok(own)) => found == own,
            _ => false,
        };
        if !is_own {
            return Err(format!("git works on `{git_dir}` there{}", variables()));
        }
        if head.is_some_and(|head| head != found) {
            return Err(format!("git takes HEAD for `{found}`{}", variables()));
        }
        Ok(())
    }

    /// The output of `git remote get-url origin`, asked as Lake asks. `None` if there is no `origin`.
    pub fn printed_origin(&self, env: &Variables) -> Option<String> {
        self.ask(&["remote", "get-url", "origin"], env).ok()
    }

    fn ask(&self, args: &[&str], env: &Variables) -> Result<String, String> {
        let path = env.get(OsStr::new("PATH")).map(|path| path.as_os_str());
        let mut git = lakes_git(path).ok_or("there is no `git` on PATH")?;
        git.args(args).current_dir(&self.work_tree).envs(env);
        let output =
            git.stdin(Stdio::null()).output().map_err(|e| format!("`git` cannot be run: {e}"))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if output.status.success() {
            return Ok(text(&output.stdout));
        }
        let said = text(&output.stderr);
        let why = said.lines().next().map_or(output.status.to_string(), str::to_owned);
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
