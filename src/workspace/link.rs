//! The workspace's packages directory as a symlink to a shared one (`LAKE_PKG_DIR`).
//!
//! An absent or empty packages directory becomes a link. One with packages becomes a link only if every
//! entry is a package of the manifest that its repository and the lock can reproduce; those go to the shared
//! directory, and nothing else is ever moved. Everything else (local work, submodules, mounts, a link that
//! the user made, another user's directory) stays as it is, and [`Linked::Left`] says why.

use super::adopt::{adopt, adoptable};
use super::shared::Shared;
use super::{Workspace, without_dots};
use crate::error::hint;
use crate::fs::{
    Lock, WorkDir, copy_tree, create_symlink, ensure_dirs, exists, if_there, is_dir, is_same_file,
    is_symlink, links, replace_by_dir, replace_symlink,
};
use crate::settings::{home_dir, var};
use anyhow::{Context, Result, bail, ensure};
use fs_err as fs;
use std::io::{ErrorKind, Write};
use std::path::{Component, Path, PathBuf};

/// State of the packages directory after [`link`].
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

/// The work that [`link`] has to do.
#[derive(Debug)]
pub enum Step {
    /// Nothing: it is a link to the shared directory, or that directory itself.
    None,
    /// Make a link where there is nothing.
    Create,
    /// Put a link in the place of one, which counts as this.
    Replace(Linked),
    /// Move the packages of that name, and put a link in the place of their directory.
    Adopt(Vec<String>),
    /// As [`Linked::Left`].
    Leave { reason: String },
    /// As [`Linked::Private`].
    Private,
}

/// Links `packages_dir`, the packages directory of `workspace` or the one that it had before, to `shared`,
/// which is made if it does not exist. If another process works on the packages, `waiting` is told which.
///
/// # Errors
/// Those of [`look`], if the disk refuses, and if a package could neither be moved nor be put back.
pub fn link(
    workspace: &Workspace,
    packages_dir: &Path,
    shared: &Path,
    waiting: impl FnOnce(String),
) -> Result<Linked> {
    link_if(|step| !matches!(step, Step::Private), workspace, packages_dir, shared, waiting)
}

/// As [`link`], for a directory that [`unlink`] made too. It stays private if it does not become a link.
pub fn share_again(
    workspace: &Workspace,
    packages_dir: &Path,
    shared: &Path,
    waiting: impl FnOnce(String),
) -> Result<Linked> {
    let linked = link_if(|_| true, workspace, packages_dir, shared, waiting)?;
    if linked == Linked::Already {
        release(packages_dir)?;
    }
    Ok(linked)
}

fn link_if(
    is_wanted: impl FnOnce(&Step) -> bool,
    workspace: &Workspace,
    packages_dir: &Path,
    shared: &Path,
    waiting: impl FnOnce(String),
) -> Result<Linked> {
    let users = Shared::of(shared);
    let done = |linked| {
        users.record(&workspace.root);
        Ok(linked)
    };
    let made = |linked| {
        users.record_link(&workspace.root, packages_dir);
        done(linked)
    };
    let is_link = fs::read_link(packages_dir).is_ok_and(|target| target == shared);
    if is_link && shared.is_dir() && links::counts(packages_dir)? {
        return done(Linked::Already);
    }
    let step = look(workspace, packages_dir, shared)?;
    if !is_wanted(&step) {
        return Ok(Linked::Private);
    }
    match step {
        Step::None => {
            make_shared(shared)?;
            done(Linked::Already)
        }
        Step::Create => {
            make_shared(shared)?;
            ensure_dirs(parent_of(packages_dir)?)?;
            // `false`: another process was faster, and the next command looks again.
            match create_symlink(shared, packages_dir)? {
                true => made(Linked::Now { moved: Vec::new() }),
                false => done(Linked::Already),
            }
        }
        Step::Replace(linked) => {
            make_shared(shared)?;
            replace_symlink(shared, packages_dir)?;
            made(linked)
        }
        Step::Adopt(_) | Step::Private => {
            make_shared(shared)?;
            // Two processes that move the same packages are in each other's way.
            let _turn = Lock::acquire(&workspace.own_lock_dir(), waiting, || Ok(()))?;
            match adopt(workspace, packages_dir, shared)? {
                linked @ Linked::Now { .. } => made(linked),
                Linked::Already => done(Linked::Already),
                left => Ok(left),
            }
        }
        Step::Leave { reason } => Ok(Linked::Left { reason }),
    }
}

/// Finds out what [`link`] has to do. Writes nothing.
///
/// # Errors
/// Fails if `shared` cannot be a shared directory of this workspace ([`check_shared`]), or if there can be no
/// link at `packages_dir`.
pub fn look(workspace: &Workspace, packages_dir: &Path, shared: &Path) -> Result<Step> {
    check_shared(&workspace.root, packages_dir, shared)?;
    if without_dots(packages_dir) == without_dots(shared) {
        return Ok(Step::None); // `packagesDir` names the shared directory itself
    }
    workspace.check_inside(packages_dir, Some(shared))?;
    let parent = parent_of(packages_dir)?;
    links::check_way(parent)?;
    let Some(meta) = if_there(fs::symlink_metadata(packages_dir))? else {
        return Ok(Step::Create);
    };
    let target = fs::read_link(packages_dir).ok();
    if target.as_deref() == Some(shared) || is_same_file(packages_dir, shared) {
        return Ok(match meta.is_symlink() && !links::counts(packages_dir)? {
            true => Step::Replace(Linked::Already), // another user's, and now this user wants it too
            false => Step::None,                    // by another spelling, too, or mounted there
        });
    }
    let leave = |reason: &str| Ok(Step::Leave { reason: reason.to_owned() });
    if let Some(target) = target {
        let target = parent.join(target);
        return match Shared::of(&target).has_link(&workspace.root, &meta) {
            // For an earlier value of the setting.
            true => Ok(Step::Replace(Linked::Now { moved: Vec::new() })),
            false => leave(&format!("it is a symlink to `{}`, which you made", target.display())),
        };
    }
    if !meta.is_dir() {
        bail!(hint(
            format!("`{}` is a file, not a directory", packages_dir.display()),
            "move it away: Lake keeps its packages there",
        ));
    }
    if exists(&packages_dir.join(PRIVATE_MARK))? {
        return Ok(Step::Private);
    }
    match adoptable(workspace, packages_dir, shared) {
        Ok(packages) => {
            Ok(Step::Adopt(packages.into_iter().map(|(name, _)| name.to_owned()).collect()))
        }
        Err(reason) => leave(&format!("{reason:#}")),
    }
}

fn make_shared(shared: &Path) -> Result<()> {
    ensure_dirs(shared).with_context(|| format!("`{}` is `{}`", var::PKG_DIR, shared.display()))
}

fn parent_of(packages_dir: &Path) -> Result<&Path> {
    packages_dir.parent().context("a packages directory has a parent")
}

/// Refuses a `shared` that cannot be a directory of packages for this workspace.
///
/// # Errors
/// Names the setting, its value and what is wrong with it.
pub fn check_shared(root: &Path, packages_dir: &Path, shared: &Path) -> Result<()> {
    let is = format!("`{}` is `{}`", var::PKG_DIR, shared.display());
    let way = format!("set `{}` to a directory for packages alone, or unset it", var::PKG_DIR);
    let real = real_path(&without_dots(shared)).with_context(|| hint(is.clone(), way.clone()))?;
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
            match if_there(fs::metadata(shared)).with_context(|| hint(is.clone(), way.clone()))? {
                Some(meta) if !meta.is_dir() => "not a directory".to_owned(),
                _ => return Ok(()),
            }
        };
    bail!(hint(format!("{is}, {fault}"), way))
}

/// The real path that `path` has, or will have once it exists.
///
/// # Errors
/// Fails if that cannot be told: a link leads nowhere, or `..` follows something that does not exist.
pub fn real_path(path: &Path) -> Result<PathBuf> {
    for ancestor in path.ancestors() {
        match fs::canonicalize(ancestor) {
            Ok(real) => {
                let rest = path.strip_prefix(ancestor).unwrap_or(Path::new(""));
                let has_dots = rest.components().any(|part| part == Component::ParentDir);
                ensure!(!has_dots, "`..` is behind what does not exist in `{}`", path.display());
                return Ok(if rest.as_os_str().is_empty() { real } else { real.join(rest) });
            }
            // Not there yet. A link that leads nowhere is another matter.
            Err(e) if e.kind() == ErrorKind::NotFound && !ancestor.is_symlink() => {}
            Err(e) => return Err(e.into()),
        }
    }
    bail!("no part of it exists")
}

/// Links that [`unlink`] has undone.
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
    let parent = parent_of(packages_dir)?;
    links::check_way(parent)?;
    workspace.check_inside(packages_dir, None)?;
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
    let parent = parent_of(packages_dir)?;
    if let Ok(target) = fs::read_link(packages_dir) {
        let target = parent.join(target);
        let is_ours = shared
            .is_some_and(|shared| target == shared || is_same_file(&target, shared))
            || workspace.has_linked(packages_dir);
        return if is_ours { unlink(workspace, &[]) } else { Ok(Unlinked::default()) };
    }
    workspace.check_inside(packages_dir, None)?;
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

/// Removes the mark of a directory that [`unlink`] made. `false` if it has none.
pub(super) fn release(dir: &Path) -> Result<bool> {
    let mark = dir.join(PRIVATE_MARK);
    let is_private = !is_symlink(dir)? && exists(&mark)?;
    if is_private {
        fs::remove_file(mark)?;
    }
    Ok(is_private)
}

pub(super) fn mark_private(dir: &Path) -> Result<()> {
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
