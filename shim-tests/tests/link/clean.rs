//! `lake clean` without a package removes every build, that of a link's target with it (lean4#14476).

use shim_tests::{Sandbox, Tree};

const CLEANS: [&str; 8] = [
    "clean",
    "-q clean",
    "clean -v",
    "-d . clean",
    "clean --",
    "clean --no-such-option",
    "--no-such-option clean",
    "--no-such-option value clean",
];

#[track_caller]
fn expect_refused(sandbox: &Sandbox, dir: &str) {
    let dir = sandbox.path(dir);
    let before = Tree::of(&dir);
    for words in CLEANS {
        let run = sandbox.lake(words).run();
        run.expect_code(1).expect_stdout("").stderr_contains(&format!(
            "`lake clean` would remove the builds in `{}`, which is outside of this workspace",
            dir.display()
        ));
        run.stderr_contains("hint: `lake clean app` removes this package's own");
        before.assert_unchanged();
    }
    // The hint helps.
    sandbox.lake("clean app").run().expect_code(0).stderr_lacks("lake-shim: ");
    before.assert_unchanged();
}

#[test]
fn the_builds_of_a_shared_directory_are_spared() {
    for by_setting in [true, false] {
        let mut sandbox = Sandbox::mini_mathlib_without_packages();
        let shared = sandbox.path("shared");
        sandbox.clone_packages(&shared).symlink(&shared, sandbox.packages());
        if by_setting {
            sandbox.set_env("LAKE_PKG_DIR", &shared);
        }
        sandbox.lake("exe cache get").run().expect_code(0);
        expect_refused(&sandbox, "shared");
    }
}

#[test]
fn the_build_of_a_developers_checkout_is_spared() {
    for target in ["ROOT/mathlib4-dev", "../../../mathlib4-dev", "../../link"] {
        let sandbox = Sandbox::mini_mathlib();
        sandbox.lake("exe cache get").run().expect_code(0);
        let root = sandbox.path("").display().to_string();
        let target = target.replace("ROOT", root.trim_end_matches('/'));
        sandbox.symlink("../mathlib4-dev", "app/link");
        sandbox
            .rename(sandbox.package("mathlib"), "mathlib4-dev")
            .symlink(&target, sandbox.package("mathlib"));
        expect_refused(&sandbox, "mathlib4-dev");
    }
}

#[test]
fn a_directory_of_the_workspaces_own_is_the_users_to_clean() {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.lake("exe cache get").run().expect_code(0);
    for words in ["clean app", "clean mathlib", "clean"] {
        sandbox.lake(words).run().expect_code(0).stderr_lacks("lake-shim: ");
    }
}

/// The packages would be linked before any other command.
#[test]
fn packages_that_are_not_linked_yet_are_cleaned_where_they_are() {
    let mut sandbox = Sandbox::mini_mathlib();
    sandbox.lake("exe cache get").run().expect_code(0);
    let shared = sandbox.path("shared");
    sandbox.set_env("LAKE_PKG_DIR", &shared);
    for words in CLEANS {
        sandbox.lake(words).run().stderr_lacks("lake-shim: ");
        assert!(!sandbox.packages().is_symlink() && !shared.exists(), "{words}");
    }
}
