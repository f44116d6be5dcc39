//! Whose symlinks are followed for writing.
//!
//! Lake follows every link, and so do people who keep `.lake` on a bigger disk. But somebody who may
//! write in a directory in which root, or another user, runs the shim could plant one, and have files
//! written where he may not. So a link counts when it is this user's own, root's, or of the same
//! owner as what it leads to: then its owner gained nothing by it. What is looked at can be changed
//! before it is used; against somebody who is at it in that very moment only his not being there
//! helps.

use super::if_there;
use crate::error::hint;
use anyhow::{Context, Result, bail};
use fs_err as fs;
use nix::unistd::geteuid;
use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::Metadata;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf, absolute};

/// How many symlinks Linux follows.
pub const MAX_LINKS: usize = 40;

/// Looks at every symlink on the way to `path`, which need not exist, and at `path` itself.
///
/// # Errors
/// When one of them does not count.
pub fn check_way(path: &Path) -> Result<()> {
    let mut way = PathBuf::from("/");
    let mut ahead: VecDeque<OsString> = components(&absolute(path)?);
    let mut links = 0;
    while let Some(name) = ahead.pop_front() {
        if name == ".." {
            way.pop();
            continue;
        }
        let next = way.join(name);
        match fs::read_link(&next) {
            Ok(target) => {
                check(&next)?;
                links += 1;
                if links > MAX_LINKS {
                    return Ok(()); // the kernel does not go there either, and says so
                }
                if target.is_absolute() {
                    way = PathBuf::from("/");
                }
                let mut target = components(&target);
                target.append(&mut ahead);
                ahead = target;
            }
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
            // It is no symlink.
            Err(e) if e.kind() == ErrorKind::InvalidInput => way = next,
            Err(e) => return Err(e.into()),
        }
    }
    Ok(())
}

/// As [`check_way`], for `link` alone, which may be no symlink at all.
pub fn check(link: &Path) -> Result<()> {
    if counts(link)? {
        return Ok(());
    }
    let target = fs::read_link(link)?;
    let owner = fs::symlink_metadata(link)?.uid();
    bail!(hint(
        format!(
            "`{}` is a symlink of {} to `{}`, which belongs to {}: nothing is written through it",
            link.display(),
            user(owner),
            target.display(),
            user(owner_of_target(link)?),
        ),
        format!("run it as {}, or make the link yours if you trust it", user(owner)),
    ))
}

/// Whether `link` is no symlink, or one that counts.
pub fn counts(link: &Path) -> Result<bool> {
    let Some(meta) = if_there(fs::symlink_metadata(link))?.filter(Metadata::is_symlink) else {
        return Ok(true);
    };
    Ok(is_harmless(meta.uid(), owner_of_target(link)?, geteuid().as_raw()))
}

/// Whether the owner of a link gains nothing when `me` writes through it.
fn is_harmless(link: u32, target: u32, me: u32) -> bool {
    link == me || link == 0 || link == target
}

/// The owner of what `link` leads to, or of the directory where that would be made.
fn owner_of_target(link: &Path) -> Result<u32> {
    if let Ok(meta) = fs::metadata(link) {
        return Ok(meta.uid());
    }
    let dir = link.parent().context("a link has a parent")?.join(fs::read_link(link)?);
    let there = dir.ancestors().find_map(|dir| fs::metadata(dir).ok());
    Ok(there.context("a link leads into a directory")?.uid())
}

fn components(path: &Path) -> VecDeque<OsString> {
    let names = path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    });
    names.collect()
}

/// A user for people. Not by name: looking that up may load libraries.
fn user(uid: u32) -> String {
    if uid == 0 { "root".to_owned() } else { format!("user {uid}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fs_err::os::unix::fs::symlink;
    use tempfile::TempDir;

    /// Links of one's own, in every form that a path can have.
    #[test]
    fn own_links_are_followed() {
        let dir = TempDir::new().expect("a directory");
        let path = |name: &str| dir.path().join(name);
        fs::create_dir_all(path("a/b")).expect("directories");
        symlink("a/../a", path("relative")).expect("a link");
        symlink(path("relative/b"), path("absolute")).expect("a link");
        symlink("nowhere/at/all", path("dangling")).expect("a link");
        symlink("loop", path("loop")).expect("a link");
        for fine in
            ["a/b", "relative/b", "absolute", "absolute/new/dir", "dangling", "missing/x", "loop/x"]
        {
            check_way(&path(fine)).unwrap_or_else(|e| panic!("{fine}: {e:#}"));
        }
    }

    #[test]
    fn whose_links_count() {
        const ROOT: u32 = 0;
        for (link, target, me, expected) in [
            (1, 2, 1, true),
            (1, ROOT, 1, true),
            (ROOT, 2, 1, true),
            (2, 2, 1, true),
            (2, 2, ROOT, true),
            (2, 1, 1, false),
            (2, 3, 1, false),
            (2, ROOT, 1, false),
            (2, ROOT, ROOT, false),
            (2, 3, ROOT, false),
        ] {
            assert_eq!(is_harmless(link, target, me), expected, "{link} to {target}, for {me}");
        }
    }
}
