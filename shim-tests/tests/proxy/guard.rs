//! Clones that Lake would delete over the spelling of a URL or over their owner are kept; forks in a directory that
//! others use are refused; what is the workspace's own is left to Lake.

use std::path::Path;

use shim_tests::{NOBODY, Run, Sandbox, Tree};

use crate::{
    FORK, Keepsake, MATHLIB, OTHER_REV, assert_alike, assert_lost_without, lost_without_kept_with,
    move_head, relock, set_origin, spelled,
};

const SSH: &str = "ssh://git@github.com/leanprover-community/mathlib4";
const SCP: &str = "git@github.com:leanprover-community/mathlib4";
const SSH_443: &str = "ssh://git@ssh.github.com:443/leanprover-community/mathlib4.git";
const WWW: &str = "https://www.github.com/leanprover-community/mathlib4";
const CAPITALS: &str = "https://github.com/Leanprover-Community/MathLib4";
const HOST_IN_CAPITALS: &str = "https://GitHub.COM/leanprover-community/mathlib4";

#[test]
fn a_clone_spelled_otherwise_is_kept() {
    let dot_git = |url: &str| format!("{url}.git");
    for (origin, wanted) in [
        (MATHLIB, &*dot_git(MATHLIB)),
        (&*dot_git(MATHLIB), MATHLIB),
        (MATHLIB, &format!("{MATHLIB}/")),
        (&format!("{MATHLIB}.git/"), MATHLIB),
        (MATHLIB, HOST_IN_CAPITALS),
        (HOST_IN_CAPITALS, &dot_git(MATHLIB)),
        (SSH, MATHLIB),
        (MATHLIB, &dot_git(SSH)),
        (SCP, MATHLIB),
        (&dot_git(SCP), MATHLIB),
        (MATHLIB, &dot_git(SCP)),
        (SCP, &dot_git(SSH)),
        (MATHLIB, SSH_443),
        (SSH_443, &dot_git(MATHLIB)),
        (MATHLIB, WWW),
        (MATHLIB, CAPITALS),
        (CAPITALS, SCP),
    ] {
        let (_, run) = lost_without_kept_with(|| spelled(origin, wanted), "resolve-deps");
        run.expect_code(1).expect_stdout(""); // the fetch fails
    }
    let prepare = || spelled(MATHLIB, &dot_git(MATHLIB)).with_dialect("4.16");
    lost_without_kept_with(prepare, "resolve-deps").1.expect_code(1);
}

#[test]
fn every_command_that_loads_the_workspace_is_guarded() {
    for words in [
        "build",
        "exe no-such-exe",
        "env true",
        "lint",
        "test",
        "script list",
        "setup-file App.lean",
        "serve",
    ] {
        lost_without_kept_with(|| spelled(MATHLIB, &format!("{MATHLIB}.git")), words);
    }
}

#[test]
fn a_clone_spelled_otherwise_is_fetched_into() {
    let prepare = || {
        let sandbox = Sandbox::mini_mathlib().online();
        let remote = sandbox.remote(MATHLIB);
        let next =
            sandbox.git(&remote, &["commit-tree", "master^{tree}", "-p", "master", "-m", "next"]);
        sandbox.git(&remote, &["update-ref", "refs/heads/master", &next]);
        relock(&sandbox, &format!("{MATHLIB}.git"), &next);
        sandbox
    };
    let (sandbox, run) = lost_without_kept_with(prepare, "resolve-deps");
    run.expect_code(0)
        .expect_stdout("")
        .stderr_contains("checking out revision")
        .stderr_lacks("lake-shim");
    let (_, rev) = sandbox.locked("mathlib");
    assert_eq!(sandbox.git(&sandbox.package("mathlib"), &["rev-parse", "HEAD"]), rev);
}

// Shared directories

/// Makes the packages directory a link to one that other workspaces use.
pub fn shared(mut sandbox: Sandbox) -> Sandbox {
    sandbox.rename("app/.lake/packages", "shared");
    sandbox.symlink(sandbox.path("shared"), "app/.lake/packages");
    let shared = sandbox.path("shared");
    sandbox.set_env("LAKE_PKG_DIR", shared);
    sandbox
}

#[track_caller]
fn assert_refused(run: &Run, parts: &[&str]) {
    run.expect_code(1)
        .expect_stdout("")
        .stderr_contains("lake-shim: error: ")
        .stderr_contains("\nhint: ");
    parts.iter().for_each(|part| {
        run.stderr_contains(part);
    });
    run.stderr_lacks("deleting").stderr_lacks("info:");
}

#[test]
fn a_clone_spelled_otherwise_in_a_shared_directory_is_kept() {
    let prepare = || shared(spelled(MATHLIB, &format!("{MATHLIB}.git")));
    for words in ["resolve-deps", "build"] {
        lost_without_kept_with(prepare, words);
    }
    // Just now linked, and guarded all the same.
    let sandbox = prepare();
    sandbox.remove("app/.lake/packages");
    let keepsake = Keepsake::leave(&sandbox, &sandbox.path("shared/mathlib"));
    let run = sandbox.lake("resolve-deps").run();
    keepsake.assert_kept(&run);
    run.stderr_contains("linked").stderr_lacks("deleting");
}

#[test]
fn a_fork_in_a_shared_directory_is_refused() {
    let prepare = || shared(spelled(FORK, MATHLIB));
    for words in
        ["resolve-deps", "build", "serve", "exe cache get", "lint", "frobnicate", "build --new"]
    {
        if !words.contains("frobnicate") && !words.contains("--new") {
            assert_lost_without(prepare, words); // a verb that this Lake lacks loads nothing yet
        }
        let sandbox = prepare();
        let everything = Tree::of(sandbox.path("shared"));
        let run = sandbox.lake(words).run();
        assert_refused(
            &run,
            &[
                "`mathlib`",
                FORK,
                &format!("`{MATHLIB}`"),
                "LAKE_SHIM_PRIVATE=1",
                "lake-shim unlink",
            ],
        );
        everything.assert_same_content();
    }
    let sandbox = prepare();
    for words in ["--version", "build --help", "help frobnicate"] {
        crate::alike(&sandbox, words, |call| call);
    }
}

#[test]
fn a_fork_in_a_directory_linked_by_hand_is_refused() {
    let prepare = || {
        let mut sandbox = shared(spelled(FORK, MATHLIB));
        sandbox.set_env("LAKE_PKG_DIR", "");
        sandbox
    };
    assert_lost_without(prepare, "resolve-deps");
    let sandbox = prepare();
    let everything = Tree::of(sandbox.path("shared"));
    assert_refused(&sandbox.lake("resolve-deps").run(), &["`mathlib`", FORK, MATHLIB]);
    everything.assert_same_content();
}

#[test]
fn a_fork_at_the_locked_revision_is_fine_for_lake_and_for_the_shim() {
    let sandbox = shared(Sandbox::mini_mathlib());
    set_origin(&sandbox, &sandbox.package("mathlib"), FORK);
    sandbox.real_lake("resolve-deps").run().expect_code(0);
    sandbox.lake("resolve-deps").run().expect_code(0).expect_stderr("");
}

#[test]
fn a_directory_without_git_is_refused_wherever_it_is() {
    for is_shared in [true, false] {
        let prepare = || {
            let sandbox = Sandbox::mini_mathlib();
            sandbox.remove("app/.lake/packages/mathlib/.git");
            if is_shared { shared(sandbox) } else { sandbox }
        };
        assert_lost_without(prepare, "resolve-deps");
        for words in ["resolve-deps", "build", "exe cache get", "frobnicate"] {
            let sandbox = prepare();
            let everything = Tree::of(sandbox.package("mathlib"));
            let run = sandbox.lake(words).run();
            assert_refused(&run, &["`mathlib`", "no `.git` of its own", "`mv "]);
            everything.assert_unchanged();
        }
    }
}

/// git then answers for the repository around it, whose HEAD may even be the locked revision.
#[test]
fn a_directory_without_git_inside_of_another_repository_is_refused() {
    let prepare = || {
        let sandbox = Sandbox::mini_mathlib();
        let package = sandbox.package("mathlib");
        sandbox.rename(package.join(".git"), "app/.git");
        sandbox
    };
    let sandbox = prepare();
    let everything = Tree::of(sandbox.package("mathlib"));
    assert_eq!(
        sandbox.git(&sandbox.package("mathlib"), &["rev-parse", "HEAD"]),
        sandbox.locked("mathlib").1,
        "Lake would take it for the package"
    );
    assert_refused(&sandbox.lake("build").run(), &["`mathlib`", "no `.git` of its own"]);
    everything.assert_unchanged();
}

#[test]
fn a_package_that_is_a_link_to_a_fork_is_refused() {
    // lean4#14476: Lake's delete follows the link.
    let prepare = || linked_package(spelled(FORK, MATHLIB));
    assert_lost_without(prepare, "resolve-deps");
    let sandbox = prepare();
    let everything = Tree::of(sandbox.path("elsewhere"));
    assert_refused(&sandbox.lake("resolve-deps").run(), &["`mathlib`", FORK, MATHLIB]);
    everything.assert_same_content();
}

#[test]
fn a_package_that_is_a_link_to_a_clone_spelled_otherwise_is_kept() {
    let prepare = || linked_package(spelled(MATHLIB, &format!("{MATHLIB}.git")));
    lost_without_kept_with(prepare, "resolve-deps");
}

fn linked_package(sandbox: Sandbox) -> Sandbox {
    sandbox.rename("app/.lake/packages/mathlib", "elsewhere/mathlib");
    sandbox.symlink(sandbox.path("elsewhere/mathlib"), "app/.lake/packages/mathlib");
    sandbox
}

#[test]
fn a_fork_in_the_workspaces_own_directory_is_left_to_lake_if_nothing_is_lost() {
    let prepare = || spelled(FORK, MATHLIB).online();
    let (direct, shim) = (prepare(), prepare());
    let direct = direct.real_lake("resolve-deps").run();
    let run = shim.lake("resolve-deps").run();
    run.stderr_contains("URL has changed; deleting").stderr_lacks("lake-shim");
    assert_eq!(direct.code, run.code);

    // The revision is there: Lake ends with a clone of what is wanted.
    let rev = Sandbox::mini_mathlib().locked("mathlib").1;
    let sandbox = prepare();
    relock(&sandbox, MATHLIB, &rev);
    move_head(&sandbox, &sandbox.package("mathlib"));
    sandbox.lake("resolve-deps").run().expect_code(0).stderr_contains("deleting");
    let package = sandbox.package("mathlib");
    assert_eq!(sandbox.git(&package, &["remote", "get-url", "origin"]), MATHLIB);
}

// Owners

#[test]
#[cfg_attr(not(has = "root"), ignore = "needs root")]
fn a_package_of_another_user_is_kept() {
    let prepare = || {
        let sandbox = Sandbox::mini_mathlib();
        sandbox.chown(sandbox.package("mathlib"), NOBODY);
        sandbox
    };
    let (_, run) = lost_without_kept_with(prepare, "resolve-deps");
    run.expect_code(0).expect_stderr("");
    let (_, run) = lost_without_kept_with(|| shared(prepare()), "resolve-deps");
    run.expect_code(0).expect_stderr("");
    let (_, run) = lost_without_kept_with(|| linked_package(prepare()), "resolve-deps");
    run.expect_code(0).expect_stderr("");
}

#[test]
#[cfg_attr(not(has = "setpriv"), ignore = "needs setpriv")]
fn packages_of_root_serve_another_user() {
    let prepare = || {
        let sandbox = shared(Sandbox::mini_mathlib());
        sandbox.chown("app", NOBODY);
        sandbox
    };
    let direct = prepare();
    let run = direct.real_lake("resolve-deps").as_user(NOBODY).run();
    run.expect_code(1).stderr_contains("URL has changed; deleting");
    let sandbox = prepare();
    let everything = Tree::of(sandbox.path("shared"));
    let run = sandbox.lake("resolve-deps").as_user(NOBODY).run();
    run.expect_code(0).expect_stdout("").expect_stderr("");
    everything.assert_same_content();
}

#[test]
#[cfg_attr(not(has = "root"), ignore = "needs root")]
fn a_package_of_another_user_spelled_otherwise_is_kept() {
    let prepare = || {
        let sandbox = spelled(MATHLIB, &format!("{MATHLIB}.git"));
        sandbox.chown(sandbox.package("mathlib"), NOBODY);
        sandbox
    };
    lost_without_kept_with(prepare, "resolve-deps");
    lost_without_kept_with(|| shared(prepare()), "resolve-deps");
}

#[test]
#[cfg_attr(not(has = "root"), ignore = "needs root")]
fn only_the_clones_git_directory_may_be_another_users() {
    let chowned = |what: &'static str| {
        move || {
            let sandbox = Sandbox::mini_mathlib();
            sandbox.chown(sandbox.package("mathlib").join(what), NOBODY);
            sandbox
        }
    };
    let (_, run) = lost_without_kept_with(chowned(".git"), "resolve-deps");
    run.expect_code(0).expect_stderr("");
}

#[test]
fn what_is_in_order_is_left_as_it_is() {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.real_lake("resolve-deps").run().expect_code(0);
    let app = Tree::of(sandbox.workspace());
    let run = sandbox.lake("resolve-deps").run();
    assert_alike(&sandbox.real_lake("resolve-deps").run(), &run);
    app.assert_same_content();
    assert_ne!(sandbox.locked("mathlib").1, OTHER_REV);
    assert!(Path::new(&sandbox.package("mathlib")).exists());
}

/// git exports it to hooks, in a linked worktree as an absolute path.
#[test]
fn a_hooks_git_dir_costs_no_clone() {
    let hook = |call: shim_tests::Call<'_>, sandbox: &Sandbox| {
        call.env("GIT_DIR", sandbox.path("app/.git")).run()
    };
    let prepare = || {
        let sandbox = Sandbox::mini_mathlib();
        sandbox.git(&sandbox.workspace(), &["init", "--quiet"]);
        sandbox.git(&sandbox.workspace(), &["commit", "--quiet", "--allow-empty", "-m", "x"]);
        sandbox
    };
    let sandbox = prepare();
    let keepsake = Keepsake::leave(&sandbox, &sandbox.package("mathlib"));
    let run = hook(sandbox.real_lake("build"), &sandbox);
    assert!(keepsake.is_lost(), "this lake deletes nothing, so that the test shows nothing\n{run}");
    let sandbox = prepare();
    let keepsake = Keepsake::leave(&sandbox, &sandbox.package("mathlib"));
    let run = hook(sandbox.lake("build"), &sandbox);
    keepsake.assert_kept(&run);
    run.expect_code(1)
        .stderr_contains("because of `GIT_DIR`")
        .stderr_contains("hint: ")
        .stderr_contains("env -u GIT_DIR");
    // A relative one is that of each clone.
    let run = sandbox.lake("build --no-build").env("GIT_DIR", ".git").run();
    run.stderr_lacks("lake-shim: ");
    keepsake.assert_kept(&run);
}

#[test]
fn a_clone_whose_configuration_is_locked_is_kept_all_the_same() {
    let dot_git = format!("{MATHLIB}.git");
    let prepare = || {
        let sandbox = Sandbox::mini_mathlib().online();
        let lakefile = sandbox
            .read("app/lakefile.toml")
            .replace(&format!("\"{MATHLIB}\""), &format!("\"{dot_git}\""));
        sandbox.write("app/lakefile.toml", lakefile);
        sandbox.write("app/.lake/packages/mathlib/.git/config.lock", "");
        sandbox
    };
    let (sandbox, run) = lost_without_kept_with(prepare, "update");
    run.stderr_lacks("lake-shim");
    // The real one would have to run mathlib's lakefile.lean.
    assert!(run.code == Some(0) || shim_tests::tools::real_lake().is_some(), "{run}");
    let origin = sandbox.git(&sandbox.package("mathlib"), &["remote", "get-url", "origin"]);
    assert_eq!(origin, MATHLIB, "no `origin` is rewritten");
}
