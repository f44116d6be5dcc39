//! Bad values of the shim's variables: a build warns and goes on, `cache get` fails.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use shim_tests::Sandbox;

use crate::{assert_alike_but_warned, mirror};

/// Variable, value, what must be said to be allowed.
const BAD: [(&str, &[u8], &[&str]); 12] = [
    ("LAKE_SHIM_NETWORK", b"perhaps", &["`auto`", "`never`"]),
    ("LAKE_SHIM_NETWORK", b"NEVER", &["`auto`", "`never`"]),
    ("LAKE_SHIM_RESTORE", b"1", &["`always`", "`baked`", "`never`"]),
    ("LAKE_SHIM_LOG", b"loud", &["`quiet`", "`info`", "`debug`"]),
    ("LAKE_SHIM_LOG", b"qui\xff", &["`quiet`", "`info`", "`debug`"]),
    ("LAKE_SHIM_JOBS", b"0", &["1 to 1024"]),
    ("LAKE_SHIM_JOBS", b"-1", &["1 to 1024"]),
    ("LAKE_SHIM_JOBS", b"many", &["1 to 1024"]),
    ("LAKE_SHIM_JOBS", b"99999999999999999999999", &["1 to 1024"]),
    ("LAKE_SHIM_JOBS", b"\xff", &["1 to 1024"]),
    ("LAKE_PKG_DIR", b"shared", &["absolute"]),
    ("LAKE_PKG_DIR", b"../shared", &["absolute"]),
];

#[test]
fn a_bad_value_is_a_warning_before_a_build() {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.real_lake("resolve-deps").run().expect_code(0);
    let mirror = mirror(&sandbox);
    for (name, value, allowed) in BAD {
        let value = OsStr::from_bytes(value);
        let direct = sandbox.real_lake("resolve-deps").env(name, value).run();
        let shim = sandbox.lake("resolve-deps").env(name, value).run();
        let said = format!("`{}`", value.to_string_lossy());
        let parts = [&[name, said.as_str()], allowed].concat();
        assert_alike_but_warned(&direct, &shim, &parts);
        let run = sandbox.lake("build App").env(name, value).env("LAKE_SHIM_LAKE", &mirror).run();
        run.expect_code(0).expect_stdout("build\0App\0").stderr_contains(name);
    }
}

#[test]
fn a_bad_value_is_an_error_of_cache_get() {
    let sandbox = Sandbox::mini_mathlib();
    let mirror = mirror(&sandbox);
    for (name, value, allowed) in BAD {
        let value = OsStr::from_bytes(value);
        for words in ["exe cache get", "exe mathlib/cache get App.lean", "exe cache unpack"] {
            let run = sandbox.lake(words).env(name, value).env("LAKE_SHIM_LAKE", &mirror).run();
            run.expect_code(1).expect_stdout("").stderr_contains(name);
            run.stderr_contains(&value.to_string_lossy()).stderr_lacks("warning");
            allowed.iter().for_each(|allowed| {
                run.stderr_contains(allowed);
            });
        }
    }
    sandbox.expect_restored(&[]);
}

#[test]
fn a_bad_value_of_disable_is_named_as_well() {
    let sandbox = Sandbox::mini_mathlib();
    let mirror = mirror(&sandbox);
    for value in ["maybe", "2"] {
        let call = |words| {
            sandbox.lake(words).env("LAKE_SHIM_DISABLE", value).env("LAKE_SHIM_LAKE", &mirror)
        };
        let run = call("build").run();
        run.expect_code(0)
            .expect_stdout("build\0")
            .stderr_contains("LAKE_SHIM_DISABLE")
            .stderr_contains(value);
        call("exe cache get").run().expect_code(1).stderr_contains("LAKE_SHIM_DISABLE");
    }
}

#[test]
fn a_store_or_leantar_that_is_not_there_fails_cache_get_alone() {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.write("a-file", "");
    let mirror = mirror(&sandbox);
    for (name, value) in [
        ("LAKE_SHIM_STORE", "/nowhere/store"),
        ("LAKE_SHIM_STORE", "a-file"),
        ("LAKE_SHIM_LEANTAR", "/nowhere/leantar"),
        ("LAKE_SHIM_LEANTAR", "a-file"),
    ] {
        let value = sandbox.path(value);
        let call = |words| {
            let call = sandbox.lake(words).env(name, &value).env("LAKE_SHIM_LAKE", &mirror);
            call.env("LAKE_SHIM_NETWORK", "never")
        };
        call("build").run().expect_code(0).expect_stdout("build\0");
        let run = call("exe cache get").run();
        run.expect_code(1).expect_stdout("").stderr_contains(&value.display().to_string());
    }
}

#[test]
fn an_empty_value_is_none() {
    let sandbox = Sandbox::mini_mathlib();
    let mirror = mirror(&sandbox);
    let names = [
        "LAKE_SHIM_NETWORK",
        "LAKE_SHIM_RESTORE",
        "LAKE_SHIM_LOG",
        "LAKE_SHIM_JOBS",
        "LAKE_PKG_DIR",
    ];
    for name in
        names.into_iter().chain(["LAKE_SHIM_LEANTAR", "LAKE_SHIM_DISABLE", "LAKE_SHIM_SEEN"])
    {
        let run = sandbox.lake("build").env(name, "").env("LAKE_SHIM_LAKE", &mirror).run();
        run.expect_code(0).expect_stdout("build\0").expect_stderr("");
    }
}

#[test]
fn a_pass_through_does_not_look_at_the_settings() {
    let sandbox = Sandbox::mini_mathlib();
    for (name, value, _) in BAD {
        crate::alike(&sandbox, "--version", |call| call.env(name, OsStr::from_bytes(value)));
    }
}

#[test]
fn quiet_is_silent() {
    let run = |log: &str| {
        let sandbox = Sandbox::mini_mathlib();
        let mirror = mirror(&sandbox);
        let call = sandbox.lake("build").env("LAKE_PKG_DIR", sandbox.path("shared"));
        let run = call.env("LAKE_SHIM_LOG", log).env("LAKE_SHIM_LAKE", mirror).run();
        assert!(sandbox.package("mathlib").join("Mathlib.lean").exists());
        assert!(sandbox.packages().is_symlink(), "it was linked\n{run}");
        run
    };
    run("info").expect_code(0).stderr_contains("linked").expect_stdout("build\0");
    run("quiet").expect_code(0).expect_stderr("").expect_stdout("build\0");
}
