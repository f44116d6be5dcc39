//! The workspace's packages directory becomes a symlink to the shared one.
//!
//! Whatever is there is kept: a directory with packages is emptied into the shared directory as
//! far as that lacks them, and stays when something remains. Every step works if another process
//! does the same at the same time; whoever finds its step already done looks again.

use crate::error::hint;
use crate::fs::{
    WorkDir, copy_tree, create_symlink, exists, if_there, is_dir, is_symlink, links, move_aside,
    replace_by_dir, replace_symlink,
};
use crate::settings::var;
use anyhow::{Context, Result, bail};
use fs_err as fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Another process may be at it too; after this many looks something else is wrong.
const MAX_LOOKS: usize = 100;

/// How the packages directory was left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Linked {
    /// It was a link to the shared directory already; nothing was written.
    Already,
    Now {
        /// Packages that were moved into the shared directory.
        moved: Vec<String>,
    },
    /// It is still a directory of its own, for the shared one has other packages of these names.
    Kept { packages: Vec<String> },
    /// It is a directory of its own because somebody wanted that ([`unlink`]).
    Private,
}

/// A packages directory with this in it is not to be linked.
pub const PRIVATE_MARK: &str = ".lake-shim.private";

/// What [`unlink`] has undone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unlinked {
    /// Where the packages directory led to.
    pub shared: Option<PathBuf>,
    /// Packages that were links themselves.
    pub packages: Vec<String>,
}

/// Gives the workspace at `root` a packages directory of its own, and marks it so that it stays one.
/// Of what it was linked to it gets copies of `packages`, as far as they are there. Packages that are
/// links themselves become such copies, or go.
///
/// # Errors
/// When the directory is outside of the workspace by no link of its own, and when the disk refuses.
pub fn unlink(root: &Path, packages_dir: &Path, packages: &[&str]) -> Result<Unlinked> {
    let parent = packages_dir.parent().context("a packages directory has a parent")?;
    links::check_way(parent)?;
    if !is_symlink(packages_dir)? {
        if !real_path_of_missing(packages_dir)?.starts_with(root) {
            bail!(hint(
                format!("`{}` is outside of the workspace, and no link", packages_dir.display()),
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
        return Ok(Unlinked {
            shared: None,
            packages: links.iter().filter_map(|l| name(l)).collect(),
        });
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

/// Replaces `link` by a copy of the package it leads to, if that is one of `packages`, and there.
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

/// Links `packages_dir` of the workspace at `root` to `shared`, which is made if need be.
///
/// # Errors
/// When `shared` lies in the workspace or is no directory, and when the disk refuses.
pub fn link(root: &Path, packages_dir: &Path, shared: &Path) -> Result<Linked> {
    let leads_there = is_link_to(packages_dir, shared) && shared.is_dir();
    if leads_there && links::counts(packages_dir)? {
        return Ok(Linked::Already);
    }
    // `packagesDir` may name the shared directory itself.
    if packages_dir == shared && !root.starts_with(shared) && !shared.starts_with(root) {
        fs::create_dir_all(shared)?;
        return Ok(Linked::Already);
    }
    if !is_symlink(packages_dir)? && exists(&packages_dir.join(PRIVATE_MARK))? {
        return Ok(Linked::Private);
    }
    check_packages_dir(root, packages_dir)?;
    let parent = packages_dir.parent().context("a packages directory has a parent")?;
    links::check_way(parent)?;
    if leads_there {
        // Somebody else's, and now this user wants it too.
        replace_symlink(shared, packages_dir)?;
        return Ok(Linked::Already);
    }
    check_shared(root, packages_dir, shared)?;
    let mut moved = Vec::new();
    for _ in 0..MAX_LOOKS {
        let Some(look) = look(packages_dir, shared)? else {
            return Ok(Linked::Already);
        };
        let is_done = match look {
            Found::Nothing => {
                fs::create_dir_all(parent)?;
                create_symlink(shared, packages_dir)?
            }
            Found::OtherLink => {
                replace_symlink(shared, packages_dir)?;
                true
            }
            Found::Directory => {
                let remaining = empty_into(packages_dir, shared, &mut moved)?;
                if !remaining.is_empty() && packages_dir.is_symlink() {
                    continue; // linked by somebody else: what was listed is the shared directory
                }
                if !remaining.is_empty() {
                    leave_links(packages_dir, shared, &moved)?;
                    return Ok(Linked::Kept { packages: remaining });
                }
                remove_empty(packages_dir)? && create_symlink(shared, packages_dir)?
            }
        };
        if is_done {
            return Ok(Linked::Now { moved });
        }
    }
    bail!("`{}` keeps changing while it is being linked", packages_dir.display())
}

/// A `packagesDir` of `.` or `..` would make the project itself a package to move.
fn check_packages_dir(root: &Path, packages_dir: &Path) -> Result<()> {
    let real = fs::canonicalize(packages_dir).unwrap_or_else(|_| packages_dir.to_owned());
    if real.file_name().is_none() || root.starts_with(&real) {
        bail!(hint(
            format!(
                "the packages directory `{}` has the workspace itself in it",
                packages_dir.display()
            ),
            "give `packagesDir` a directory of its own, such as `.lake/packages`",
        ));
    }
    Ok(())
}

/// Before anything is written: `shared` is outside of the workspace and can be a directory.
fn check_shared(root: &Path, packages_dir: &Path, shared: &Path) -> Result<()> {
    let real = real_path_of_missing(shared)
        .with_context(|| format!("`{}` is `{}`", var::PKG_DIR, shared.display()))?;
    if real.starts_with(root) || shared.starts_with(root) || shared.starts_with(packages_dir) {
        bail!(hint(
            format!(
                "`{}` is `{}`, inside the workspace `{}`",
                var::PKG_DIR,
                shared.display(),
                root.display()
            ),
            "name a directory that several workspaces can share, or unset it",
        ));
    }
    match fs::metadata(shared) {
        Ok(meta) if meta.is_dir() => Ok(()),
        Ok(_) => bail!(hint(
            format!("`{}` is `{}`, which is no directory", var::PKG_DIR, shared.display()),
            "name a directory, or unset it",
        )),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(fs::create_dir_all(shared)?),
        Err(e) => Err(e.into()),
    }
}

/// What the real path of `path` will be once it exists: that of the nearest ancestor which does,
/// and the rest.
fn real_path_of_missing(path: &Path) -> Result<PathBuf> {
    for ancestor in path.ancestors() {
        match fs::canonicalize(ancestor) {
            Ok(real) => {
                let rest = path.strip_prefix(ancestor).unwrap_or(Path::new(""));
                return Ok(if rest.as_os_str().is_empty() { real } else { real.join(rest) });
            }
            // Not there, or not yet; a link that leads nowhere is another matter.
            Err(e) if e.kind() == ErrorKind::NotFound && !ancestor.is_symlink() => {}
            Err(e) => return Err(e.into()),
        }
    }
    bail!("no part of it exists")
}

enum Found {
    Nothing,
    OtherLink,
    Directory,
}

/// What is at `packages_dir`; nothing when it leads to `shared`, however it is spelled.
fn look(packages_dir: &Path, shared: &Path) -> Result<Option<Found>> {
    let meta = match fs::symlink_metadata(packages_dir) {
        Ok(meta) => meta,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Some(Found::Nothing)),
        Err(e) => return Err(e.into()),
    };
    let real = |path| fs::canonicalize(path).ok();
    let leads_there = real(packages_dir).is_some_and(|target| Some(target) == real(shared));
    if meta.is_symlink() {
        Ok((!leads_there).then_some(Found::OtherLink))
    } else if leads_there {
        Ok(None) // a bind mount, or a parent directory that is a link
    } else if meta.is_dir() {
        Ok(Some(Found::Directory))
    } else {
        bail!(hint(
            format!("`{}` is a file, not a directory", packages_dir.display()),
            "move it away: Lake keeps its packages there",
        ))
    }
}

fn is_link_to(link: &Path, target: &Path) -> bool {
    fs::read_link(link).is_ok_and(|found| found == target)
}

/// Moves what `shared` lacks over there. The names of what remains.
fn empty_into(packages_dir: &Path, shared: &Path, moved: &mut Vec<String>) -> Result<Vec<String>> {
    let entries = match fs::read_dir(packages_dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(e.into()),
    };
    let mut remaining = Vec::new();
    let mut links = Vec::new();
    for entry in entries {
        let from = entry?.path();
        let Some(name) = from.file_name() else {
            continue;
        };
        let to = shared.join(name);
        let name = name.to_string_lossy().into_owned();
        let Some(meta) = if_there(fs::symlink_metadata(&from))? else {
            continue; // moved by somebody else just now
        };
        if meta.is_symlink() && is_link_to(&from, &to) {
            links.push(from); // left by `leave_links` when something else remained
        } else if meta.is_symlink() || !is_package(&from) && exists(&from)? {
            remaining.push(name); // a link's target may be relative, and files are nobody's package
        } else if move_aside(&from, &to)? {
            moved.push(name);
        } else if exists(&from)? {
            remaining.push(name);
        }
    }
    if remaining.is_empty() {
        links.iter().try_for_each(fs::remove_file)?;
    }
    remaining.sort();
    Ok(remaining)
}

/// A clone, or what has a configuration file of Lake's.
fn is_package(dir: &Path) -> bool {
    [".git", "lakefile.toml", "lakefile.lean"].iter().any(|sign| dir.join(sign).exists())
}

/// A directory that stays must not lack what was moved out of it, or Lake would clone it again.
fn leave_links(packages_dir: &Path, shared: &Path, moved: &[String]) -> Result<()> {
    for name in moved {
        create_symlink(&shared.join(name), &packages_dir.join(name))?;
    }
    Ok(())
}

/// `Ok(false)` when something appeared in it meanwhile.
fn remove_empty(dir: &Path) -> Result<bool> {
    match fs::remove_dir(dir) {
        Ok(()) => Ok(true),
        Err(e)
            if matches!(
                e.kind(),
                ErrorKind::DirectoryNotEmpty | ErrorKind::NotFound | ErrorKind::NotADirectory
            ) =>
        {
            Ok(false)
        }
        Err(e) => Err(e.into()),
    }
}
