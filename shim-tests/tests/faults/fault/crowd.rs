//! Many at once.

use std::ffi::OsStr;
use std::path::Path;

use shim_tests::{Call, Run, Running, Tree};

use super::Fault;
use crate::form::Form;
use crate::operation::{Ends, LAKE_RAN, Operation};
use crate::scene::{self, Scene};
use crate::verdict::{Expected, Found, Kind, Struck};

const MANY: usize = 16;
/// Bakes take turns, and each takes as long as the first.
const FEW: usize = 3;

/// The same in one workspace, so many times.
struct Together(usize);

/// Workspaces of several users that share one packages directory.
enum Users {
    /// Anybody may write there, and remove what is his own.
    Anybody,
    /// They have a group in common.
    Group,
}

/// Different operations in workspaces that read a store, while others change it.
struct Meeting;

/// The group of those who have one.
const GROUP: u32 = 2000;

pub fn all() -> Vec<Box<dyn Fault>> {
    vec![
        Box::new(Together(MANY)),
        Box::new(Together(FEW)),
        Box::new(Users::Anybody),
        Box::new(Users::Group),
        Box::new(Meeting),
    ]
}

impl Fault for Together {
    fn name(&self) -> String {
        format!("{} at once", self.0)
    }

    fn suits(&self, operation: &Operation) -> bool {
        let is_bake = operation.bakes.is_some();
        self.0 == if is_bake { FEW } else { MANY }
    }

    fn rounds(&self, form: Form) -> u64 {
        form.of(1, 20)
    }

    fn strike(&self, scene: &Scene, _: u64) -> Struck {
        let run = at_once((0..self.0).map(|_| scene.call()));
        Struck::new(run, Some(self.name()), Expected::Success)
    }
}

impl Fault for Users {
    fn name(&self) -> String {
        let whose = match self {
            Users::Anybody => "four users",
            Users::Group => "a group's four users",
        };
        format!("{MANY} workspaces of {whose} at once")
    }

    fn suits(&self, operation: &Operation) -> bool {
        operation.ends == Ends::Build
    }

    fn rounds(&self, form: Form) -> u64 {
        form.of(1, 20)
    }

    fn strike(&self, scene: &Scene, _: u64) -> Struck {
        let sandbox = &scene.sandbox;
        let shared = scene.operation.packages[1];
        let open = match self {
            Users::Anybody => "chmod 1777".to_owned(),
            Users::Group => format!("chgrp {GROUP} {shared} && chmod 2775"),
        };
        scene.shell(&format!("mkdir -p {shared} && {open} {shared}"));
        let users = (0..MANY as u32).map(|n| (format!("crowd/{n}"), 1001 + n % 4));
        let users: Vec<_> = users.collect();
        for (workspace, user) in &users {
            sandbox.copy("app", workspace).chown(workspace, *user);
        }
        let calls = users.iter().map(|(workspace, user)| {
            let call = scene.call().cwd(sandbox.path(workspace)).as_user(*user);
            match self {
                Users::Anybody => call,
                Users::Group => call.in_group(GROUP).umask(0o002),
            }
        });
        let run = at_once(calls);
        let mut found = scene.unlike("shared", "shared");
        found.extend(users.iter().flat_map(|(dir, _)| scene.unlike("app", dir)));
        scene.shell(&format!("rm -r crowd; chown -Rh 0:0 {shared}; chmod -R g-ws,-t {shared}"));
        scene.shell(&format!("chmod 755 {shared}"));
        let found = found.into_iter().map(|what| Found::new(Kind::Unsound, what)).collect();
        // Nobody has called anything in the scene's own workspace.
        Struck { found, ..Struck::new(run, Some(self.name()), Expected::Anyhow) }
    }
}

impl Fault for Meeting {
    fn name(&self) -> String {
        "restores, builds and links of a store that is baked and swept".to_owned()
    }

    fn suits(&self, operation: &Operation) -> bool {
        operation.name == "gc"
    }

    fn rounds(&self, form: Form) -> u64 {
        form.of(1, 20)
    }

    fn strike(&self, scene: &Scene, _: u64) -> Struck {
        let sandbox = &scene.sandbox;
        let (store, shared) = (sandbox.path("baked"), sandbox.path("crowd/packages"));
        sandbox.script("mirror/lake", "echo lake \"$@\"");
        sandbox.mkdir("crowd/packages").copy("app", "crowd/0").remove("crowd/0/.lake");
        for n in 1..10 {
            sandbox.copy("crowd/0", format!("crowd/{n}"));
        }
        let restore = || sandbox.lake_shim("restore --network never --store").arg(&store);
        let crowd = (0..10).map(|n| {
            let call = match n % 5 {
                0 | 1 => {
                    sandbox.lake("build App").env("LAKE_SHIM_LAKE", sandbox.path("mirror/lake"))
                }
                2 => sandbox.lake_shim("link"),
                _ => restore(),
            };
            let call = call.env("LAKE_SHIM_STORE", &store).env("LAKE_SHIM_NETWORK", "never");
            let call = call.cwd(sandbox.path(format!("crowd/{n}")));
            // The last of each five has packages of its own.
            if n % 5 == 4 { call } else { call.env("LAKE_PKG_DIR", &shared) }
        });
        let bakes = (0..2).map(|_| sandbox.lake_shim("bake --level 1 --store").arg(&store));
        let run = at_once((0..2).map(|_| scene.call()).chain(crowd).chain(bakes));
        let whole = packages_in(scene, scene.operation.packages[0]);
        let found = (0..10).flat_map(|n| {
            let dir = format!("crowd/{n}/.lake/packages");
            let real = sandbox.path(&dir).canonicalize().unwrap_or_default();
            let is_right = (real == shared) != (n % 5 == 4);
            let wrong = (!is_right).then(|| format!("leads to {}", real.display()));
            let changes = whole.content_changes_to(&packages_in(scene, real));
            let all: Vec<_> = wrong.into_iter().chain(changes).collect();
            all.into_iter().map(move |what| Found::new(Kind::Unsound, format!("{dir}: {what}")))
        });
        let found = found.collect();
        sandbox.remove("crowd");
        Struck { found, ..Struck::new(run, Some(self.name()), Expected::Success) }
    }
}

/// What packages are made of, whichever way they came: a shard has a clone without its history.
fn packages_in(scene: &Scene, dir: impl AsRef<Path>) -> Tree {
    let is_own = |part: &OsStr| part.to_string_lossy().starts_with(".lake-shim");
    let is_history = |path: &Path| path.iter().any(|p| p == ".git") && !path.ends_with(".git/HEAD");
    let counts = |path: &Path| !path.iter().any(is_own) && !is_history(path);
    scene::picture(&scene.sandbox, dir).filtered(counts)
}

/// Runs them at the same time. The run of one that failed, if one did.
fn at_once<'a>(calls: impl Iterator<Item = Call<'a>>) -> Run {
    let running: Vec<_> = calls.map(Call::spawn).collect();
    let runs: Vec<_> = running.into_iter().map(Running::wait).collect();
    let is_bad = |run: &&Run| run.code != Some(0) || !matches!(run.stdout.as_str(), "" | LAKE_RAN);
    runs.iter().find(is_bad).unwrap_or(&runs[0]).clone()
}
