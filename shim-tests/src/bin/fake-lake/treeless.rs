//! Making a checkout what is wanted, as Lake does since lean4#14782: it is never deleted, and a fetch brings one
//! revision without its trees.

use std::path::Path;

use anyhow::{Result, bail};
use fs_err as fs;

use crate::git::{Repo, is_full_sha};

/// Materialises a package at `rev`: the commit that a manifest locks, or the name that a `require` gives.
pub(crate) fn materialize(name: &str, dir: &Path, url: &str, rev: &str) -> Result<()> {
    let package = Package { name, repo: Repo(dir) };
    let url = real_url(url);
    if !dir.join(".git").exists() {
        eprintln!("info: {name}: materializing new dependency");
        fs::create_dir_all(dir)?;
        package.repo.init()?;
        package.repo.add_origin(&url)?;
        return package.fetch(&url, rev);
    }
    package.set_origin(&url)?;
    if package.repo.head().as_deref() == Some(rev) {
        package.warn_of_changes();
        Ok(())
    } else if is_full_sha(rev) && package.repo.has_commit(rev) {
        package.checkout(rev)
    } else {
        package.fetch(&url, rev)
    }
}

struct Package<'a> {
    name: &'a str,
    repo: Repo<'a>,
}

impl Package<'_> {
    /// Makes origin the wanted URL. If git cannot tell the old one, the remote is added: that is right if there was
    /// none, and fails if git refuses the directory ("dubious ownership").
    fn set_origin(&self, url: &str) -> Result<()> {
        let Some(old) = self.repo.origin() else {
            return self.repo.add_origin(url);
        };
        if old == url {
            return Ok(());
        }
        eprintln!("info: {}: remote URL changed\n  old: {old}\n  new: {url}", self.name);
        self.repo.set_origin(url)
    }

    fn fetch(&self, url: &str, rev: &str) -> Result<()> {
        let name = self.name;
        eprintln!("info: {name}: fetching revision '{rev}' from {url}");
        let Some(fetched) = self.repo.fetch_treeless(rev)? else {
            bail!(
                "{name}: failed to fetch the package revision\n  {rev}\nfrom the Git repository at\n  {url}"
            );
        };
        if self.repo.head().as_ref() == Some(&fetched) {
            self.warn_of_changes();
            return Ok(());
        }
        self.checkout(&fetched)?;
        self.repo.prune_origin()?;
        self.repo.gc()
    }

    fn checkout(&self, rev: &str) -> Result<()> {
        eprintln!("info: {}: checking out revision '{rev}'", self.name);
        self.repo.checkout(rev)?;
        self.repo.clean()?;
        self.warn_of_changes();
        Ok(())
    }

    fn warn_of_changes(&self) {
        if self.repo.has_diff(["--exit-code", "HEAD"]) {
            let dir = self.repo.0.display();
            eprintln!("warning: {}: repository has local changes:\n  {dir}", self.name);
        }
    }
}

/// A URL that is a local path becomes the real one.
fn real_url(url: &str) -> String {
    let real = std::fs::canonicalize(url).ok();
    real.map_or_else(|| url.to_owned(), |path| path.to_string_lossy().into_owned())
}
