//! An operation in a sandbox that can be put back, and what there is to say of a run in it.

use std::process::Command;

use shim_tests::oracle::Oracle;
use shim_tests::{Sandbox, Tree};

use crate::operation::{Ends, LAKE_RAN, Operation};
use crate::verdict::{Found, Kind};

/// Where the start is kept.
const START: &str = "start";

/// What differs from run to run: a stamp has inodes in it, and git writes its index anew when it looks at a clone.
const VOLATILE: [&str; 2] = [".lake/lake-shim-stamp", ".git/index"];

pub struct Scene {
    pub sandbox: Sandbox,
    pub operation: &'static Operation,
    oracle: Oracle,
    /// The directories that it changes, when it is done.
    whole: Vec<Tree>,
}

impl Scene {
    /// Prepares the operation, and runs it once to see what it comes to.
    pub fn new(operation: &'static Operation) -> Scene {
        let sandbox = (operation.prepare)();
        let mut oracle = Oracle::new();
        for dir in operation.packages {
            oracle.packages_in(sandbox.path(dir));
        }
        oracle.learn().keep().store(sandbox.path(operation.store));
        for text in operation.texts {
            oracle.text(sandbox.path(text));
        }
        for dir in operation.changes.iter().filter(|dir| sandbox.path(dir).exists()) {
            sandbox.copy(dir, format!("{START}/{dir}"));
        }
        let run = (operation.call)(&sandbox).run();
        run.expect_code(0);
        (operation.check)(&sandbox);
        oracle.learn();
        for text in operation.texts {
            oracle.text(sandbox.path(text));
        }
        if let Some(store) = operation.bakes {
            oracle.baked(sandbox.path(store));
        }
        let whole = operation.changes.iter().map(|dir| picture(&sandbox, dir)).collect();
        let scene = Scene { sandbox, operation, oracle, whole };
        let verdict = scene.oracle.judge();
        assert!(verdict.is_clean(), "what nothing has struck is not whole: {verdict:#?}");
        scene.reset();
        scene
    }

    /// As it was before the operation.
    pub fn reset(&self) {
        let changes = self.operation.changes.join(" ");
        let script = format!("rm -rf {changes} && cp -a {START}/. .");
        let done =
            Command::new("sh").args(["-c", &script]).current_dir(self.sandbox.path("")).status();
        assert!(done.is_ok_and(|status| status.success()), "{script}");
    }

    /// Whether anything is lost or half-published now.
    pub fn judge(&self) -> Vec<Found> {
        let verdict = self.oracle.judge();
        let lost = verdict.lost.into_iter().map(|what| Found::new(Kind::Lost, what));
        let half = verdict.half_published.into_iter();
        lost.chain(half.map(|what| Found::new(Kind::HalfPublished, what))).collect()
    }

    /// What differs from the operation's being done: leftovers too, unless they do not count.
    pub fn differences(&self, leftovers_count: bool) -> Vec<String> {
        let mut differences = Vec::new();
        for (dir, whole) in self.operation.changes.iter().zip(&self.whole) {
            let mut now = picture(&self.sandbox, dir);
            if !leftovers_count {
                now = now.filtered(|path| !is_leftover(path));
            }
            let is_same = |a: &shim_tests::tree::Entry, b: &shim_tests::tree::Entry| {
                (&a.kind, a.mode) == (&b.kind, b.mode)
            };
            let changes = whole.differences(&now, is_same);
            differences.extend(changes.into_iter().map(|change| format!("{dir}: {change}")));
        }
        differences
    }

    /// The run that follows, when nothing goes wrong any more.
    pub fn run_again(&self) -> Vec<Found> {
        let run = self.call().run();
        let mut found = Vec::new();
        if run.code != Some(0)
            || self.operation.ends == Ends::Build && !run.stdout.contains(LAKE_RAN)
        {
            found.push(Found::new(Kind::NotWhole, format!("the run after it fails: {run}")));
        } else if let Some(difference) = self.differences(true).first() {
            let what = format!("after the next run: {difference}\n{run}");
            found.push(Found::new(Kind::NotWhole, what));
        }
        found.extend(self.judge());
        found
    }

    pub fn call(&self) -> shim_tests::Call<'_> {
        (self.operation.call)(&self.sandbox)
    }
}

fn picture(sandbox: &Sandbox, dir: &str) -> Tree {
    Tree::of(sandbox.path(dir)).filtered(|path| !VOLATILE.iter().any(|end| path.ends_with(end)))
}

fn is_leftover(path: &std::path::Path) -> bool {
    path.iter().any(|part| {
        let part = part.to_string_lossy();
        part.starts_with(".lake-shim-")
            || part.starts_with("lake-shim-")
            || part.starts_with(".tmp")
    })
}
