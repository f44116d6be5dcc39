//! Leantars that are absent, cannot be run, die or lie.

use shim_tests::Sandbox;

use crate::{expect_no_leftovers, offline_get};

#[test]
fn leantar_must_exist_where_it_is_named() {
    let sandbox = Sandbox::mini_mathlib();
    let run = offline_get(&sandbox).env("LAKE_SHIM_LEANTAR", "/nonexistent/leantar").run();
    run.expect_code(1)
        .stderr_contains("`LAKE_SHIM_LEANTAR` is `/nonexistent/leantar`, and there is no such file")
        .stderr_contains("hint: ");
    sandbox.expect_restored(&[]);
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn without_any_leantar_the_places_looked_at_are_named_fake_lake_only() {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.remove("toolchain/bin/leantar");
    let run = offline_get(&sandbox).run();
    run.expect_code(1)
        .stderr_contains("there is no leantar: not in the toolchain")
        .stderr_contains("hint: ");
    sandbox.expect_restored(&[]);
    expect_no_leftovers(&sandbox);
    // As the stock tool leaves it, in the store.
    sandbox.install_leantar("store/leantar-0.1.16");
    offline_get(&sandbox).run().expect_code(0);
    sandbox.expect_all_restored();
}

#[test]
fn a_leantar_that_cannot_be_run_is_an_error() {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.write("leantar", "no program").chmod("leantar", 0o644);
    let leantar = sandbox.path("leantar");
    let run = offline_get(&sandbox).env("LAKE_SHIM_LEANTAR", &leantar).run();
    run.expect_code(1).stderr_contains(&format!("cannot run `{}`", leantar.display()));
    sandbox.expect_restored(&[]);
    expect_no_leftovers(&sandbox);
}

#[test]
fn a_leantar_that_always_dies_restores_nothing_and_leaves_nothing() {
    for (body, message) in [("kill -9 $$", "signal: 9"), ("echo boom >&2; exit 101", "boom")] {
        let sandbox = Sandbox::mini_mathlib();
        sandbox.script("leantar", body);
        let run = offline_get(&sandbox).env("LAKE_SHIM_LEANTAR", sandbox.path("leantar")).run();
        run.expect_code(1).stderr_contains("leantar died").stderr_contains(message);
        sandbox.expect_restored(&[]);
        expect_no_leftovers(&sandbox);
    }
}

#[test]
fn a_leantar_that_does_nothing_is_not_believed() {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.script("leantar", "cat >/dev/null");
    let run = offline_get(&sandbox).env("LAKE_SHIM_LEANTAR", sandbox.path("leantar")).run();
    run.expect_code(1)
        .stderr_contains("could not restore 11 modules")
        .stderr_contains("it has no trace");
    sandbox.expect_restored(&[]);
    expect_no_leftovers(&sandbox);
}

#[test]
#[cfg_attr(not(has = "fake-leantar"), ignore = "needs the fake leantar")]
fn a_leantar_killed_on_the_way_costs_nothing_fake_leantar_only() {
    // Dies on every longer list, between the trace of a module and its olean.
    for after in ["20", "25", "31"] {
        let sandbox = Sandbox::mini_mathlib();
        let run = offline_get(&sandbox)
            .env("FAKE_LEANTAR_DIE", "kill")
            .env("FAKE_LEANTAR_DIE_AFTER", after)
            .run();
        run.expect_code(0);
        sandbox.expect_all_restored();
        expect_no_leftovers(&sandbox);
    }
}
