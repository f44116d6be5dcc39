//! The packages directory, and whether it is linked to the shared one.

use super::workspace::Located;
use super::{Finding, quoted, word};
use crate::settings::var;
use crate::workspace::link::PRIVATE_MARK;
use fs_err as fs;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What is at the packages directory, and at `LAKE_PKG_DIR`.
#[derive(Debug)]
pub struct Link {
    packages_dir: PathBuf,
    at: At,
    shared: Option<Shared>,
}

#[derive(Debug, PartialEq, Eq)]
enum At {
    Nothing,
    /// A symlink, and whether it leads somewhere.
    Link {
        target: PathBuf,
        leads: bool,
    },
    /// A directory, and what is in it.
    Directory {
        entries: BTreeSet<String>,
    },
    File,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    is: Is,
    /// Whether the packages directory leads there.
    is_linked: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Is {
    Directory {
        entries: BTreeSet<String>,
    },
    /// Not there, and would be made.
    Missing,
    Inside,
    /// A file, a loop, what may not be looked at.
    Unusable(String),
}

/// Looks at the packages directory of a workspace; nothing without one.
pub fn look(located: &Located, pkg_dir: Option<&Path>) -> Option<Link> {
    let (root, packages_dir) = (located.root.as_deref()?, located.packages_dir.clone()?);
    let real = |path: &Path| fs::canonicalize(path).ok();
    let leads = real(&packages_dir);
    let shared = pkg_dir.map(|path| Shared {
        is: shared(path, root, &packages_dir),
        is_linked: leads.is_some() && leads == real(path),
        path: path.to_owned(),
    });
    Some(Link { at: at(&packages_dir), packages_dir, shared })
}

fn at(path: &Path) -> At {
    match fs::symlink_metadata(path) {
        Err(_) => At::Nothing,
        Ok(meta) if meta.is_symlink() => {
            At::Link { target: fs::read_link(path).unwrap_or_default(), leads: path.exists() }
        }
        Ok(meta) if meta.is_dir() => At::Directory { entries: entries(path) },
        Ok(_) => At::File,
    }
}

fn entries(dir: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok);
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// As `proxy/link.rs` checks it before it links, but that nothing is made.
fn shared(path: &Path, root: &Path, packages_dir: &Path) -> Is {
    let there = path.ancestors().find(|dir| fs::symlink_metadata(dir).is_ok());
    let real = there.map(fs::canonicalize);
    let is_inside = |real: &Path| real.starts_with(root);
    let is_inside = matches!(&real, Some(Ok(real)) if is_inside(real))
        || path.starts_with(root)
        || path.starts_with(packages_dir);
    match (real, fs::metadata(path)) {
        _ if is_inside => Is::Inside,
        (Some(Err(e)), _) => Is::Unusable(e.to_string()),
        (_, Ok(meta)) if meta.is_dir() => Is::Directory { entries: entries(path) },
        (_, Ok(_)) => Is::Unusable("it is no directory".to_owned()),
        (_, Err(e)) if e.kind() == std::io::ErrorKind::NotFound => Is::Missing,
        (_, Err(e)) => Is::Unusable(e.to_string()),
    }
}

impl Link {
    /// Where the packages lie, for people.
    pub fn summary(&self) -> String {
        match &self.at {
            At::Link { target, .. } => {
                format!("{} -> {}", self.packages_dir.display(), target.display())
            }
            _ => self.packages_dir.display().to_string(),
        }
    }

    pub fn target(&self) -> Option<&Path> {
        match &self.at {
            At::Link { target, .. } => Some(target),
            _ => None,
        }
    }

    pub fn judge(&self) -> Vec<Finding> {
        let dir = quoted(&self.packages_dir);
        if self.at == At::File {
            let message = format!("{dir} is a file, and Lake keeps its packages there");
            let hint = format!("`rm {}`", word(&self.packages_dir));
            return vec![Finding::error("packages-dir", message, hint)];
        }
        let finding = match &self.shared {
            None => self.dangling(),
            Some(Shared { is_linked: true, is: Is::Directory { .. }, .. }) => None,
            Some(shared) => match &shared.is {
                Is::Inside => Some(shared.inside(&self.packages_dir)),
                Is::Unusable(reason) => Some(shared.unusable(reason)),
                Is::Missing => self.unlinked(shared, &BTreeSet::new()),
                Is::Directory { entries } => self.unlinked(shared, entries),
            },
        };
        finding.into_iter().collect()
    }

    /// Without a shared directory a link is somebody's own business, unless it leads nowhere.
    fn dangling(&self) -> Option<Finding> {
        let At::Link { target, leads: false } = &self.at else { return None };
        let message = "the packages directory is a link that leads nowhere";
        let hint = format!(
            "`rm {}`, and Lake makes a directory of its own; or set `{}` and have it linked",
            word(&self.packages_dir),
            var::PKG_DIR
        );
        let seen = format!("{} -> {}", quoted(&self.packages_dir), quoted(target));
        Some(Finding::error("dangling-link", message, hint).seen(seen))
    }

    /// `lake-shim link`, or the next build, will mend it, unless packages are in the way.
    fn unlinked(&self, shared: &Shared, there: &BTreeSet<String>) -> Option<Finding> {
        let wanted = format!("`{}` is {}", var::PKG_DIR, quoted(&shared.path));
        let hint = "`lake-shim link`; the next build does it too";
        match &self.at {
            At::Nothing => {
                let message = "the packages directory is not linked to the shared one yet";
                Some(Finding::note("not-linked", message, hint).seen(wanted))
            }
            At::Link { target, leads } => {
                let (check, message) = match leads {
                    true => ("wrong-link", "the packages directory is linked to another one"),
                    false => {
                        ("dangling-link", "the packages directory is a link that leads nowhere")
                    }
                };
                let link = format!("{} -> {}", quoted(&self.packages_dir), quoted(target));
                Some(Finding::warning(check, message, hint).seen(link).seen(wanted))
            }
            At::Directory { entries } if entries.contains(PRIVATE_MARK) => None,
            At::Directory { entries } => {
                let kept: Vec<_> = entries.intersection(there).map(|n| format!("`{n}`")).collect();
                if kept.is_empty() {
                    let message = "the packages directory is not linked to the shared one yet";
                    let moved = format!("what {} has moves there", quoted(&self.packages_dir));
                    return Some(
                        Finding::note("not-linked", message, hint).seen(wanted).seen(moved),
                    );
                }
                Some(self.kept(shared, &kept))
            }
            At::File => None,
        }
    }

    fn kept(&self, shared: &Shared, kept: &[String]) -> Finding {
        let message = "the packages directory is one of its own, and not linked to the shared one";
        let dir = word(&self.packages_dir);
        let hint = format!(
            "`mv {dir} {dir}.old && lake-shim link`; delete the old one when nothing in it is missed"
        );
        let seen = format!(
            "{} and {} both have {}",
            quoted(&self.packages_dir),
            quoted(&shared.path),
            kept.join(", ")
        );
        Finding::warning("directory-kept", message, hint).seen(seen)
    }
}

impl Shared {
    fn inside(&self, packages_dir: &Path) -> Finding {
        let message = format!("`{}` lies inside the workspace", var::PKG_DIR);
        let hint = format!(
            "set `{0}` to a directory that several workspaces can share, or `unset {0}`",
            var::PKG_DIR
        );
        Finding::error("pkg-dir-inside", message, hint)
            .seen(format!("it is {}", quoted(&self.path)))
            .seen(format!("the packages directory is {}", quoted(packages_dir)))
    }

    fn unusable(&self, reason: &str) -> Finding {
        let message = format!("`{}` cannot be a packages directory", var::PKG_DIR);
        let hint = format!("set `{0}` to a directory, or `unset {0}`", var::PKG_DIR);
        let finding = Finding::error("pkg-dir-unusable", message, hint);
        finding.seen(format!("it is {}: {reason}", quoted(&self.path)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn check(at: At, shared: Option<(Is, bool)>) -> Option<&'static str> {
        let shared = shared.map(|(is, is_linked)| Shared { path: "/srv/p".into(), is, is_linked });
        let link = Link { packages_dir: "/app/.lake/packages".into(), at, shared };
        link.judge().first().map(|finding| finding.check)
    }

    #[test]
    fn without_a_shared_directory() {
        assert_eq!(check(At::Nothing, None), None);
        assert_eq!(check(At::Directory { entries: names(&["a"]) }, None), None);
        assert_eq!(check(At::Link { target: "/x".into(), leads: true }, None), None);
        let dangling = At::Link { target: "/x".into(), leads: false };
        assert_eq!(check(dangling, None), Some("dangling-link"));
        assert_eq!(check(At::File, None), Some("packages-dir"));
    }

    #[test]
    fn with_a_shared_directory() {
        let has_a = || Is::Directory { entries: names(&["a"]) };
        let link = |leads| At::Link { target: "/x".into(), leads };
        let dir = |entries: &[&str]| At::Directory { entries: names(entries) };
        for (at, shared, expected) in [
            (link(true), (has_a(), true), None),
            (dir(&["a"]), (has_a(), true), None), // a bind mount
            (At::Nothing, (has_a(), false), Some("not-linked")),
            (At::Nothing, (Is::Missing, false), Some("not-linked")),
            (link(true), (has_a(), false), Some("wrong-link")),
            (link(false), (Is::Missing, false), Some("dangling-link")),
            (dir(&[]), (has_a(), false), Some("not-linked")),
            (dir(&["b"]), (has_a(), false), Some("not-linked")),
            (dir(&["a", "b"]), (has_a(), false), Some("directory-kept")),
            (dir(&["a", PRIVATE_MARK]), (has_a(), false), None),
            (link(true), (Is::Inside, true), Some("pkg-dir-inside")),
            (dir(&[]), (Is::Unusable("a loop".into()), false), Some("pkg-dir-unusable")),
            (At::File, (has_a(), false), Some("packages-dir")),
        ] {
            let told = format!("{at:?} {shared:?}");
            assert_eq!(check(at, Some(shared)), expected, "{told}");
        }
    }
}
