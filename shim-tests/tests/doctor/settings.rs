//! Variables with values that nobody can use: each a finding, and none hides the rest.

use serde_json::{Value, json};

use crate::{doctor, findings, none, only, says, sound, text};

#[test]
fn bad_values() {
    for (name, value, allowed) in [
        ("LAKE_SHIM_NETWORK", "sometimes", "`auto`, `never`"),
        ("LAKE_SHIM_RESTORE", "yes", "`always`, `baked`, `never`"),
        ("LAKE_SHIM_JOBS", "0", "1 to 1024"),
        ("LAKE_SHIM_CONFINE", "yes", "`auto`, `always`, `never`"),
        ("LAKE_SHIM_LOG", "loud", "`quiet`, `info`, `debug`"),
        ("LAKE_SHIM_DISABLE", "true", "`1`, `0`"),
        ("LAKE_SHIM_PRIVATE", "yes", "`1`, `0`"),
        ("LAKE_PKG_DIR", "../packages", "an absolute path"),
        ("LAKE_PKG_URL_MAP", "mathlib=x", "a JSON object"),
        ("GIT_CONFIG_COUNT", "many", "GIT_CONFIG_KEY_<n>"),
    ] {
        let mut sandbox = sound();
        sandbox.set_env(name, value);
        let finding = only(&sandbox, "error", "bad-variable");
        says(&finding, &[&format!("`{name}` is `{value}`"), allowed, "unset it"]);
        sandbox.set_env(name, "");
        if name == "GIT_CONFIG_COUNT" {
            sandbox.set_env(name, "0"); // to git an empty one is no number either
        }
        none(&sandbox);
    }
}

#[test]
fn flags_are_values_too() {
    let sandbox = sound();
    let run = doctor(&sandbox, "--json --jobs 3 --network never").run();
    let report: Value = serde_json::from_str(&run.stdout).expect("JSON");
    let settings = &report["facts"]["settings"];
    assert_eq!(
        (&settings["LAKE_SHIM_JOBS"], &settings["LAKE_SHIM_NETWORK"]),
        (&json!("3"), &json!("never"))
    );
    for (flag, value) in [("--jobs", "many"), ("--network", "maybe"), ("--confine", "sometimes")] {
        let run = doctor(&sandbox, "--json").arg(flag).arg(value).run();
        run.expect_code(2).stderr_contains(&format!("`{value}` is no value of `{flag} <"));
    }
}

#[test]
fn everything_broken_at_once_is_everything_found() {
    let mut sandbox = sound();
    sandbox
        .write("app/lake-manifest.json", "{")
        .write("app/lakefile.toml", "name = ")
        .write("app/lean-toolchain", [0xff, 0xfe])
        .write("file", "")
        .rename("tools/git", "home/git")
        .script("lean/bin/lake", "exit 1")
        .remove("lean/bin/lean")
        .script("lean/bin/leantar", "exit 1")
        .rename("app/.lake/packages", "home/packages")
        .symlink("nowhere", "app/.lake/packages");
    let missing = sandbox.path("missing");
    sandbox.set_env("LAKE_SHIM_STORE", missing);
    sandbox.set_env("LAKE_PKG_DIR", sandbox.path("file"));
    sandbox.set_env("LAKE_SHIM_NETWORK", "x");
    sandbox.set_env("LAKE_SHIM_JOBS", "y");
    let path =
        format!("{}:{}", sandbox.path("lean/bin").display(), sandbox.path("tools").display());
    sandbox.set_env("PATH", path);
    let mut checks: Vec<_> = findings(&sandbox).iter().map(|f| text(f, "check")).collect();
    checks.sort();
    let expected = [
        "bad-variable",
        "bad-variable",
        "lake-fails",
        "lakefile",
        "lean-toolchain",
        "leantar-fails",
        "manifest-unreadable",
        "no-git",
        "no-lean",
        "pkg-dir-unusable",
        "shim-not-on-path",
        "store-missing",
    ];
    assert_eq!(checks, expected);
}
