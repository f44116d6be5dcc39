//! What the guard says, it says in variables that Lake and git read: those of the user are kept, ours are added.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use serde_json::{Value, json};
use shim_tests::{Call, NOBODY, Run, Sandbox};

use crate::{FORK, MATHLIB, spelled};

fn url_map_of(call: Call<'_>, sandbox: &Sandbox) -> Run {
    sandbox.script("told/lake", "printf '%s' \"${LAKE_PKG_URL_MAP-unset}\"");
    let run = call.env("LAKE_SHIM_LAKE", sandbox.path("told/lake")).run();
    run.expect_code(0).expect_stderr("");
    run
}

#[test]
fn the_url_map_has_what_is_needed_and_what_the_user_put_there() {
    let sandbox = spelled(MATHLIB, &format!("{MATHLIB}.git"));
    let ours = format!("\"mathlib\":\"{MATHLIB}\"");
    for (users, expected) in [
        (None, format!("{{{ours}}}")),
        (Some(""), format!("{{{ours}}}")),
        (Some("{}"), format!("{{{ours}}}")),
        (Some(r#"{"zeta":"z","alpha":"a"}"#), format!(r#"{{"zeta":"z","alpha":"a",{ours}}}"#)),
        (Some(r#" { "batteries" : "b" } "#), format!(r#"{{"batteries":"b",{ours}}}"#)),
        (Some(r#"{"odd":["no","URL"]}"#), format!(r#"{{"odd":["no","URL"],{ours}}}"#)),
        (Some(r#"{"Körper":"k"}"#), format!(r#"{{"Körper":"k",{ours}}}"#)),
    ] {
        let call = sandbox.lake("build");
        let call = match users {
            Some(users) => call.env("LAKE_PKG_URL_MAP", users),
            None => call,
        };
        url_map_of(call, &sandbox).expect_stdout(&expected);
    }
}

#[test]
fn the_url_map_is_untouched_where_nothing_is_to_be_added() {
    let in_order = Sandbox::mini_mathlib();
    let mapped = spelled(MATHLIB, &format!("{MATHLIB}.git"));
    let already = format!(r#"{{ "mathlib" : "{MATHLIB}" }}"#);
    let elsewhere = json!({"mathlib": FORK}).to_string();
    for (sandbox, users) in [
        (&in_order, r#"{ "zeta" : "z",  "alpha":"a" }"#),
        (&in_order, "{}"),
        (&in_order, &*already),
        (&mapped, &*already),
        // The user wants another repository; in his own directory he may.
        (&mapped, &*elsewhere),
    ] {
        url_map_of(sandbox.lake("build").env("LAKE_PKG_URL_MAP", users), sandbox)
            .expect_stdout(users);
    }
    url_map_of(in_order.lake("build"), &in_order).expect_stdout("unset");
}

#[test]
fn a_url_map_that_is_no_json_object_is_passed_on_for_lake_to_complain_about() {
    let sandbox = spelled(MATHLIB, &format!("{MATHLIB}.git"));
    for users in ["{", "[]", "null", "nonsense", "\"text\"", "{\"a\": }", "{} {}"] {
        url_map_of(sandbox.lake("build").env("LAKE_PKG_URL_MAP", users), &sandbox)
            .expect_stdout(users);
    }
    let odd = OsStr::from_bytes(b"{\"a\": \"\xff\"}");
    let run = url_map_of(sandbox.lake("build").env("LAKE_PKG_URL_MAP", odd), &sandbox);
    assert_eq!(run.stdout_bytes, odd.as_bytes());
}

#[test]
fn every_package_in_danger_is_mapped() {
    let sandbox = spelled(MATHLIB, &format!("{MATHLIB}.git"));
    let (url, rev) = sandbox.locked("batteries");
    let manifest = sandbox.read("app/lake-manifest.json").replace(&rev, crate::OTHER_REV);
    sandbox.write("app/lake-manifest.json", manifest);
    let dot_git = format!("{url}.git");
    sandbox.git(&sandbox.package("batteries"), &["remote", "set-url", "origin", &dot_git]);
    let run = url_map_of(sandbox.lake("build"), &sandbox);
    let map: Value = serde_json::from_str(&run.stdout).unwrap_or_default();
    assert_eq!(map, json!({"mathlib": MATHLIB, "batteries": dot_git}));
}

/// The `GIT_CONFIG_*` of a run but the sandbox's own, sorted.
fn git_config_of(call: Call<'_>, sandbox: &Sandbox) -> Vec<String> {
    sandbox.script("told/lake", "env | grep '^GIT_CONFIG_[CKV]' | sort");
    let run = call.env("LAKE_SHIM_LAKE", sandbox.path("told/lake")).run();
    run.expect_code(0).expect_stderr("");
    run.stdout.lines().map(str::to_owned).collect()
}

#[test]
#[cfg_attr(not(has = "root"), ignore = "needs root")]
fn gits_configuration_is_extended_behind_the_users() {
    let sandbox = Sandbox::mini_mathlib();
    sandbox
        .rename("app/.lake/packages", "shared")
        .symlink(sandbox.path("shared"), "app/.lake/packages");
    assert!(git_config_of(sandbox.lake("build"), &sandbox).is_empty(), "there is no need");
    sandbox.chown("shared", NOBODY);
    let value = |number, name: &str| {
        let real = sandbox.path("shared").join(name);
        format!("GIT_CONFIG_VALUE_{number}={}", real.display())
    };
    let key = |number| format!("GIT_CONFIG_KEY_{number}=safe.directory");
    assert_eq!(
        git_config_of(sandbox.lake("build"), &sandbox),
        ["GIT_CONFIG_COUNT=2".into(), key(0), key(1), value(0, "mathlib"), value(1, "batteries")]
    );
    let call = sandbox.lake("build").env("GIT_CONFIG_COUNT", "2");
    let call =
        call.env("GIT_CONFIG_KEY_0", "http.proxy").env("GIT_CONFIG_VALUE_0", "http://proxy:1");
    let call = call.env("GIT_CONFIG_KEY_1", "user.name").env("GIT_CONFIG_VALUE_1", "A B");
    assert_eq!(
        git_config_of(call, &sandbox),
        [
            "GIT_CONFIG_COUNT=4".into(),
            "GIT_CONFIG_KEY_0=http.proxy".into(),
            "GIT_CONFIG_KEY_1=user.name".into(),
            key(2),
            key(3),
            "GIT_CONFIG_VALUE_0=http://proxy:1".into(),
            "GIT_CONFIG_VALUE_1=A B".into(),
            value(2, "mathlib"),
            value(3, "batteries"),
        ]
    );
}

#[test]
#[cfg_attr(not(has = "root"), ignore = "needs root")]
fn gits_configuration_of_the_user_still_counts_in_lake() {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.chown(sandbox.package("mathlib"), NOBODY);
    let call = |program: Call<'_>| {
        let call = program.arg("env").arg("git").arg("config").arg("demo.key");
        call.env("GIT_CONFIG_COUNT", "1")
            .env("GIT_CONFIG_KEY_0", "demo.key")
            .env("GIT_CONFIG_VALUE_0", "kept")
            .run()
    };
    call(sandbox.lake("")).expect_code(0).expect_stdout("kept\n");
}

#[test]
#[cfg_attr(not(has = "root"), ignore = "needs root")]
fn more_of_git_configuration_than_counted_is_not_brought_to_life() {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.chown(sandbox.package("mathlib"), NOBODY);
    let call = sandbox
        .lake("build")
        .env("GIT_CONFIG_KEY_0", "demo.key")
        .env("GIT_CONFIG_VALUE_0", "not counted");
    let config = git_config_of(call, &sandbox);
    assert_eq!(config[0], "GIT_CONFIG_COUNT=1");
    assert_eq!(config[1], "GIT_CONFIG_KEY_0=safe.directory");
}
