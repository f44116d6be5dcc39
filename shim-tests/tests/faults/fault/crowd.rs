//! Many at once.

use std::path::Path;

use shim_tests::{Call, Run, Running};

use super::Fault;
use crate::form::Form;
use crate::operation::{Ends, LAKE_RAN, Operation};
use crate::scene::Scene;
use crate::verdict::{Expected, Struck};

const MANY: usize = 16;

/// The same in one workspace.
struct Together;

/// Workspaces of several users that share one packages directory.
struct Users;

pub fn all() -> Vec<Box<dyn Fault>> {
    vec![Box::new(Together), Box::new(Users)]
}

impl Fault for Together {
    fn name(&self) -> String {
        format!("{MANY} at once")
    }

    fn ways(&self, _: &Scene) -> u64 {
        1000
    }

    fn rounds(&self, form: Form) -> u64 {
        form.of(1, 20)
    }

    fn strike(&self, scene: &Scene, _: u64) -> Struck {
        // Bakes take turns, and each takes as long as the first.
        let many = if scene.operation.bakes.is_some() { 3 } else { MANY };
        let run = at_once((0..many).map(|_| scene.call()));
        Struck::new(run, Some(format!("{many} at once")), Expected::Success)
    }
}

impl Fault for Users {
    fn name(&self) -> String {
        format!("{MANY} workspaces of four users at once")
    }

    fn suits(&self, operation: &Operation) -> bool {
        operation.ends == Ends::Build
    }

    fn ways(&self, _: &Scene) -> u64 {
        1000
    }

    fn rounds(&self, form: Form) -> u64 {
        form.of(1, 20)
    }

    fn strike(&self, scene: &Scene, _: u64) -> Struck {
        let sandbox = &scene.sandbox;
        let shared = Path::new(scene.operation.packages[1]);
        sandbox.mkdir(shared).chmod(shared, 0o1777);
        let users = (0..MANY as u32).map(|n| (format!("crowd/{n}"), 1001 + n % 4));
        let users: Vec<_> = users.collect();
        for (workspace, user) in &users {
            sandbox.copy("app", workspace).chown(workspace, *user);
        }
        let calls = users
            .iter()
            .map(|(workspace, user)| scene.call().cwd(sandbox.path(workspace)).as_user(*user));
        let run = at_once(calls);
        sandbox.remove("crowd");
        sandbox.chmod(shared, 0o755).chown(shared, 0);
        Struck::new(run, Some(format!("{MANY} at once")), Expected::Success)
    }
}

/// Runs them at the same time. The run of one that failed, if one did.
fn at_once<'a>(calls: impl Iterator<Item = Call<'a>>) -> Run {
    let running: Vec<_> = calls.map(Call::spawn).collect();
    let runs: Vec<_> = running.into_iter().map(Running::wait).collect();
    let is_bad = |run: &&Run| run.code != Some(0) || !matches!(run.stdout.as_str(), "" | LAKE_RAN);
    runs.iter().find(is_bad).unwrap_or(&runs[0]).clone()
}
