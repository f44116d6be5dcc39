//! The calls of git that Lake makes, word for word.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// A package's clone.
pub(crate) struct Repo<'a>(pub(crate) &'a Path);

impl Repo<'_> {
    /// As Lake asks: through symlinks.
    pub(crate) fn exists(&self) -> bool {
        self.0.is_dir()
    }

    /// `None` also where git refuses ("dubious ownership"): Lake cannot tell.
    pub(crate) fn head(&self) -> Option<String> {
        self.resolve("HEAD")
    }

    pub(crate) fn resolve(&self, rev: &str) -> Option<String> {
        self.capture(&["rev-parse", "--verify", "--end-of-options", rev])
    }

    pub(crate) fn origin(&self) -> Option<String> {
        self.capture(&["remote", "get-url", "origin"])
    }

    /// The order of the arguments differs between versions.
    pub(crate) fn has_diff(&self, args: [&str; 2]) -> bool {
        let mut git = self.git(&["diff", args[0], args[1]]);
        let quiet = git.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        !quiet.status().is_ok_and(|status| status.success())
    }

    pub(crate) fn init(&self) -> Result<()> {
        run(&mut self.git(&["init", "-q"]))
    }

    pub(crate) fn add_origin(&self, url: &str) -> Result<()> {
        run(&mut self.git(&["remote", "add", "origin", url]))
    }

    pub(crate) fn set_origin(&self, url: &str) -> Result<()> {
        run(&mut self.git(&["remote", "set-url", "origin", url]))
    }

    pub(crate) fn prune_origin(&self) -> Result<()> {
        run(&mut self.git(&["remote", "prune", "origin"]))
    }

    pub(crate) fn gc(&self) -> Result<()> {
        run(&mut self.git(&["gc", "--auto"]))
    }

    pub(crate) fn clean(&self) -> Result<()> {
        run(&mut self.git(&["clean", "-xf"]))
    }

    pub(crate) fn clone_from(&self, url: &str) -> Result<()> {
        run(Command::new("git").args(["clone", url]).arg(self.0))
    }

    pub(crate) fn fetch(&self) -> Result<()> {
        run(&mut self.git(&["fetch", "--tags", "--force", "origin"]))
    }

    /// Returns the commit fetched, `None` if git fails.
    pub(crate) fn fetch_treeless(&self, rev: &str) -> Result<Option<String>> {
        let args = ["fetch", "--tags", "--force", "--filter=tree:0", "origin", rev];
        if run(&mut self.git(&args)).is_err() {
            return Ok(None);
        }
        let fetched = self.resolve("FETCH_HEAD");
        fetched.map(Some).with_context(|| {
            format!("{}: could not resolve 'FETCH_HEAD' to a commit", self.0.display())
        })
    }

    pub(crate) fn has_commit(&self, rev: &str) -> bool {
        self.resolve(&format!("{rev}^{{commit}}")).is_some()
    }

    pub(crate) fn checkout(&self, rev: &str) -> Result<()> {
        run(&mut self.git(&["checkout", "--detach", rev, "--"]))
    }

    /// A full commit id as it is, a branch of origin, or any other name.
    pub(crate) fn resolve_remote(&self, rev: &str) -> Result<String> {
        if is_full_sha(rev) {
            return Ok(rev.to_owned());
        }
        let found = self.resolve(&format!("origin/{rev}")).or_else(|| self.resolve(rev));
        found.with_context(|| format!("{}: revision not found '{rev}'", self.0.display()))
    }

    fn capture(&self, args: &[&str]) -> Option<String> {
        let output = self.git(args).stdin(Stdio::null()).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    }

    fn git(&self, args: &[&str]) -> Command {
        let mut git = Command::new("git");
        git.args(args).current_dir(self.0);
        git
    }
}

pub(crate) fn is_full_sha(rev: &str) -> bool {
    rev.len() == 40 && rev.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn run(git: &mut Command) -> Result<()> {
    let output = git.stdin(Stdio::null()).output().context("failed to execute 'git'")?;
    if !output.status.success() {
        eprintln!("info: stderr:\n{}", String::from_utf8_lossy(&output.stderr).trim());
        bail!("external command 'git' exited with code {}", output.status.code().unwrap_or(-1));
    }
    Ok(())
}
