//! What of the packages is not as Lake wants it.

use super::{Clone, Git, Origin, Seen};
use crate::doctor::stores::{short, some};
use crate::doctor::{Finding, Severity, quoted, word};
use crate::report::count;

/// The way on where the shim answers for something, and a Lake that bypasses it does not know.
const BYPASS: &str = "nothing to do behind the shim; for an editor that starts Lake by itself, \
                      `eval \"$(lake-shim env)\"` before it or, for good";

pub fn judge(packages: &[Seen]) -> Vec<Finding> {
    let mut findings: Vec<_> = packages.iter().flat_map(Seen::judge).collect();
    findings.extend(moved(packages));
    findings.extend(foreign(packages));
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
        findings.extend(match (&git.refused, &git.clone) {
            (Some(refused), clone) => {
                let is_whole = clone.as_ref().is_some_and(|clone| clone.damage.is_none());
                let hint = if is_whole { refused.hint.clone() } else { self.clone_again() };
                Some(Finding { check: git.check(), hint, ..refused.clone() })
            }
            (None, None) => Some(self.no_clone()),
            (None, Some(Clone { damage: Some(reason), .. })) => Some(self.damaged(reason)),
            (None, Some(clone)) => self.other_repository(git, clone),
        });
        findings.extend(git.clone.as_ref().and_then(|clone| self.changed(clone)));
        findings
    }

    /// Lake's delete follows a link at its root (lean4#14476).
    fn symlink(&self) -> Option<Finding> {
        let (target, _) = (self.link.as_ref()?, self.git.as_ref()?);
        let message = format!("`{}` is itself a symlink", self.name);
        let seen = format!("{} -> {}", quoted(&self.dir), quoted(target));
        if !self.is_there {
            let hint = format!("`rm {}`, and Lake clones the package", word(&self.dir));
            let finding = Finding::error("package-symlink", message, hint);
            return Some(finding.seen(format!("{seen}, which leads nowhere")));
        }
        let hint = "nothing to do behind the shim; `lake-shim unlink --copy` makes it a directory";
        let bypass = "a Lake that bypasses the shim empties what the link leads to when it deletes the package";
        Some(Finding::note("package-symlink", message, hint).seen(seen).seen(bypass))
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

    fn no_clone(&self) -> Finding {
        let message = format!("`{}` is no clone of its own", self.name);
        let finding = Finding::warning("package-without-git", message, self.clone_again());
        finding.seen(format!("{} has no `.git`", quoted(&self.dir)))
    }

    /// It is at the locked revision, or the guard would refuse it.
    fn damaged(&self, reason: &str) -> Finding {
        let message = format!("`{}` is a clone that git cannot read", self.name);
        let finding = Finding::warning("clone-damaged", message, self.clone_again());
        finding.seen(format!("git in {} {reason}", quoted(&self.dir)))
    }

    fn clone_again(&self) -> String {
        let dir = word(&self.dir);
        format!("`mv {dir} {dir}.old && lake resolve-deps` clones it again")
    }

    /// Lake compares URLs only where HEAD is not the locked revision.
    fn other_repository(&self, git: &Git, clone: &Clone) -> Option<Finding> {
        let origin = match &clone.origin {
            Origin::Other(origin) => format!("its `origin` is `{origin}`"),
            Origin::None(reason) => reason.clone(),
            _ => return None,
        };
        let (severity, when) = match (git.is_moved(clone), git.is_shared) {
            (true, _) => (Severity::Warning, "Lake replaces it; no work in it would be lost"),
            (false, true) => {
                (Severity::Note, "at the locked revision, so it works; `lake update` is refused")
            }
            (false, false) => {
                (Severity::Note, "at the locked revision, so it works; `lake update` replaces it")
            }
        };
        let message = format!("`{}` is a clone of another repository", self.name);
        let hint = format!(
            "nothing to do if you want it so; if it is the same repository after all:\n\
             `git -C {} remote set-url origin {}`",
            word(&self.dir),
            git.lock.url
        );
        Some(
            Finding::new(severity, git.check(), message, hint)
                .seen(format!("{}: {origin}", quoted(&self.dir)))
                .seen(format!("Lake wants `{}`", git.lock.url))
                .seen(when),
        )
    }

    fn changed(&self, clone: &Clone) -> Option<Finding> {
        if clone.changes.is_empty() || clone.damage.is_some() {
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
    /// Names what is most likely behind a refusal.
    fn check(&self) -> &'static str {
        match &self.clone {
            None => "package-without-git",
            Some(Clone { damage: Some(_), .. }) => "clone-damaged",
            Some(Clone { origin: Origin::Other(_) | Origin::None(_), .. }) => {
                if self.is_shared {
                    "fork-in-shared"
                } else {
                    "other-repository"
                }
            }
            Some(_) => "refused",
        }
    }

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

/// Clones at another revision than the locked one, unless a finding of their own says so.
fn moved(packages: &[Seen]) -> Option<Finding> {
    let is_other = |clone: &Clone| matches!(clone.origin, Origin::Other(_) | Origin::None(_));
    let is_told = |git: &Git, clone: &Clone| git.refused.is_some() || is_other(clone);
    let moved =
        clones(packages).filter(|(_, git, clone)| git.is_moved(clone) && !is_told(git, clone));
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

/// Clones that git does not read because of their owner. The shim answers for them.
fn foreign(packages: &[Seen]) -> Option<Finding> {
    let foreign: Vec<_> = clones(packages)
        .filter_map(|(seen, _, clone)| Some((seen, clone.foreign.as_ref()?)))
        .collect();
    if foreign.is_empty() {
        return None;
    }
    let message = "packages belong to another user, and git does not read them";
    let real = |seen: &Seen| fs_err::canonicalize(&seen.dir).unwrap_or_else(|_| seen.dir.clone());
    let commands = foreign.iter().map(|(seen, _)| {
        format!("`git config --global --add safe.directory {}`", word(&real(seen)))
    });
    let commands: Vec<_> = commands.collect();
    let hint = format!("{BYPASS}:\n{}", commands.join("\n"));
    let seen = foreign.iter().map(|(seen, reason)| format!("{}: {reason}", quoted(&seen.dir)));
    Some(Finding::note("package-owner", message, hint).all_seen(seen))
}

/// Lake compares URLs only where HEAD is not the locked revision.
fn spelled(packages: &[Seen]) -> Option<Finding> {
    let spelled = clones(packages).filter_map(|(seen, git, clone)| match &clone.origin {
        Origin::Spelled(origin) if git.is_moved(clone) => Some((seen, &git.lock.url, origin)),
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
            foreign: None,
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
            git: Some(Git { lock, is_shared, clone: Some(clone), refused: None }),
        }
    }

    fn checks(seen: &Seen) -> Vec<(Severity, &'static str)> {
        let findings = judge(std::slice::from_ref(seen));
        findings.iter().map(|finding| (finding.severity, finding.check)).collect()
    }

    #[test]
    fn what_can_be_wrong_with_a_clone() {
        use Severity::{Note, Warning};
        type Case = (bool, fn(&mut Clone), &'static [(Severity, &'static str)]);
        let cases: [Case; 13] = [
            (true, |_| {}, &[]),
            (false, |c| c.head = None, &[]),
            (false, |c| c.head = Some("2".into()), &[(Warning, "head-moved")]),
            (false, |c| c.origin = Origin::Spelled("x".into()), &[]),
            (
                false,
                |c| (c.origin, c.head) = (Origin::Spelled("x".into()), Some("2".into())),
                &[(Warning, "head-moved"), (Note, "url-spelling")],
            ),
            (false, |c| c.origin = Origin::Other("x".into()), &[(Note, "other-repository")]),
            (false, |c| c.origin = Origin::None("x".into()), &[(Note, "other-repository")]),
            (true, |c| c.origin = Origin::Other("x".into()), &[(Note, "fork-in-shared")]),
            (
                false,
                |c| (c.origin, c.head) = (Origin::Other("x".into()), Some("2".into())),
                &[(Warning, "other-repository")],
            ),
            (false, |c| c.damage = Some("x".into()), &[(Warning, "clone-damaged")]),
            (false, |c| c.changes = vec!["M x".into()], &[(Warning, "local-changes")]),
            (true, |c| c.foreign = Some("theirs".into()), &[(Note, "package-owner")]),
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
        assert_eq!(checks(&linked), [(Severity::Note, "package-symlink")]);
        let nowhere = Seen { is_there: false, ..linked };
        assert_eq!(checks(&nowhere), [(Severity::Error, "package-symlink")]);
        let missing = Seen { is_there: false, ..sound() };
        assert_eq!(checks(&missing), []);
        let path = Seen { git: None, ..missing };
        assert_eq!(checks(&path), [(Severity::Error, "path-dependency")]);
        let mut bare = sound();
        if let Some(git) = &mut bare.git {
            git.clone = None;
        }
        assert_eq!(checks(&bare), [(Severity::Warning, "package-without-git")]);
    }

    #[test]
    fn what_is_refused_is_an_error_and_said_once() {
        let refused = |is_shared, edit: fn(&mut Clone)| {
            let mut seen = package(is_shared, edit);
            if let Some(git) = &mut seen.git {
                git.refused = Some(Finding::error("refused", "no", "do this"));
            }
            seen
        };
        for (seen, check) in [
            (refused(false, |c| c.head = Some("2".into())), "refused"),
            (refused(false, |c| c.damage = Some("x".into())), "clone-damaged"),
            (refused(false, |c| c.origin = Origin::Other("x".into())), "other-repository"),
            (refused(true, |c| c.origin = Origin::Other("x".into())), "fork-in-shared"),
        ] {
            assert_eq!(checks(&seen), [(Severity::Error, check)]);
        }
    }
}
