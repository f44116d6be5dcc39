//! Which commands link, before the real lake sees the workspace.

use shim_tests::{Sandbox, Tree};

use crate::{bare, expect_link};

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn commands_that_load_the_workspace_find_it_linked_fake_lake_only() {
    for line in [
        "build",
        "-q build",
        "build Mathlib --no-build",
        "check-build",
        "query Mathlib",
        "test",
        "check-test",
        "lint",
        "check-lint",
        "lean App.lean",
        "env true",
        "exe something",
        "exec something",
        "exe cache",
        "run",
        "script list",
        "scripts",
        "serve",
        "setup-file App.lean",
        "update",
        "upgrade mathlib",
        "resolve-deps",
        "cache get",
        "cache put x",
        "clean mathlib",
        "pack",
        "unpack",
        "upload v1",
        "frobnicate",
        "frobnicate update",
        "build --frobnicate",
        "--frobnicate build",
        "version-tags",
        "translate-config toml",
        "reservoir-config",
        "check",
        "shake",
        "builtin-lint",
        "cache stage x",
    ] {
        let sandbox = Sandbox::mini_mathlib_without_packages();
        let shared = sandbox.path("shared");
        sandbox.clone_packages(&shared);
        let run = sandbox.lake(line).env("LAKE_PKG_DIR", &shared).run();
        let calls = sandbox.lake_calls();
        assert_eq!(calls.len(), 1, "{run}");
        assert_eq!(calls[0].line(), line);
        assert_eq!(calls[0].packages_link.as_ref(), Some(&shared), "{run}");
        assert!(calls[0].packages.contains_key("mathlib"), "{run}");
    }
}

#[test]
fn mathlibs_cache_get_links_too() {
    let sandbox = Sandbox::mini_mathlib_without_packages();
    let shared = sandbox.path("shared");
    sandbox.clone_packages(&shared);
    for line in ["exe cache get-", "exe cache get", "exe cache unpack"] {
        let run =
            sandbox.lake(line).env("LAKE_PKG_DIR", &shared).env("LAKE_SHIM_NETWORK", "never").run();
        run.expect_code(0).expect_stdout("");
        expect_link(&sandbox.packages(), &shared);
        sandbox.remove("app/.lake/packages");
    }
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn other_commands_do_not_link_fake_lake_only() {
    for line in [
        "new foo",
        "init foo",
        "help",
        "--help",
        "--version",
        "build --help",
        "build -h",
        "help build",
        "self-check",
        "",
    ] {
        let sandbox = Sandbox::mini_mathlib();
        sandbox.shim_bin();
        let shared = sandbox.path("shared");
        let packages = Tree::of(sandbox.packages());
        let behind = sandbox.real_lake(line).run();
        let run = sandbox.lake(line).env("LAKE_PKG_DIR", &shared).run();
        assert_eq!(
            (run.code, &run.stdout, &run.stderr),
            (behind.code, &behind.stdout, &behind.stderr)
        );
        assert!(!shared.exists(), "{run}");
        packages.assert_unchanged();
    }
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn a_disabled_shim_does_not_link_fake_lake_only() {
    let sandbox = Sandbox::mini_mathlib();
    let shared = sandbox.path("shared");
    sandbox
        .lake("build")
        .env("LAKE_PKG_DIR", &shared)
        .env("LAKE_SHIM_DISABLE", "1")
        .run()
        .expect_code(0);
    assert!(!shared.exists());
    assert_eq!(sandbox.lake_calls()[0].packages_link, None);
}

#[test]
fn nothing_is_said_on_stdout_and_nothing_at_all_the_second_time() {
    let (sandbox, shared) = bare();
    let run = || sandbox.lake("env printf hello").env("LAKE_PKG_DIR", &shared).run();
    run().expect_code(0).expect_stdout("hello").stderr_contains("linked `");
    expect_link(&sandbox.packages(), &shared);
    run().expect_code(0).expect_stdout("hello").stderr_lacks("lake-shim");
    expect_link(&sandbox.packages(), &shared);
}

#[test]
fn restore_links_first() {
    let sandbox = Sandbox::mini_mathlib();
    let shared = sandbox.path("shared");
    let run = |line| {
        sandbox.lake_shim(line).env("LAKE_PKG_DIR", &shared).env("LAKE_SHIM_NETWORK", "never").run()
    };
    let before = Tree::of(sandbox.path("app"));
    run("restore --dry-run").expect_code(0);
    before.assert_unchanged();
    run("restore").expect_code(0).stderr_contains("restored 11 modules");
    expect_link(&sandbox.packages(), &shared);
    sandbox.expect_all_restored();
}
