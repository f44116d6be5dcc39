//! Moving the packages of a workspace to a shared directory, on the way to a link ([`super::link`]).
//!
//! Only packages that their repository and the lock can reproduce are moved. Other processes may be at work in
//! the same directory: one that links it too, a build, an editor. So a package is first taken out of the
//! directory, then looked at once more, and deleted only if nothing in it has changed since it was checked. The
//! directory is held open meanwhile: its path may lead to the shared one by then.

use super::git::{Checkout, Work};
use super::link::{Linked, PRIVATE_MARK, mark_private, release};
use super::shared::{STATE_DIR, Shared};
use super::url::{same_repository, shown};
use super::{GitLock, Package, Workspace};
use crate::child::Variables;
use crate::error::hint;
use crate::fs::{
    Renamed, WorkDir, copy_tree, ensure_dirs, exists, if_there, is_dir, is_same_file, is_symlink,
    mount_in, rename_to_new, rename_to_new_from,
};
use anyhow::{Context, Error, Result, bail, ensure};
use fs_err as fs;
use fs_err::os::unix::fs::{OpenOptionsExt, symlink};
use nix::fcntl::OFlag;
use nix::unistd::geteuid;
use std::io::ErrorKind;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Longest time by which a file's change time lags behind the clock: a tick of the kernel's timer.
const TICK: Duration = Duration::from_millis(10);

/// Moves the packages in `packages_dir` to `shared`, and puts a link in the place of the directory. The
/// directory stays as it is, for the reason in [`Linked::Left`], if one of its entries could not be made again
/// from its repository, the shared directory has another package of that name, or the disk refuses.
///
/// # Errors
/// Fails if a package could neither be moved nor be put back. Says where it is.
pub(super) fn adopt(workspace: &Workspace, packages_dir: &Path, shared: &Path) -> Result<Linked> {
    let left = |reason: Error| match is_same_file(packages_dir, shared) {
        true => Linked::Already, // another process has linked it meanwhile
        false => Linked::Left { reason: format!("{reason:#}") },
    };
    let (mut adoption, packages) = match Adoption::prepare(workspace, packages_dir, shared) {
        Ok(prepared) => prepared,
        Err(reason) => return Ok(left(reason)),
    };
    let linked = adoption.take_all(&packages).and_then(|()| adoption.link());
    if is_same_file(packages_dir, shared) {
        adoption.keep_builds();
    }
    let moved = adoption.moved.iter().filter(|moved| !moved.was_there);
    let moved = moved.map(|moved| moved.name.clone()).collect();
    let settled = adoption.settle();
    match linked {
        Ok(()) => settled.map(|()| Linked::Now { moved }),
        Err(reason) => settled.with_context(|| format!("{reason:#}")).map(|()| left(reason)),
    }
}

/// The packages in the packages directory `dir`, each of them reproducible, and the same as in `shared` if it is
/// there too. Writes nothing.
///
/// # Errors
/// Says which entry is not, and why.
pub(super) fn adoptable<'a>(
    workspace: &'a Workspace,
    dir: &Path,
    shared: &Path,
) -> Result<Vec<(&'a str, &'a GitLock)>> {
    if let Some(mount) = mount_in(dir)? {
        bail!("`{}` is a mount", mount.display());
    }
    ensure!(fs::metadata(dir)?.uid() == geteuid().as_raw(), "it belongs to another user");
    let abandoned: Vec<_> = WorkDir::abandoned(dir).collect();
    let mut packages = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name == PRIVATE_MARK || abandoned.contains(&entry.path()) {
            continue; // which goes with the directory
        }
        if name == STATE_DIR {
            let other = Shared::of(dir).others(&workspace.root).into_iter().next();
            if let Some(other) = other {
                bail!("`{}` uses it too", other.root.display());
            }
            continue; // from when it was a shared directory itself
        }
        let is_it = |package: &&Package| package.name == name && !package.is_overridden;
        let package = workspace.packages.iter().find(is_it);
        let lock = package.and_then(|package| Some((&*package.name, package.lock.as_ref()?)));
        let lock = lock
            .with_context(|| format!("it has `{name}`, which is not a package of the manifest"))?;
        packages.push(lock);
    }
    if packages.is_empty() {
        return Ok(packages);
    }
    packages.sort_by_key(|(name, _)| *name);
    ensure!(!is_tracked(workspace, dir)?, "it is tracked by this project's git repository");
    for (name, lock) in &packages {
        if let Err(reason) = check_reproducible(lock, &dir.join(name)) {
            bail!("`{name}` {reason:#}");
        }
        check_other(name, lock, shared)?;
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
    ensure!(same_repository(&origin, &lock.url), "is a checkout of `{}`", shown(&origin));
    let lakes_own = dir.join(".lake");
    for own in [&lakes_own, &lakes_own.join("build")] {
        ensure!(!is_symlink(own)?, "has a symlink of yours at `{}`", own.display());
    }
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

/// Refuses a package that the shared directory has otherwise.
fn check_other(name: &str, lock: &GitLock, shared: &Path) -> Result<()> {
    let there = shared.join(name);
    if !exists(&there)? {
        return Ok(());
    }
    let other = Checkout::open(&there);
    let is_equal = other.as_ref().is_some_and(|other| {
        other.head().as_ref() == Some(&lock.rev)
            && other.configured_origin().is_some_and(|url| same_repository(&url, &lock.url))
            && Work::of(other, &Variables::new()).is_ok_and(|work| work.changed.is_empty())
    });
    ensure!(is_equal, "`{}` has another `{name}`", shared.display());
    Ok(())
}

struct Adoption<'a> {
    packages_dir: &'a Path,
    shared: &'a Path,
    /// The packages directory, which the path may not lead to any more.
    dir: std::fs::File,
    /// From before the packages were checked.
    since: SystemTime,
    /// Beside the packages directory. Has the link that is to be, and the packages that the shared directory
    /// has too, until the link is in its place.
    here: WorkDir,
    /// In the shared directory.
    there: WorkDir,
    moved: Vec<Moved>,
    /// The directory had the mark of a private one.
    was_private: bool,
}

struct Moved {
    name: String,
    /// The shared directory had an equal package.
    was_there: bool,
    now: Now,
}

/// Where the original of a package is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Now {
    /// In the shared directory.
    There,
    /// In [`Adoption::here`].
    Here,
    /// Deleted, all or in part. The shared directory has a copy.
    Deleted,
}

impl<'a> Adoption<'a> {
    /// Checks what can be checked before anything is moved.
    fn prepare(
        workspace: &'a Workspace,
        packages_dir: &'a Path,
        shared: &'a Path,
    ) -> Result<(Self, Vec<(&'a str, &'a GitLock)>)> {
        let parent = packages_dir.parent().context("a packages directory has a parent")?;
        let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW;
        let dir =
            fs::OpenOptions::new().read(true).custom_flags(flags.bits()).open(packages_dir)?;
        let since = SystemTime::now();
        std::thread::sleep(TICK);
        let packages = adoptable(workspace, packages_dir, shared)?;
        WorkDir::sweep(packages_dir);
        // Both have to be writable.
        let (here, there) = (WorkDir::new_in(parent)?, WorkDir::new_in(shared)?);
        let dir = dir.into_file();
        let (moved, was_private) = (Vec::new(), false);
        let adoption = Self { packages_dir, shared, dir, since, here, there, moved, was_private };
        symlink(shared, adoption.new_link())?;
        Ok((adoption, packages))
    }

    fn new_link(&self) -> PathBuf {
        self.here.path().join(".link")
    }

    /// Puts the link in the place of the directory, which is empty by now.
    fn link(&mut self) -> Result<()> {
        self.was_private = release(&self.held(""))?;
        Shared::of(&self.held("")).remove_records();
        // Fails if something appeared in it meanwhile.
        fs::remove_dir(self.packages_dir)?;
        Ok(fs::rename(self.new_link(), self.packages_dir)?)
    }

    fn take_all(&mut self, packages: &[(&str, &GitLock)]) -> Result<()> {
        packages.iter().try_for_each(|(name, _)| self.take(name))
    }

    fn take(&mut self, name: &str) -> Result<()> {
        let to = self.shared.join(name);
        match rename_to_new_from(&self.dir, name, &to) {
            // Another process is moving the packages too.
            Err(e) if e.kind() == ErrorKind::NotFound && exists(&to)? => Ok(()),
            Err(e) => Err(e.into()),
            Ok(Renamed::Done) => {
                self.moved.push(Moved { name: name.to_owned(), was_there: false, now: Now::There });
                Ok(())
            }
            Ok(Renamed::Taken) => self.replace(name, None),
            Ok(Renamed::Elsewhere) => {
                let copy = self.there.path().join(name);
                copy_tree(&self.packages_dir.join(name), &copy)?;
                self.replace(name, Some(&copy))
            }
        }
    }

    /// Takes away a package of which the shared directory has, or gets, a `copy`.
    fn replace(&mut self, name: &str, copy: Option<&Path>) -> Result<()> {
        let aside = self.here.path().join(name);
        // On overlayfs a directory of a lower layer cannot be renamed at all.
        let is_aside = rename_to_new_from(&self.dir, name, &aside)? == Renamed::Done;
        let now = if is_aside { Now::Here } else { Now::Deleted };
        self.moved.push(Moved { name: name.to_owned(), was_there: true, now });
        let original = if is_aside { aside } else { self.held(name) };
        check_unchanged(&original, self.since)?;
        if let Some(copy) = copy
            && rename_to_new(copy, &self.shared.join(name))? == Renamed::Done
            && let Some(moved) = self.moved.last_mut()
        {
            moved.was_there = false;
        }
        if !is_aside {
            remove_unchanged(&original, self.since)?;
        }
        Ok(())
    }

    /// A path to a package in the directory that is held open.
    fn held(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.dir.as_raw_fd())).join(name)
    }

    /// Puts packages back, unless the link is in the place of their directory. Originals that are beside it go
    /// if they are in the shared directory too, unchanged.
    ///
    /// # Errors
    /// Says where each package is that could not be put back. Nothing of it is deleted.
    fn settle(self) -> Result<()> {
        let is_linked = is_same_file(self.packages_dir, self.shared);
        let mut stuck = Vec::new();
        let mut is_here = false;
        for moved in &self.moved {
            if let Err(error) = self.settle_one(moved, is_linked) {
                is_here |= moved.now == Now::Here;
                let place = if moved.now == Now::Here { self.here.path() } else { self.shared };
                stuck.push(format!("`{}` is in `{}` now ({error:#})", moved.name, place.display()));
            }
        }
        let mark = || {
            ensure_dirs(self.packages_dir)?;
            mark_private(self.packages_dir)
        };
        if self.was_private
            && !is_linked
            && let Err(error) = mark()
        {
            stuck.push(format!("`{}` is not private now ({error:#})", self.packages_dir.display()));
        }
        if stuck.is_empty() {
            return Ok(());
        }
        if is_here {
            let _ = fs::remove_file(self.new_link());
            self.here.keep();
        }
        bail!(hint(
            stuck.join(", "),
            "nothing of it was deleted: compare it with what is in its place, and remove one of the two",
        ))
    }

    fn settle_one(&self, moved: &Moved, is_linked: bool) -> Result<()> {
        let name = &moved.name;
        let (here, there) = (self.here.path().join(name), self.shared.join(name));
        let from = match moved.now {
            Now::There if is_linked => return Ok(()),
            Now::Here if is_linked => return check_unchanged(&here, self.since),
            Now::There => there,
            Now::Here => here,
            Now::Deleted => return copy_missing(&there, &self.packages_dir.join(name)),
        };
        ensure_dirs(self.packages_dir)?;
        let to = self.packages_dir.join(name);
        let is_back = rename_to_new(&from, &to)? == Renamed::Done;
        ensure!(is_back, "`{}` is something else by now", to.display());
        Ok(())
    }

    /// Moves builds to packages that have none.
    fn keep_builds(&self) {
        let build = Path::new(".lake/build");
        for Moved { name, was_there, now } in &self.moved {
            let (from, to) =
                (self.here.path().join(name).join(build), self.shared.join(name).join(build));
            if *was_there && *now == Now::Here && is_dir(&from).unwrap_or(false) {
                let _ = ensure_dirs(&self.shared.join(name).join(".lake"))
                    .and_then(|()| rename_to_new(&from, &to)); // else it is built again
            }
        }
    }
}

/// # Errors
/// Names the file if it was changed or made after `since`.
fn check_file(path: &Path, since: SystemTime) -> Result<()> {
    let since = since.duration_since(SystemTime::UNIX_EPOCH)?;
    let meta = fs::symlink_metadata(path)?;
    let changed = (meta.ctime(), meta.ctime_nsec());
    let is_unchanged = changed < (since.as_secs().cast_signed(), i64::from(since.subsec_nanos()));
    let name = path.file_name().unwrap_or_default();
    ensure!(is_unchanged, "`{}` was changed while it was moved", name.display());
    Ok(())
}

/// # Errors
/// Names a file below `dir` that was changed or made after `since`.
fn check_unchanged(dir: &Path, since: SystemTime) -> Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            check_unchanged(&entry.path(), since)?;
        } else {
            check_file(&entry.path(), since)?;
        }
    }
    Ok(())
}

/// Removes the files below `dir` that were not changed after `since`, and the directories that this empties.
///
/// # Errors
/// Names a file that stays.
fn remove_unchanged(dir: &Path, since: SystemTime) -> Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_unchanged(&entry.path(), since)?;
        } else {
            check_file(&entry.path(), since)?;
            fs::remove_file(entry.path())?;
        }
    }
    Ok(fs::remove_dir(dir)?)
}

/// Copies what is below `from` and not below `to`.
fn copy_missing(from: &Path, to: &Path) -> Result<()> {
    if !exists(to)? {
        return copy_tree(from, to);
    }
    if is_dir(from)? && !is_symlink(from)? {
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            copy_missing(&entry.path(), &to.join(entry.file_name()))?;
        }
    }
    Ok(())
}
