//! Several processes at the same instant.

use std::path::Path;

use shim_tests::{Call, Run, Running, Sandbox, Tree};

use crate::packages::{add_package_to, clone_package};
use crate::{bare, expect_link, expect_no_leftovers};

const ROUNDS: usize = 50;

/// Starts `lake-shim link` in some workspaces at once and waits for all.
fn link_at_once(sandbox: &Sandbox, workspaces: &[&str], shared: &Path) -> Vec<Run> {
    let runs: Vec<Running> = workspaces
        .iter()
        .map(|workspace| {
            sandbox.lake_shim("link").env("LAKE_PKG_DIR", shared).cwd(workspace).spawn()
        })
        .collect();
    runs.into_iter().map(Running::wait).collect()
}

fn workspace(sandbox: &Sandbox, name: &str) {
    sandbox.write(format!("{name}/lakefile.toml"), "name = \"app\"\n");
}

#[test]
fn two_fresh_workspaces_at_the_same_instant_are_both_right() {
    let (sandbox, _) = bare();
    for round in 0..ROUNDS {
        let (a, b) = (format!("{round}/a"), format!("{round}/b"));
        workspace(&sandbox, &a);
        workspace(&sandbox, &b);
        let shared = sandbox.path(format!("{round}/shared"));
        for run in link_at_once(&sandbox, &[&a, &b], &shared) {
            run.expect_code(0);
        }
        for workspace in [a, b] {
            expect_link(&sandbox.path(workspace).join(".lake/packages"), &shared);
        }
    }
    expect_no_leftovers(&sandbox);
}

#[test]
fn two_workspaces_with_packages_at_the_same_instant_lose_none() {
    let (sandbox, _) = bare();
    for round in 0..ROUNDS {
        let (a, b) = (format!("{round}/a"), format!("{round}/b"));
        for (name, packages) in [(&a, ["only-a", "same"]), (&b, ["only-b", "same"])] {
            workspace(&sandbox, name);
            for package in packages {
                add_package_to(&sandbox, name, format!("{name}/.lake/packages"), package);
            }
        }
        let shared = sandbox.path(format!("{round}/shared"));
        let runs = link_at_once(&sandbox, &[&a, &b], &shared);
        let is_linked = |name: &str| sandbox.path(name).join(".lake/packages").is_symlink();
        assert!(is_linked(&a) || is_linked(&b), "round {round}: {runs:?}");
        for (name, run) in [&a, &b].into_iter().zip(&runs) {
            let packages = sandbox.path(name).join(".lake/packages");
            match is_linked(name) {
                true => expect_link(&packages, &shared),
                false => {
                    run.stderr_contains("`same`");
                }
            }
            for package in ["same", if *name == a { "only-a" } else { "only-b" }] {
                expect_whole(&sandbox, &packages, package, &format!("round {round}: {runs:?}"));
            }
        }
        // The next command links the rest.
        for run in link_at_once(&sandbox, &[&a, &b], &shared) {
            run.expect_code(0);
        }
        for package in ["same", "only-a", "only-b"] {
            expect_whole(&sandbox, &shared, package, &format!("round {round}"));
        }
    }
    expect_no_leftovers(&sandbox);
}

/// Asserts that nothing of a package is gone, nor changed.
#[track_caller]
fn expect_whole(sandbox: &Sandbox, packages: &Path, name: &str, what: &str) {
    let (whole, now) =
        (Tree::of(sandbox.path("templates").join(name)), Tree::of(packages.join(name)));
    let changes = whole.content_changes_to(&now);
    assert!(changes.is_empty(), "{what}: {name}: {changes:?}");
}

#[test]
fn processes_in_the_same_workspace_at_the_same_instant_are_all_right() {
    same_workspace_at_once(|call| call, ROUNDS);
}

/// NFS with local locks, virtiofs, 9p: each process gets the lock. What it protects has to be right without.
#[test]
#[cfg_attr(not(has = "strace"), ignore = "needs strace")]
fn processes_whose_locks_do_not_exclude_lose_nothing() {
    same_workspace_at_once(|call| call.injected("flock:retval=0"), ROUNDS / 5);
}

fn same_workspace_at_once(with: impl Fn(Call<'_>) -> Call<'_>, rounds: usize) {
    let (sandbox, _) = bare();
    for round in 0..rounds {
        let name = format!("{round}/app");
        let shared = sandbox.path(format!("{round}/shared"));
        workspace(&sandbox, &name);
        for package in ["p", "q", "r"] {
            add_package_to(&sandbox, &name, format!("{name}/.lake/packages"), package);
        }
        // In every other round they are there already, so that the workspace's own are deleted.
        if round % 2 == 1 {
            ["p", "q", "r"].iter().for_each(|package| clone_package(&sandbox, &shared, package));
        }
        let link =
            || with(sandbox.lake_shim("link").env("LAKE_PKG_DIR", &shared).cwd(&name)).spawn();
        let runs: Vec<Run> = [link(), link(), link()].into_iter().map(Running::wait).collect();
        let packages = sandbox.path(&name).join(".lake/packages");
        if !packages.is_symlink() {
            // They were in each other's way. Nothing is lost, and one alone comes to its end.
            link().wait().expect_code(0);
        }
        expect_link(&packages, &shared);
        for package in ["p", "q", "r"] {
            expect_whole(&sandbox, &shared, package, &format!("round {round}: {runs:?}"));
        }
    }
    expect_no_leftovers(&sandbox);
}

#[test]
fn processes_in_an_empty_directory_at_the_same_instant_are_all_right() {
    let (sandbox, _) = bare();
    for round in 0..ROUNDS {
        let name = format!("{round}/app");
        workspace(&sandbox, &name);
        let shared = sandbox.path(format!("{round}/shared"));
        sandbox.mkdir(format!("{name}/.lake/packages"));
        for run in link_at_once(&sandbox, &[&name, &name, &name], &shared) {
            run.expect_code(0).stderr_lacks("warning").stderr_lacks("error");
        }
        expect_link(&sandbox.path(&name).join(".lake/packages"), &shared);
    }
    expect_no_leftovers(&sandbox);
}

#[test]
fn processes_that_replace_a_link_of_ours_at_the_same_instant_are_all_right() {
    let (sandbox, _) = bare();
    for round in 0..ROUNDS {
        let name = format!("{round}/app");
        workspace(&sandbox, &name);
        let [old, shared] = ["old", "shared"].map(|dir| sandbox.path(format!("{round}/{dir}")));
        link_at_once(&sandbox, &[&name], &old)[0].expect_code(0);
        for run in link_at_once(&sandbox, &[&name, &name, &name], &shared) {
            run.expect_code(0).stderr_lacks("warning").stderr_lacks("error");
        }
        expect_link(&sandbox.path(&name).join(".lake/packages"), &shared);
    }
    expect_no_leftovers(&sandbox);
}

#[test]
fn a_build_in_a_workspace_that_another_process_links_sees_its_packages() {
    let sandbox = Sandbox::mini_mathlib();
    for round in 0..10 {
        let shared = sandbox.path(format!("shared-{round}"));
        let call = || sandbox.lake("env true").env("LAKE_PKG_DIR", &shared).spawn();
        for run in [call(), call(), call()] {
            run.wait().expect_code(0).stderr_lacks("cloning");
        }
        expect_link(&sandbox.packages(), &shared);
        assert!(sandbox.package("mathlib").join("Mathlib.lean").exists());
        // Back to a directory of its own, for the next round.
        sandbox.remove("app/.lake/packages").rename(&shared, "app/.lake/packages");
        sandbox.remove("app/.lake/packages/.lake-shim");
    }
}
