//! Which archive a module came from, and which store: what the trace does not say (mathlib4#42660).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use shim_tests::ltar::Ltar;
use shim_tests::{Run, Sandbox, modules};

use crate::{all, expect_leantar_runs, expect_no_lake, lake_lines, offline, offline_get};

const INIT: &str = "Mathlib.Init";
const OLEAN: &str = "app/.lake/packages/mathlib/.lake/build/lib/lean/Mathlib/Init.olean";
const TRACE: &str = "app/.lake/packages/mathlib/.lake/build/lib/lean/Mathlib/Init.trace";

fn rebuilt(archive: &Path, mark: &str) -> Vec<u8> {
    let archive = fs::read(archive).expect("an archive");
    Ltar::parse(&archive).expect("an archive of the fake's").rebuilt(mark).to_bytes()
}

/// Puts another build of `Mathlib.Init` into a store.
fn rebuild_in(sandbox: &Sandbox, store: &Path, mark: &str) {
    let name = sandbox.ltar(INIT).file_name().expect("a name").to_owned();
    let other = rebuilt(&store.join(&name), mark);
    sandbox.write(store.join(name), other);
}

/// A second store with everything, in which `Mathlib.Init` is of another build.
fn second_store(sandbox: &Sandbox) -> PathBuf {
    let store = sandbox.path("second");
    sandbox.copy("store", "second");
    rebuild_in(sandbox, &store, "of the second build");
    store
}

fn get_from(sandbox: &Sandbox, stores: &[&Path]) -> Run {
    let list = std::env::join_paths(stores).expect("a list");
    offline_get(sandbox).env("LAKE_SHIM_STORE", list).run()
}

fn is_of_second_build(sandbox: &Sandbox) -> bool {
    sandbox.read(OLEAN).ends_with("of the second build")
}

/// The names of the modules in the workspace as it is now.
fn names(sandbox: &Sandbox) -> BTreeMap<String, String> {
    let run = sandbox.lake_shim("names --json").run();
    serde_json::from_str(&run.expect_code(0).stdout).expect("an object of names")
}

/// Bumps mathlib: another toolchain, so that every archive has another name, and no module another `depHash`.
/// Returns a store for it, in which `Mathlib.Init` came out with other bytes.
fn bump(sandbox: &Sandbox) -> PathBuf {
    let old = names(sandbox);
    for toolchain in ["app/lean-toolchain", "app/.lake/packages/mathlib/lean-toolchain"] {
        sandbox.write(toolchain, "leanprover/lean4:v4.28.0\n");
    }
    let store = sandbox.path("bumped");
    sandbox.mkdir("bumped");
    for (module, name) in names(sandbox) {
        assert_ne!(old[&module], name, "a bump renames the archive of {module}");
        sandbox.copy(sandbox.store().join(&old[&module]), store.join(&name));
        if module == INIT {
            let other = rebuilt(&store.join(&name), "of the second build");
            sandbox.write(store.join(name), other);
        }
    }
    store
}

#[test]
#[cfg_attr(not(has = "fake-leantar"), ignore = "makes archives of the fake's")]
fn a_bump_is_unpacked_though_no_dep_hash_has_changed_fake_leantar_only() {
    let sandbox = Sandbox::mini_mathlib();
    offline_get(&sandbox).run().expect_code(0);
    let store = bump(&sandbox);
    get_from(&sandbox, &[&store]).expect_code(0).stderr_contains("restored 11 modules");
    assert!(is_of_second_build(&sandbox));
    get_from(&sandbox, &[&store]).expect_code(0).stderr_contains("nothing to do");
    expect_leantar_runs(&sandbox, 2);
    expect_no_lake(&sandbox);
}

#[test]
#[cfg_attr(not(has = "fake-leantar"), ignore = "makes archives of the fake's")]
fn a_stock_tool_in_between_fools_nobody_fake_leantar_only() {
    let sandbox = Sandbox::mini_mathlib();
    offline_get(&sandbox).run().expect_code(0);
    // As `leantar` does it for the stock tool, from a cache with another build.
    let second = second_store(&sandbox);
    let archive = second.join(sandbox.ltar(INIT).file_name().expect("a name"));
    let leantar = sandbox.toolchain_bin().join("leantar");
    let list = format!(
        r#"[{{"file":"{}","base":"{}"}}]"#,
        archive.display(),
        sandbox.package("mathlib").display()
    );
    sandbox.command(leantar, "-f -x -j -").stdin(list).run().expect_code(0);
    assert!(is_of_second_build(&sandbox));
    // Lake finds nothing wrong with the module; what was built against the first build tells.
    let stale = sandbox.env_var("FAKE_LAKE_MODULES").expect("set").replacen(
        "\"depHash\":\"",
        "\"depHash\":\"x",
        1,
    );
    let run = offline_get(&sandbox).env("FAKE_LAKE_MODULES", stale).run();
    run.expect_code(0).stderr_contains("restored 1 module");
    assert!(!is_of_second_build(&sandbox));
    sandbox.expect_all_restored();
}

#[test]
fn a_ledger_that_is_gone_or_damaged_costs_one_look() {
    for damage in
        ["", "garbage", "lake-shim ledger 1\nhalf a line", "lake-shim ledger 99\n", "remove"]
    {
        let sandbox = Sandbox::mini_mathlib();
        offline_get(&sandbox).run().expect_code(0);
        for package in ["mathlib", "batteries"] {
            let ledger = sandbox.package(package).join(".lake/build/.lake-shim.ledger");
            match damage {
                "remove" => sandbox.remove(ledger),
                text => sandbox.write(ledger, text),
            };
        }
        offline_get(&sandbox).run().expect_code(0);
        sandbox.expect_all_restored();
        let again = offline_get(&sandbox).run();
        again.expect_code(0).stderr_contains("nothing to do").stderr_lacks("asking");
    }
}

#[test]
fn a_ledger_survives_where_whole_seconds_are_kept_only() {
    let sandbox = Sandbox::mini_mathlib();
    offline_get(&sandbox).run().expect_code(0);
    for module in modules() {
        let trace = sandbox.packages().join(&module.trace);
        let file = fs::File::options().write(true).open(&trace).expect("a trace");
        let time = fs::metadata(&trace).and_then(|meta| meta.modified()).expect("a time");
        let since = time.duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs();
        file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(since))
            .expect("set");
    }
    let run = offline_get(&sandbox).run();
    run.expect_code(0).stderr_contains("nothing to do").stderr_lacks("asking");
}

#[test]
#[cfg_attr(not(has = "fake-leantar"), ignore = "makes archives of the fake's")]
fn one_store_answers_for_everything_if_one_can_fake_leantar_only() {
    let sandbox = Sandbox::mini_mathlib();
    let second = second_store(&sandbox);
    // The first has a part only.
    for module in all().into_iter().filter(|module| *module != INIT) {
        sandbox.remove(sandbox.ltar(module));
    }
    let run = get_from(&sandbox, &[&sandbox.store(), &second]);
    let from = format!("restored 11 modules, 2 packages from {} in ", second.display());
    run.expect_code(0).stderr_contains(&from);
    assert!(is_of_second_build(&sandbox));
}

#[test]
#[cfg_attr(not(has = "fake-leantar"), ignore = "makes archives of the fake's")]
fn what_is_there_comes_from_the_same_store_fake_leantar_only() {
    let sandbox = Sandbox::mini_mathlib();
    let second = second_store(&sandbox);
    let lattice = sandbox.ltar("Mathlib.Order.Lattice");
    let hidden = sandbox.path("hidden.ltar");
    sandbox.rename(&lattice, &hidden);
    get_from(&sandbox, &[&sandbox.store()]).expect_code(1);
    assert!(!is_of_second_build(&sandbox));
    // Only the second store has the last one: then all of it is from there.
    let run = get_from(&sandbox, &[&sandbox.store(), &second]);
    run.expect_code(0).stderr_contains("restored 11 modules");
    assert!(is_of_second_build(&sandbox));
    // And the first serves for what it gave before, where it has what is missing now.
    sandbox
        .rename(&hidden, &lattice)
        .remove("app/.lake/packages/mathlib/.lake/build/lib/lean/Mathlib/Order/Lattice.olean");
    let run = get_from(&sandbox, &[&sandbox.store(), &second]);
    run.expect_code(0)
        .stderr_contains("restored 1 module")
        .stderr_contains(&second.display().to_string());
    assert!(is_of_second_build(&sandbox));
}

/// A restore that failed half-way leaves modules of one store among those of another.
#[test]
#[cfg_attr(not(has = "fake-leantar"), ignore = "makes archives of the fake's")]
fn what_is_there_of_two_stores_comes_from_one_again_fake_leantar_only() {
    let sandbox = Sandbox::mini_mathlib();
    let second = second_store(&sandbox);
    for module in all().into_iter().filter(|module| *module != INIT) {
        sandbox.remove(second.join(sandbox.ltar(module).file_name().expect("a name")));
    }
    let init = sandbox.ltar(INIT);
    sandbox.rename(&init, "hidden.ltar");
    let run = get_from(&sandbox, &[&sandbox.store(), &second]);
    run.expect_code(0).stderr_contains("for no store has them all");
    assert!(is_of_second_build(&sandbox));
    // As long as none has them all, it stays at that, which is said each time.
    let run = get_from(&sandbox, &[&sandbox.store(), &second]);
    run.expect_code(0).stderr_contains("nothing to do");
    run.stderr_contains("up to date, from several stores, for no store has them all");
    sandbox.rename("hidden.ltar", &init);
    let run = get_from(&sandbox, &[&sandbox.store(), &second]);
    run.expect_code(0).stderr_contains("restored 1 module, 1 package from ");
    assert!(!is_of_second_build(&sandbox));
    sandbox.expect_all_restored();
}

/// An image whose store was baked once more, and a workspace of before.
#[test]
#[cfg_attr(not(has = "fake-leantar"), ignore = "makes archives of the fake's")]
fn another_archive_at_the_same_place_is_another_origin_fake_leantar_only() {
    let sandbox = Sandbox::mini_mathlib();
    let get = offline(&sandbox, "exe cache get Mathlib.Init").run();
    get.expect_code(0).stderr_contains("restored 2 modules");
    rebuild_in(&sandbox, &sandbox.store(), "of the second build");
    offline_get(&sandbox).run().expect_code(0);
    assert!(is_of_second_build(&sandbox), "a mixture");
    offline_get(&sandbox).run().expect_code(0).stderr_contains("nothing to do");
}

/// Lake may find a build up to date whose archive has another name now: a comment in the lakefile is enough.
#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn a_build_that_no_store_has_any_more_is_lakes_to_judge_fake_lake_only() {
    let sandbox = Sandbox::mini_mathlib();
    offline_get(&sandbox).run().expect_code(0);
    for toolchain in ["app/lean-toolchain", "app/.lake/packages/mathlib/lean-toolchain"] {
        sandbox.write(toolchain, "leanprover/lean4:v4.28.0\n");
    }
    let stale = sandbox.env_var("FAKE_LAKE_MODULES").expect("set").replacen(
        "\"depHash\":\"",
        "\"depHash\":\"x",
        1,
    );
    let run = offline_get(&sandbox).env("FAKE_LAKE_MODULES", stale).run();
    run.expect_code(1).stderr_contains("asking").stderr_contains("11 modules in no store");
    let run = offline_get(&sandbox).run();
    run.expect_code(0).stderr_contains("asking").stderr_contains("11 modules up to date");
    let run = offline_get(&sandbox).run();
    run.expect_code(0).stderr_lacks("asking").stderr_contains("11 modules up to date");
}

#[test]
fn an_output_of_another_length_is_not_up_to_date() {
    let sandbox = Sandbox::mini_mathlib();
    offline_get(&sandbox).run().expect_code(0);
    sandbox.write(OLEAN, &sandbox.read(OLEAN)[1..]);
    offline_get(&sandbox).run().expect_code(0);
    sandbox.expect_all_restored();
}

#[test]
fn a_ledger_that_cannot_be_written_is_a_warning() {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.mkdir("app/.lake/packages/batteries/.lake/build/.lake-shim.ledger/x");
    let run = offline_get(&sandbox).run();
    run.expect_code(0).stderr_contains("warning: ").stderr_contains(".lake-shim.ledger");
    run.stderr_contains("restored 11 modules");
    sandbox.expect_all_restored();
}

#[test]
fn stores_are_mixed_only_where_none_has_everything_and_then_it_is_said() {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.mkdir("other");
    let lattice = sandbox.ltar("Mathlib.Order.Lattice");
    sandbox.rename(&lattice, Path::new("other").join(lattice.file_name().expect("a name")));
    let (store, other) = (sandbox.store(), sandbox.path("other"));
    let dry = sandbox.lake_shim("restore --dry-run");
    let list = std::env::join_paths([&store, &other]).expect("a list");
    dry.env("LAKE_SHIM_STORE", list).run().expect_code(0).stdout_contains("no store has them all");
    let run = get_from(&sandbox, &[&store, &other]);
    run.expect_code(0).stderr_contains(&format!(
        "restored 11 modules, 2 packages from {} (1), {} (10), for no store has them all, in ",
        other.display(),
        store.display()
    ));
    sandbox.expect_all_restored();
    get_from(&sandbox, &[&store, &other]).expect_code(0).stderr_contains("nothing to do");
}

#[test]
#[cfg_attr(not(has = "fake-leantar"), ignore = "makes archives of the fake's")]
fn a_damaged_archive_has_another_store_answer_for_everything_fake_leantar_only() {
    let sandbox = Sandbox::mini_mathlib();
    let second = second_store(&sandbox);
    // One that only unpacking shows, and one that is seen at once.
    for damage in [Sandbox::flip_bit, Sandbox::truncate] {
        damage(&sandbox, sandbox.ltar("Mathlib.Order.Lattice"));
        let run = get_from(&sandbox, &[&sandbox.store(), &second]);
        let from = format!("restored 11 modules, 2 packages from {} in ", second.display());
        run.expect_code(0).stderr_contains(&from);
        assert!(is_of_second_build(&sandbox), "a mixture: {run}");
        get_from(&sandbox, &[&sandbox.store(), &second])
            .expect_code(0)
            .stderr_contains("nothing to do");
        sandbox
            .remove("app/.lake/packages/mathlib/.lake")
            .remove("app/.lake/packages/batteries/.lake");
    }
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn what_was_downloaded_beside_a_store_costs_no_second_unpacking_fake_lake_only() {
    let sandbox = Sandbox::mini_mathlib().with_cloud();
    sandbox.remove(sandbox.ltar(INIT));
    let run = sandbox.lake("exe cache get").run();
    run.expect_code(0).stderr_contains("restored 11 modules").stderr_contains("with the real lake");
    expect_leantar_runs(&sandbox, 2);
    let again = sandbox.lake("exe cache get").run();
    again.expect_code(0).stderr_contains("nothing to do");
    assert_eq!(lake_lines(&sandbox), ["exe cache get-"]);
}

#[test]
#[cfg_attr(not(has = "fake-leantar"), ignore = "makes archives of the fake's")]
fn a_trace_that_another_program_wrote_since_is_not_ours_fake_leantar_only() {
    let sandbox = Sandbox::mini_mathlib();
    offline_get(&sandbox).run().expect_code(0);
    sandbox.write(OLEAN, "from elsewhere").write(TRACE, sandbox.read(TRACE) + " ");
    let stale = sandbox.env_var("FAKE_LAKE_MODULES").expect("set").replacen(
        "\"depHash\":\"",
        "\"depHash\":\"x",
        1,
    );
    let run = offline_get(&sandbox).env("FAKE_LAKE_MODULES", stale).run();
    run.expect_code(0).stderr_contains("restored 1 module");
    sandbox.expect_all_restored();
}
