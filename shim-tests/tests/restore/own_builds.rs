//! Builds that the user made: kept if Lake finds them up to date, also where a store has another build.

use std::fs;
use std::path::PathBuf;
use std::time::SystemTime;

use serde_json::Value;
use shim_tests::{Sandbox, modules};

use crate::{all, expect_leantar_runs, lake_lines, offline, offline_get};

const LATTICE: &str = "Mathlib.Order.Lattice";
const ASKED: &str = "asking the real lake whether builds of its own are up to date";

/// A workspace in which the user has built `built` himself, so that other options gave other `depHash`es if
/// `otherwise`.
fn built_by_the_user(built: &[&str], otherwise: bool) -> Sandbox {
    let mut sandbox = Sandbox::mini_mathlib();
    offline_get(&sandbox).run().expect_code(0);
    let mut known: Value =
        serde_json::from_str(&sandbox.env_var("FAKE_LAKE_MODULES").expect("set")).expect("JSON");
    for module in modules() {
        let trace = sandbox.packages().join(&module.trace);
        if !built.contains(&module.name.as_str()) {
            let files = module.files.iter().map(|file| sandbox.packages().join(file));
            for file in files.chain([trace]) {
                sandbox.remove(file);
            }
            continue;
        }
        let mut text: Value =
            serde_json::from_slice(&fs::read(&trace).expect("a trace")).expect("JSON");
        if otherwise {
            let own = format!("{:016x}", module.dep_hash ^ 1);
            known[&module.name]["depHash"] = own.as_str().into();
            text["depHash"] = own.into();
        }
        sandbox.write(&trace, text.to_string());
    }
    for package in ["mathlib", "batteries"] {
        let ledger = sandbox.package(package).join(".lake/build/.lake-shim.ledger");
        if ledger.exists() {
            sandbox.remove(ledger);
        }
    }
    fs::write(sandbox.path("logs/lake.jsonl"), "").expect("an empty log");
    sandbox.set_env("FAKE_LAKE_MODULES", known.to_string());
    sandbox
}

/// The build files of every module, with their times.
fn build(sandbox: &Sandbox) -> Vec<(PathBuf, Vec<u8>, SystemTime)> {
    let files = modules().iter().flat_map(|module| module.files.iter().chain([&module.trace]));
    let read = |file: &PathBuf| {
        let path = sandbox.packages().join(file);
        let time = fs::metadata(&path).and_then(|meta| meta.modified()).expect("a time");
        (file.clone(), fs::read(path).expect("a file"), time)
    };
    files.map(read).collect()
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn a_build_that_lake_finds_up_to_date_stays_and_is_asked_after_once_fake_lake_only() {
    for otherwise in [false, true] {
        for command in ["exe cache get", "build"] {
            let sandbox = built_by_the_user(&all(), otherwise);
            let before = build(&sandbox);
            let run = |line: &str| {
                let call = offline(&sandbox, line).env("LAKE_SHIM_RESTORE", "always");
                call.run()
            };
            run(command).expect_code(0).stderr_contains(&format!("{ASKED}: 11 modules"));
            assert_eq!(before, build(&sandbox));
            run(command).expect_code(0).stderr_lacks(ASKED);
            assert_eq!(before, build(&sandbox));
            let asked = lake_lines(&sandbox);
            assert_eq!(
                asked.iter().filter(|line| line.contains("--no-build")).count(),
                1,
                "{asked:?}"
            );
        }
    }
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn a_part_that_no_archive_equals_stays_too_fake_lake_only() {
    let sandbox = built_by_the_user(&[LATTICE], true);
    let run = offline_get(&sandbox).run();
    run.expect_code(0)
        .stderr_contains(&format!("{ASKED}: 1 module"))
        .stderr_contains("restored 10 modules");
    let trace =
        sandbox.read("app/.lake/packages/mathlib/.lake/build/lib/lean/Mathlib/Order/Lattice.trace");
    let archived =
        modules().iter().find(|module| module.name == LATTICE).expect("it is one").dep_hash;
    assert!(!trace.contains(&format!("{archived:016x}")), "it was replaced: {trace}");
    let targets: Vec<_> = lake_lines(&sandbox);
    assert_eq!(targets, [format!("build --no-build +{LATTICE}")]);
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn a_part_that_equals_what_a_store_has_is_replaced_without_a_question_fake_lake_only() {
    let sandbox = built_by_the_user(&[LATTICE], false);
    let run = offline_get(&sandbox).run();
    run.expect_code(0).stderr_lacks(ASKED).stderr_contains("restored 11 modules");
    sandbox.expect_all_restored();
    assert!(lake_lines(&sandbox).is_empty());
}

/// Lake's answer for the whole does not hold with an archive of another build in it.
#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn a_build_with_a_gap_is_not_filled_from_another_one_fake_lake_only() {
    let sandbox = built_by_the_user(&all(), false);
    offline_get(&sandbox).run().expect_code(0).stderr_contains(ASKED);
    let mine = "app/.lake/packages/mathlib/.lake/build/ir/Mathlib/Order/Basic.c";
    sandbox.write(mine, "mine");
    sandbox.remove("app/.lake/packages/mathlib/.lake/build/lib/lean/Mathlib/Order/Lattice.olean");
    let run = offline_get(&sandbox).run();
    run.expect_code(0).stderr_contains("restored 11 modules");
    sandbox.expect_all_restored();
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn a_build_that_lake_finds_stale_is_replaced_fake_lake_only() {
    let mut sandbox = built_by_the_user(&all(), true);
    let stale = sandbox.env_var("FAKE_LAKE_MODULES").expect("set").replacen(
        "\"depHash\":\"",
        "\"depHash\":\"x",
        1,
    );
    sandbox.set_env("FAKE_LAKE_MODULES", stale);
    let run = offline_get(&sandbox).run();
    run.expect_code(0).stderr_contains(ASKED).stderr_contains("restored 11 modules");
    sandbox.expect_all_restored();
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn who_forces_is_not_asked_fake_lake_only() {
    for line in ["exe cache get!", "exe cache unpack!"] {
        let sandbox = built_by_the_user(&all(), true);
        let run = offline(&sandbox, line).run();
        run.expect_code(0).stderr_lacks(ASKED).stderr_contains("restored 11 modules");
        sandbox.expect_all_restored();
    }
    let sandbox = built_by_the_user(&all(), true);
    sandbox
        .lake_shim("restore --force")
        .run()
        .expect_code(0)
        .stderr_contains("restored 11 modules");
    sandbox.expect_all_restored();
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn what_is_built_and_in_no_store_is_called_so_fake_lake_only() {
    let sandbox = built_by_the_user(&all(), false);
    sandbox.remove(sandbox.ltar(LATTICE));
    let dry = sandbox.lake_shim("restore --dry-run").run();
    dry.stdout_contains("1 built, with no store to compare with").stdout_lacks("in no store");
    let doctor = sandbox.lake_shim("doctor restore --json").run();
    doctor.stdout_contains("\"built\": 1,").stdout_contains("\"missing\": [],");
    // Lake knows whether it is up to date.
    let run = offline_get(&sandbox).run();
    run.expect_code(0).stderr_contains(ASKED).stderr_lacks("in no store");
    // And says so if it is not.
    let mut sandbox = built_by_the_user(&[LATTICE], true);
    sandbox.remove(sandbox.ltar(LATTICE));
    let stale = sandbox
        .env_var("FAKE_LAKE_MODULES")
        .expect("set")
        .replace("\"depHash\":\"", "\"depHash\":\"x");
    sandbox.set_env("FAKE_LAKE_MODULES", stale);
    offline_get(&sandbox).run().expect_code(1).stderr_contains("1 module in no store");
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn without_a_lake_to_ask_a_store_has_the_word_fake_lake_only() {
    let sandbox = built_by_the_user(&all(), true);
    let run = offline_get(&sandbox).env("LAKE_SHIM_LAKE", "/nonexistent/lake").run();
    run.expect_code(0)
        .stderr_contains("warning: `LAKE_SHIM_LAKE` is `/nonexistent/lake`")
        .stderr_contains("restored 11 modules");
    expect_leantar_runs(&sandbox, 2);
}
