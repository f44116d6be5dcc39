//! Making the packages directory what the manifest says, as Lake's `Load/Materialize.lean` does up to 4.34 —
//! including how it loses clones. Later ones are in [`treeless`].

use std::path::Path;

use anyhow::Result;
use fs_err as fs;

use crate::dialect::Dialect;
use crate::git::Repo;
use crate::treeless;

/// The branch that Lake takes for a `require` that names no revision.
const UPSTREAM_BRANCH: &str = "master";

/// A manifest entry: nothing is asked of origin while HEAD is the locked revision.
pub(crate) fn locked(dialect: Dialect, name: &str, dir: &Path, url: &str, rev: &str) -> Result<()> {
    if !dialect.deletes() {
        return treeless::materialize(name, dir, url, rev);
    }
    let repo = Repo(dir);
    if !repo.exists() {
        clone(name, &repo, url, Some(rev))
    } else if repo.head().as_deref() == Some(rev) {
        warn_of_changes(name, &repo);
        Ok(())
    } else {
        update(name, &repo, url, Some(rev))
    }
}

/// A require that no manifest locks: the URL is compared every time. Returns the revision it came to.
pub(crate) fn required(
    dialect: Dialect,
    name: &str,
    dir: &Path,
    url: &str,
    rev: Option<&str>,
) -> Result<String> {
    let repo = Repo(dir);
    match dialect.deletes() {
        true if repo.exists() => update(name, &repo, url, rev)?,
        true => clone(name, &repo, url, rev)?,
        false => {
            let rev = rev.unwrap_or(UPSTREAM_BRANCH);
            treeless::materialize(name, dir, url, rev)?;
        }
    }
    repo.head()
        .ok_or_else(|| anyhow::anyhow!("{}: could not resolve 'HEAD' to a commit", dir.display()))
}

fn update(name: &str, repo: &Repo<'_>, url: &str, rev: Option<&str>) -> Result<()> {
    if !is_same_url(repo, url) {
        eprintln!(
            "info: {name}: URL has changed; deleting '{}' and cloning again",
            repo.0.display()
        );
        remove_dir_all(repo.0)?;
        return clone(name, repo, url, rev);
    }
    repo.fetch()?;
    let rev = repo.resolve_remote(rev.unwrap_or(UPSTREAM_BRANCH))?;
    if repo.head().as_ref() == Some(&rev) {
        warn_of_changes(name, repo);
        return Ok(());
    }
    eprintln!("info: {name}: checking out revision '{rev}'");
    repo.checkout(&rev)
}

fn clone(name: &str, repo: &Repo<'_>, url: &str, rev: Option<&str>) -> Result<()> {
    eprintln!("info: {name}: cloning {url}");
    repo.clone_from(url)?;
    if let Some(rev) = rev {
        let rev = repo.resolve_remote(rev)?;
        eprintln!("info: {name}: checking out revision '{rev}'");
        repo.checkout(&rev)?;
    }
    Ok(())
}

/// As strings, then as real paths. A git that fails makes them different.
fn is_same_url(repo: &Repo<'_>, url: &str) -> bool {
    let Some(origin) = repo.origin() else {
        return false;
    };
    origin == url || real_path(&origin).is_some_and(|origin| real_path(url) == Some(origin))
}

fn real_path(url: &str) -> Option<std::path::PathBuf> {
    std::fs::canonicalize(url).ok()
}

/// Lean's `removeDirAll`: follows a symlink given as the root (lean4#14476), so that the target's contents are
/// gone before the last step fails.
fn remove_dir_all(dir: &Path) -> Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        match fs::symlink_metadata(&path)?.is_dir() {
            true => remove_dir_all(&path)?,
            false => fs::remove_file(path)?,
        }
    }
    fs::remove_dir(dir)?;
    Ok(())
}

fn warn_of_changes(name: &str, repo: &Repo<'_>) {
    if repo.has_diff(["HEAD", "--exit-code"]) {
        eprintln!("warning: {name}: repository '{}' has local changes", repo.0.display());
    }
}
