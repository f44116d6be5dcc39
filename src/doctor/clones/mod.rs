//! The packages: each a clone of its own, of the wanted repository, at the locked revision.
//!
//! What a build would be refused over is the guard's to say ([`Guard::refusals`]). The rest is what Lake looks
//! at (`Lake/Load/Materialize.lean`), seen from the side: git is asked, nothing is changed.

mod judge;

use super::link::Link;
use super::workspace::Located;
use super::{Area, Finding, shown};
use crate::ask::{ask, ask_for};
use crate::child::Variables;
use crate::error::Failure;
use crate::programs;
use crate::proxy::guard::Guard;
use crate::settings::{Environment, var};
use crate::workspace::git;
use crate::workspace::url::same_repository;
use crate::workspace::{GitLock, Package, Workspace};
use fs_err as fs;
use judge::judge;
use nix::unistd::{Uid, geteuid};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

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
    /// `None` if the directory is no clone of its own.
    clone: Option<Clone>,
    /// The guard's refusal of a build, if there is one.
    refused: Option<Finding>,
}

#[derive(Clone, Debug)]
struct Clone {
    /// Nothing when git does not tell.
    head: Option<String>,
    origin: Origin,
    /// Whose it is, if git refuses to read it over that.
    foreign: Option<String>,
    /// Files that differ from HEAD, as `git status` lists them.
    changes: Vec<String>,
    /// Why git cannot tell HEAD, or what differs from it.
    damage: Option<String>,
}

/// `origin` beside the URL that Lake wants.
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

/// A Mathlib that was just copied is read as a whole. What takes longer is not known.
const STATUS_PATIENCE: Duration = Duration::from_secs(60);

/// Looks at the packages of a workspace. Without git only what files tell.
pub fn look(
    env: &Environment,
    located: &Located,
    git_runs: bool,
    guard: Option<Guard>,
    link: Option<Link>,
) -> Area {
    let refusals = guard.map(|guard| guard.refusals()).unwrap_or_default();
    let refusals = refusals.into_iter().filter(|(_, error)| error.is::<Failure>());
    let refusals = refusals.map(|(name, error)| (name, Finding::of_error("refused", &error, "")));
    let mut refusals: BTreeMap<_, _> = refusals.collect();
    let mut findings = link.as_ref().map(Link::judge).unwrap_or_default();
    findings.extend(refusals.remove(&None));
    let workspace = located.workspace.as_ref();
    let seen = workspace.map(|workspace| see(env, workspace, git_runs, refusals));
    let seen = seen.unwrap_or_default();
    findings.extend(judge(&seen));
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

fn see(
    env: &Environment,
    workspace: &Workspace,
    git_runs: bool,
    mut refusals: BTreeMap<Option<String>, Finding>,
) -> Vec<Seen> {
    let git_env = GitEnv::new(env);
    let mapped = url_map(env);
    let is_shared = workspace.shares_packages();
    let see = |package: &Package| {
        let dir = package.lock.as_ref().map_or(&package.dir, |lock| &lock.clone).clone();
        let is_there = dir.is_dir();
        let lock = package.lock.clone().map(|lock| GitLock {
            url: mapped.get(&package.name).cloned().unwrap_or(lock.url),
            ..lock
        });
        let git = lock.map(|lock| Git {
            is_shared: is_shared || dir.is_symlink(),
            clone: git::Checkout::open(&dir).map(|clone| match git_runs {
                true => Clone::ask(&clone, &dir, &lock.url, &git_env),
                false => Clone::of_files(&clone),
            }),
            lock,
            refused: refusals.remove(&Some(package.name.clone())),
        });
        Seen { name: package.name.clone(), link: fs::read_link(&dir).ok(), dir, is_there, git }
    };
    workspace.packages.iter().map(see).collect()
}

/// What the user, or `lake-shim env`, has Lake want in the place of the manifest's URLs.
fn url_map(env: &Environment) -> BTreeMap<String, String> {
    let text = env.url_map.as_deref().and_then(OsStr::to_str);
    text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

/// Environments for git.
struct GitEnv {
    /// The user's own, but for a count that is none: git would refuse everything over it, which is
    /// a finding of its own.
    plain: Variables,
    /// In which it reads another user's clone. Only for what runs nothing of the clone's own: its
    /// configuration may name programs.
    trusting: Variables,
}

impl GitEnv {
    fn new(env: &Environment) -> Self {
        let is_number =
            |count: &OsStr| count.to_str().is_some_and(|count| count.trim().parse::<u32>().is_ok());
        let is_bogus = env.git_config_count.as_deref().is_some_and(|count| !is_number(count));
        let plain = is_bogus.then(|| (var::GIT_CONFIG_COUNT.into(), "0".into()));
        let plain: Variables = plain.into_iter().collect();
        let trusting = git::with_settings(&plain, [("safe.directory", "*")]);
        Self { plain, trusting }
    }
}

fn git(dir: &Path, args: &[&str]) -> Result<Command, String> {
    git::command(dir, args).map_err(|e| format!("cannot be run: {e}"))
}

impl Clone {
    fn of_files(clone: &git::Checkout) -> Self {
        let head = clone.head();
        Self { head, origin: Origin::NotAsked, foreign: None, changes: Vec::new(), damage: None }
    }

    fn ask(clone: &git::Checkout, dir: &Path, wanted: &str, env: &GitEnv) -> Self {
        let head = git(dir, &["rev-parse", "--verify", "HEAD"]);
        let head = head.and_then(|mut git| ask(git.envs(&env.trusting)));
        let changes = changes(clone, dir, env);
        Self {
            damage: head.as_ref().err().or(changes.as_ref().err()).cloned(),
            head: head.ok(),
            origin: origin(clone, wanted, &env.trusting),
            foreign: foreign(clone, dir, &env.plain),
            changes: changes.unwrap_or_default(),
        }
    }
}

/// As the guard compares them: the user's `insteadOf` is in what git says of `origin`.
fn origin(clone: &git::Checkout, wanted: &str, trust: &Variables) -> Origin {
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

/// Whose the clone is, if git refuses it over that.
fn foreign(clone: &git::Checkout, dir: &Path, env: &Variables) -> Option<String> {
    let uid = geteuid();
    if clone.is_owned_by(uid.as_raw()) {
        return None;
    }
    git(dir, &["rev-parse", "--git-dir"]).and_then(|mut git| ask(git.envs(env))).err()?;
    let owners = [dir.to_owned(), dir.join(".git")].map(|path| fs::metadata(path).map(|m| m.uid()));
    let owner = owners.into_iter().flatten().find(|owner| *owner != uid.as_raw())?;
    Some(format!("it belongs to {}, and you are {}", user(owner.into()), user(uid)))
}

/// Asks `id`, for libraries may know the name (NSS), and a static binary loads none.
fn user(uid: Uid) -> String {
    let id = programs::command("id").map_err(|e| e.to_string());
    match id.and_then(|mut id| ask(id.args(["-nu", &uid.to_string()]))) {
        Ok(name) if !name.is_empty() => format!("`{name}` ({uid})"),
        _ => format!("user {uid}"),
    }
}

/// Tracked files that differ from HEAD. Not asked of another user's clone, and without the filters
/// that a clone's configuration names: git would run them.
fn changes(clone: &git::Checkout, dir: &Path, env: &GitEnv) -> Result<Vec<String>, String> {
    if !clone.is_owned_by(geteuid().as_raw()) {
        return Ok(Vec::new());
    }
    let no_filters = clone.filters_off(&env.plain).map_err(|e| format!("{e:#}"))?;
    // Without the first option git would write what it learned into the index. Submodules are
    // repositories with configurations of their own.
    let args = ["--no-optional-locks", "status", "--porcelain", "--untracked-files=no"];
    let mut status = git(dir, &args)?;
    status.arg("--ignore-submodules=all").envs(git::with_settings(&env.plain, no_filters));
    let status = ask_for(&mut status, STATUS_PATIENCE)?.unwrap_or_default();
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
