//! `LAKE_SHIM_PRIVATE=1`: links to `LAKE_PKG_DIR`, and those that the shim made, are undone. The user's own stay.

use std::path::Path;

use shim_tests::{Sandbox, Tree};

use crate::identity;

const COMMANDS: [&str; 5] = ["build", "env true", "frobnicate", "exe cache get", "update"];

/// Runs a command in a private workspace.
fn private(sandbox: &Sandbox, words: &str) -> shim_tests::Run {
    let call = sandbox.lake(words).env("LAKE_SHIM_PRIVATE", "1");
    call.env("LAKE_SHIM_NETWORK", "never").run()
}

#[test]
fn a_package_that_the_user_linked_stays_a_link() {
    for is_dangling in [false, true] {
        for words in COMMANDS {
            let sandbox = Sandbox::mini_mathlib().online();
            sandbox.rename(sandbox.package("mathlib"), "mathlib4-dev");
            sandbox.symlink(sandbox.path("mathlib4-dev"), sandbox.package("mathlib"));
            if is_dangling {
                sandbox.rename("mathlib4-dev", "mathlib4-away");
            }
            let link = identity(&sandbox.package("mathlib"));
            let sources = || {
                let tree = Tree::of(sandbox.path("mathlib4-dev"));
                tree.filtered(|path| !path.starts_with(".lake") && !path.as_os_str().is_empty())
            };
            let checkout = sources();
            let run = private(&sandbox, words);
            assert_eq!(identity(&sandbox.package("mathlib")), link, "{run}");
            if words != "exe cache get" && words != "update" {
                assert_eq!(checkout.content_changes_to(&sources()), [""; 0], "{run}");
            }
            run.stderr_lacks("directory of its own");
        }
    }
}

#[test]
fn a_packages_directory_that_the_user_linked_stays_a_link() {
    for target in ["ROOT/elsewhere", "../../elsewhere", "/nonexistent/packages"] {
        for with_shared in [false, true] {
            let sandbox = Sandbox::mini_mathlib();
            sandbox.rename(sandbox.packages(), "elsewhere");
            let root = sandbox.path("").display().to_string();
            let target = target.replace("ROOT", root.trim_end_matches('/'));
            sandbox.symlink(&target, sandbox.packages());
            let (before, packages) =
                (identity(&sandbox.packages()), Tree::of(sandbox.path("elsewhere")));
            let call = sandbox.lake("env true").env("LAKE_SHIM_PRIVATE", "1");
            let shared = sandbox.path("shared");
            let call = if with_shared { call.env("LAKE_PKG_DIR", &shared) } else { call };
            let run = call.run();
            assert_eq!(identity(&sandbox.packages()), before, "{run}");
            packages.assert_same_content();
            assert!(!sandbox.path("elsewhere/.lake-shim.private").exists(), "{run}");
        }
    }
}

#[test]
fn a_link_to_the_shared_directory_is_undone_whoever_made_it() {
    for by_shim in [true, false] {
        let sandbox = Sandbox::mini_mathlib_without_packages().online();
        let shared = sandbox.path("shared");
        sandbox.clone_packages(&shared);
        match by_shim {
            true => {
                crate::link(&sandbox, &shared).run().expect_code(0);
            }
            false => {
                sandbox.symlink(&shared, sandbox.packages());
            }
        }
        let before = Tree::of(&shared);
        let call = sandbox.lake("resolve-deps").env("LAKE_SHIM_PRIVATE", "1");
        let run = call.env("LAKE_PKG_DIR", &shared).run();
        run.expect_code(0).stderr_contains("is a directory of its own now");
        assert!(sandbox.package("mathlib/.git").is_dir() && !sandbox.packages().is_symlink());
        before.assert_unchanged();
    }
}

/// Without `LAKE_PKG_DIR`, and with one that has changed since.
#[test]
fn a_link_that_we_made_is_undone_whatever_the_setting_is_now() {
    for now in [None, Some("other")] {
        let sandbox = Sandbox::mini_mathlib_without_packages().online();
        let shared = sandbox.path("shared");
        sandbox.clone_packages(&shared);
        crate::link(&sandbox, &shared).run().expect_code(0);
        let before = Tree::of(&shared);
        let call = sandbox.lake("resolve-deps").env("LAKE_SHIM_PRIVATE", "1");
        let call = match now {
            Some(now) => call.env("LAKE_PKG_DIR", sandbox.path(now)),
            None => call,
        };
        call.run().expect_code(0).stderr_contains("is a directory of its own now");
        assert!(!sandbox.packages().is_symlink());
        before.assert_unchanged();
        assert!(!sandbox.path("other").exists());
    }
}

/// The developer's checkout behind the user's link may be at another revision: that is refused, and not worked around.
#[test]
fn a_linked_checkout_at_work_is_refused_and_kept() {
    let sandbox = Sandbox::mini_mathlib();
    let checkout: &Path = &sandbox.path("mathlib4-dev");
    sandbox
        .rename(sandbox.package("mathlib"), checkout)
        .symlink(checkout, sandbox.package("mathlib"));
    sandbox.git(checkout, &["commit", "--quiet", "--allow-empty", "--message", "wip"]);
    let before = Tree::of(checkout);
    let run = private(&sandbox, "build");
    run.expect_code(1).stderr_contains("has local work").stderr_contains("wip`");
    before.assert_same_content();
    assert!(sandbox.package("mathlib").is_symlink());
}
