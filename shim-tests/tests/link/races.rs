//! Several processes at the same instant.

use std::path::Path;

use shim_tests::{Run, Running, Sandbox};

use crate::{bare, expect_link, expect_no_leftovers, write_package};

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
                write_package(&sandbox, format!("{name}/.lake/packages/{package}"), name);
            }
        }
        let shared = sandbox.path(format!("{round}/shared"));
        let runs = link_at_once(&sandbox, &[&a, &b], &shared);
        // One brings `same`; the other keeps its own, is told so, and still finds all it had.
        let linked = |name: &str| sandbox.path(name).join(".lake/packages").is_symlink();
        assert!(linked(&a) != linked(&b), "round {round}: {runs:?}");
        for (name, run) in [&a, &b].into_iter().zip(&runs) {
            let packages = sandbox.path(name).join(".lake/packages");
            match linked(name) {
                true => expect_link(&packages, &shared),
                false => {
                    run.stderr_contains("`same`");
                }
            }
            assert_eq!(sandbox.read(packages.join("same/lakefile.toml")), *name, "{runs:?}");
        }
        for (name, package) in [(&a, "only-a"), (&b, "only-b")] {
            assert_eq!(sandbox.read(shared.join(package).join("lakefile.toml")), *name);
            let seen = sandbox.path(name).join(".lake/packages").join(package);
            assert_eq!(sandbox.read(seen.join("lakefile.toml")), *name);
        }
    }
    expect_no_leftovers(&sandbox);
}

#[test]
fn processes_in_the_same_workspace_at_the_same_instant_are_all_right() {
    let (sandbox, _) = bare();
    for round in 0..ROUNDS {
        let name = format!("{round}/app");
        workspace(&sandbox, &name);
        for package in ["p", "q", "r"] {
            write_package(&sandbox, format!("{name}/.lake/packages/{package}"), &name);
        }
        let shared = sandbox.path(format!("{round}/shared"));
        for run in link_at_once(&sandbox, &[&name, &name, &name], &shared) {
            run.expect_code(0).stderr_lacks("warning").stderr_lacks("error");
        }
        expect_link(&sandbox.path(&name).join(".lake/packages"), &shared);
        for package in ["p", "q", "r"] {
            assert_eq!(sandbox.read(shared.join(package).join("lakefile.toml")), name);
        }
    }
    expect_no_leftovers(&sandbox);
}

#[test]
fn processes_that_replace_a_wrong_link_at_the_same_instant_are_all_right() {
    let (sandbox, _) = bare();
    for round in 0..ROUNDS {
        let name = format!("{round}/app");
        workspace(&sandbox, &name);
        let shared = sandbox.path(format!("{round}/shared"));
        match round % 2 {
            0 => sandbox.symlink("/nonexistent", format!("{name}/.lake/packages")),
            _ => sandbox.mkdir(format!("{name}/.lake/packages")),
        };
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
    }
}
