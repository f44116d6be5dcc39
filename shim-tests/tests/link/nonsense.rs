//! A build that worked without the shim works with every value of `LAKE_PKG_DIR`: what cannot be is a warning.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

use shim_tests::{Sandbox, Tree};

/// Values, `ROOT` for the sandbox.
const NONSENSE: [&[u8]; 24] = [
    b"relative",
    b"../shared",
    b"./shared",
    b".",
    b"..",
    b"~/shared",
    b"$HOME/shared",
    b"-",
    b" ",
    b"\xff\xfe",
    b"/",
    b"/..",
    b"/dev/null",
    b"/dev/null/x",
    b"/proc/x",
    b"ROOT",
    b"ROOT/app",
    b"ROOT/app/inside",
    b"ROOT/app/.lake/packages",
    b"ROOT/app/.lake/packages/mathlib",
    b"ROOT/home",
    b"ROOT/file",
    b"ROOT/loop",
    b"ROOT/dangling/x/../../app",
];

fn value(sandbox: &Sandbox, text: &[u8]) -> OsString {
    let root = sandbox.path("").into_os_string().into_vec();
    let root = root.strip_suffix(b"/").unwrap_or(&root);
    match text.strip_prefix(b"ROOT") {
        Some(rest) => OsStr::from_bytes(&[root, rest].concat()).to_owned(),
        None => OsStr::from_bytes(text).to_owned(),
    }
}

#[test]
fn a_build_warns_and_goes_on_whatever_the_value_is() {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.write("file", "").symlink("loop", "loop").symlink("/nowhere", "dangling");
    sandbox.real_lake("resolve-deps").run().expect_code(0);
    let (app, home) = (Tree::of(sandbox.workspace()), Tree::of(sandbox.home()));
    for text in NONSENSE {
        let value = value(&sandbox, text);
        let shown = value.to_string_lossy();
        let run = sandbox.lake("env printf x").env("LAKE_PKG_DIR", &value).run();
        run.expect_code(0).expect_stdout("x").stderr_contains("lake-shim: warning: ");
        run.stderr_contains("`LAKE_PKG_DIR` is `").stderr_contains(&shown);
        app.assert_same_content();
        let get = sandbox.lake("exe cache get").env("LAKE_PKG_DIR", &value);
        let get = get.env("LAKE_SHIM_NETWORK", "never").run();
        get.expect_code(1).expect_stdout("").stderr_contains("`LAKE_PKG_DIR` is `");
        app.assert_same_content();
        home.assert_same_content();
    }
}

/// A fault of the packages directory itself does not stop a build either.
#[test]
fn a_build_goes_on_whatever_lies_at_the_packages_directory() {
    for prepare in [
        |s: &Sandbox| {
            s.write(s.packages().join("notes.txt"), "mine\n");
        },
        |s: &Sandbox| {
            s.rename(s.packages(), "mine").symlink(s.path("mine"), s.packages());
        },
        |s: &Sandbox| {
            s.rename("app/.lake", "big").symlink("../big", "app/.lake");
        },
        |s: &Sandbox| {
            s.write(s.package("batteries").join("Batteries.lean"), "mine\n");
        },
    ] {
        let sandbox = Sandbox::mini_mathlib();
        prepare(&sandbox);
        // Where they really are: those behind a linked `.lake` may move.
        let files =
            || Tree::of(std::fs::canonicalize(sandbox.packages()).expect("a directory")).files();
        let packages = files();
        let run = sandbox.lake("env printf x").env("LAKE_PKG_DIR", sandbox.path("shared")).run();
        run.expect_code(0).expect_stdout("x");
        assert_eq!(files(), packages, "{run}");
    }
}
