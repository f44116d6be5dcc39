//! An environment in which Lake deletes no clone it could have used.
//!
//! Lake deletes a package's clone when its origin URL is not the wanted one, letter for letter, and
//! when git refuses to read another user's clone (`Lake/Load/Materialize.lean`).
//! Both are answered through variables that Lake and git read anyway; no file is touched, but for
//! one case, [`Guard::align`].

use super::exec::ChildEnvironment;
use super::url_map::UrlMap;
use crate::error::{Failure, hint};
use crate::settings::{Environment, var};
use crate::workspace::Workspace;
use crate::workspace::git::Clone;
use crate::workspace::url::same_repository;
use crate::workspace::wanted;
use anyhow::{Result, bail};
use fs_err as fs;
use nix::unistd::geteuid;
use std::path::{Path, PathBuf};

/// What keeps the clones of a workspace.
#[derive(Debug)]
pub struct Guard {
    /// Variables for Lake.
    pub env: ChildEnvironment,
    /// Whether a clone is at another revision than the locked one, as
    /// [`Workspace::outdated_packages`] would find by reading every HEAD again.
    pub has_outdated: bool,
    /// Clones whose `origin` is spelled as the root's configuration spells it before an update, so
    /// that the manifest which the update writes agrees with the configuration. Only in a packages
    /// directory that no other workspace uses.
    align: Vec<Align>,
    /// What [`var::URL_MAP`] in `env` says.
    map: UrlMap,
}

/// A clone to point elsewhere.
#[derive(Debug)]
struct Align {
    name: String,
    clone: Clone,
    origin: String,
    wanted: String,
}

/// A clone that Lake will look at.
struct Candidate {
    name: String,
    dir: PathBuf,
    clone: Option<Clone>,
    is_shared: bool,
    /// Whether a link makes it so, and not a `packagesDir` that is elsewhere.
    is_linked: bool,
    /// Nothing when Lake has no reason to compare: HEAD is where the manifest wants it.
    wanted: Option<Want>,
    is_outdated: bool,
}

struct Want {
    url: String,
    by_root: bool,
}

impl Guard {
    /// Plans the guard of `workspace`, for a command that `updates` the manifest or not.
    ///
    /// # Errors
    /// When Lake is about to delete a clone of another repository from a shared directory.
    pub fn plan(workspace: &Workspace, env: &Environment, updates: bool) -> Result<Self> {
        // Lake resolves anew without a manifest too.
        let resolves = updates || workspace.manifest.is_none();
        Self::against(candidates(workspace, resolves, false, env)?, resolves, env)
    }

    /// Plans the guard for commands that will be run without the shim, whatever they find then.
    ///
    /// # Errors
    /// Those of [`Guard::plan`].
    pub fn for_later(workspace: &Workspace, env: &Environment) -> Result<Self> {
        let resolves = workspace.manifest.is_none();
        Self::against(candidates(workspace, resolves, true, env)?, false, env)
    }

    fn against(candidates: Vec<Candidate>, resolves: bool, env: &Environment) -> Result<Self> {
        let map = UrlMap::parse(env.url_map.as_deref());
        let env = safe_directories(&candidates, env);
        let has_outdated = candidates.iter().any(|candidate| candidate.is_outdated);
        let mut guard = Self { env, has_outdated, align: Vec::new(), map };
        for candidate in &candidates {
            guard.keep(candidate, resolves)?;
        }
        Ok(guard)
    }

    fn keep(&mut self, candidate: &Candidate, resolves: bool) -> Result<()> {
        let Some(want) = &candidate.wanted else {
            return Ok(());
        };
        let origin = match &candidate.clone {
            Some(clone) => clone.origin_url(&self.env).map_err(|e| format!("{e:#}")),
            None => Err("it is no clone of its own".to_owned()),
        };
        match (&candidate.clone, origin) {
            (_, Ok(origin)) if origin == want.url => {}
            (Some(clone), Ok(origin)) if self.is_wanted(clone, &origin, &want.url) => {
                if resolves && want.by_root && !candidate.is_shared {
                    let (name, wanted) = (candidate.name.clone(), want.url.clone());
                    self.align.push(Align { name, clone: clone.clone(), origin, wanted });
                } else {
                    self.map(&candidate.name, origin);
                }
            }
            (_, origin) if candidate.is_shared => {
                bail!(Failure::Refused(refusal(candidate, want, origin)))
            }
            _ => {} // the workspace's own directory: Lake may do with it what it does
        }
        Ok(())
    }

    /// Whether Lake, could it read, would take the clone from `origin` for the wanted one: directly,
    /// or by the user's `insteadOf` (a company's mirror).
    fn is_wanted(&self, clone: &Clone, origin: &str, wanted: &str) -> bool {
        let rewritten = || clone.rewritten(wanted, &self.env);
        same_repository(origin, wanted)
            || rewritten().is_some_and(|wanted| same_repository(origin, &wanted))
    }

    /// Has Lake look for the package `name` at `url`, where its clone is from.
    fn map(&mut self, name: &str, url: String) {
        let before = self.map.clone();
        self.map.insert(name, url);
        if self.map != before {
            self.env.insert(var::URL_MAP.into(), self.map.print());
        }
    }

    /// Points clones elsewhere. One that cannot be is kept through the environment after all.
    ///
    /// # Errors
    /// Why one could not be, the first of them.
    pub fn align(&mut self) -> Result<()> {
        let mut aligned = Ok(());
        for Align { name, clone, origin, wanted } in std::mem::take(&mut self.align) {
            if let Err(error) = clone.set_origin_url(&wanted) {
                self.map(&name, origin);
                aligned = aligned.and(Err(error));
            }
        }
        aligned
    }
}

/// The packages that Lake will look at, marked those it will compare: `always` all of them, else
/// those that are not where the manifest wants them.
fn candidates(
    workspace: &Workspace,
    resolves: bool,
    always: bool,
    env: &Environment,
) -> Result<Vec<Candidate>> {
    let map = UrlMap::parse(env.url_map.as_deref());
    let packages_dir = &workspace.packages_now();
    let is_shared = workspace.shares_packages();
    let is_linked = packages_dir.is_symlink();
    let candidate = |name: &str, dir: &Path, wanted: Option<Want>| {
        let wanted = wanted.map(|want| match map.get(name) {
            Some(url) => Want { url: url.to_owned(), by_root: false },
            None => want,
        });
        Candidate {
            name: name.to_owned(),
            dir: dir.to_owned(),
            clone: Clone::open(dir),
            // Lake's delete follows such a link (lean4#14476), so what it leads to counts too.
            is_shared: is_shared || dir.is_symlink(),
            is_linked: is_linked || dir.is_symlink(),
            wanted,
            is_outdated: false,
        }
    };
    if resolves {
        let there = wanted::urls(workspace)?.into_iter().filter_map(|(name, want)| {
            let dir = packages_dir.join(&name);
            let want = Want { url: want.url, by_root: want.by_root };
            dir.is_dir().then(|| candidate(&name, &dir, Some(want)))
        });
        return Ok(there.collect());
    }
    let locked = workspace.packages.iter().filter_map(|package| {
        let lock = package.lock.as_ref().filter(|lock| lock.clone.is_dir())?;
        let want = Want { url: lock.url.clone(), by_root: false };
        let mut candidate = candidate(&package.name, &lock.clone, Some(want));
        let head = candidate.clone.as_ref().and_then(Clone::head_or_asked);
        candidate.is_outdated = head.as_ref().is_some_and(|head| *head != lock.rev);
        if !always && head.as_ref() == Some(&lock.rev) {
            candidate.wanted = None;
        }
        Some(candidate)
    });
    Ok(locked.collect())
}

/// git reads another user's clone when `safe.directory` names it. What the user has in
/// `GIT_CONFIG_*` stays, ours is added behind it.
fn safe_directories(candidates: &[Candidate], env: &Environment) -> ChildEnvironment {
    let uid = geteuid().as_raw();
    let foreign = candidates.iter().filter(|candidate| {
        let clone = candidate.clone.as_ref();
        clone.is_some_and(|clone| !clone.is_owned_by(uid))
    });
    let count = env.git_config_count.as_deref().and_then(|count| count.to_str());
    // A count that git refuses would make every clone unreadable, so it does not stay.
    let count: Option<i32> = count.and_then(|count| count.trim().parse().ok());
    let mut count = count.and_then(|count| u64::try_from(count).ok()).unwrap_or(0);
    let mut added = ChildEnvironment::new();
    for candidate in foreign {
        let Ok(real) = fs::canonicalize(&candidate.dir) else {
            continue;
        };
        added.insert(format!("GIT_CONFIG_KEY_{count}").into(), "safe.directory".into());
        added.insert(format!("GIT_CONFIG_VALUE_{count}").into(), real.into());
        count += 1;
    }
    if !added.is_empty() {
        added.insert(var::GIT_CONFIG_COUNT.into(), count.to_string().into());
    }
    added
}

fn refusal(candidate: &Candidate, want: &Want, origin: Result<String, String>) -> String {
    let what = match &origin {
        Ok(origin) => format!("a clone of `{origin}`"),
        Err(reason) => format!("a directory that git cannot read ({reason})"),
    };
    let dir = fs::canonicalize(&candidate.dir).unwrap_or_else(|_| candidate.dir.clone());
    hint(
        format!(
            "`{}` in the shared packages directory is {what}, and this workspace wants `{}`: Lake \
             would delete `{}`, which other workspaces use",
            candidate.name,
            want.url,
            dir.display()
        ),
        match candidate.is_linked {
            true => format!(
                "`lake-shim unlink`, or `{}=1`, gives this workspace a packages directory of its own",
                var::PRIVATE
            ),
            false => {
                "give `packagesDir` a directory in the workspace, such as `.lake/packages`".into()
            }
        },
    )
}
