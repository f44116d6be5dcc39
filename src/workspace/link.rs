//! The workspace's packages directory as a symlink to a shared one (`LAKE_PKG_DIR`).
//!
//! An absent or empty packages directory becomes a link. One with packages becomes a link only if every
//! entry is a package of the manifest that its repository and the lock can reproduce; those go to the shared
//! directory, and nothing else is ever moved. Everything else (local work, submodules, mounts, a link that
//! the user made, another user's directory) stays as it is, and [`Linked::Left`] says why.

use super::git::{Checkout, Work};
use super::shared::Shared;
use super::url::same_repository;
use super::{GitLock, Package, Workspace, without_dots};
use crate::child::Variables;
use crate::error::hint;
use crate::fs::{
    Lock, Renamed, WorkDir, copy_tree, create_symlink, ensure_dirs, exists, if_there, is_dir,
    is_same_file, is_symlink, links, rename_to_new, replace_by_dir, replace_symlink,
};
use crate::settings::{home_dir, var};
use anyhow::{Context, Result, bail, ensure};
use fs_err as fs;
use nix::unistd::geteuid;
use std::io::{ErrorKind, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// How the packages directory was left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Linked {
    /// It was a link to the shared directory already; nothing was written.
    Already,
    Now {
        /// Packages that went to the shared directory.
        moved: Vec<String>,
    },
    /// It stays what it is, for this reason.
    Left { reason: String },
    /// It is a directory of its own because the user asked for that ([`unlink`]).
    Private,
}

/// A packages directory with this in it is not to be linked.
pub const PRIVATE_MARK: &str = ".lake-shim.private";

/// Links `packages_dir`, the packages directory of `workspace` or the one that it had before, to `shared`,
/// which is made if it does not exist.
///
/// # Errors
/// Fails if `shared` cannot be a shared directory of this workspace, naming the value, and if the disk
/// refuses.
pub fn link(workspace: &Workspace, packages_dir: &Path, shared: &Path) -> Result<Linked> {
    let root = &workspace.root;
    let done = |linked| {
        Shared::of(shared).record(root);
        Ok(linked)
    };
    if fs::read_link(packages_dir).is_ok_and(|target| target == shared)
        && shared.is_dir()
        && links::counts(packages_dir)?
    {
        return done(Linked::Already);
    }
    check_shared(root, packages_dir, shared)?;
    if without_dots(packages_dir) == without_dots(shared) {
        ensure_dirs(shared)?; // `packagesDir` names the shared directory itself
        return done(Linked::Already);
    }
    workspace.check_packages_dir(Some(shared))?;
    let parent = packages_dir.parent().context("a packages directory has a parent")?;
    links::check_way(parent)?;
    let left = |reason: &str| Ok(Linked::Left { reason: reason.to_owned() });
    let Some(meta) = if_there(fs::symlink_metadata(packages_dir))? else {
        ensure_dirs(shared)?;
        ensure_dirs(parent)?;
        // `false`: another process was faster, and the next command looks again.
        return match create_symlink(shared, packages_dir)? {
            true => done(Linked::Now { moved: Vec::new() }),
            false => done(Linked::Already),
        };
    };
    ensure_dirs(shared)?;
    if is_same_file(packages_dir, shared) {
        if meta.is_symlink() && !links::counts(packages_dir)? {
            replace_symlink(shared, packages_dir)?; // another user's, and now this user wants it too
        }
        return done(Linked::Already); // by another spelling, or mounted there
    }
    if meta.is_symlink() {
        let target = parent.join(fs::read_link(packages_dir)?);
        if Shared::of(&target).has(root) {
            replace_symlink(shared, packages_dir)?; // we made it, for an earlier value of the setting
            return done(Linked::Now { moved: Vec::new() });
        }
        return left(&format!("it is a symlink to `{}`, which you made", target.display()));
    }
    if !meta.is_dir() {
        bail!(hint(
            format!("`{}` is a file, not a directory", packages_dir.display()),
            "move it away: Lake keeps its packages there",
        ));
    }
    if exists(&packages_dir.join(PRIVATE_MARK))? {
        return Ok(Linked::Private);
    }
    if meta.uid() != geteuid().as_raw() {
        return left("it belongs to another user");
    }
    // One after the other: two processes that move the same packages are in each other's way.
    let _turn = Lock::acquire(&workspace.lock_dir(), |_| {}, || Ok(()))?;
    if is_same_file(packages_dir, shared) {
        return done(Linked::Already);
    }
    let adoption = Adoption { packages_dir, shared, since: SystemTime::now() };
    let adopted =
        entries(workspace, packages_dir).and_then(|entries| adoption.run(parent, &entries));
    match adopted {
        Ok(moved) => done(Linked::Now { moved }),
        // Another process has linked it meanwhile.
        Err(_) if is_same_file(packages_dir, shared) => done(Linked::Already),
        Err(reason) => left(&format!("{reason:#}")),
    }
}

/// Before anything is written: `shared` can be a directory of packages for this workspace.
fn check_shared(root: &Path, packages_dir: &Path, shared: &Path) -> Result<()> {
    let is = format!("`{}` is `{}`", var::PKG_DIR, shared.display());
    let real = real_path(shared).with_context(|| is.clone())?;
    let is_around =
        root.starts_with(&real) || packages_dir.starts_with(&real) && real != packages_dir;
    let fault =
        if real.starts_with(root) || packages_dir != shared && shared.starts_with(packages_dir) {
            format!("inside the workspace `{}`", root.display())
        } else if is_around {
            format!("around the workspace `{}`", root.display())
        } else if home_dir().is_some_and(|home| real_path(&home).is_ok_and(|home| home == real)) {
            "your home directory".to_owned()
        } else if real.parent().is_none() {
            "the root of the file system".to_owned()
        } else {
            match if_there(fs::metadata(shared)).with_context(|| is.clone())? {
                Some(meta) if !meta.is_dir() => "not a directory".to_owned(),
                _ => return Ok(()),
            }
        };
    bail!(hint(
        format!("{is}, {fault}"),
        format!("set `{}` to a directory for packages alone, or unset it", var::PKG_DIR),
    ))
}

/// The real path that `path` has, or will have once it exists.
fn real_path(path: &Path) -> Result<PathBuf> {
    let plain = without_dots(path);
    for ancestor in plain.ancestors() {
        match fs::canonicalize(ancestor) {
            Ok(real) => {
                let rest = plain.strip_prefix(ancestor).unwrap_or(Path::new(""));
                return Ok(if rest.as_os_str().is_empty() { real } else { real.join(rest) });
            }
            // Not there yet. A link that leads nowhere is another matter.
            Err(e) if e.kind() == ErrorKind::NotFound && !ancestor.is_symlink() => {}
            Err(e) => return Err(e.into()),
        }
    }
    bail!("no part of it exists")
}

/// The packages in the packages directory, each of them reproducible.
///
/// # Errors
/// Says which entry is not, and why.
fn entries<'a>(workspace: &'a Workspace, dir: &Path) -> Result<Vec<&'a Package>> {
    WorkDir::sweep(dir);
    let mut packages = Vec::new();
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
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
    if let Some(reason) = checkout.is_tied() {
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

/// Moves reproducible packages to a shared directory, and puts the link in their place.
struct Adoption<'a> {
    packages_dir: &'a Path,
    shared: &'a Path,
    /// When nothing of them had been looked at yet.
    since: SystemTime,
}

impl Adoption<'_> {
    /// Returns the names of the packages that were moved. If the link cannot be made at the end, they are
    /// moved back.
    fn run(&self, parent: &Path, packages: &[&Package]) -> Result<Vec<String>> {
        let packages_dir = self.packages_dir;
        for package in packages {
            self.check_other(package)?;
        }
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

    /// Refuses a package that the shared directory has otherwise.
    fn check_other(&self, package: &Package) -> Result<()> {
        let Some(lock) = &package.lock else { return Ok(()) };
        let there = self.shared.join(&package.name);
        if !exists(&there)? {
            return Ok(());
        }
        let other = Checkout::open(&there);
        let is_equal = other.as_ref().is_some_and(|other| {
            other.head().as_ref() == Some(&lock.rev)
                && other.configured_origin().is_some_and(|url| same_repository(&url, &lock.url))
                && Work::of(other, &Variables::new()).is_ok_and(|work| work.changed.is_empty())
        });
        ensure!(is_equal, "`{}` has another `{}`", self.shared.display(), package.name);
        Ok(())
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
                    self.check_other(package)?;
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

/// What [`unlink`] has undone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unlinked {
    /// Where the packages directory led to.
    pub shared: Option<PathBuf>,
    /// Packages that were links themselves.
    pub packages: Vec<String>,
}

/// Gives `workspace` a packages directory of its own, and marks it so that it stays one. Of what it was
/// linked to it gets copies of `packages`, as far as they are there. Packages that are links themselves
/// become such copies, or go.
///
/// # Errors
/// Fails if the directory is outside of the workspace by no link of its own, or if the disk refuses.
pub fn unlink(workspace: &Workspace, packages: &[&str]) -> Result<Unlinked> {
    let Workspace { root, packages_dir, .. } = workspace;
    let parent = packages_dir.parent().context("a packages directory has a parent")?;
    links::check_way(parent)?;
    workspace.check_packages_dir(None)?;
    if !is_symlink(packages_dir)? {
        if !real_path(packages_dir)?.starts_with(root) {
            bail!(hint(
                format!(
                    "`{}` is outside of the workspace, and is not a link",
                    packages_dir.display()
                ),
                "give `packagesDir` a directory in the workspace, such as `.lake/packages`",
            ));
        }
        WorkDir::sweep(parent); // what a killed one has left after its last step
        fs::create_dir_all(packages_dir)?;
        let links = links_of_packages(packages_dir)?;
        for link in &links {
            unlink_package(link, packages)?;
        }
        mark_private(packages_dir)?;
        let packages = links.iter().filter_map(|link| name(link)).collect();
        return Ok(Unlinked { shared: None, packages });
    }
    let shared = fs::read_link(packages_dir)?;
    let work = WorkDir::new_in(parent)?;
    let own = work.path().join("packages");
    fs::create_dir(&own)?;
    for package in packages {
        let from = parent.join(&shared).join(package);
        if is_dir(&from)? {
            copy_tree(&fs::canonicalize(from)?, &own.join(package))?;
        }
    }
    mark_private(&own)?;
    replace_by_dir(packages_dir, &own)?;
    Ok(Unlinked { shared: Some(shared), packages: Vec::new() })
}

/// As [`unlink`], for a setting (`LAKE_SHIM_PRIVATE`) that a command finds: a link that the user made stays,
/// of all packages and of one. Links to `shared`, and those that we made, are ours to undo.
pub fn keep_private(workspace: &Workspace, shared: Option<&Path>) -> Result<Unlinked> {
    let Workspace { root, packages_dir, .. } = workspace;
    let parent = packages_dir.parent().context("a packages directory has a parent")?;
    if let Ok(target) = fs::read_link(packages_dir) {
        let target = parent.join(target);
        let is_ours = shared
            .is_some_and(|shared| target == shared || is_same_file(&target, shared))
            || Shared::of(&target).has(root);
        return if is_ours { unlink(workspace, &[]) } else { Ok(Unlinked::default()) };
    }
    workspace.check_packages_dir(None)?;
    if real_path(packages_dir)?.starts_with(root) {
        links::check_way(parent)?;
        fs::create_dir_all(packages_dir)?;
        mark_private(packages_dir)?;
    }
    Ok(Unlinked::default())
}

/// Replaces `link` by a copy of the package it leads to, if that is there and one of `packages`.
fn unlink_package(link: &Path, packages: &[&str]) -> Result<()> {
    let is_wanted = name(link).is_some_and(|name| packages.contains(&name.as_str()));
    if !is_wanted || !is_dir(link)? {
        return Ok(fs::remove_file(link)?);
    }
    let work = WorkDir::new_in(link.parent().context("a package has a parent")?)?;
    let copy = work.path().join("package");
    copy_tree(&fs::canonicalize(link)?, &copy)?;
    replace_by_dir(link, &copy)
}

fn name(path: &Path) -> Option<String> {
    Some(path.file_name()?.to_string_lossy().into_owned())
}

/// Lets [`link`] have a directory that [`unlink`] made.
pub fn release(packages_dir: &Path) -> Result<()> {
    let mark = packages_dir.join(PRIVATE_MARK);
    if !is_symlink(packages_dir)? && exists(&mark)? {
        fs::remove_file(mark)?;
    }
    Ok(())
}

fn mark_private(dir: &Path) -> Result<()> {
    let text = "`lake-shim unlink` made this directory; `lake-shim link` shares it again\n";
    match fs::File::create_new(dir.join(PRIVATE_MARK)) {
        Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(()),
        file => Ok(file?.write_all(text.as_bytes())?),
    }
}

/// The entries of `packages_dir` that are links.
fn links_of_packages(packages_dir: &Path) -> Result<Vec<PathBuf>> {
    let mut links = Vec::new();
    for entry in fs::read_dir(packages_dir)? {
        let entry = entry?;
        if entry.file_type()?.is_symlink() {
            links.push(entry.path());
        }
    }
    links.sort();
    Ok(links)
}
