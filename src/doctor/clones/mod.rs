//! The packages: each a clone of its own, of the wanted repository, at the locked revision.
//!
//! This is what Lake looks at before it deletes (LAKE.md, How Lake decides to delete a clone), seen
//! from the side: git is asked, nothing is changed.

mod judge;

use super::link::Link;
use super::probe::ask;
use super::workspace::Located;
use super::{Area, Finding, shown};
use crate::error::Failure;
use crate::proxy::exec::ChildEnvironment;
use crate::proxy::guard::Guard;
use crate::settings::{Environment, var};
use crate::workspace::git;
use crate::workspace::url::same_repository;
use crate::workspace::{GitLock, Package, Workspace};
use fs_err as fs;
use judge::judge;
use nix::unistd::{Uid, User, geteuid};
use serde_json::{Value, json};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A locked package as it lies there.
#[derive(Clone, Debug)]
struct Seen {
    name: String,
    /// Where it is, or should be.
    dir: PathBuf,
    /// Where it leads, if it is itself a symlink.
    link: Option<PathBuf>,
    is_there: bool,
    /// Nothing of a path dependency.
    git: Option<Git>,
}

/// What Lake and git say of a package from git.
#[derive(Clone, Debug)]
struct Git {
    lock: GitLock,
    /// Whether other workspaces may use it.
    is_shared: bool,
    /// Nothing when the directory is no clone of its own.
    clone: Option<Clone>,
}

#[derive(Clone, Debug)]
struct Clone {
    /// Nothing when git does not tell.
    head: Option<String>,
    origin: Origin,
    /// Why git refuses to read it: whose it is.
    refused: Option<String>,
    /// Files that differ from HEAD, as `git status` lists them.
    changes: Vec<String>,
    /// Why git cannot tell HEAD, or what differs from it.
    damage: Option<String>,
}

/// `origin` beside the URL that the manifest wants.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Origin {
    Wanted,
    /// The same repository, spelled otherwise.
    Spelled(String),
    Other(String),
    /// Why there is none.
    None(String),
    NotAsked,
}

/// What the guard refuses in a shared directory.
const REFUSED: [&str; 3] = ["fork-in-shared", "package-without-git", "clone-damaged"];

/// Looks at the packages of a workspace. Without git only what files tell.
pub fn look(env: &Environment, located: &Located, git_runs: bool, link: Option<Link>) -> Area {
    let workspace = located.workspace.as_ref();
    let seen: Vec<_> = workspace.map(|workspace| see(env, workspace, git_runs)).unwrap_or_default();
    let mut findings = link.as_ref().map(Link::judge).unwrap_or_default();
    findings.extend(judge(&seen));
    // What the guard refuses and is not found above: Lake resolves anew where there is no manifest.
    let is_told = findings.iter().any(|f| REFUSED.contains(&f.check));
    let refused = workspace.filter(|_| git_runs).and_then(|w| Guard::plan(w, env, false).err());
    let refused = refused.filter(|error| matches!(error.downcast_ref(), Some(Failure::Refused(_))));
    if let Some(error) = refused.filter(|_| !is_told) {
        findings.push(Finding::of_error("fork-in-shared", &error, "use another directory"));
    }
    let there = seen.iter().filter(|seen| seen.is_there).count();
    let mut summary = Vec::new();
    if let Some(link) = &link {
        summary.push(format!("{there} of {} in {}", seen.len(), link.summary()));
    }
    let facts = json!({
        "dir": located.packages_dir.as_deref().map(shown),
        "link": link.as_ref().and_then(Link::target).map(shown),
        "packages": seen.iter().map(Seen::facts).collect::<Vec<_>>(),
    });
    Area::new("packages", summary, facts).with(findings)
}

fn see(env: &Environment, workspace: &Workspace, git_runs: bool) -> Vec<Seen> {
    let trust = trusting(env);
    let packages_dir = &workspace.packages_dir;
    let is_shared = packages_dir.is_symlink() || !packages_dir.starts_with(&workspace.root);
    let see = |package: &Package| {
        let dir = package.lock.as_ref().map_or(&package.dir, |lock| &lock.clone).clone();
        let is_there = dir.is_dir();
        let git = package.lock.clone().map(|lock| Git {
            is_shared: is_shared || dir.is_symlink(),
            clone: git::Clone::open(&dir).map(|clone| match git_runs {
                true => Clone::ask(&clone, &dir, &lock.url, &trust),
                false => Clone::of_files(&clone),
            }),
            lock,
        });
        Seen { name: package.name.clone(), link: fs::read_link(&dir).ok(), dir, is_there, git }
    };
    workspace.packages.iter().map(see).collect()
}

/// git's environment, so that it reads another user's clone. Only for what runs nothing of the
/// clone's own: its configuration may name programs.
fn trusting(env: &Environment) -> ChildEnvironment {
    let count = env.git_config_count.as_deref().and_then(|count| count.to_str());
    let count: usize = count.and_then(|count| count.trim().parse().ok()).unwrap_or(0);
    ChildEnvironment::from([
        (var::GIT_CONFIG_COUNT.into(), (count + 1).to_string().into()),
        (format!("GIT_CONFIG_KEY_{count}").into(), "safe.directory".into()),
        (format!("GIT_CONFIG_VALUE_{count}").into(), "*".into()),
    ])
}

fn git(dir: &Path, args: &[&str]) -> Command {
    let mut git = Command::new("git");
    git.args(args).current_dir(dir);
    git
}

impl Clone {
    fn of_files(clone: &git::Clone) -> Self {
        let head = clone.head();
        Self { head, origin: Origin::NotAsked, refused: None, changes: Vec::new(), damage: None }
    }

    fn ask(clone: &git::Clone, dir: &Path, wanted: &str, trust: &ChildEnvironment) -> Self {
        let head = ask(git(dir, &["rev-parse", "--verify", "HEAD"]).envs(trust));
        let changes = changes(clone, dir);
        Self {
            damage: head.as_ref().err().or(changes.as_ref().err()).cloned(),
            head: head.ok(),
            origin: origin(clone, wanted, trust),
            refused: refused(clone, dir),
            changes: changes.unwrap_or_default(),
        }
    }
}

/// As the guard compares them: the user's `insteadOf` is in what git says of `origin`.
fn origin(clone: &git::Clone, wanted: &str, trust: &ChildEnvironment) -> Origin {
    let origin = match clone.origin_url(trust) {
        Ok(origin) => origin,
        Err(e) => return Origin::None(format!("{e:#}")),
    };
    let rewritten = || clone.rewritten(wanted, trust);
    if origin == wanted {
        Origin::Wanted
    } else if same_repository(&origin, wanted)
        || rewritten().is_some_and(|wanted| same_repository(&origin, &wanted))
    {
        Origin::Spelled(origin)
    } else {
        Origin::Other(origin)
    }
}

/// Whose the clone is, when git refuses it over that.
fn refused(clone: &git::Clone, dir: &Path) -> Option<String> {
    let uid = geteuid();
    if clone.is_owned_by(uid.as_raw()) {
        return None;
    }
    ask(&mut git(dir, &["rev-parse", "--git-dir"])).err()?;
    let owners = [dir.to_owned(), dir.join(".git")].map(|path| fs::metadata(path).map(|m| m.uid()));
    let owner = owners.into_iter().flatten().find(|owner| *owner != uid.as_raw())?;
    Some(format!("it belongs to {}, and you are {}", user(owner.into()), user(uid)))
}

fn user(uid: Uid) -> String {
    match User::from_uid(uid) {
        Ok(Some(user)) => format!("`{}` ({uid})", user.name),
        _ => format!("user {uid}"),
    }
}

/// Tracked files that differ from HEAD. Not asked of another user's clone: git may run filters that
/// its configuration names.
fn changes(clone: &git::Clone, dir: &Path) -> Result<Vec<String>, String> {
    if !clone.is_owned_by(geteuid().as_raw()) {
        return Ok(Vec::new());
    }
    // Without the option git would write what it learned into the index.
    let args = ["--no-optional-locks", "-c", "core.fsmonitor=false", "status", "--porcelain"];
    let status = ask(git(dir, &args).arg("--untracked-files=no"))?;
    Ok(status.lines().map(|line| line.trim().to_owned()).collect())
}

impl Seen {
    fn facts(&self) -> Value {
        let git = self.git.as_ref();
        let clone = git.and_then(|git| git.clone.as_ref());
        json!({
            "name": self.name,
            "dir": shown(&self.dir),
            "is_there": self.is_there,
            "locked": git.map(|git| &git.lock.rev),
            "head": clone.and_then(|clone| clone.head.as_deref()),
        })
    }
}
