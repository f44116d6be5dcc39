//! The proxy in a workspace without a manifest: it writes the one that a lock covers, says so in a line, and goes on.

use shim_tests::{Call, Run, Tree};

use crate::case::{Case, Way};
use crate::golden;

/// `lake …` where the baked store is all there is, and a lake that only says what it was asked for. That packages are
/// settled is not: it is ours.
fn lake<'a>(case: &'a Case, words: &str) -> Call<'a> {
    let sandbox = &case.sandbox;
    let body = "case $1 in --packages=*/settled-*.json) shift ;; esac\necho \"$@\"";
    sandbox.script("mirror/lake", body);
    let call = sandbox.lake(words).cwd(case.workspace()).without_network();
    call.env("LAKE_SHIM_LAKE", sandbox.path("mirror/lake"))
        .env("LAKE_SHIM_STORE", sandbox.path("baked"))
}

/// A fresh workspace and a store for it.
fn baked(name: &str) -> Case {
    let case = Case::of(name);
    drop(case.prepare(Way::Packs));
    case
}

fn lines_with(run: &Run, part: &str) -> usize {
    run.stderr.lines().filter(|line| line.contains(part)).count()
}

#[test]
#[cfg_attr(not(has = "unshare"), ignore = "needs unshare")]
fn a_build_writes_lakes_manifest_says_so_in_one_line_and_goes_on() {
    for name in golden::CASES {
        let case = baked(name);
        let run = lake(&case, "build Root").run();
        run.expect_code(0).expect_stdout("build Root\n");
        // Its packages are outside of the workspace, where nothing is restored.
        let outside = lines_with(&run, "warning: the packages directory ");
        assert_eq!(outside, usize::from(name == "custom_packages_dir"), "{name}\n{run}");
        assert_eq!(lines_with(&run, "warning"), outside, "{name}\n{run}");
        if name == "no_requires" {
            run.expect_stderr(""); // Lake needs no help
            assert!(!case.manifest().exists(), "{run}");
            continue;
        }
        assert_eq!(case.sandbox.read(case.manifest()), case.golden(), "{name}\n{run}");
        assert_eq!(lines_with(&run, "resolved "), 1, "{run}");
        let again = lake(&case, "build Root").run();
        again.expect_code(0).stderr_lacks("resolved").stderr_lacks("warning");
    }
}

#[test]
#[cfg_attr(not(has = "unshare"), ignore = "needs unshare")]
fn every_command_that_loads_the_workspace_finds_a_manifest() {
    for words in ["env true", "exe tool", "test", "lint", "query Root", "resolve-deps", "serve"] {
        let case = baked("two_paths_share_git_dotgit");
        lake(&case, words).run().expect_code(0).expect_stdout(&format!("{words}\n"));
        assert_eq!(case.sandbox.read(case.manifest()), case.golden(), "{words}");
    }
}

#[test]
#[cfg_attr(not(has = "unshare"), ignore = "needs unshare")]
fn what_is_none_of_our_business_writes_nothing() {
    let case = baked("two_paths_share_git_dotgit");
    let app = Tree::of(case.sandbox.workspace());
    for words in ["update", "upgrade", "update m", "build --update", "--version", "help", "new x"] {
        let run = lake(&case, words).run();
        run.expect_code(0).expect_stdout(&format!("{words}\n")).expect_stderr("");
        app.assert_unchanged();
    }
    lake(&case, "build").env("LAKE_SHIM_DISABLE", "1").run().expect_code(0).expect_stderr("");
    app.assert_unchanged();
}

#[test]
#[cfg_attr(not(has = "unshare"), ignore = "needs unshare")]
fn the_old_short_form_of_update_is_lakes_own() {
    // Lake 4.27: the '-U' shorthand for '--update' is deprecated.
    let case = baked("two_paths_share_git_dotgit");
    let app = Tree::of(case.sandbox.workspace());
    lake(&case, "build -U").run().expect_code(0).expect_stdout("build -U\n").expect_stderr("");
    app.assert_unchanged();
}

#[test]
#[cfg_attr(not(has = "unshare"), ignore = "needs unshare")]
fn a_manifest_that_is_there_is_lakes_to_judge() {
    let case = baked("path_with_manifest");
    let other = case.golden().replace("\"inputRev\": \"v1\"", "\"inputRev\": \"v0\"");
    assert_ne!(other, case.golden());
    case.sandbox.write(case.manifest(), other);
    let manifest = Tree::of(case.manifest());
    lake(&case, "build").run().expect_code(0).expect_stdout("build\n").stderr_lacks("resolved");
    manifest.assert_unchanged();
}

#[test]
#[cfg_attr(not(has = "unshare"), ignore = "needs unshare")]
fn what_no_lock_covers_is_left_to_lake_without_a_word() {
    let case = Case::of("path_with_manifest");
    case.sandbox.mkdir("baked");
    let app = Tree::of(case.sandbox.workspace());
    lake(&case, "build").run().expect_code(0).expect_stdout("build\n").expect_stderr("");
    let run = lake(&case, "build").env("LAKE_SHIM_LOG", "debug").run();
    run.expect_code(0).stderr_contains("no store has a lock");
    app.assert_unchanged();
}
