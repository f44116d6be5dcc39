//! Which `lake` comes first.

use serde_json::Value;
use shim_tests::Sandbox;

use crate::{doctor, findings_after, none, only, parse, says, set_path, shim, sound, the_only};

#[test]
fn not_on_path() {
    let mut sandbox = sound();
    set_path(&mut sandbox, &["lean/bin", "tools"]);
    let finding = only(&sandbox, "error", "shim-not-on-path");
    says(&finding, &["/lean/bin/lake`: lake"]);
    assert_eq!(findings_after(&sandbox, &finding), [Value::Null; 0]);
}

#[test]
fn not_under_the_name_of_lake() {
    let sandbox = sound();
    sandbox.shim_bin();
    sandbox.remove("shim/bin/lake");
    let finding = only(&sandbox, "error", "shim-not-on-path");
    says(&finding, &["install.sh"]);
    sandbox.symlink("lake-shim", "shim/bin/lake");
    none(&sandbox);
}

#[test]
fn another_lake_first() {
    let mut sandbox = sound();
    set_path(&mut sandbox, &["lean/bin", "shim/bin", "tools"]);
    let finding = only(&sandbox, "error", "lake-before-shim");
    says(&finding, &["another `lake` comes before", "/lean/bin/lake`: lake", ": this shim"]);
    assert_eq!(findings_after(&sandbox, &finding), [Value::Null; 0]);
}

#[test]
fn elan_first() {
    let mut sandbox = sound();
    sandbox.script("elan/bin/elan", "exit 1").symlink("elan", "elan/bin/lake");
    set_path(&mut sandbox, &["elan/bin", "shim/bin", "lean/bin", "tools"]);
    sandbox.set_env("LAKE_SHIM_LAKE", sandbox.path("lean/bin/lake"));
    let finding = only(&sandbox, "error", "lake-before-shim");
    says(&finding, &["elan's `lake` comes before", "/elan/bin/lake`: elan"]);
    assert_eq!(findings_after(&sandbox, &finding), [Value::Null; 0]);
}

#[test]
fn two_shims() {
    let mut sandbox = sound();
    let copy = sandbox.path("other/lake");
    sandbox.copy(shim(&sandbox), &copy);
    set_path(&mut sandbox, &["shim/bin", "other", "lean/bin", "tools"]);
    sandbox.set_env("LAKE_SHIM_LAKE", sandbox.path("lean/bin/lake"));
    let finding = only(&sandbox, "warning", "several-shims");
    says(&finding, &["/other/lake` is another binary", "out of PATH"]);
    set_path(&mut sandbox, &["shim/bin", "lean/bin", "tools"]);
    none(&sandbox);
}

#[test]
fn inside_of_lake() {
    let sandbox = sound();
    let run = sandbox.lake("env").arg(shim(&sandbox)).args(["doctor", "--json"]).run();
    let finding = the_only(parse(&run), "note", "nested-call");
    says(&finding, &["toolchain's own", &sandbox.path("shim/bin/lake").display().to_string()]);
}

/// Runs as a step of GitHub Actions that has added these lines to PATH.
fn with_github_path(sandbox: &mut Sandbox, folders: &[&str]) {
    let lines: String =
        folders.iter().map(|folder| format!("{}\n", sandbox.path(folder).display())).collect();
    sandbox.write("github_path", lines);
    let file = sandbox.path("github_path");
    sandbox.set_env("GITHUB_PATH", file);
}

#[test]
fn a_later_entry_of_github_path() {
    let mut sandbox = sound();
    with_github_path(&mut sandbox, &["shim/bin", "lean/bin"]);
    let finding = only(&sandbox, "error", "github-path");
    says(&finding, &["next step", "/lean/bin/lake` first"]);
    assert_eq!(findings_after(&sandbox, &finding), [Value::Null; 0]);
    with_github_path(&mut sandbox, &["home", "tools"]);
    none(&sandbox);
}

#[test]
fn first_from_the_next_step_on() {
    let mut sandbox = sound();
    set_path(&mut sandbox, &["lean/bin", "tools"]);
    with_github_path(&mut sandbox, &["shim/bin"]);
    let finding = only(&sandbox, "note", "shim-not-on-path");
    says(&finding, &["from the next step on"]);
    doctor(&sandbox, "").run().expect_code(0).stdout_contains("nothing wrong found, 1 note\n");
}

/// A script that sets up PATH asks for what it has set up, whatever else there is to find.
#[test]
fn areas_that_are_asked_for() {
    let mut sandbox = sound();
    sandbox.set_env("LAKE_SHIM_JOBS", "many");
    doctor(&sandbox, "").run().expect_code(1).stdout_contains("[bad-variable]");
    let run = doctor(&sandbox, "shim lake").run();
    run.expect_code(0).stdout_contains("first on PATH\nok       lake ").stdout_lacks("leantar");
    run.stdout_contains("\n\nnothing wrong found\n");
    set_path(&mut sandbox, &["lean/bin", "shim/bin", "tools"]);
    let run = doctor(&sandbox, "shim lake").run();
    run.expect_code(1).stdout_contains("[lake-before-shim]").stdout_contains("\n1 error\n");
    let run = doctor(&sandbox, "shims").run();
    run.expect_code(2).stderr_contains("`shims` is no value of").stderr_contains("mean `shim`?");
}
