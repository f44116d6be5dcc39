//! The packages directory, and whether it is linked to the shared one. What linking would do is
//! [`link::look`]'s to say.

use super::workspace::Located;
use super::{Finding, quoted, word};
use crate::settings::var;
use crate::workspace::link::{self, Step};
use anyhow::Error;
use fs_err as fs;
use std::path::{Path, PathBuf};

/// The packages directory, and the next link.
#[derive(Debug)]
pub struct Link {
    packages_dir: PathBuf,
    at: At,
    /// `None` if `LAKE_PKG_DIR` is not set.
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
    Directory,
    File,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    outlook: Outlook,
}

/// The effect of the next command.
#[derive(Debug)]
enum Outlook {
    /// `LAKE_PKG_DIR` cannot be a shared directory of this workspace.
    Unusable(Error),
    /// There can be no link.
    Fails(Error),
    /// Nothing, or the manifest cannot tell.
    Right,
    /// A link is made, after these packages have moved.
    Links {
        moves: Vec<String>,
    },
    Stays {
        reason: String,
    },
}

/// Looks at the packages directory of a workspace. `None` without one.
pub fn look(located: &Located, pkg_dir: Option<&Path>) -> Option<Link> {
    let packages_dir = located.packages_dir.clone()?;
    let outlook =
        |path: &Path| match link::check_shared(located.root.as_deref()?, &packages_dir, path) {
            Err(error) => Some(Outlook::Unusable(error)),
            Ok(()) => Some(match &located.workspace {
                Some(workspace) => Outlook::of(link::look(workspace, &packages_dir, path)),
                None => Outlook::Right,
            }),
        };
    let shared =
        pkg_dir.and_then(|path| Some(Shared { path: path.to_owned(), outlook: outlook(path)? }));
    Some(Link { at: at(&packages_dir), packages_dir, shared })
}

fn at(path: &Path) -> At {
    match fs::symlink_metadata(path) {
        Err(_) => At::Nothing,
        Ok(meta) if meta.is_symlink() => {
            At::Link { target: fs::read_link(path).unwrap_or_default(), leads: path.exists() }
        }
        Ok(meta) if meta.is_dir() => At::Directory,
        Ok(_) => At::File,
    }
}

impl Outlook {
    fn of(step: anyhow::Result<Step>) -> Self {
        match step {
            Err(error) => Self::Fails(error),
            Ok(Step::None | Step::Private) => Self::Right,
            Ok(Step::Create | Step::Replace(_)) => Self::Links { moves: Vec::new() },
            Ok(Step::Adopt(packages)) => Self::Links { moves: packages },
            Ok(Step::Leave { reason }) => Self::Stays { reason },
        }
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
        if self.at == At::File {
            let message = format!(
                "{} is a file, and Lake keeps its packages there",
                quoted(&self.packages_dir)
            );
            let hint = format!("`rm {}`", word(&self.packages_dir));
            return vec![Finding::error("packages-dir", message, hint)];
        }
        let finding = match &self.shared {
            Some(Shared { path, outlook }) => self.shared(path, outlook),
            None => None,
        };
        finding.or_else(|| self.dangling()).into_iter().collect()
    }

    fn shared(&self, path: &Path, outlook: &Outlook) -> Option<Finding> {
        let wanted = format!("`{}` is {}", var::PKG_DIR, quoted(path));
        let seen = |finding: Finding| Some(finding.seen(wanted));
        match outlook {
            Outlook::Unusable(error) => {
                let hint = format!("`unset {}`", var::PKG_DIR);
                Some(Finding::of_error("pkg-dir-unusable", error, &hint))
            }
            Outlook::Fails(error) => seen(Finding::of_error("not-linked", error, "")),
            Outlook::Right => None,
            Outlook::Links { moves } => {
                let message = "the packages directory is not linked to the shared one yet";
                let hint = "`lake-shim link`; the next build does it too";
                let moved = moves.iter().map(|name| format!("`{name}` moves there"));
                seen(Finding::note("not-linked", message, hint).all_seen(moved))
            }
            Outlook::Stays { .. } if self.dangling().is_some() => None,
            Outlook::Stays { reason } => {
                let message =
                    "the packages directory is not linked to the shared one, and stays so";
                let dir = word(&self.packages_dir);
                let hint = format!(
                    "`{}=1` keeps it so without a word; else `mv {dir} {dir}.old && lake-shim link`",
                    var::PRIVATE
                );
                let why = format!("{}: {reason}", quoted(&self.packages_dir));
                seen(Finding::warning("directory-kept", message, hint).seen(why))
            }
        }
    }

    /// The user's own link, unless it leads nowhere, is as it should be.
    fn dangling(&self) -> Option<Finding> {
        let At::Link { target, leads: false } = &self.at else { return None };
        if self.shared.as_ref().is_some_and(|shared| shared.path == *target) {
            return None; // which is made
        }
        let message = "the packages directory is a link that leads nowhere";
        let hint = format!(
            "`rm {}`; then Lake makes a directory, or `{}` has it linked",
            word(&self.packages_dir),
            var::PKG_DIR
        );
        let seen = format!("{} -> {}", quoted(&self.packages_dir), quoted(target));
        Some(Finding::error("dangling-link", message, hint).seen(seen))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::anyhow;

    fn check(at: At, outlook: Option<Outlook>) -> Option<&'static str> {
        let shared = outlook.map(|outlook| Shared { path: "/srv/p".into(), outlook });
        let link = Link { packages_dir: "/app/.lake/packages".into(), at, shared };
        link.judge().first().map(|finding| finding.check)
    }

    #[test]
    fn what_is_found() {
        let link = |target: &str, leads| At::Link { target: target.into(), leads };
        let links =
            |moves: &[&str]| Outlook::Links { moves: moves.iter().map(|m| (*m).into()).collect() };
        let stays = || Outlook::Stays { reason: "it is odd".into() };
        for (at, outlook, expected) in [
            (At::Nothing, None, None),
            (At::Directory, None, None),
            (link("/x", true), None, None),
            (link("/x", false), None, Some("dangling-link")),
            (At::File, None, Some("packages-dir")),
            (link("/srv/p", true), Some(Outlook::Right), None),
            (link("/srv/p", false), Some(Outlook::Right), None), // which is made
            (At::Directory, Some(Outlook::Right), None),
            (At::Nothing, Some(links(&[])), Some("not-linked")),
            (At::Directory, Some(links(&["a"])), Some("not-linked")),
            (link("/old", false), Some(links(&[])), Some("not-linked")),
            (At::Directory, Some(stays()), Some("directory-kept")),
            (link("/x", true), Some(stays()), Some("directory-kept")),
            (link("/x", false), Some(stays()), Some("dangling-link")),
            (link("/x", false), Some(Outlook::Right), Some("dangling-link")),
            (At::Directory, Some(Outlook::Fails(anyhow!("no"))), Some("not-linked")),
            (At::Directory, Some(Outlook::Unusable(anyhow!("no"))), Some("pkg-dir-unusable")),
            (At::File, Some(Outlook::Fails(anyhow!("no"))), Some("packages-dir")),
        ] {
            let told = format!("{at:?} {outlook:?}");
            assert_eq!(check(at, outlook), expected, "{told}");
        }
    }
}
