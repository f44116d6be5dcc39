//! Values of `LAKE_PKG_DIR` that cannot be right: nothing is written, the message names variable and value.

use std::fs;

use shim_tests::{Run, Sandbox, Tree};

use crate::packages::add_package;
use crate::{bare, link};

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
    add_package(&sandbox, sandbox.packages(), "a");
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
    expect_refused(&sandbox, &file).stderr_contains("not a directory").stderr_contains("hint: ");
}

#[test]
fn what_is_neither_file_nor_directory_is_refused() {
    let sandbox = with_package();
    let fifo = sandbox.path("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
    for value in ["/dev/null", &*fifo.to_string_lossy()] {
        expect_refused(&sandbox, value).stderr_contains("not a directory");
    }
}

#[test]
fn the_root_of_the_file_system_is_refused() {
    let sandbox = with_package();
    sandbox.symlink("/", "root");
    let link = sandbox.path("root").display().to_string();
    for value in ["/", "//", "/.", "/..", "/tmp/..", &*link] {
        expect_refused(&sandbox, value)
            .stderr_contains("hint: set `LAKE_PKG_DIR` to a directory for packages");
    }
}

#[test]
fn the_home_directory_is_refused() {
    let sandbox = with_package();
    sandbox.symlink("home", "my-home");
    for value in ["home", "home/", "home/.", "home/x/..", "my-home"] {
        let value = format!("{}{value}", sandbox.path("").display());
        expect_refused(&sandbox, &value).stderr_contains("your home directory");
    }
}

#[test]
fn a_directory_around_the_workspace_is_refused() {
    let (sandbox, _) = bare();
    sandbox.shim_bin();
    add_package(&sandbox, sandbox.packages(), "a");
    sandbox
        .rename("app", "mono/projects/app")
        .symlink("mono/projects/app", "app")
        .symlink("mono", "alias");
    let (app, before) = (sandbox.path("app"), Tree::of(sandbox.path("mono")));
    for value in ["mono", "mono/projects", "mono/projects/app/..", "alias", "alias/projects"] {
        let value = sandbox.path(value).display().to_string();
        let run = sandbox.lake_shim("link").cwd(&app).env("LAKE_PKG_DIR", &value).run();
        run.expect_code(1).stderr_contains("around the workspace").stderr_contains(&value);
        before.assert_unchanged();
    }
    // A monorepo's shared directory at its root is fine, `..` in it too.
    for value in ["mono/.packages", "mono/projects/../.other"] {
        let value = sandbox.path(value);
        let run = sandbox.lake_shim("link").cwd(&app).env("LAKE_PKG_DIR", &value).run();
        run.expect_code(0);
        assert!(sandbox.packages().is_symlink() && value.join("a/.git").is_dir(), "{run}");
        sandbox.remove(sandbox.packages()).rename(&value, sandbox.packages());
        sandbox.remove(sandbox.packages().join(".lake-shim"));
    }
}

#[test]
fn a_place_where_nothing_can_be_made_is_an_error_that_names_it() {
    let sandbox = with_package();
    let long = format!("/tmp/{}", "x".repeat(300));
    for value in ["/proc/packages", "/sys/packages", "/dev/null/packages", &*long] {
        let before = Tree::of(sandbox.workspace());
        let run = sandbox.lake_shim("link").env("LAKE_PKG_DIR", value).run();
        run.expect_code(1).expect_stdout("").stderr_contains(value);
        before.assert_unchanged();
    }
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
