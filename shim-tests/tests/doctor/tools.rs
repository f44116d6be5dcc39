//! lake, lean, leantar and git: missing, not what they should be, silent.

use shim_tests::{Sandbox, tools};

use crate::{
    doctor, findings, findings_after, none, only, parse, says, set_path, shim, sound, the_only,
};

#[test]
fn no_lake() {
    let mut sandbox = sound();
    set_path(&mut sandbox, &["shim/bin", "tools"]);
    sandbox.set_env("LAKE_SHIM_LEANTAR", sandbox.path("lean/bin/leantar"));
    let finding = only(&sandbox, "error", "no-lake");
    says(&finding, &["(this shim)", "PATH is `", "LAKE_SHIM_LAKE"]);
    sandbox.set_env("LAKE_SHIM_LAKE", sandbox.path("lean/bin/lake"));
    none(&sandbox);
}

#[test]
fn a_lake_that_is_not_executable_is_none() {
    let mut sandbox = sound();
    sandbox.set_env("LAKE_SHIM_LEANTAR", sandbox.path("lean/bin/leantar"));
    sandbox.chmod("lean/bin/lake", 0o644);
    only(&sandbox, "error", "no-lake");
    sandbox.chmod("lean/bin/lake", 0o755);
    none(&sandbox);
}

#[test]
fn a_named_lake_that_is_none() {
    let mut sandbox = sound();
    sandbox.copy(shim(&sandbox), "copy/lake");
    sandbox.set_env("LAKE_SHIM_LEANTAR", sandbox.path("lean/bin/leantar"));
    for (lake, why) in [
        ("missing", "not found"),
        ("shim/bin/lake", "which is this shim"),
        ("copy/lake", "names a lake-shim"),
    ] {
        sandbox.set_env("LAKE_SHIM_LAKE", sandbox.path(lake));
        let finding = only(&sandbox, "error", "named-lake");
        says(&finding, &["`LAKE_SHIM_LAKE`", why, lake]);
    }
    sandbox.set_env("LAKE_SHIM_LAKE", "");
    none(&sandbox);
}

#[test]
fn a_lake_that_fails() {
    let sandbox = sound();
    for (body, why) in [
        ("echo 'no such toolchain' >&2; exit 3", "exit status: 3): no such toolchain"),
        ("echo hello", "says no version, but `hello`"),
        ("kill -9 $$", "signal: 9"),
        ("sleep 1000 & sleep 1000", "does not answer within"),
    ] {
        sandbox.script("lean/bin/lake", body);
        let finding = only(&sandbox, "error", "lake-fails");
        says(&finding, &["/lean/bin/lake`", why]);
    }
    sandbox.copy(tools::fake_lake(), "lean/bin/lake");
    none(&sandbox);
}

#[test]
fn a_lake_for_another_machine() {
    let mut sandbox = sound();
    sandbox.write("foreign/lake", "\x7fELF nothing that runs").chmod("foreign/lake", 0o755);
    sandbox.set_env("LAKE_SHIM_LAKE", sandbox.path("foreign/lake"));
    sandbox.set_env("LAKE_SHIM_LEANTAR", sandbox.path("lean/bin/leantar"));
    let finding = only(&sandbox, "error", "lake-fails");
    says(&finding, &["/foreign/lake`", "`unset LAKE_SHIM_LAKE`"]);
}

/// A lake that is elan's proxy, and a fake elan that says when it is called.
fn with_elan(sandbox: &mut Sandbox) {
    let called = sandbox.path("home/elan-was-called");
    sandbox
        .script("elan/bin/elan", &format!("echo > '{}'", called.display()))
        .symlink("elan", "elan/bin/lake")
        .symlink("elan", "elan/bin/lean");
    set_path(sandbox, &["shim/bin", "elan/bin", "tools"]);
    sandbox.set_env("ELAN_HOME", sandbox.path("home/.elan"));
}

#[test]
fn a_toolchain_that_elan_does_not_have() {
    let mut sandbox = sound();
    with_elan(&mut sandbox);
    sandbox.set_env("LAKE_SHIM_LEANTAR", sandbox.path("lean/bin/leantar"));
    let finding = only(&sandbox, "warning", "toolchain-not-installed");
    says(&finding, &["`elan toolchain install leanprover/lean4:v4.27.0`"]);
    // elan downloads; this is what it leaves.
    sandbox.rename("lean", "home/.elan/toolchains/leanprover--lean4---v4.27.0");
    sandbox.set_env("LAKE_SHIM_LEANTAR", "");
    none(&sandbox);
    assert!(!sandbox.path("home/elan-was-called").exists(), "elan could download something");
}

#[test]
fn a_variable_that_has_elan_choose_another_toolchain() {
    let mut sandbox = sound();
    with_elan(&mut sandbox);
    let toolchain = |name| format!("home/.elan/toolchains/leanprover--lean4---{name}");
    sandbox.copy("lean", toolchain("v4.26.0")).rename("lean", toolchain("v4.27.0"));
    let lean = toolchain("v4.26.0") + "/bin/lean";
    sandbox.script(&lean, "echo 'Lean (version 4.26.0, Release)'");
    none(&sandbox);
    for (name, check) in [
        ("v4.26.0", "lean-version"),
        ("leanprover/lean4:4.26.0", "lean-version"),
        ("v4.25.0", "toolchain-not-installed"),
    ] {
        sandbox.set_env("ELAN_TOOLCHAIN", name);
        let findings = findings(&sandbox);
        let findings = findings.into_iter().filter(|f| f["check"] != "no-leantar").collect();
        let finding = the_only(findings, "warning", check);
        says(&finding, &[&format!("`ELAN_TOOLCHAIN` is `{name}`")]);
        assert!(findings_after(&sandbox, &finding).is_empty());
    }
    // It may say what the workspace says.
    for name in ["v4.27.0", "leanprover/lean4:v4.27.0"] {
        sandbox.set_env("ELAN_TOOLCHAIN", name);
        none(&sandbox);
    }
    assert!(!sandbox.path("home/elan-was-called").exists(), "elan could download something");
}

/// The variable is elan's.
#[test]
fn a_variable_that_a_toolchain_s_own_lake_does_not_ask_for() {
    let mut sandbox = sound();
    for name in ["v4.26.0", "my-build"] {
        sandbox.set_env("ELAN_TOOLCHAIN", name);
        none(&sandbox);
    }
}

#[test]
fn a_nightly() {
    let mut sandbox = sound();
    with_elan(&mut sandbox);
    sandbox.write("app/lean-toolchain", "leanprover/lean4:nightly-2026-01-01\n");
    let dir = "home/.elan/toolchains/leanprover--lean4-nightly---nightly-2026-01-01";
    sandbox.rename("lean", dir);
    let findings = |version: &str| {
        let answer = format!("echo 'Lean (version {version}, x86_64-unknown-linux-gnu, Release)'");
        sandbox.script(format!("{dir}/bin/lean"), &answer);
        parse(&doctor(&sandbox, "--json shim lake lean leantar").run())
    };
    assert!(findings("4.28.0-nightly-2026-01-01").is_empty());
    let finding = the_only(findings("4.28.0-nightly-2026-01-02"), "warning", "lean-version");
    says(&finding, &["lean is 4.28.0-nightly-2026-01-02", "nightly-2026-01-01`"]);
}

#[test]
fn no_lean() {
    let sandbox = sound();
    sandbox.rename("lean/bin/lean", "home/lean");
    let finding = only(&sandbox, "error", "no-lean");
    says(&finding, &["neither beside the real lake nor on PATH"]);
    sandbox.rename("home/lean", "lean/bin/lean");
    none(&sandbox);
}

#[test]
fn a_lean_that_fails() {
    let sandbox = sound();
    let lean = sandbox.read("lean/bin/lean");
    sandbox.script("lean/bin/lean", "echo 'error while loading shared libraries' >&2; exit 127");
    let finding = only(&sandbox, "error", "lean-fails");
    says(&finding, &["/lean/bin/lean` fails", "shared libraries"]);
    sandbox.script("lean/bin/lean", lean.trim_start_matches("#!/bin/sh\n"));
    none(&sandbox);
}

#[test]
fn a_lean_of_another_version() {
    let sandbox = sound();
    let lean = sandbox.read("lean/bin/lean");
    sandbox.script("lean/bin/lean", "echo 'Lean (version 4.9.0, commit abc, Release)'");
    let finding = only(&sandbox, "warning", "lean-version");
    says(&finding, &["lean is 4.9.0", "`leanprover/lean4:v4.27.0`"]);
    sandbox.script("lean/bin/lean", lean.trim_start_matches("#!/bin/sh\n"));
    none(&sandbox);
}

#[test]
fn no_leantar() {
    let mut sandbox = sound();
    sandbox.remove("lean/bin/leantar");
    let finding = only(&sandbox, "warning", "no-leantar");
    says(&finding, &["downloads its own", "LAKE_SHIM_LEANTAR"]);
    sandbox.set_env("LAKE_SHIM_NETWORK", "never");
    only(&sandbox, "error", "no-leantar");
    sandbox.copy(tools::fake_leantar(), "store/leantar-0.1.19");
    none(&sandbox);
}

#[test]
fn a_leantar_that_fails() {
    let mut sandbox = sound();
    sandbox.script("bad/leantar", "exit 126");
    for (leantar, why) in [("bad/leantar", "exit status: 126"), ("missing", "is not there")] {
        sandbox.set_env("LAKE_SHIM_LEANTAR", sandbox.path(leantar));
        let finding = only(&sandbox, "error", "leantar-fails");
        says(&finding, &[leantar, why, "`unset LAKE_SHIM_LEANTAR`"]);
    }
    sandbox.set_env("LAKE_SHIM_LEANTAR", "");
    none(&sandbox);
    sandbox.script("lean/bin/leantar", "echo hello");
    let finding = only(&sandbox, "error", "leantar-fails");
    says(&finding, &["lean/bin/leantar` is not a leantar"]);
}

#[test]
fn a_leantar_that_fails_where_none_is_needed() {
    let mut sandbox = sound();
    sandbox.lake("exe cache get").run().expect_code(0);
    sandbox.script("lean/bin/leantar", "exit 1");
    let finding = only(&sandbox, "note", "leantar-fails");
    says(&finding, &["exit status: 1"]);
    doctor(&sandbox, "").run().expect_code(0);
    // One that was asked for by name is to run.
    sandbox.set_env("LAKE_SHIM_LEANTAR", sandbox.path("lean/bin/leantar"));
    only(&sandbox, "error", "leantar-fails");
}

#[test]
fn no_git() {
    let sandbox = sound();
    sandbox.rename("tools/git", "home/git");
    let finding = only(&sandbox, "error", "no-git");
    says(&finding, &["`git` cannot be run", "install git"]);
    sandbox.rename("home/git", "tools/git");
    none(&sandbox);
    sandbox.rename("tools/git", "home/git").script("tools/git", "exit 1");
    says(&only(&sandbox, "error", "no-git"), &["`git` fails"]);
}

#[test]
fn disabled() {
    let mut sandbox = sound();
    sandbox.set_env("LAKE_SHIM_DISABLE", "1");
    let finding = only(&sandbox, "warning", "disabled");
    assert!(findings_after(&sandbox, &finding).is_empty());
}
