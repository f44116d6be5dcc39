//! What of the packages is not as Lake wants it.

use super::{Clone, Git, Origin, Seen};
use crate::doctor::stores::{short, some};
use crate::doctor::{Finding, Severity, quoted, word};
use crate::report::count;
use crate::settings::var;

/// What the shim answers for; whoever does not go through it has to be told.
const BYPASS: &str = "nothing to do behind the shim; for an editor that starts Lake by itself, \
                      `eval \"$(lake-shim env)\"` before it or, for good";

pub fn judge(packages: &[Seen]) -> Vec<Finding> {
    let mut findings: Vec<_> = packages.iter().flat_map(Seen::judge).collect();
    findings.extend(moved(packages));
    findings.extend(refused(packages));
    findings.extend(spelled(packages));
    findings
}

impl Seen {
    fn judge(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        findings.extend(self.symlink());
        let Some(git) = &self.git else {
            findings.extend(self.path_dependency());
            return findings;
        };
        if !self.is_there {
            return findings;
        }
        match &git.clone {
            None => findings.push(self.no_clone(git)),
            Some(Clone { damage: Some(reason), .. }) => findings.push(self.damaged(git, reason)),
            Some(clone) => {
                findings.extend(self.other_repository(git, clone));
                findings.extend(self.changed(clone));
            }
        }
        findings
    }

    /// Lake's delete follows a link at its root (lean4#14476).
    fn symlink(&self) -> Option<Finding> {
        let (target, _) = (self.link.as_ref()?, self.git.as_ref()?);
        let message = format!("`{}` is itself a symlink", self.name);
        let hint = format!(
            "`rm {}`, and share the whole packages directory instead: `{}`",
            word(&self.dir),
            var::PKG_DIR
        );
        let leads = if self.is_there { "" } else { ", which leads nowhere" };
        let finding = Finding::warning("package-symlink", message, hint);
        Some(
            finding
                .seen(format!("{} -> {}{leads}", quoted(&self.dir), quoted(target)))
                .seen("when Lake deletes the package, it empties what the link leads to"),
        )
    }

    fn path_dependency(&self) -> Option<Finding> {
        if self.is_there {
            return None;
        }
        let message = format!("the path dependency `{}` is not there", self.name);
        let hint = "put it there, or mend its `path` in the configuration and `lake update` it";
        let seen = format!("there is no directory {}", quoted(&self.dir));
        Some(Finding::error("path-dependency", message, hint).seen(seen))
    }

    fn no_clone(&self, git: &Git) -> Finding {
        let message = format!("`{}` is no clone of its own", self.name);
        let dir = word(&self.dir);
        let hint = format!("`mv {dir} {dir}.old && lake resolve-deps` clones it anew");
        let what = match git.is_shared {
            true => {
                "git takes it for a part of what is around it: Lake would delete it, so the shim refuses"
            }
            false => "git takes it for a part of what is around it, and Lake deletes it",
        };
        let severity = if git.is_shared { Severity::Error } else { Severity::Warning };
        Finding::new(severity, "package-without-git", message, hint)
            .seen(format!("{} has no `.git`", quoted(&self.dir)))
            .seen(what)
    }

    fn damaged(&self, git: &Git, reason: &str) -> Finding {
        let message = format!("`{}` is a clone that git cannot read", self.name);
        let dir = word(&self.dir);
        let hint = format!("`mv {dir} {dir}.old && lake resolve-deps` clones it anew");
        let severity = if git.is_shared { Severity::Error } else { Severity::Warning };
        let seen = format!("git in {} {reason}", quoted(&self.dir));
        Finding::new(severity, "clone-damaged", message, hint).seen(seen)
    }

    /// Lake compares URLs only where HEAD is not the locked revision.
    fn other_repository(&self, git: &Git, clone: &Clone) -> Option<Finding> {
        let origin = match &clone.origin {
            Origin::Other(origin) => format!("its `origin` is `{origin}`"),
            Origin::None(reason) => reason.clone(),
            _ => return None,
        };
        let is_moved = git.is_moved(clone);
        let (check, severity) = match (git.is_shared, is_moved) {
            (true, true) => ("fork-in-shared", Severity::Error),
            (true, false) => ("fork-in-shared", Severity::Warning),
            (false, _) => ("other-repository", Severity::Warning),
        };
        let keep = match git.is_shared {
            true => "`lake-shim unlink` gives this workspace a packages directory of its own",
            false => "keep what is yours in it elsewhere",
        };
        let (dir, url) = (word(&self.dir), &git.lock.url);
        let hint = format!(
            "{keep}; if it is the same repository after all:\n`git -C {dir} remote set-url origin {url}`"
        );
        let when = match (is_moved, git.is_shared) {
            (true, true) => "Lake would delete it, so the shim refuses",
            (true, false) => "Lake deletes it and clones again",
            (false, true) => "at the locked revision, so it works; the next update would delete it",
            (false, false) => "at the locked revision, so it works; the next update deletes it",
        };
        let message = format!("`{}` is a clone of another repository", self.name);
        let finding = Finding::new(severity, check, message, hint);
        Some(
            finding
                .seen(format!("{}: {origin}", quoted(&self.dir)))
                .seen(format!("Lake wants `{}`", git.lock.url))
                .seen(when),
        )
    }

    fn changed(&self, clone: &Clone) -> Option<Finding> {
        if clone.changes.is_empty() {
            return None;
        }
        let message = format!("`{}` has local changes", self.name);
        let hint = format!("`git -C {} stash` puts them aside", word(&self.dir));
        let files = count(clone.changes.len(), "file");
        let finding = Finding::warning("local-changes", message, hint);
        Some(
            finding
                .seen(format!(
                    "{} differs from HEAD in {files}: {}",
                    quoted(&self.dir),
                    some(&clone.changes)
                ))
                .seen("no store has cache files of changed modules"),
        )
    }
}

impl Git {
    /// Whether Lake has something to compare.
    fn is_moved(&self, clone: &Clone) -> bool {
        clone.head.as_ref().is_some_and(|head| *head != self.lock.rev)
    }
}

/// The clones that git can read.
fn clones(packages: &[Seen]) -> impl Iterator<Item = (&Seen, &Git, &Clone)> {
    packages.iter().filter_map(|seen| {
        let git = seen.git.as_ref()?;
        let clone = git.clone.as_ref().filter(|clone| clone.damage.is_none())?;
        Some((seen, git, clone))
    })
}

/// Clones at another revision than the locked one. Of another repository's that is said already.
fn moved(packages: &[Seen]) -> Option<Finding> {
    let is_other = |clone: &Clone| matches!(clone.origin, Origin::Other(_) | Origin::None(_));
    let moved = clones(packages).filter(|(_, git, clone)| git.is_moved(clone) && !is_other(clone));
    let seen: Vec<_> = moved
        .map(|(seen, git, clone)| {
            let head = clone.head.as_deref().unwrap_or_default();
            let rev = short(&git.lock.rev);
            format!("`{}` is at {}, and the manifest locks {rev}", seen.name, short(head))
        })
        .collect();
    let message = match seen.len() {
        0 => return None,
        1 => "a package is not at its locked revision".to_owned(),
        several => format!("{several} packages are not at their locked revisions"),
    };
    let hint = "`lake resolve-deps` checks them out, with network if a clone lacks the commit";
    Some(Finding::warning("head-moved", message, hint).all_seen(seen))
}

/// Clones that git does not read because of their owner. The shim answers for them; whatever does
/// not go through the shim loses them.
fn refused(packages: &[Seen]) -> Option<Finding> {
    let refused: Vec<_> = clones(packages)
        .filter_map(|(seen, _, clone)| Some((seen, clone.refused.as_ref()?)))
        .collect();
    if refused.is_empty() {
        return None;
    }
    let message = "packages belong to another user, and git does not read them";
    let real = |seen: &Seen| fs_err::canonicalize(&seen.dir).unwrap_or_else(|_| seen.dir.clone());
    let commands = refused.iter().map(|(seen, _)| {
        format!("`git config --global --add safe.directory {}`", word(&real(seen)))
    });
    let commands: Vec<_> = commands.collect();
    let hint = format!("{BYPASS}:\n{}", commands.join("\n"));
    let seen = refused.iter().map(|(seen, reason)| format!("{}: {reason}", quoted(&seen.dir)));
    Some(Finding::note("package-owner", message, hint).all_seen(seen))
}

fn spelled(packages: &[Seen]) -> Option<Finding> {
    let spelled = clones(packages).filter_map(|(seen, git, clone)| match &clone.origin {
        Origin::Spelled(origin) => Some((seen, &git.lock.url, origin)),
        _ => None,
    });
    let spelled: Vec<_> = spelled.collect();
    if spelled.is_empty() {
        return None;
    }
    let message = "clones and manifest spell one URL in two ways";
    let commands = spelled.iter().map(|(seen, wanted, _)| {
        format!("`git -C {} remote set-url origin {wanted}`", word(&seen.dir))
    });
    let commands: Vec<_> = commands.collect();
    let hint = format!("{BYPASS}:\n{}", commands.join("\n"));
    let seen = spelled.iter().map(|(seen, wanted, origin)| {
        format!("`{}`: its `origin` is `{origin}`, and Lake wants `{wanted}`", seen.name)
    });
    Some(Finding::note("url-spelling", message, hint).all_seen(seen))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::GitLock;

    fn package(is_shared: bool, edit: impl FnOnce(&mut Clone)) -> Seen {
        let mut clone = Clone {
            head: Some("1".into()),
            origin: Origin::Wanted,
            refused: None,
            changes: Vec::new(),
            damage: None,
        };
        edit(&mut clone);
        let lock = GitLock { clone: "/p/a".into(), url: "https://e.org/a".into(), rev: "1".into() };
        Seen {
            name: "a".into(),
            dir: "/p/a".into(),
            link: None,
            is_there: true,
            git: Some(Git { lock, is_shared, clone: Some(clone) }),
        }
    }

    fn checks(seen: &Seen) -> Vec<(Severity, &'static str)> {
        let findings = judge(std::slice::from_ref(seen));
        findings.iter().map(|finding| (finding.severity, finding.check)).collect()
    }

    #[test]
    fn what_can_be_wrong_with_a_clone() {
        use Severity::{Error, Note, Warning};
        type Case = (bool, fn(&mut Clone), &'static [(Severity, &'static str)]);
        let cases: [Case; 13] = [
            (true, |_| {}, &[]),
            (false, |c| c.head = None, &[]),
            (false, |c| c.head = Some("2".into()), &[(Warning, "head-moved")]),
            (false, |c| c.origin = Origin::Spelled("x".into()), &[(Note, "url-spelling")]),
            (false, |c| c.origin = Origin::Other("x".into()), &[(Warning, "other-repository")]),
            (false, |c| c.origin = Origin::None("x".into()), &[(Warning, "other-repository")]),
            (true, |c| c.origin = Origin::Other("x".into()), &[(Warning, "fork-in-shared")]),
            (
                true,
                |c| (c.origin, c.head) = (Origin::Other("x".into()), Some("2".into())),
                &[(Error, "fork-in-shared")],
            ),
            (false, |c| c.damage = Some("x".into()), &[(Warning, "clone-damaged")]),
            (true, |c| c.damage = Some("x".into()), &[(Error, "clone-damaged")]),
            (false, |c| c.changes = vec!["M x".into()], &[(Warning, "local-changes")]),
            (true, |c| c.refused = Some("theirs".into()), &[(Note, "package-owner")]),
            (true, |c| c.origin = Origin::NotAsked, &[]),
        ];
        for (number, (is_shared, edit, expected)) in cases.into_iter().enumerate() {
            assert_eq!(checks(&package(is_shared, edit)), expected, "case {number}");
        }
    }

    #[test]
    fn what_can_be_wrong_with_a_directory() {
        let sound = || package(false, |_| {});
        let linked = Seen { link: Some("/elsewhere".into()), ..sound() };
        assert_eq!(checks(&linked), [(Severity::Warning, "package-symlink")]);
        let missing = Seen { is_there: false, ..sound() };
        assert_eq!(checks(&missing), []);
        let path = Seen { git: None, ..missing };
        assert_eq!(checks(&path), [(Severity::Error, "path-dependency")]);
        for (is_shared, severity) in [(false, Severity::Warning), (true, Severity::Error)] {
            let mut bare = package(is_shared, |_| {});
            if let Some(git) = &mut bare.git {
                git.clone = None;
            }
            assert_eq!(checks(&bare), [(severity, "package-without-git")]);
        }
    }
}
