//! The shim in front of a real elan, which chooses the toolchain: Debian's, with its proxies and toolchains inside the
//! sandbox. On this PATH stands no lake but the shim and elan's proxy.

use shim_tests::{Run, Sandbox, tools};

use crate::{MATHLIB, assert_alike, lost_without_kept_with, spelled};

/// Puts elan behind the shim, with the toolchain under test linked as `tested`, and `one` and `two` that tell who they are.
fn with_elan(mut sandbox: Sandbox) -> Sandbox {
    let elan = tools::find_on_path("elan").unwrap_or_default();
    sandbox.symlink(&elan, "elan/bin/lake").symlink(&elan, "elan/bin/lean");
    let folders = ["shim/bin", "elan/bin", "tools"].map(|folder| sandbox.path(folder));
    let path = std::env::join_paths(folders).unwrap_or_default();
    let elan_home = sandbox.path("home/.elan");
    sandbox.set_env("PATH", path).set_env("ELAN_HOME", elan_home);
    let toolchain = sandbox.toolchain_bin().join("..");
    for name in ["one", "two"] {
        let body =
            format!("printf '{name}:'; for arg; do printf ' %s' \"$arg\"; done; echo; exit 5");
        sandbox.script(format!("toolchains/{name}/bin/lake"), &body);
        sandbox.script(format!("toolchains/{name}/bin/lean"), "");
        link(&sandbox, name, &sandbox.path("toolchains").join(name));
    }
    if tools::real_lake().is_none() {
        sandbox.script("toolchain/bin/lean", "");
    }
    link(&sandbox, "tested", &toolchain);
    sandbox.write("app/lean-toolchain", "tested\n");
    sandbox
}

fn link(sandbox: &Sandbox, name: &str, toolchain: &std::path::Path) {
    elan(sandbox, "toolchain link").arg(name).arg(toolchain).run().expect_code(0);
}

fn elan<'a>(sandbox: &'a Sandbox, words: &str) -> shim_tests::Call<'a> {
    sandbox.command(tools::find_on_path("elan").unwrap_or_default(), words)
}

/// The same through elan's proxy alone and through the shim before it.
#[track_caller]
fn alike(sandbox: &Sandbox, words: &str) -> Run {
    let direct = sandbox.command(sandbox.path("elan/bin/lake"), words).run();
    let shim = sandbox.lake(words).run();
    assert_alike(&direct, &shim);
    shim
}

#[test]
#[cfg_attr(not(has = "elan"), ignore = "needs elan")]
fn the_toolchain_that_elan_chooses_is_run() {
    let sandbox = with_elan(Sandbox::mini_mathlib());
    sandbox.write("app/lean-toolchain", "one\n");
    alike(&sandbox, "build App -v").expect_code(5).expect_stdout("one: build App -v\n");
    alike(&sandbox, "+two build App").expect_code(5).expect_stdout("two: build App\n");
    alike(&sandbox, "+two --version").expect_stdout("two: --version\n");
    let run = sandbox.lake("build").env("ELAN_TOOLCHAIN", "two").run();
    run.expect_code(5).expect_stdout("two: build\n").expect_stderr("");
    elan(&sandbox, "override set two").run().expect_code(0);
    alike(&sandbox, "build").expect_stdout("two: build\n");
    elan(&sandbox, "override unset").run().expect_code(0);

    sandbox.remove("app/lean-toolchain");
    let nothing_chosen = sandbox.lake("build").run();
    nothing_chosen
        .expect_code(1)
        .expect_stdout("")
        .stderr_contains("no default toolchain configured");
    elan(&sandbox, "default two").run().expect_code(0);
    alike(&sandbox, "build").expect_code(5).expect_stdout("two: build\n");
    sandbox.write("lean-toolchain", "one\n");
    alike(&sandbox, "build").expect_stdout("one: build\n");
}

#[test]
#[cfg_attr(not(all(has = "elan", has = "unshare")), ignore = "needs elan, unshare")]
fn what_elan_does_not_know_is_elans_error() {
    let sandbox = with_elan(Sandbox::mini_mathlib());
    sandbox.write("app/lean-toolchain", "three\n");
    for words in ["build", "--version", "+four build"] {
        let run = sandbox.lake(words).without_network().run();
        run.expect_code(1).stderr_contains("could not download").stderr_lacks("lake-shim");
    }
}

#[test]
#[cfg_attr(not(has = "elan"), ignore = "needs elan")]
fn the_tool_under_test_runs_behind_elan() {
    let sandbox = with_elan(Sandbox::mini_mathlib());
    sandbox.lake("resolve-deps").run().expect_code(0).expect_stdout("");
    for words in [
        "--version",
        "resolve-deps",
        "+tested --version",
        "+tested resolve-deps",
        "frobnicate",
        "env printf x",
    ] {
        let run = alike(&sandbox, words);
        assert_eq!(run.code, Some(i32::from(words == "frobnicate")), "{run}");
    }
    for code in [0, 3, 42] {
        let exit = format!("exit {code}");
        let call = sandbox.lake("env sh -c").arg(&exit);
        call.run().expect_code(code);
        sandbox.lake("+tested env sh -c").arg(&exit).run().expect_code(code);
    }
}

#[test]
#[cfg_attr(not(all(has = "fake-lake", has = "elan")), ignore = "needs the fake lake, elan")]
fn log_shows_one_lake_with_elans_environment_fake_lake_only() {
    let sandbox = with_elan(Sandbox::mini_mathlib());
    let running = sandbox.lake("+tested build App").env("FAKE_LAKE_EXIT", "3").spawn();
    let pid = running.pid();
    running.wait().expect_code(3);
    let calls = sandbox.lake_calls();
    assert_eq!(calls.len(), 1, "{calls:?}");
    assert_eq!(calls[0].line(), "build App");
    assert_eq!(calls[0].pid, pid, "shim, elan and lake are one process");
    assert_eq!(calls[0].var("ELAN_TOOLCHAIN").as_deref(), Some("tested"));
    assert_eq!(calls[0].cwd, sandbox.workspace());
}

#[test]
#[cfg_attr(not(has = "elan"), ignore = "needs elan")]
fn a_lake_that_elan_started_may_call_lake() {
    let sandbox = with_elan(Sandbox::mini_mathlib());
    sandbox.script(
        "toolchains/one/bin/lake",
        "if [ \"$1\" = outer ]; then lake inner; else echo \"$1\"; fi",
    );
    sandbox.write("app/lean-toolchain", "one\n");
    alike(&sandbox, "outer").expect_code(0).expect_stdout("inner\n");
    // A real installation has the proxies where elan puts them first on PATH.
    let elan = tools::find_on_path("elan").unwrap_or_default();
    sandbox.symlink(elan, "home/.elan/bin/lake");
    alike(&sandbox, "outer").expect_code(0).expect_stdout("inner\n");
}

#[test]
#[cfg_attr(not(has = "elan"), ignore = "needs elan")]
fn elans_own_folder_before_the_shim_hides_it_and_nothing_loops() {
    let sandbox = with_elan(Sandbox::mini_mathlib());
    sandbox.write("app/lean-toolchain", "one\n");
    for call in [sandbox.lake("build"), sandbox.command(sandbox.shim_bin().join("lake"), "build")] {
        call.path_first("elan/bin").run().expect_code(5).expect_stdout("one: build\n");
    }
}

#[test]
#[cfg_attr(not(has = "elan"), ignore = "needs elan")]
fn clones_are_guarded_behind_elan() {
    let prepare = || with_elan(spelled(MATHLIB, &format!("{MATHLIB}.git")));
    let (_, run) = lost_without_kept_with(prepare, "resolve-deps");
    run.expect_code(1); // the fetch fails
}
