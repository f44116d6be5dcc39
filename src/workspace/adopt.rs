//! Packages that go to a shared directory: which may, and how.
//!
//! Only what its repository and the lock can reproduce is moved, and nothing else is in the packages
//! directory then. A package that the shared directory has already counts as the same if it is.

use super::git::{Checkout, Work};
use super::url::same_repository;
use super::{GitLock, Package, Workspace};
use crate::child::Variables;
use crate::fs::{
    Renamed, WorkDir, copy_tree, ensure_dirs, exists, if_there, is_dir, rename_to_new,
};
use anyhow::{Context, Result, bail, ensure};
use fs_err as fs;
use nix::unistd::geteuid;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::SystemTime;

/// The packages in the packages directory `dir`, each of them reproducible, and the same as in `shared` if it
/// is there too. Writes nothing.
///
/// # Errors
/// Says which entry is not, and why.
pub(super) fn adoptable<'a>(
    workspace: &'a Workspace,
    dir: &Path,
    shared: &Path,
) -> Result<Vec<&'a Package>> {
    let abandoned: Vec<_> = WorkDir::abandoned(dir).collect();
    let mut packages = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if abandoned.contains(&entry.path()) {
            continue; // which will be swept
        }
        let name = entry.file_name().to_string_lossy().into_owned();
        let package = workspace.packages.iter().find(|package| {
            package.name == name && package.lock.is_some() && !package.is_overridden
        });
        let package = package
            .with_context(|| format!("it has `{name}`, which is not a package of the manifest"))?;
        packages.push(package);
    }
    if packages.is_empty() {
        return Ok(packages);
    }
    ensure!(!is_tracked(workspace, dir)?, "it is tracked by this project's git repository");
    for package in &packages {
        let lock =
            package.lock.as_ref().context("a package of the packages directory has a lock")?;
        if let Err(reason) = check_reproducible(lock, &dir.join(&package.name)) {
            bail!("`{}` {reason:#}", package.name);
        }
        check_other(package, shared)?;
    }
    Ok(packages)
}

/// `true` if the project's own repository has anything of the packages directory.
fn is_tracked(workspace: &Workspace, packages_dir: &Path) -> Result<bool> {
    let root = &workspace.root;
    if !root.ancestors().any(|dir| dir.join(".git").exists()) {
        return Ok(false);
    }
    let git = super::git::command(root, &["ls-files", "--"]);
    let listed = git.and_then(|mut git| git.arg(packages_dir).output());
    let listed = listed.context("cannot run `git`")?;
    let dir = root.display();
    ensure!(listed.status.success(), "`git ls-files` in `{dir}` ended with {}", listed.status);
    Ok(!listed.stdout.is_empty())
}

/// # Errors
/// Says why the checkout could not be made again from its repository and the lock.
fn check_reproducible(lock: &GitLock, dir: &Path) -> Result<()> {
    let parent = dir.parent().context("a package has a parent")?;
    let meta = fs::symlink_metadata(dir)?;
    ensure!(!meta.is_symlink(), "is a symlink that you made");
    ensure!(meta.is_dir(), "is not a directory");
    ensure!(meta.uid() == geteuid().as_raw(), "belongs to another user");
    ensure!(meta.dev() == fs::metadata(parent)?.dev(), "is a file system of its own");
    let dot_git = dir.join(".git");
    let is_none = || format!("is not a git checkout: `{}`", dot_git.display());
    let checkout = Checkout::open(dir).with_context(is_none)?;
    if let Some(reason) = checkout.is_tied()? {
        bail!("cannot be moved: {reason}");
    }
    let head = checkout.head_or_asked();
    let head = head.with_context(|| format!("has no HEAD in `{}`", dot_git.display()))?;
    ensure!(head == lock.rev, "is not at its locked revision");
    let origin = checkout.asked_origin()?.context("has no `origin`")?;
    ensure!(same_repository(&origin, &lock.url), "is a checkout of `{origin}`");
    let lakes_own = dir.join(".lake");
    for entry in if_there(fs::read_dir(&lakes_own))?.into_iter().flatten() {
        let name = entry?.file_name();
        let is_made_again = ["build", "config", "lake-shim"].iter().any(|own| name == *own)
            || name.as_encoded_bytes().starts_with(b"lakefile.");
        ensure!(is_made_again, "has `.lake/{}`", name.display());
    }
    let work = Work::of(&checkout, &Variables::new())?;
    ensure!(work.is_none(), "has local work ({work})");
    Ok(())
}

/// # Errors
/// Says that `shared` has something else under the package's name.
fn check_other(package: &Package, shared: &Path) -> Result<()> {
    let Some(lock) = &package.lock else { return Ok(()) };
    let there = shared.join(&package.name);
    if !exists(&there)? {
        return Ok(());
    }
    let other = Checkout::open(&there);
    let is_equal = other.as_ref().is_some_and(|other| {
        other.head().as_ref() == Some(&lock.rev)
            && other.configured_origin().is_some_and(|url| same_repository(&url, &lock.url))
            && Work::of(other, &Variables::new()).is_ok_and(|work| work.changed.is_empty())
    });
    ensure!(is_equal, "`{}` has another `{}`", shared.display(), package.name);
    Ok(())
}

/// Moves reproducible packages to a shared directory, and puts the link in their place.
pub(super) struct Adoption<'a> {
    pub packages_dir: &'a Path,
    pub shared: &'a Path,
    /// When nothing of them had been looked at yet.
    pub since: SystemTime,
}

impl Adoption<'_> {
    /// Returns the names of the packages that were moved. If the link cannot be made at the end, they are
    /// moved back.
    pub fn run(&self, parent: &Path, packages: &[&Package]) -> Result<Vec<String>> {
        let packages_dir = self.packages_dir;
        // Both have to be writable, which is found out before anything is moved.
        let here = WorkDir::new_in(parent)?;
        let there = WorkDir::new_in(self.shared)?;
        let link = here.path().join("link");
        fs_err::os::unix::fs::symlink(self.shared, &link)?;
        let mut moved = Vec::new();
        let linked = self.move_all(packages, &there, &mut moved).and_then(|()| {
            // Fails if something appeared in it meanwhile, or if it is a mount point.
            fs::remove_dir(packages_dir)?;
            Ok(fs::rename(&link, packages_dir)?)
        });
        if let Err(error) = linked {
            ensure_dirs(packages_dir)?;
            for name in &moved {
                rename_to_new(&self.shared.join(name), &packages_dir.join(name))?;
            }
            return Err(error);
        }
        Ok(moved)
    }

    fn move_all(
        &self,
        packages: &[&Package],
        there: &WorkDir,
        moved: &mut Vec<String>,
    ) -> Result<()> {
        for package in packages {
            let from = self.packages_dir.join(&package.name);
            let to = self.shared.join(&package.name);
            // Without locks, another process may have moved it.
            if !exists(&from)? && exists(&to)? {
                continue;
            }
            match rename_to_new(&from, &to)? {
                Renamed::Done => moved.push(package.name.clone()),
                Renamed::Taken => {
                    check_other(package, self.shared)?;
                    // The same package. Its build is worth keeping where there is none.
                    let build = Path::new(".lake/build");
                    if is_dir(&from.join(build))? && !exists(&to.join(build))? {
                        ensure_dirs(&to.join(".lake"))?;
                        rename_to_new(&from.join(build), &to.join(build))?;
                    }
                    self.remove_duplicate(&from, &to)?;
                }
                Renamed::Elsewhere => {
                    let copy = there.path().join(&package.name);
                    copy_tree(&from, &copy)?;
                    if rename_to_new(&copy, &to)? == Renamed::Done {
                        moved.push(package.name.clone());
                    }
                    self.remove_duplicate(&from, &to)?;
                }
            }
        }
        Ok(())
    }

    /// Removes `from`, of which `to` is a copy, as far as it has not changed meanwhile.
    fn remove_duplicate(&self, from: &Path, to: &Path) -> Result<()> {
        // Without locks, another process may put the link in the place of `packages_dir` at any moment, and
        // `from` is `to` then. What is open stays what it is.
        let dir = fs::File::open(from)?;
        let (meta, other) = (dir.metadata()?, fs::metadata(to)?);
        if (meta.dev(), meta.ino()) == (other.dev(), other.ino()) {
            return Ok(());
        }
        let open = Path::new("/proc/self/fd").join(dir.as_raw_fd().to_string());
        remove_unchanged(&open, from, self.since)?;
        Ok(fs::remove_dir(from)?)
    }
}

/// Removes what is in `dir` and was not changed after `since`. What was edited meanwhile stays where it is.
/// `name` is what messages call `dir`.
///
/// # Errors
/// Names a file that stays.
fn remove_unchanged(dir: &Path, name: &Path, since: SystemTime) -> Result<()> {
    let start = since.duration_since(SystemTime::UNIX_EPOCH)?;
    let start = (start.as_secs().cast_signed(), i64::from(start.subsec_nanos()));
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let (path, name) = (entry.path(), name.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            remove_unchanged(&path, &name, since)?;
            fs::remove_dir(path)?;
        } else {
            let meta = fs::symlink_metadata(&path)?;
            let is_older = (meta.ctime(), meta.ctime_nsec()) < start;
            ensure!(is_older, "`{}` was changed while it was moved", name.display());
            fs::remove_file(path)?;
        }
    }
    Ok(())
}
