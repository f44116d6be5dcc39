//! Workspaces that the shim cannot understand: a warning that names the file, and lake says the rest.

use shim_tests::{NOBODY, Sandbox};

use crate::{assert_alike_but_warned, mirror};

const MANIFEST: &str = "app/lake-manifest.json";

type Break = fn(&Sandbox);

/// What can be wrong with a manifest, and a part of what is said of it.
const BREAKS: [(&str, Break); 8] = [
    ("directory", |sandbox| {
        sandbox.remove(MANIFEST).mkdir(MANIFEST);
    }),
    ("EOF", |sandbox| {
        sandbox.truncate(MANIFEST);
    }),
    ("EOF", |sandbox| {
        sandbox.write(MANIFEST, "");
    }),
    ("`2.0.0`", |sandbox| set_version(sandbox, "\"2.0.0\"")),
    ("`4`", |sandbox| set_version(sandbox, "4")),
    ("no version", |sandbox| {
        sandbox.write(MANIFEST, "{\"packages\": []}");
    }),
    ("cannot understand", |sandbox| {
        sandbox.write(MANIFEST, "[]");
    }),
    ("lake-manifest.json", |sandbox| {
        sandbox.write(MANIFEST, b"{\"name\": \"\xff\"}");
    }),
];

fn set_version(sandbox: &Sandbox, version: &str) {
    let manifest = sandbox
        .read(MANIFEST)
        .replace("\"version\": \"1.1.0\"", &format!("\"version\": {version}"));
    assert!(manifest.contains(version));
    sandbox.write(MANIFEST, manifest);
}

#[test]
fn a_manifest_that_is_not_understood_is_a_warning_and_lakes_affair() {
    for (said, break_it) in BREAKS {
        let sandbox = Sandbox::mini_mathlib();
        break_it(&sandbox);
        let path = sandbox.path(MANIFEST).display().to_string();
        for words in ["resolve-deps", "exe no-such-exe", "setup-file App.lean", "frobnicate"] {
            let direct = sandbox.real_lake(words).run();
            let shim = sandbox.lake(words).run();
            assert_alike_but_warned(&direct, &shim, &[said, &path]);
        }
    }
}

#[test]
fn lake_really_runs_behind_the_warning() {
    for (said, break_it) in BREAKS {
        let sandbox = Sandbox::mini_mathlib();
        break_it(&sandbox);
        let mirror = mirror(&sandbox);
        let run = sandbox.lake("build App").env("LAKE_SHIM_LAKE", mirror).run();
        run.expect_code(0).expect_stdout("build\0App\0").stderr_contains(said);
    }
}

#[test]
fn cache_get_reports_a_manifest_that_is_not_understood() {
    for (said, break_it) in BREAKS {
        let sandbox = Sandbox::mini_mathlib();
        break_it(&sandbox);
        let mirror = mirror(&sandbox);
        let run = sandbox.lake("exe cache get").env("LAKE_SHIM_LAKE", mirror).run();
        run.expect_code(1)
            .expect_stdout("")
            .stderr_contains("lake-shim: error")
            .stderr_contains(said);
    }
}

#[test]
fn commands_that_need_no_workspace_do_not_look_at_it() {
    for (_, break_it) in BREAKS {
        let sandbox = Sandbox::mini_mathlib();
        break_it(&sandbox);
        for words in ["--version", "--help", "build --help", "help build"] {
            crate::alike(&sandbox, words, |call| call).stderr_lacks("lake-shim");
        }
    }
}

#[test]
#[cfg_attr(not(has = "setpriv"), ignore = "needs setpriv")]
fn a_manifest_of_another_user_that_may_not_be_read_is_a_warning() {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.chmod(MANIFEST, 0o000);
    let direct = sandbox.real_lake("resolve-deps").as_user(NOBODY).run();
    let shim = sandbox.lake("resolve-deps").as_user(NOBODY).run();
    assert_alike_but_warned(&direct, &shim, &["ermission denied", "lake-manifest.json"]);
    let mirror = mirror(&sandbox);
    let run = sandbox.lake("build").as_user(NOBODY).env("LAKE_SHIM_LAKE", mirror).run();
    run.expect_code(0).expect_stdout("build\0").stderr_contains("lake-manifest.json");
}

#[test]
#[cfg_attr(not(has = "setpriv"), ignore = "needs setpriv")]
fn a_workspace_that_may_not_be_entered_is_lakes_affair() {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.chmod("app/.lake", 0o700).chmod("app/lakefile.toml", 0o600);
    let mirror = mirror(&sandbox);
    for words in ["build", "serve", "update"] {
        let run = sandbox.lake(words).as_user(NOBODY).env("LAKE_SHIM_LAKE", &mirror).run();
        run.expect_code(0).expect_stdout(&format!("{words}\0"));
    }
}

#[test]
fn a_lakefile_or_lake_directory_that_makes_no_sense_does_not_stop_lake() {
    let breaks: [Break; 7] = [
        |sandbox| {
            sandbox.write("app/lakefile.toml", "name = ");
        },
        |sandbox| {
            sandbox.write("app/lakefile.toml", b"\xff\xfe");
        },
        |sandbox| {
            sandbox.remove("app/lakefile.toml").mkdir("app/lakefile.toml");
        },
        |sandbox| {
            sandbox.remove("app/.lake").symlink(".lake", "app/.lake");
        },
        |sandbox| {
            sandbox.remove("app/.lake").write("app/.lake", "");
        },
        |sandbox| {
            sandbox.remove("app/.lake/packages").symlink("packages", "app/.lake/packages");
        },
        |sandbox| {
            sandbox.write("app/.lake/package-overrides.json", "{");
        },
    ];
    for (number, break_it) in breaks.iter().enumerate() {
        let sandbox = Sandbox::mini_mathlib();
        break_it(&sandbox);
        let mirror = mirror(&sandbox);
        for words in ["build", "update", "serve", "env true"] {
            let run = sandbox.lake(words).env("LAKE_SHIM_LAKE", &mirror).run();
            assert_eq!(run.code, Some(0), "case {number}: {run}");
            assert_eq!(run.stdout, words.replace(' ', "\0") + "\0", "case {number}: {run}");
        }
    }
}
