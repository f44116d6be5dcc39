//! `lake-shim doctor` through the real binary. Every test breaks one thing in a sound workspace, for real, and asserts
//! that this is found and nothing else; where the hint says what to type, that is typed, and the finding is gone.
//!
//! Lake and lean are stand-ins with a version, whichever lake the other suites run against: what is wrong with them is
//! wrong in known ways. Every look at a sandbox asserts that nothing in it was written.

mod disk;
mod link;
mod packages;
mod path;
mod screen;
mod settings;
mod sound;
mod stores;
mod tools;
mod workspace;

use std::path::{Path, PathBuf};

use serde_json::Value;
use shim_tests::mini_mathlib::{FORK, MATHLIB};
use shim_tests::{Call, NOBODY, Run, Sandbox, Tree, tools as programs};

/// What a hint may ask to be typed, by the first word.
const COMMANDS: &str = "chgrp chmod cp git install lake lake-shim mv rm";

/// The fixture's workspace, cloned, with a complete store and a toolchain of its own.
fn sound() -> Sandbox {
    with_toolchain(Sandbox::mini_mathlib())
}

/// The same on a fresh checkout, with a store baked for it.
fn baked_and_fresh() -> Sandbox {
    let mut sandbox = sound();
    bake(&sandbox);
    sandbox.remove("app/.lake");
    let store = sandbox.path("baked");
    sandbox.set_env("LAKE_SHIM_STORE", store);
    sandbox
}

fn bake(sandbox: &Sandbox) {
    sandbox.lake_shim("restore --network never").run().expect_code(0);
    let store = sandbox.path("baked");
    sandbox.lake_shim("bake --level 1 --store").arg(store).run().expect_code(0);
}

fn with_toolchain(mut sandbox: Sandbox) -> Sandbox {
    sandbox
        .copy(programs::fake_lake(), "lean/bin/lake")
        .script("lean/bin/lean", "echo 'Lean (version 4.27.0, x86_64-unknown-linux-gnu, Release)'")
        .copy(programs::leantar(), "lean/bin/leantar");
    set_path(&mut sandbox, &["shim/bin", "lean/bin", "tools"]);
    sandbox
}

fn set_path(sandbox: &mut Sandbox, folders: &[&str]) {
    let folders = folders.iter().map(|folder| sandbox.path(folder));
    let path = std::env::join_paths(folders).expect("no colon in them");
    sandbox.set_env("PATH", path);
}

/// Makes the packages directory a link to one that other workspaces use.
fn shared(mut sandbox: Sandbox) -> Sandbox {
    let shared = sandbox.path("shared");
    sandbox.rename("app/.lake/packages", &shared).symlink(&shared, "app/.lake/packages");
    sandbox.set_env("LAKE_PKG_DIR", shared);
    sandbox
}

/// `lake-shim doctor …` by its own path, whatever PATH is.
fn doctor<'a>(sandbox: &'a Sandbox, words: &str) -> Call<'a> {
    sandbox.command(shim(sandbox), "doctor").args(words.split_whitespace())
}

/// The findings of somebody else, who may not write the logs of the fakes.
#[track_caller]
fn findings_of_nobody(sandbox: &Sandbox) -> Vec<Value> {
    findings_of(sandbox, of_nobody(doctor(sandbox, "--json")))
}

fn of_nobody(call: Call) -> Call {
    call.as_user(NOBODY).env_remove("FAKE_LAKE_LOG").env_remove("FAKE_LEANTAR_LOG")
}

fn shim(sandbox: &Sandbox) -> PathBuf {
    sandbox.shim_bin().join("lake-shim")
}

/// The findings of a sandbox, in which nothing is written for them.
#[track_caller]
fn findings(sandbox: &Sandbox) -> Vec<Value> {
    findings_of(sandbox, doctor(sandbox, "--json"))
}

#[track_caller]
fn findings_of(sandbox: &Sandbox, call: Call) -> Vec<Value> {
    let before: Vec<_> = places(sandbox).iter().map(Tree::of).collect();
    let run = call.run();
    before.iter().for_each(Tree::assert_unchanged);
    parse(&run)
}

/// Where nothing may be written: all but programs and the logs of the fakes.
fn places(sandbox: &Sandbox) -> Vec<PathBuf> {
    let programs = ["shim", "toolchain", "lean", "tools", "logs", "state", "git-core"];
    let entries = std::fs::read_dir(sandbox.path("")).expect("a sandbox").flatten();
    let kept = entries.filter(|entry| !programs.iter().any(|name| entry.file_name() == *name));
    kept.map(|entry| entry.path()).collect()
}

/// What `--json` printed, once it is known to be of one piece with the exit code.
#[track_caller]
fn parse(run: &Run) -> Vec<Value> {
    let report: Value =
        serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}\n{run}"));
    let mut findings =
        report["findings"].as_array().cloned().unwrap_or_else(|| panic!("none\n{run}"));
    if cfg!(not(has = "landlock")) {
        // It is so, and what this suite breaks is something else.
        findings.retain(|finding| finding["check"] != "leantar-unconfined");
    }
    let has_errors = findings.iter().any(|finding| finding["severity"] == "error");
    run.expect_code(i32::from(has_errors)).expect_stderr("");
    assert!(report["facts"]["shim"]["version"].is_string(), "no facts\n{run}");
    findings
}

/// That there is one finding, of this severity and name, with evidence and a hint.
#[track_caller]
fn only(sandbox: &Sandbox, severity: &str, check: &str) -> Value {
    the_only(findings(sandbox), severity, check)
}

#[track_caller]
fn the_only(findings: Vec<Value>, severity: &str, check: &str) -> Value {
    let names: Vec<_> = findings.iter().map(|f| (text(f, "severity"), text(f, "check"))).collect();
    assert_eq!(names, [(severity.to_owned(), check.to_owned())], "{findings:#?}");
    let finding = findings.into_iter().next().unwrap_or_default();
    assert!(!text(&finding, "hint").is_empty(), "no hint: {finding:#}");
    assert!(!text(&finding, "message").is_empty(), "no message: {finding:#}");
    finding
}

#[track_caller]
fn none(sandbox: &Sandbox) {
    let findings = findings(sandbox);
    assert!(findings.is_empty(), "{findings:#?}");
}

/// Types what the hint says, after which nothing is left to find.
#[track_caller]
fn follow(sandbox: &Sandbox, finding: &Value) {
    type_in(sandbox, finding);
    none(sandbox);
}

/// Types every command of a hint, of which there has to be one.
#[track_caller]
fn type_in(sandbox: &Sandbox, finding: &Value) {
    let hint = text(finding, "hint");
    let is_command = |literal: &&str| {
        let first = literal.split_whitespace().next().unwrap_or_default();
        literal.contains(' ') && COMMANDS.split_whitespace().any(|command| command == first)
    };
    let commands: Vec<_> = hint.split('`').skip(1).step_by(2).filter(is_command).collect();
    assert!(!commands.is_empty(), "nothing to type in: {hint}");
    for command in commands {
        sandbox.command("sh", "-c").arg(command).run().expect_code(0);
    }
}

/// Types the first literal of a hint into a shell, and looks again in that shell.
#[track_caller]
fn findings_after(sandbox: &Sandbox, finding: &Value) -> Vec<Value> {
    let hint = text(finding, "hint");
    let command = hint.split('`').nth(1).unwrap_or_else(|| panic!("no command: {hint}"));
    let script = format!("{command}\nexec '{}' doctor --json", shim(sandbox).display());
    parse(&sandbox.command("sh", "-c").arg(script).run())
}

/// That message, evidence or hint say this.
#[track_caller]
fn says(finding: &Value, parts: &[&str]) {
    let all = finding.to_string();
    let all = all.replace("\\\"", "\"");
    for part in parts {
        assert!(all.contains(part), "no `{part}` in {finding:#}");
    }
}

fn text(finding: &Value, key: &str) -> String {
    finding[key].as_str().unwrap_or_default().to_owned()
}

fn set_origin(sandbox: &Sandbox, clone: &Path, url: &str) {
    sandbox.git(clone, &["remote", "set-url", "origin", url]);
}

/// Has a clone at another commit, which came from elsewhere: nothing was committed here.
fn move_head(sandbox: &Sandbox, clone: &Path) -> String {
    let other = ["commit-tree", "HEAD^{tree}", "-p", "HEAD", "-m", "another"];
    let other = sandbox.git(clone, &other);
    sandbox.git(clone, &["checkout", "--quiet", "--detach", &other]);
    other
}

/// Replaces a piece of a file that has to be there.
#[track_caller]
fn edit(sandbox: &Sandbox, path: &str, from: &str, to: &str) {
    let text = sandbox.read(path);
    assert!(text.contains(from), "no `{from}` in {path}");
    sandbox.write(path, text.replace(from, to));
}
