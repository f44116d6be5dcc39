//! `lake-shim names`: the archive of every module, as mathlib's own tool names it.

use serde_json::Value;
use shim_tests::{Sandbox, mini_mathlib};

use crate::{all_but, expect_no_lake, offline_get};

/// The names that the real tool gave: module → archive.
fn true_names() -> Value {
    let text =
        std::fs::read_to_string(mini_mathlib::fixture().join("names.json")).expect("the fixture");
    serde_json::from_str::<Value>(&text).expect("JSON")["files"].take()
}

#[test]
fn names_are_those_of_mathlibs_tool() {
    let sandbox = Sandbox::mini_mathlib();
    let run = sandbox.lake_shim("names --json").run();
    run.expect_code(0);
    let names: Value = serde_json::from_str(&run.stdout).expect("one object");
    assert_eq!(names, true_names());
    let lines = true_names();
    let lines = lines.as_object().into_iter().flatten();
    let lines: String = lines
        .map(|(module, ltar)| format!("{module} {}\n", ltar.as_str().unwrap_or_default()))
        .collect();
    sandbox.lake_shim("names").run().expect_code(0).expect_stdout(&lines).expect_stderr("");
    expect_no_lake(&sandbox);
}

#[test]
fn names_of_modules_come_with_what_they_import() {
    let sandbox = Sandbox::mini_mathlib();
    let expected = "Batteries.Data.N bbe31ea00771bd19.ltar\nMathlib.Init bf2a12a3b2f19539.ltar\n";
    sandbox.lake_shim("names Mathlib.Init").run().expect_code(0).expect_stdout(expected);
    sandbox
        .lake_shim("names Mathlib/Init.lean")
        .cwd("app/.lake/packages/mathlib")
        .arg("-d")
        .arg(sandbox.workspace())
        .run()
        .expect_code(0)
        .expect_stdout(expected);
}

#[test]
fn names_tell_where_files_lie() {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.remove(sandbox.ltar("Mathlib.Init"));
    let present = sandbox.ltar("Batteries.Data.N");
    let expected = format!(
        "Batteries.Data.N bbe31ea00771bd19.ltar {}\nMathlib.Init bf2a12a3b2f19539.ltar -\n",
        present.display()
    );
    sandbox.lake_shim("names --where Mathlib.Init").run().expect_code(0).expect_stdout(&expected);
}

#[test]
fn names_do_not_depend_on_line_ends_of_sources() {
    let sandbox = Sandbox::mini_mathlib();
    let init = sandbox.package("mathlib").join("Mathlib/Init.lean");
    let text = sandbox.read(&init).replace('\n', "\r\n");
    sandbox.write(init, text);
    let run = sandbox.lake_shim("names --json").run();
    assert_eq!(serde_json::from_str::<Value>(&run.stdout).ok(), Some(true_names()));
}

#[test]
fn a_changed_source_changes_its_name_and_those_of_its_importers() {
    let sandbox = Sandbox::mini_mathlib();
    let basic = sandbox.package("mathlib").join("Mathlib/Order/Basic.lean");
    let text = sandbox.read(&basic) + "\n-- changed\n";
    sandbox.write(basic, text);
    let run = sandbox.lake_shim("names --json").run();
    let names: Value = serde_json::from_str(&run.stdout).expect("one object");
    let (names, before) = (names.as_object().expect("an object"), true_names());
    let changed = names.iter().filter(|(module, ltar)| before[module.as_str()] != **ltar);
    let changed: Vec<_> = changed.map(|(module, _)| module.as_str()).collect();
    assert_eq!(changed, ["Mathlib", "Mathlib.Order.Basic", "Mathlib.Order.Lattice"]);
    // Its old archive is no answer to it.
    let run = offline_get(&sandbox).run();
    run.expect_code(1).stderr_contains("3 modules in no store");
    sandbox.expect_restored(&all_but(&["Mathlib", "Mathlib.Order.Basic", "Mathlib.Order.Lattice"]));
}

/// The stock tool warns of each, and goes on without its importers.
#[test]
fn a_missing_source_is_warned_of_and_costs_its_importers_only() {
    let sandbox = Sandbox::mini_mathlib();
    let mathlib = sandbox.package("mathlib");
    sandbox.remove(mathlib.join("Mathlib/Order/Basic.lean"));
    let path = mathlib.join("Mathlib/Order/Basic.lean");
    let warning = format!(
        "warning: no source of `Mathlib.Order.Basic`: there is no `{}`, which `",
        path.display()
    );
    let hint = format!("hint: check the clone with `git -C {} status`", mathlib.display());
    let run = sandbox.lake_shim("names").run();
    run.expect_code(0).stdout_lacks("Lattice").stderr_contains(&warning).stderr_contains(&hint);
    let run = offline_get(&sandbox).run();
    run.expect_code(0).stderr_contains(&warning).stderr_contains("` imports. What imports them");
    let restored = sandbox.restored();
    assert!(restored.contains(&"Mathlib.Algebra") && !restored.contains(&"Mathlib"), "{run}");
    // A request that does not need it says nothing of it.
    sandbox.lake_shim("names Mathlib.Algebra").run().expect_code(0).expect_stderr("");
    // The module that imports all others may be missing itself.
    sandbox.remove(mathlib.join("Mathlib.lean"));
    let run = sandbox.lake_shim("names").run();
    run.expect_code(0).expect_stdout("").stderr_contains("warning: no source of `Mathlib`: ");
    let run = sandbox.lake_shim("doctor restore").run();
    run.stdout_contains("no source of `Mathlib`");
}
