//! Lake's command line and what it gives its children.

use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::json;
use shim_tests::Sandbox;

use crate::unpack_all;

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn no_build_tells_a_restored_workspace_from_an_empty_one_fake_lake_only() {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.real_lake("build --no-build").run().expect_code(3);
    unpack_all(&sandbox).expect_code(0);
    sandbox
        .real_lake("build --no-build")
        .run()
        .expect_code(0)
        .expect_stdout("All targets up-to-date.\n");
    sandbox
        .real_lake("build")
        .run()
        .expect_code(0)
        .expect_stdout("Build completed successfully.\n");
}

#[test]
fn options_are_read_as_lake_reads_them() {
    let sandbox = Sandbox::mini_mathlib();
    let app = sandbox.workspace();
    let app = app.to_string_lossy();
    for words in [
        format!("-d {app} resolve-deps"),
        format!("-d={app} resolve-deps"),
        format!("-d{app} resolve-deps"),
        format!("--dir={app} resolve-deps"),
        format!("resolve-deps --dir {app}"),
        format!("-q resolve-deps -v -R -Kkey=value -d {app} -f lakefile.toml"),
    ] {
        sandbox.real_lake(&words).cwd("home").run().expect_code(0);
    }
    for (words, error) in [
        ("frobnicate", "unknown command 'frobnicate'"),
        ("--frobnicate build", "unknown long option '--frobnicate'"),
        ("build -Z", "unknown short option '-Z'"),
        ("-d", "missing path for -d"),
        ("+nightly build", "Elan feature"),
        ("build", "no configuration file"),
    ] {
        sandbox.real_lake(words).cwd("home").run().expect_code(1).stderr_contains(error);
    }
    sandbox.real_lake("setup-file A.lean").cwd("home").run().expect_code(2);
    sandbox
        .real_lake("--version")
        .cwd("home")
        .run()
        .expect_code(0)
        .stdout_contains("(Lean version ");
    // Lake does not look further up.
    sandbox.mkdir("app/Sub").real_lake("resolve-deps").cwd("app/Sub").run().expect_code(1);
}

#[test]
fn env_passes_the_code_on_and_puts_the_toolchain_first() {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.real_lake("env sh -c").arg("exit 7").run().expect_code(7);
    let run = sandbox.real_lake("env sh -c").arg("printf '%s\\n' \"$LAKE\" \"$PATH\"").run();
    let lines: Vec<_> = run.stdout.lines().collect();
    assert_eq!(Path::new(lines[0]), sandbox.toolchain_bin().join("lake"));
    let place = |folder: &Path| lines[1].split(':').position(|entry| Path::new(entry) == folder);
    let (toolchain, shim) = (place(&sandbox.toolchain_bin()), place(&sandbox.path("shim/bin")));
    assert!(toolchain.is_some() && toolchain < shim, "a nested lake bypasses the shim: {run}");
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn log_keeps_arguments_and_the_state_of_the_packages_fake_lake_only() {
    use std::os::unix::ffi::OsStrExt as _;
    let sandbox = Sandbox::mini_mathlib();
    let odd = std::ffi::OsStr::from_bytes(b"Odd\xff");
    sandbox.symlink("mathlib", "app/.lake/packages/alias");
    sandbox.real_lake("build").arg(odd).env("LAKE_SHIM_LOG", "debug").run().expect_code(0);
    let calls = sandbox.lake_calls();
    let [call] = calls.as_slice() else { panic!("{calls:?}") };
    assert_eq!(call.args, ["build".as_ref(), odd]);
    assert_eq!(call.cwd, sandbox.workspace());
    assert_eq!(call.var("LAKE_SHIM_LOG").as_deref(), Some("debug"));
    assert_eq!(call.packages["alias"].as_deref(), Some(Path::new("mathlib")));
    assert_eq!(call.packages["mathlib"], None);
    assert_eq!(call.packages_link, None);
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn ends_as_asked_fake_lake_only() {
    let sandbox = Sandbox::mini_mathlib();
    let build = || sandbox.real_lake("build");
    build().env("FAKE_LAKE_EXIT", "42").run().expect_code(42);
    build().env("FAKE_LAKE_SIGNAL", "SEGV").run().expect_signal(Signal::SIGSEGV);
    let run = build().env("FAKE_LAKE_READ_STDIN", "1").stdin("12345").run();
    run.expect_code(0).stdout_contains("5\n");
    sandbox
        .real_lake("serve")
        .stdin("{\"id\": 1}")
        .run()
        .expect_code(0)
        .expect_stdout("{\"id\": 1}");

    let log = sandbox.path("logs/lake.jsonl");
    sandbox.remove(&log);
    let running = build().env("FAKE_LAKE_SLEEP", "20").spawn();
    running.wait_until(|| log.exists()).signal(Signal::SIGTERM);
    let run = running.wait();
    run.expect_signal(Signal::SIGTERM);
    assert!(run.took < Duration::from_secs(10), "{run}");
}

#[test]
fn lake_takes_no_url_map_with_keys_that_are_no_names() {
    let sandbox = Sandbox::mini_mathlib();
    let run = |key: &str| {
        let map = json!({ key: "https://example.org/x" }).to_string();
        sandbox.real_lake("resolve-deps").env("LAKE_PKG_URL_MAP", map).run()
    };
    for key in ["doc-gen4", "std-1.0", "a b", ""] {
        let run = run(key);
        run.expect_code(1).stderr_contains(&format!("expected a `Name`, got '{key}'"));
    }
    for key in ["mathlib", "a.b", "«doc-gen4»", "«std-1.0»", "«a b»"] {
        run(key).expect_code(0).expect_stderr("");
    }
}
