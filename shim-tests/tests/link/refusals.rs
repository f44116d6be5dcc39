//! Values of `LAKE_PKG_DIR` that cannot be right: nothing is written, the message names variable and value.

use std::fs;

use shim_tests::{Run, Sandbox, Tree};

use crate::{bare, link, write_package};

/// Links with some value, of which nothing may come.
#[track_caller]
fn expect_refused(sandbox: &Sandbox, value: &str) -> Run {
    let names = || -> Vec<_> {
        fs::read_dir(sandbox.path(""))
            .expect("a sandbox")
            .flatten()
            .map(|entry| entry.path())
            .collect()
    };
    let (before, names_before) = (Tree::of(sandbox.workspace()), names());
    let run = sandbox.lake_shim("link").env("LAKE_PKG_DIR", value).run();
    run.expect_code(1)
        .expect_stdout("")
        .stderr_contains("`LAKE_PKG_DIR` is `")
        .stderr_contains(value);
    before.assert_unchanged();
    assert_eq!(names(), names_before);
    run
}

/// A workspace with a package, and the shim in place so that it is no change.
fn with_package() -> Sandbox {
    let (sandbox, _) = bare();
    sandbox.shim_bin();
    write_package(&sandbox, "app/.lake/packages/a", "mine");
    sandbox
}

#[test]
fn a_directory_inside_the_workspace_is_refused() {
    let sandbox = with_package();
    sandbox.symlink("app/inside", "alias").mkdir("app/inside");
    for inside in [
        "app",
        "app/shared",
        "app/.lake",
        "app/.lake/packages",
        "app/.lake/packages/deeper",
        "app/../app/x",
        "alias",
        "alias/x",
    ] {
        let value = sandbox.path(inside).display().to_string();
        expect_refused(&sandbox, &value)
            .stderr_contains("inside the workspace")
            .stderr_contains("hint: ");
    }
}

#[test]
fn a_relative_directory_is_refused() {
    let sandbox = with_package();
    for value in ["shared", "../shared", "./shared", "~/shared"] {
        expect_refused(&sandbox, value)
            .stderr_contains("an absolute path")
            .stderr_contains("hint: ");
    }
}

#[test]
fn a_file_is_refused() {
    let sandbox = with_package();
    sandbox.write("file", "").symlink("file", "link-to-file");
    for value in ["file", "link-to-file", "file/below"] {
        expect_refused(&sandbox, &sandbox.path(value).display().to_string());
    }
    let file = sandbox.path("file").display().to_string();
    expect_refused(&sandbox, &file).stderr_contains("no directory").stderr_contains("hint: ");
}

#[test]
fn loops_are_refused() {
    let sandbox = with_package();
    sandbox.symlink("loop", "loop").symlink("pong", "ping").symlink("ping", "pong");
    for value in ["loop", "ping", "loop/below"] {
        expect_refused(&sandbox, &sandbox.path(value).display().to_string());
    }
    // Through the packages directory itself.
    sandbox.symlink("app/.lake/packages", "back");
    expect_refused(&sandbox, &sandbox.path("back").display().to_string());
    sandbox.remove("app/.lake/packages").symlink("../../back", "app/.lake/packages");
    expect_refused(&sandbox, &sandbox.path("back").display().to_string());
}

#[test]
fn a_file_at_the_place_of_the_packages_directory_is_kept() {
    let (sandbox, shared) = bare();
    sandbox.write("app/.lake/packages", "a file");
    link(&sandbox, &shared)
        .run()
        .expect_code(1)
        .stderr_contains("is a file, not a directory")
        .stderr_contains("hint: ");
    assert_eq!(sandbox.read("app/.lake/packages"), "a file");
}

#[test]
fn without_a_directory_to_link_to_there_is_a_hint() {
    let (sandbox, _) = bare();
    for value in [None, Some("")] {
        let mut call = sandbox.lake_shim("link");
        if let Some(value) = value {
            call = call.env("LAKE_PKG_DIR", value);
        }
        call.run()
            .expect_code(1)
            .stderr_contains("`LAKE_PKG_DIR` is not set")
            .stderr_contains("--pkg-dir");
    }
    let run = sandbox.lake_shim("link --pkg-dir").arg(sandbox.path("shared")).run();
    run.expect_code(0);
    crate::expect_link(&sandbox.packages(), &sandbox.path("shared"));
}

#[test]
#[cfg_attr(not(has = "setpriv"), ignore = "needs setpriv")]
fn a_place_that_may_not_be_written_is_an_error_that_names_it() {
    let (sandbox, shared) = bare();
    sandbox.mkdir("shared");
    let run = link(&sandbox, &shared).as_user(shim_tests::NOBODY).run();
    run.expect_code(1).stderr_contains("/app/.lake").stderr_contains("Permission denied");
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn a_build_goes_on_where_linking_fails_fake_lake_only() {
    for value in ["relative", "ROOT/app/inside", "ROOT/file"] {
        let sandbox = Sandbox::mini_mathlib();
        sandbox.write("file", "");
        let value = value.replace("ROOT", &sandbox.path("").display().to_string());
        let packages = Tree::of(sandbox.packages());
        let run = sandbox.lake("build").env("LAKE_PKG_DIR", &value).run();
        run.expect_code(0)
            .expect_stdout("Build completed successfully.\n")
            .stderr_contains("warning: ")
            .stderr_contains("`LAKE_PKG_DIR` is `");
        packages.assert_unchanged();
        let get = sandbox
            .lake("exe cache get")
            .env("LAKE_PKG_DIR", &value)
            .env("LAKE_SHIM_NETWORK", "never")
            .run();
        get.expect_code(1).expect_stdout("").stderr_contains("`LAKE_PKG_DIR` is `");
        packages.assert_unchanged();
    }
}

/// Lake's own removes the build of every package, and of its link's target with it.
#[test]
fn lake_clean_spares_what_is_shared() {
    let sandbox = Sandbox::mini_mathlib_without_packages();
    let shared = sandbox.path("shared");
    sandbox.clone_packages(&shared);
    let lake = |line: &str| sandbox.lake(line).env("LAKE_PKG_DIR", &shared).run();
    lake("exe cache get").expect_code(0);
    let before = Tree::of(&shared);
    let run = lake("clean");
    run.expect_code(1)
        .stderr_contains(&format!("would remove the builds in `{}`", shared.display()))
        .stderr_contains("hint: `lake clean app` removes");
    before.assert_unchanged();
    lake("clean app").expect_code(0).stderr_lacks("lake-shim: ");
    before.assert_unchanged();
    // A directory of the workspace's own is the user's to clean.
    sandbox.remove("app/.lake/packages").clone_packages(&sandbox.packages());
    sandbox.lake("clean").run().expect_code(0).stderr_lacks("lake-shim: ");
}
