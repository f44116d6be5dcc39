//! `--check` and `--json`: what would change, told and not done; and what is right already, left alone.

use serde_json::{Value, json};
use shim_tests::{Run, Tree};

use crate::case::{Case, Way};
use crate::golden;

/// A workspace with Lake's own manifest in which one revision is another.
fn outdated() -> (Case, String, String) {
    let case = Case::of("two_paths_share_git_dotgit");
    let golden = case.golden();
    let line = golden.lines().find(|line| line.contains("\"rev\": ")).expect("a revision");
    let other = format!("   \"rev\": \"{}\",", "0".repeat(40));
    case.sandbox.write(case.manifest(), golden.replace(line, &other));
    (case, line.to_owned(), other)
}

fn lines<'a>(run: &'a Run, sign: &str) -> Vec<&'a str> {
    run.stdout.lines().filter_map(|line| line.strip_prefix(sign)).collect()
}

#[track_caller]
fn object(run: &Run) -> Value {
    serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}\n{run}"))
}

#[test]
#[cfg_attr(not(has = "unshare"), ignore = "needs unshare")]
fn check_passes_on_lakes_own_manifest_and_writes_nothing() {
    for name in golden::CASES {
        let case = Case::of(name);
        case.sandbox.write(case.manifest(), case.golden());
        let app = Tree::of(case.sandbox.workspace());
        let run = case.resolve_from_golden("--check").run();
        run.expect_code(0).expect_stdout("").stderr_contains("is as Lake would write it");
        app.assert_unchanged();
    }
}

#[test]
#[cfg_attr(not(has = "unshare"), ignore = "needs unshare")]
fn check_without_a_manifest_shows_all_of_it_and_writes_nothing() {
    for name in golden::CASES {
        let case = Case::of(name);
        let app = Tree::of(case.sandbox.workspace());
        let run = case.resolve_from_golden("--check").run();
        run.expect_code(1);
        let golden = case.golden();
        let path = case.manifest();
        let head = format!("--- /dev/null\n+++ {}\n@@ -0,0 +1", path.display());
        assert!(run.stdout.starts_with(&head), "{run}");
        let added: Vec<_> = lines(&run, "+").into_iter().skip(1).collect();
        assert_eq!(added, golden.lines().collect::<Vec<_>>(), "{name}");
        assert_eq!(lines(&run, "-").len(), 1, "{run}");
        app.assert_unchanged();
    }
}

#[test]
#[cfg_attr(not(has = "unshare"), ignore = "needs unshare")]
fn check_shows_what_differs_and_writes_nothing() {
    let (case, right, wrong) = outdated();
    let app = Tree::of(case.sandbox.workspace());
    let run = case.resolve_from_golden("--check").run();
    run.expect_code(1);
    let path = case.manifest();
    let path = path.display();
    assert_eq!(lines(&run, "-"), [format!("-- {path}"), wrong]);
    assert_eq!(lines(&run, "+"), [format!("++ {path}"), right]);
    assert_eq!(lines(&run, "@@").len(), 1, "{run}");
    app.assert_unchanged();
    case.resolve_from_golden("").run().expect_code(0);
    assert_eq!(case.sandbox.read(case.manifest()), case.golden());
}

#[test]
#[cfg_attr(not(has = "unshare"), ignore = "needs unshare")]
fn a_manifest_that_says_the_same_in_another_layout_is_left_alone() {
    let case = Case::of("two_paths_share_git_dotgit");
    let golden: Value = serde_json::from_str(&case.golden()).expect("JSON");
    case.sandbox.write(case.manifest(), golden.to_string());
    let app = Tree::of(case.sandbox.workspace());
    for words in ["", "--check", "--json"] {
        case.resolve_from_golden(words).run().expect_code(0);
        app.assert_unchanged();
    }
}

#[test]
#[cfg_attr(not(has = "unshare"), ignore = "needs unshare")]
fn resolving_again_changes_nothing() {
    let case = Case::of("path_without_manifest");
    case.resolve_from_golden("").run().expect_code(0).stderr_contains("wrote");
    let app = Tree::of(case.sandbox.workspace());
    let run = case.resolve_from_golden("").run();
    run.expect_code(0).expect_stdout("").stderr_contains("as Lake").stderr_lacks("wrote");
    app.assert_unchanged();
}

#[test]
#[cfg_attr(not(has = "unshare"), ignore = "needs unshare")]
fn an_outdated_manifest_keeps_what_we_do_not_know() {
    let (case, right, wrong) = outdated();
    let outdated = case.sandbox.read(case.manifest());
    let added = |text: &str| {
        let text = text.replace("\"name\": \"m\",", "\"name\": \"m\",\n   \"ours\": [1],");
        text.replace("\"lakeDir\": \".lake\"}", "\"lakeDir\": \".lake\",\n \"later\": true}")
    };
    assert!(added(&outdated).contains("ours") && added(&outdated).contains("later"));
    case.sandbox.write(case.manifest(), added(&outdated));
    case.resolve_from_golden("").run().expect_code(0);
    let expected = added(&outdated.replace(&wrong, &right));
    assert_eq!(case.sandbox.read(case.manifest()), expected);
}

#[test]
#[cfg_attr(not(has = "unshare"), ignore = "needs unshare")]
fn json_says_what_was_written_and_from_which_lock() {
    let case = Case::of("diamond_through_two_gits");
    drop(case.prepare(Way::Packs));
    let index = case.sandbox.read("baked/lake-shim/index.json");
    let index: Value = serde_json::from_str(&index).expect("JSON");
    let ids: Vec<_> = index["locks"].as_object().expect("locks").keys().collect();
    let [id] = ids[..] else { panic!("{ids:?}") };
    let store = case.sandbox.path("baked");
    let resolve = |words: &str| {
        let run = case.resolve(words).env("LAKE_SHIM_STORE", &store).run();
        (run.code, object(&run))
    };
    let expected = |changed: bool, written: bool| {
        json!({
            "manifest": case.manifest(), "changed": changed, "written": written,
            "lock": id, "store": store, "packages": ["b", "a", "c"],
        })
    };
    assert_eq!(resolve("--json --check"), (Some(1), expected(true, false)));
    assert!(!case.manifest().exists());
    assert_eq!(resolve("--json"), (Some(0), expected(true, true)));
    assert_eq!(case.sandbox.read(case.manifest()), case.golden());
    assert_eq!(resolve("--json"), (Some(0), expected(false, false)));
    assert_eq!(resolve("--json --check"), (Some(0), expected(false, false)));
}

#[test]
#[cfg_attr(not(has = "unshare"), ignore = "needs unshare")]
fn json_names_no_lock_where_none_was_needed() {
    let case = Case::of("path_upward_in_path");
    let run = case.resolve("--json").run();
    run.expect_code(0);
    let expected = json!({
        "manifest": case.manifest(), "changed": true, "written": true,
        "lock": null, "store": null, "packages": ["lib", "sub"],
    });
    assert_eq!(object(&run), expected);
}

#[test]
#[cfg_attr(not(has = "unshare"), ignore = "needs unshare")]
fn json_names_the_manifest_that_was_given_as_lock() {
    let case = Case::of("odd_names");
    let run = case.resolve_from_golden("--json").run();
    run.expect_code(0);
    let found = object(&run);
    let lock = case.sandbox.path("golden.json");
    let lock = lock.to_string_lossy();
    assert!(found["lock"].as_str().is_some_and(|found| found.contains(&*lock)), "{found}");
    assert_eq!(found["packages"], json!(["«std-1.0.0-beta.14»"]));
}
