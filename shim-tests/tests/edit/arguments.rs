//! Which files are respelled, and after which lock. One file that cannot be understood, and none is written.

use std::fs;
use std::path::PathBuf;

use serde_json::json;
use shim_tests::{Run, Sandbox, Tree};

use crate::{MATHLIB, WRONG, normalize, right, workspace, wrong_manifest};

/// Asserts that nothing at all came of it, but for a message with these parts.
#[track_caller]
fn expect_nothing(sandbox: &Sandbox, run: impl FnOnce() -> Run, parts: &[&str]) {
    let before = everything(sandbox);
    let run = run();
    run.expect_code(1).expect_stdout("").stderr_contains("lake-shim: error: ");
    for part in parts {
        run.stderr_contains(part);
    }
    before.iter().for_each(Tree::assert_unchanged);
}

/// All there is in the sandbox but programs, which take long to look at.
fn everything(sandbox: &Sandbox) -> Vec<Tree> {
    sandbox.shim_bin();
    let entries = fs::read_dir(sandbox.path("")).expect("a sandbox").flatten();
    let is_data = |path: &PathBuf| !path.ends_with("shim") && !path.ends_with("toolchain");
    entries.map(|entry| entry.path()).filter(is_data).map(Tree::of).collect()
}

#[test]
fn without_files_the_workspaces_own_are_respelled() {
    for cwd in ["app", "app/src/deep"] {
        let sandbox = workspace();
        sandbox
            .write("app/lakefile.toml", WRONG)
            .write("app/lake-manifest.json", wrong_manifest())
            .write("app/other.toml", WRONG)
            .mkdir("app/src/deep");
        let run = normalize(&sandbox, "").cwd(cwd).run();
        let app = sandbox.workspace().display().to_string();
        run.expect_code(0).expect_stderr("").expect_stdout(&format!(
            "{app}/lakefile.toml:6: {MATHLIB}.git -> {MATHLIB}\n\
             {app}/lake-manifest.json:4: {MATHLIB}.git -> {MATHLIB}\n"
        ));
        assert_eq!(sandbox.read("app/lakefile.toml"), right(WRONG));
        assert_eq!(sandbox.read("app/lake-manifest.json"), right(&wrong_manifest()));
        assert_eq!(sandbox.read("app/other.toml"), WRONG);
    }
}

#[test]
fn without_files_a_manifest_of_another_name_is_found() {
    let sandbox = workspace();
    let lakefile = format!("manifestFile = \"locks/lean.json\"\n{WRONG}");
    sandbox.write("app/lakefile.toml", &lakefile).write("app/locks/lean.json", wrong_manifest());
    normalize(&sandbox, "").run().expect_code(0);
    assert_eq!(sandbox.read("app/lakefile.toml"), right(&lakefile));
    assert_eq!(sandbox.read("app/locks/lean.json"), right(&wrong_manifest()));
}

#[test]
fn without_files_a_lakefile_that_is_a_program_is_left_alone() {
    let sandbox = workspace();
    let program = format!("require mathlib from git \"{MATHLIB}.git\"\n");
    sandbox
        .write("app/lakefile.lean", &program)
        .write("app/lakefile.toml", WRONG)
        .write("app/lake-manifest.json", wrong_manifest());
    normalize(&sandbox, "").run().expect_code(0);
    assert_eq!(sandbox.read("app/lakefile.lean"), program);
    assert_eq!(sandbox.read("app/lakefile.toml"), WRONG, "Lake reads the other one");
    assert_eq!(sandbox.read("app/lake-manifest.json"), right(&wrong_manifest()));
}

#[test]
fn files_of_several_kinds_are_respelled_wherever_they_are() {
    let sandbox = workspace();
    let absolute = sandbox.path("far/lakefile.toml");
    sandbox
        .write("app/lakefile.toml", WRONG)
        .write("app/a b/ünïcode.toml", WRONG)
        .write("app/sub/lake-manifest.json", wrong_manifest())
        .write(&absolute, WRONG)
        .write("next/package-overrides.json", wrong_manifest());
    let run = normalize(&sandbox, "./lakefile.toml sub/../sub/lake-manifest.json")
        .args(["a b/ünïcode.toml", "../next/package-overrides.json"])
        .arg(&absolute)
        .run();
    run.expect_code(0).expect_stderr("");
    assert_eq!(run.stdout.lines().count(), 5, "{run}");
    for path in ["app/lakefile.toml", "app/a b/ünïcode.toml", "far/lakefile.toml"] {
        assert_eq!(sandbox.read(path), right(WRONG), "{path}");
    }
    for path in ["app/sub/lake-manifest.json", "next/package-overrides.json"] {
        assert_eq!(sandbox.read(path), right(&wrong_manifest()), "{path}");
    }
}

#[test]
fn files_are_respelled_outside_of_any_workspace() {
    let sandbox = workspace();
    sandbox.write("nowhere/lakefile.d/x.toml", WRONG).write("nowhere/x.json", wrong_manifest());
    let run = normalize(&sandbox, "lakefile.d/x.toml x.json").cwd("nowhere").run();
    run.expect_code(0);
    assert_eq!(sandbox.read("nowhere/lakefile.d/x.toml"), right(WRONG));
    assert_eq!(sandbox.read("nowhere/x.json"), right(&wrong_manifest()));
}

#[test]
fn a_workspace_that_is_broken_does_not_matter_to_files_elsewhere() {
    let sandbox = workspace();
    sandbox
        .write("app/lakefile.toml", "name = \"app\"\n")
        .write("app/lake-manifest.json", "{}")
        .write("far/lakefile.toml", WRONG);
    normalize(&sandbox, "../far/lakefile.toml").run().expect_code(0);
    assert_eq!(sandbox.read("far/lakefile.toml"), right(WRONG));
}

#[test]
fn a_manifest_that_cannot_be_understood_can_be_respelled_all_the_same() {
    // Its version is for Lake to complain about.
    let sandbox = workspace();
    let manifest = wrong_manifest().replace("1.1.0", "2.0.0");
    sandbox.write("nowhere/x.json", &manifest);
    normalize(&sandbox, "x.json").cwd("nowhere").run().expect_code(0);
    assert_eq!(sandbox.read("nowhere/x.json"), right(&manifest));
}

// What is no file to respell

#[test]
fn check_tells_the_same_and_writes_nothing() {
    let sandbox = workspace();
    sandbox.write("app/lakefile.toml", WRONG).write("app/lake-manifest.json", wrong_manifest());
    let before = everything(&sandbox);
    let check = normalize(&sandbox, "--check").run();
    check.expect_code(1).expect_stderr("").stdout_contains("lakefile.toml:6: ");
    before.iter().for_each(Tree::assert_unchanged);
    let run = normalize(&sandbox, "").run();
    run.expect_code(0).expect_stdout(&check.stdout);
    normalize(&sandbox, "--check").run().expect_code(0).expect_stdout("");
}

#[test]
fn a_file_that_is_not_for_us_stops_the_others_too() {
    for (bad, parts) in [
        ("lakefile.lean", &["hint: ", "program"][..]),
        ("sub/x.lean", &["hint: ", "program"]),
        ("notes.md", &["hint: ", ".toml"]),
        ("lakefile", &["hint: ", ".toml"]),
        ("x.TOML", &["hint: "]),
        ("lean-toolchain", &["hint: "]),
        ("folder.toml", &[]),
        ("missing.toml", &["No such file"]),
        ("missing.json", &["No such file"]),
        ("sub/lakefile.toml/x.toml", &[]),
    ] {
        let sandbox = workspace();
        for path in ["lakefile.toml", "sub/lakefile.toml", "last.toml", "sub/x.lean", "notes.md"] {
            sandbox.write(format!("app/{path}"), WRONG);
        }
        for path in ["lakefile", "x.TOML", "lean-toolchain", "other/lakefile.lean"] {
            sandbox.write(format!("app/{path}"), WRONG);
        }
        let bad = bad.replace("lakefile.lean", "other/lakefile.lean");
        sandbox.write("app/x.json", wrong_manifest()).mkdir("app/folder.toml");
        for words in [format!("lakefile.toml x.json {bad} last.toml"), format!("{bad} last.toml")] {
            let name = format!("app/{bad}`");
            let name =
                if parts.contains(&"hint: ") { &name[..] } else { name.trim_end_matches('`') };
            let parts: Vec<_> = [name].iter().chain(parts).copied().collect();
            expect_nothing(&sandbox, || normalize(&sandbox, &words).run(), &parts);
        }
    }
}

#[test]
fn a_file_that_cannot_be_understood_stops_the_others_too() {
    let url_is =
        |url: &str| format!(r#"{{"version":7,"packages":[{{"type":"git","url":{url}}}]}}"#);
    let nested = r#"{"version":5,"packages":[{"git":{"url":5}}]}"#;
    for (name, bytes, part) in [
        ("x.toml", b"name = \"a\"\n[[require]\n".to_vec(), "line 2, column"),
        ("x.toml", b"name = \"a\nb\"\n".to_vec(), "line 2, column"),
        ("x.toml", b"a = 1\na = 2\n".to_vec(), "line 2, column"),
        ("x.toml", b"a = 1\rb = 2\n".to_vec(), "line 1, column"),
        ("x.toml", b"name = \"\xff\"\n".to_vec(), ""),
        ("x.toml", right(WRONG).encode_utf16().flat_map(u16::to_le_bytes).collect(), ""),
        ("x.json", b"{\"version\": 7, \"packages\": [}\n".to_vec(), "line 1 column"),
        ("x.json", wrong_manifest().into_bytes()[..200].to_vec(), "line 7 column"),
        ("x.json", (wrong_manifest() + "x").into_bytes(), "line 26 column"),
        ("x.json", ("\u{feff}".to_owned() + &wrong_manifest()).into_bytes(), "line 1 column 1"),
        ("x.json", b"{\"packages\": [{\"url\": \"\xff\"}]}".to_vec(), ""),
        ("x.json", b"{\"packages\": {}}".to_vec(), "line 1 column"),
        ("x.json", b"{\"packages\": [\"a\"]}".to_vec(), "line 1 column"),
        ("x.json", b"\"packages\"".to_vec(), "line 1 column"),
        ("x.json", b"".to_vec(), "line 1 column 0"),
        ("x.json", url_is("1").into_bytes(), "`url`"),
        ("x.json", url_is("null").into_bytes(), "`url`"),
        ("x.json", url_is("[\"a\"]").into_bytes(), "`url`"),
        ("x.json", nested.as_bytes().to_vec(), "`url`"),
        ("x.json", b"{\"packages\": [], \"packages\": []}".to_vec(), "duplicate"),
    ] {
        let sandbox = workspace();
        sandbox.write("app/lakefile.toml", WRONG).write("app/last.json", wrong_manifest());
        sandbox.write(format!("app/{name}"), &bytes);
        for words in [format!("lakefile.toml last.json {name}"), format!("{name} last.json")] {
            let path = format!("/app/{name}");
            expect_nothing(&sandbox, || normalize(&sandbox, &words).run(), &[&path, part]);
        }
    }
}

#[test]
fn a_list_is_no_manifest() {
    let sandbox = workspace();
    sandbox.write(
        "app/x.json",
        json!([[{"type": "git", "url": format!("{MATHLIB}.git")}]]).to_string(),
    );
    expect_nothing(&sandbox, || normalize(&sandbox, "x.json").run(), &["/app/x.json"]);
}

// The lock

#[test]
fn without_any_spelling_there_is_a_hint() {
    let sandbox = Sandbox::empty();
    sandbox.write("app/lakefile.toml", WRONG).write("nowhere/x.toml", WRONG);
    for (cwd, words) in [("app", ""), ("app", "lakefile.toml"), ("nowhere", "x.toml")] {
        let run = || sandbox.lake_shim("normalize").args(words.split_whitespace()).cwd(cwd).run();
        expect_nothing(&sandbox, run, &["how URLs are to be spelled", "hint: ", "--lock"]);
    }
    sandbox.write("empty.json", json!({"version": "1.1.0", "packages": []}).to_string());
    let run = || sandbox.lake_shim("normalize --lock ../empty.json").run();
    expect_nothing(&sandbox, run, &["how URLs are to be spelled", "hint: "]);
}

#[test]
fn without_files_and_workspace_there_is_nothing_to_do() {
    let sandbox = workspace();
    sandbox.mkdir("nowhere");
    expect_nothing(&sandbox, || normalize(&sandbox, "").cwd("nowhere").run(), &["hint: "]);
}

#[test]
fn a_lock_that_is_none_is_an_error_that_names_it() {
    let sandbox = workspace();
    sandbox.write("app/lakefile.toml", WRONG).write("broken.json", "{").write("lock.toml", WRONG);
    sandbox.write("new.json", json!({"version": "2.0.0", "packages": []}).to_string());
    for lock in
        ["../broken.json", "../lock.toml", "../new.json", "../none.json", "0123456789abcdef"]
    {
        let run = || sandbox.lake_shim("normalize --lock").arg(lock).run();
        expect_nothing(&sandbox, run, &[lock.trim_start_matches("../")]);
    }
}

#[test]
fn a_lock_may_be_of_any_version_that_lake_reads() {
    let entry =
        |url: String| json!({"name": "mathlib", "url": url, "rev": "r", "inherited": false});
    for version in
        [json!(5), json!(6), json!(7), json!("1.0.0"), json!("1.1.0"), json!("1.2.0-pre")]
    {
        let sandbox = workspace();
        let mut package = entry(MATHLIB.to_owned());
        match version.as_u64() {
            Some(5 | 6) => package = json!({"git": package}),
            _ => package["type"] = json!("git"),
        }
        let lock = json!({"version": version, "packages": [package]});
        sandbox.write("app/lakefile.toml", WRONG).write("lock.json", lock.to_string());
        let run = normalize(&sandbox, "").run();
        assert_eq!(run.code, Some(0), "version {version}\n{run}");
        assert_eq!(sandbox.read("app/lakefile.toml"), right(WRONG));
    }
}

#[test]
fn without_a_lock_the_workspaces_manifest_tells() {
    let sandbox = Sandbox::empty();
    sandbox
        .write("app/lakefile.toml", WRONG)
        .write("app/lake-manifest.json", right(&wrong_manifest()));
    let before =
        fs::metadata(sandbox.path("app/lake-manifest.json")).and_then(|meta| meta.modified());
    sandbox.lake_shim("normalize").run().expect_code(0);
    assert_eq!(sandbox.read("app/lakefile.toml"), right(WRONG));
    let after =
        fs::metadata(sandbox.path("app/lake-manifest.json")).and_then(|meta| meta.modified());
    assert_eq!(before.ok(), after.ok());
}

#[test]
fn a_stores_lock_comes_before_the_workspaces_manifest() {
    let mut sandbox = Sandbox::empty();
    let lock = |toolchain: &str, url: &str| {
        json!({"toolchain": toolchain, "modules": {}, "packages": [
            {"type": "git", "name": "mathlib", "url": url, "rev": "r", "inherited": false}]})
    };
    let index = |locks| json!({"schema": 1, "ltars": {}, "packs": [], "locks": locks}).to_string();
    let (ssh, https) = ("git@github.com:leanprover-community/mathlib4.git", MATHLIB);
    sandbox.write("app/lean-toolchain", "leanprover/lean4:v4.27.0\n");
    sandbox.write("app/lake-manifest.json", wrong_manifest());
    let locks = json!({
        "00000000000000aa": lock("leanprover/lean4:v4.1.0", ssh),
        "00000000000000bb": lock("leanprover/lean4:v4.27.0", https),
    });
    sandbox.write("store/lake-shim/index.json", index(locks));
    sandbox.set_env("LAKE_SHIM_STORE", sandbox.store());
    let run = |words: &str| {
        sandbox.write("app/lakefile.toml", WRONG);
        sandbox
            .lake_shim("normalize lakefile.toml")
            .args(words.split_whitespace())
            .run()
            .expect_code(0);
        sandbox.read("app/lakefile.toml")
    };
    assert_eq!(run(""), right(WRONG), "that of its own toolchain");
    assert_eq!(run("--lock 00000000000000aa"), WRONG.replace(&format!("{MATHLIB}.git"), ssh));
    sandbox.copy("app/lake-manifest.json", "own.json");
    assert_eq!(run("--lock ../own.json"), WRONG);
}
