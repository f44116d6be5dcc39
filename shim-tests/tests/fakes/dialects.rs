//! What tells one Lake from another: `FAKE_LAKE_DIALECT`.

use std::path::Path;

use serde_json::{Value, json};
use shim_tests::{Call, NOBODY, Sandbox, mini_mathlib};

const DIALECTS: [&str; 3] = ["4.16", "4.27", "4.35"];

const WITH_OVERRIDES: [&str; 2] = ["4.27", "4.35"];

const MATHLIB_GIT: &str = "https://github.com/leanprover-community/mathlib4.git";

const OTHER_REV: &str = "0000000000000000000000000000000000000001";

fn lake<'a>(sandbox: &'a Sandbox, dialect: &str, words: &str) -> Call<'a> {
    sandbox.real_lake(words).env("FAKE_LAKE_DIALECT", dialect)
}

/// Changes what the manifest says of mathlib.
fn relock(sandbox: &Sandbox, url: &str, rev: &str) {
    let (old_url, old_rev) = sandbox.locked("mathlib");
    let manifest = sandbox.read("app/lake-manifest.json");
    let manifest = manifest.replace(&old_url, url).replace(&old_rev, rev);
    sandbox.write("app/lake-manifest.json", manifest);
}

fn origin(sandbox: &Sandbox) -> String {
    sandbox.git(&sandbox.package("mathlib"), &["remote", "get-url", "origin"])
}

/// Puts a git first on PATH that notes each call in `git.log`.
fn with_logging_git(sandbox: Sandbox) -> Sandbox {
    let (log, git) = (sandbox.path("git.log"), sandbox.path("tools/git"));
    let note = format!("echo \"${{PWD##*/}}: $*\" >> {}", log.display());
    sandbox.script("noting/git", &format!("{note}\nexec {} \"$@\"", git.display()));
    sandbox
}

fn path_override(name: &str, dir: &str) -> Value {
    json!({ "name": name, "type": "path", "inherited": false, "dir": dir })
}

fn overrides(entries: &[Value]) -> String {
    json!({ "schemaVersion": "1.1.0", "packages": entries }).to_string()
}

/// Overrides of both packages by the directories that they have anyway.
fn settled() -> String {
    let names = ["mathlib", "batteries"];
    overrides(&names.map(|name| path_override(name, &format!(".lake/packages/{name}"))))
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn each_dialect_says_its_version_fake_lake_only() {
    let sandbox = Sandbox::empty();
    for dialect in DIALECTS {
        let line = format!("Lake version 5.0.0-fake (Lean version {dialect}.0)\n");
        lake(&sandbox, dialect, "--version").run().expect_code(0).expect_stdout(&line);
    }
    sandbox.real_lake("--version").run().stdout_contains("(Lean version 4.27.0)");
    lake(&sandbox, "5", "--version").run().expect_code(1).stderr_contains("FAKE_LAKE_DIALECT");
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn each_dialect_has_its_way_with_another_url_fake_lake_only() {
    for (dialect, says, keeps) in [
        ("4.16", "mathlib: URL has changed; deleting", false),
        ("4.27", "mathlib: URL has changed; deleting", false),
        ("4.35", "mathlib: remote URL changed\n  old: https://", true),
    ] {
        let sandbox = Sandbox::mini_mathlib();
        let old = origin(&sandbox);
        let (_, rev) = sandbox.locked("mathlib");
        relock(&sandbox, MATHLIB_GIT, &rev);
        lake(&sandbox, dialect, "build").run().expect_code(0);
        let expected = if keeps { MATHLIB_GIT } else { &old };
        assert_eq!(origin(&sandbox), expected, "{dialect}, HEAD is the locked revision");

        relock(&sandbox, &format!("{MATHLIB_GIT}/"), OTHER_REV);
        lake(&sandbox, dialect, "build").run().expect_code(1).stderr_contains(says);
        let kept = sandbox.package("mathlib").join("Mathlib.lean").exists();
        assert_eq!(kept, keeps, "{dialect}, HEAD is another revision");
    }
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn each_dialect_has_its_gits_on_a_plain_load_fake_lake_only() {
    let head = "mathlib: rev-parse --verify --end-of-options HEAD\n";
    let diff = "mathlib: diff HEAD --exit-code\n";
    let newer_diff = "mathlib: diff --exit-code HEAD\n";
    let url = "mathlib: remote get-url origin\n";
    for (dialect, calls) in [
        ("4.16", [head, diff].concat()),
        ("4.27", [head, diff].concat()),
        ("4.35", [url, head, newer_diff].concat()),
    ] {
        let sandbox = with_logging_git(Sandbox::mini_mathlib());
        lake(&sandbox, dialect, "build").path_first("noting").run().expect_code(0);
        let both = calls.clone() + &calls.replace("mathlib", "batteries");
        assert_eq!(sandbox.read("git.log"), both, "{dialect}");
    }
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn a_path_override_needs_no_git_fake_lake_only() {
    for dialect in WITH_OVERRIDES {
        let sandbox = Sandbox::mini_mathlib();
        sandbox.write("over.json", settled());
        relock(&sandbox, MATHLIB_GIT, OTHER_REV);
        let build = |words: &str| lake(&sandbox, dialect, words).env("PATH", "/nowhere").run();
        build("build --packages ../over.json").expect_code(0).expect_stderr("");
        build("--packages=../over.json build").expect_code(0).expect_stderr("");
        sandbox.write("app/.lake/package-overrides.json", settled());
        build("build").expect_code(0).expect_stderr("");
        sandbox.remove("app/.lake/package-overrides.json");
        build("build").expect_code(1).stderr_contains("git");
    }
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn lake_416_knows_no_overrides_fake_lake_only() {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.write("over.json", settled());
    let run = lake(&sandbox, "4.16", "--packages=../over.json build").run();
    run.expect_code(1).expect_stderr("error: unknown long option '--packages'\n");
    sandbox.write("app/.lake/package-overrides.json", "not even JSON");
    lake(&sandbox, "4.16", "build").run().expect_code(0);
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn later_overrides_win_and_bad_ones_are_errors_fake_lake_only() {
    let sandbox = Sandbox::mini_mathlib();
    let at = |dir: &str| overrides(&[path_override("mathlib", dir)]);
    sandbox.mkdir("app/empty").write("app/empty.json", at("empty"));
    sandbox.write("app/good.json", settled()).write("app/gone.json", at("gone"));
    let entry = json!({ "name": "mathlib", "type": "path", "dir": "." });
    sandbox.write("app/short.json", overrides(&[entry]));
    sandbox.write("app/bare.json", json!({ "packages": [] }).to_string());
    sandbox.write("app/other.json", overrides(&[path_override("unrequired", "gone")]));
    sandbox.write("app/.lake/package-overrides.json", at("gone"));
    for (words, error) in [
        ("", "mathlib: package directory not found: "),
        ("--packages=good.json", ""),
        ("--packages=empty.json --packages=good.json", ""),
        ("--packages=good.json --packages=other.json", ""),
        ("--packages=good.json --packages=gone.json", "mathlib: package directory not found: "),
        (
            "--packages=good.json --packages=empty.json",
            "mathlib: no configuration file with a supported extension:",
        ),
        (
            "--packages=missing.json",
            "no such file or directory (error code: 2)\n  file: missing.json",
        ),
        ("--packages=short.json", "package entry 'mathlib': property not found: inherited"),
        ("--packages=bare.json", "property not found: schemaVersion"),
        ("--packages", "missing package overrides file for --packages"),
    ] {
        let code = i32::from(!error.is_empty());
        let run = lake(&sandbox, "4.27", &format!("build {words}")).run();
        run.expect_code(code).stderr_contains(error);
    }
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn an_update_ignores_overrides_fake_lake_only() {
    for (dialect, says) in [("4.27", "URL has changed; deleting"), ("4.35", "remote URL changed")] {
        for words in ["update", "build -U", "build --update"] {
            let sandbox = Sandbox::mini_mathlib();
            sandbox.write("app/.lake/package-overrides.json", settled());
            sandbox.git(&sandbox.package("mathlib"), &["remote", "set-url", "origin", MATHLIB_GIT]);
            lake(&sandbox, dialect, words).run().expect_code(1).stderr_contains(says);
        }
    }
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn each_dialect_cleans_or_not_after_a_checkout_fake_lake_only() {
    for (dialect, cleans) in [("4.16", false), ("4.27", false), ("4.35", true)] {
        let sandbox = Sandbox::mini_mathlib().online();
        let mathlib = sandbox.package("mathlib");
        let next =
            sandbox.git(&mathlib, &["commit-tree", "HEAD^{tree}", "-p", "HEAD", "-m", "next"]);
        sandbox.git(&mathlib, &["update-ref", "refs/keep", &next]);
        sandbox
            .write(mathlib.join("MINE"), "untracked")
            .write(mathlib.join(".lake/MINE"), "ignored");
        let (url, _) = sandbox.locked("mathlib");
        relock(&sandbox, &url, &next);
        let run = lake(&sandbox, dialect, "build").run();
        run.expect_code(0).stderr_contains("mathlib: checking out revision");
        // The commit is here: the newer Lake asks no server for it.
        run.stderr_lacks("fetching");
        assert_eq!(!mathlib.join("MINE").exists(), cleans, "{dialect}");
        assert!(mathlib.join(".lake/MINE").exists(), "{dialect}");
    }
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn lake_435_fetches_one_revision_without_trees_fake_lake_only() {
    let sandbox = with_logging_git(Sandbox::mini_mathlib_without_packages().online());
    let (url, rev) = sandbox.locked("mathlib");
    // A copy by hand is no checkout, though git finds one around it.
    sandbox.git(&sandbox.workspace(), &["init", "--quiet"]);
    sandbox.write(sandbox.package("mathlib").join("MINE"), "copied");
    let run = lake(&sandbox, "4.35", "build").path_first("noting").run();
    run.expect_code(0).stderr_contains("mathlib: materializing new dependency");
    run.stderr_contains(&format!("mathlib: fetching revision '{rev}' from {url}\n"));
    let log = sandbox.read("git.log");
    let calls: Vec<_> = log.lines().filter_map(|line| line.strip_prefix("mathlib: ")).collect();
    let expected = format!(
        "init -q\n\
         remote add origin {url}\n\
         fetch --tags --force --filter=tree:0 origin {rev}\n\
         rev-parse --verify --end-of-options FETCH_HEAD\n\
         rev-parse --verify --end-of-options HEAD\n\
         checkout --detach {rev} --\n\
         clean -xf\n\
         diff --exit-code HEAD\n\
         remote prune origin\n\
         gc --auto"
    );
    assert_eq!(calls.join("\n"), expected);
    assert_eq!(sandbox.git(&sandbox.package("mathlib"), &["rev-parse", "HEAD"]), rev);
}

#[test]
#[cfg_attr(not(all(has = "root", has = "fake-lake")), ignore = "needs root and the fake lake")]
fn lake_435_deletes_no_checkout_of_another_user_fake_lake_only() {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.chown(sandbox.package("mathlib"), NOBODY);
    let run = lake(&sandbox, "4.35", "build").run();
    run.expect_code(1).stderr_contains("external command 'git' exited with code 128");
    assert!(sandbox.package("mathlib").join("Mathlib.lean").exists());
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn lake_435_writes_a_newer_manifest_fake_lake_only() {
    for (dialect, version, last) in
        [("4.27", "1.1.0", "lakeDir"), ("4.35", "1.2.0", "fixedToolchain")]
    {
        let sandbox = Sandbox::resolve_case("one_git_branch");
        lake(&sandbox, dialect, "update").run().expect_code(0);
        let read = |path: &Path| -> Value {
            serde_json::from_str(&sandbox.read(path)).unwrap_or_default()
        };
        let manifest = read(Path::new("app/lake-manifest.json"));
        assert_eq!(manifest["version"], version);
        let keys = manifest.as_object().into_iter().flat_map(|object| object.keys());
        assert_eq!(keys.last().map(String::as_str), Some(last));
        let real =
            read(&mini_mathlib::fixtures().join("resolve/one_git_branch/lake-manifest.json"));
        assert_eq!(manifest["packages"], real["packages"], "{dialect}");
    }
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn lake_knows_newer_words_by_dialect_or_by_switch_fake_lake_only() {
    let sandbox = Sandbox::mini_mathlib();
    for (dialect, words, error) in [
        ("4.27", "shake", "unknown command 'shake'"),
        ("4.35", "shake --keep-implied --fix", ""),
        ("4.27", "lint --builtin-lint", "unknown long option '--builtin-lint'"),
        ("4.35", "lint --builtin-lint --linters=.foo", ""),
        ("4.35", "lint --linters", "missing value for --linters"),
        ("4.35", "fly", "unknown command 'fly'"),
    ] {
        let code = i32::from(!error.is_empty());
        lake(&sandbox, dialect, words).run().expect_code(code).stderr_contains(error);
    }
    let future = |words: &str| {
        let call = sandbox.real_lake(words).env("FAKE_LAKE_NEW_VERBS", "fly swim");
        call.env("FAKE_LAKE_NEW_OPTIONS", "--high --over=").run()
    };
    future("fly --high --over water").expect_code(0);
    future("swim --over=water").expect_code(0);
    future("swim --over").expect_code(1).stderr_contains("missing value for --over");
    // They load the workspace as `build` does.
    relock(&sandbox, MATHLIB_GIT, OTHER_REV);
    future("fly").expect_code(1).stderr_contains("URL has changed; deleting");
}
