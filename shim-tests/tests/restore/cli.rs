//! `lake-shim`'s own command line: `restore`, and what it answers to a wrong call.

use serde_json::{Value, json};
use shim_tests::{Call, Run, Sandbox, Tree};

use crate::{all, all_but, expect_leantar_runs, expect_no_lake, expect_no_leftovers, offline_get};

fn never<'a>(sandbox: &'a Sandbox, line: &str) -> Call<'a> {
    sandbox.lake_shim(line).env("LAKE_SHIM_NETWORK", "never")
}

/// What `restore --json` printed.
#[track_caller]
fn outcome(run: &Run) -> Value {
    serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}\n{run}"))
}

#[test]
fn a_dry_run_says_everything_and_does_nothing() {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.remove(sandbox.ltar("Batteries")).write(sandbox.ltar("Mathlib.Init"), "");
    let before = ["app", "store", "home", "tmp"].map(|place| Tree::of(sandbox.path(place)));
    let run = never(&sandbox, "restore --dry-run --log debug").run();
    run.expect_code(1);
    let brief = never(&sandbox, "restore --dry-run").run();
    let json = never(&sandbox, "restore --dry-run --json").run();
    before.iter().for_each(Tree::assert_unchanged);
    expect_leantar_runs(&sandbox, 0);
    expect_no_lake(&sandbox);
    let line = |module: &str, package: &str| {
        let (from, into) = (sandbox.ltar(module), sandbox.package(package));
        format!("unpack {module} from {} into {}\n", from.display(), into.display())
    };
    run.stdout_contains(&line("Mathlib", "mathlib"))
        .stdout_contains(&line("Batteries.Data.N", "batteries"));
    run.stdout_contains("\ncannot restore Mathlib.Init: ").stdout_contains("it is empty\n");
    run.stdout_contains("\nmiss Batteries (583b48dc5ddc6a0c.ltar)\n");
    assert!(run.stdout.ends_with("\n9 to unpack, 1 in no store, 1 damaged\n"), "{run}");
    assert_eq!(run.stdout.lines().count(), 12, "{run}");
    brief.expect_code(1).stdout_contains("cannot restore Mathlib.Init: ");
    assert!(brief.stdout.ends_with("\n9 to unpack, 1 in no store, 1 damaged\n"), "{brief}");
    assert_eq!(brief.stdout.lines().count(), 2, "{brief}");
    let plan = outcome(json.expect_code(1));
    assert_eq!(plan["whole"], false);
    assert_eq!(plan["missing"], json!(["Batteries"]));
    assert_eq!(plan["unpack"].as_object().map(serde_json::Map::len), Some(9), "{plan}");
    let damaged = plan["damaged"]["Mathlib.Init"].as_str().unwrap_or_default();
    assert!(damaged.contains("it is empty"), "{plan}");
}

#[test]
fn a_dry_run_of_a_fresh_checkout_tells_what_will_come() {
    let sandbox = Sandbox::mini_mathlib_without_packages();
    // Sources that no store has: nothing can be told of modules.
    let run = never(&sandbox, "restore --dry-run").run();
    run.expect_code(1).stderr_contains("the sources of `mathlib`, `batteries` are missing");
    sandbox.clone_packages(&sandbox.packages());
    let store = sandbox.path("baked");
    let bake = sandbox.lake_shim("bake --level 1 --store").arg(&store);
    bake.env("MATHLIB_CACHE_DIR", sandbox.store()).run().expect_code(0);
    sandbox.remove("app/.lake");
    let dry = || never(&sandbox, "restore --dry-run").env("LAKE_SHIM_STORE", &store).run();
    let run = dry();
    run.expect_code(0).stdout_contains("unpack the sources of mathlib from ");
    assert!(
        run.stdout.ends_with("\n0 to unpack, 11 to unpack once the sources are there\n"),
        "{run}"
    );
    sandbox.remove(store.join("583b48dc5ddc6a0c.ltar"));
    let run = dry();
    run.expect_code(1).stdout_contains("10 to unpack once the sources are there, 1 in no store");
    assert!(!sandbox.path("app/.lake/packages").exists(), "a dry run writes nothing");
}

#[test]
fn a_dry_run_says_that_there_is_no_leantar() {
    let sandbox = Sandbox::mini_mathlib();
    let run = never(&sandbox, "restore --dry-run").env("LAKE_SHIM_LEANTAR", "/nowhere").run();
    run.expect_code(1).stdout_contains("cannot unpack: `LAKE_SHIM_LEANTAR` is `/nowhere`");
}

#[test]
fn a_dry_run_with_nothing_to_do_says_so() {
    let sandbox = Sandbox::mini_mathlib();
    never(&sandbox, "restore").run().expect_code(0);
    let run = never(&sandbox, "restore --dry-run").run();
    run.expect_code(0).expect_stdout("0 to unpack, 11 up to date\n");
    let run = never(&sandbox, "restore --dry-run --force Mathlib.Init").run();
    run.expect_code(0).expect_stdout("2 to unpack\n");
}

#[test]
fn restore_does_what_cache_get_does() {
    let sandbox = Sandbox::mini_mathlib();
    never(&sandbox, "restore Mathlib.Init")
        .run()
        .expect_code(0)
        .expect_stdout("")
        .stderr_contains("restored 2 modules");
    sandbox.expect_restored(&["Mathlib.Init", "Batteries.Data.N"]);
    never(&sandbox, "restore")
        .run()
        .expect_code(0)
        .stderr_contains("restored 9 modules, 2 packages");
    sandbox.expect_all_restored();
    let before = Tree::of(sandbox.workspace());
    never(&sandbox, "restore").run().expect_code(0).stderr_contains("nothing to do");
    before.assert_unchanged();
    never(&sandbox, "restore --force").run().expect_code(0).stderr_contains("restored 11 modules");
    expect_leantar_runs(&sandbox, 3);
}

#[test]
fn the_result_is_one_object_on_request() {
    let sandbox = Sandbox::mini_mathlib();
    let first = outcome(never(&sandbox, "restore --json Mathlib.Init").run().expect_code(0));
    let expected = [
        ("restored", json!(2)),
        ("skipped", json!(0)),
        ("failed", json!([])),
        ("missing", json!([])),
        ("packages", json!(2)),
        ("offline", json!(true)),
    ];
    for (key, value) in expected {
        assert_eq!(first[key], value, "{key} of {first}");
    }
    assert!(
        first["seconds"].as_f64().is_some_and(|seconds| seconds > 0.0 && seconds < 60.0),
        "{first}"
    );

    sandbox.remove(sandbox.ltar("Batteries")).truncate(sandbox.ltar("Mathlib"));
    let second = outcome(never(&sandbox, "restore --json").run().expect_code(1));
    assert_eq!(second["restored"], 7);
    assert_eq!(second["skipped"], 2);
    assert_eq!(second["failed"], json!(["Mathlib"]));
    assert_eq!(second["missing"], json!(["Batteries"]));
    assert_eq!(second["offline"], true);
    sandbox.expect_restored(&all_but(&["Batteries", "Mathlib"]));
}

#[test]
fn quiet_is_quiet_and_debug_says_more() {
    let sandbox = Sandbox::mini_mathlib();
    never(&sandbox, "restore --log quiet").run().expect_code(0).expect_stdout("").expect_stderr("");
    sandbox.expect_all_restored();
    let run = offline_get(&sandbox).env("LAKE_SHIM_LOG", "debug").run();
    run.expect_code(0)
        .stderr_contains("reading mathlib's imports")
        .stderr_contains("nothing to do");
}

#[test]
fn flags_stand_for_the_variables_of_the_same_meaning() {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.rename("store", "other");
    let run = never(&sandbox, "restore").arg("--store").arg(sandbox.path("other")).run();
    run.expect_code(0).stderr_contains(&format!("from {}", sandbox.path("other").display()));
    sandbox.expect_all_restored();
    let run = sandbox
        .lake_shim("restore --network sometimes")
        .arg("--store")
        .arg(sandbox.path("other"))
        .run();
    run.expect_code(2).stderr_contains("sometimes").stderr_contains("`auto`, `never`");
}

#[test]
#[cfg_attr(not(has = "fake-leantar"), ignore = "needs the fake leantar")]
fn threads_are_passed_on_fake_leantar_only() {
    let sandbox = Sandbox::mini_mathlib();
    never(&sandbox, "restore --jobs 3").run().expect_code(0);
    let call = &sandbox.leantar_calls()[0];
    let jobs = call.args.iter().skip_while(|arg| *arg != "--jobs").nth(1);
    assert_eq!(jobs.and_then(|jobs| jobs.to_str()), Some("3"));
    let mut listed: Vec<_> =
        call.files().iter().filter_map(|file| file.file_name().map(ToOwned::to_owned)).collect();
    listed.sort();
    assert_eq!(listed.len(), all().len());
    assert!(
        call.files().iter().all(|file| !file.starts_with(sandbox.store())),
        "never the store's own files"
    );
}

#[test]
fn a_wrong_call_is_told_with_code_2() {
    let sandbox = Sandbox::mini_mathlib();
    for line in ["frobnicate", "", "restore --frobnicate"] {
        let run = sandbox.lake_shim(line).run();
        run.expect_code(2).expect_stdout("");
        if !line.is_empty() {
            run.stderr_contains("lake-shim: error: ").stderr_contains("\nhint: ");
        }
    }
    sandbox.lake_shim("--help").run().expect_code(0).expect_stderr("").stdout_contains("restore");
    sandbox.lake_shim("--version").run().expect_code(0).stdout_contains("lake-shim ");
}

#[test]
fn outside_of_a_workspace_there_is_a_hint() {
    let sandbox = Sandbox::empty();
    for line in ["restore", "names", "link", "restore --json", "restore -d /nonexistent"] {
        let run = sandbox.lake_shim(line).run();
        run.expect_code(1)
            .expect_stdout("")
            .stderr_contains("no `lakefile.lean` or `lakefile.toml` in")
            .stderr_contains("hint: ");
    }
}

#[test]
fn a_workspace_without_mathlib_has_nothing_to_restore() {
    let sandbox = Sandbox::empty();
    sandbox.write("app/lakefile.toml", "name = \"other\"\n").write(
        "app/lake-manifest.json",
        "{\"version\": \"1.1.0\", \"packages\": [], \"name\": \"other\"}",
    );
    for line in ["restore", "names"] {
        let run = sandbox.lake_shim(line).run();
        run.expect_code(1)
            .stderr_contains("this workspace does not use mathlib")
            .stderr_contains("hint: ");
    }
}

#[test]
fn a_store_that_is_none_is_an_error_that_names_it() {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.write("file", "").symlink("nowhere", "dangling");
    for (place, message) in
        [("nowhere", "cannot be read"), ("file", "is no directory"), ("dangling", "cannot be read")]
    {
        let place = sandbox.path(place);
        let message = format!("the store `{}` {message}", place.display());
        let runs = [
            never(&sandbox, "restore").env("LAKE_SHIM_STORE", &place).run(),
            never(&sandbox, "names --where").env("LAKE_SHIM_STORE", &place).run(),
            never(&sandbox, "restore --json").arg("--store").arg(&place).run(),
            offline_get(&sandbox).env("LAKE_SHIM_STORE", &place).run(),
        ];
        for run in runs {
            run.expect_code(1)
                .expect_stdout("")
                .stderr_contains(&message)
                .stderr_contains("hint: ");
        }
    }
    sandbox.expect_restored(&[]);
    expect_no_lake(&sandbox);
}

#[test]
fn a_store_of_a_list_that_is_none_is_a_warning() {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.write("file", "");
    for list in ["nowhere:store", "store:nowhere", "file:store:nowhere"] {
        let list = std::env::join_paths(list.split(':').map(|store| sandbox.path(store)));
        let run = offline_get(&sandbox).env("LAKE_SHIM_STORE", list.expect("a list")).run();
        run.expect_code(0)
            .stderr_contains(&format!("warning: the store `{}`", sandbox.path("nowhere").display()))
            .stderr_contains("hint: ");
        sandbox.expect_all_restored();
    }
    expect_no_lake(&sandbox);
}

#[test]
fn names_and_where_they_lie_are_one_object_on_request() {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.remove(sandbox.ltar("Mathlib.Init"));
    let found = outcome(never(&sandbox, "names --json --where").run().expect_code(0));
    let lattice = sandbox.ltar("Mathlib.Order.Lattice");
    let name = lattice.file_name().and_then(|name| name.to_str());
    assert_eq!(found["Mathlib.Order.Lattice"], json!({ "file": name, "where": lattice }));
    assert_eq!(found["Mathlib.Init"]["where"], Value::Null);
    assert_eq!(found.as_object().map(serde_json::Map::len), Some(11));
}

#[test]
fn a_reader_that_has_enough_is_no_error() {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.shim_bin();
    for line in ["names", "names --json", "restore --dry-run", "restore --json", "--help"] {
        // The reader is gone before anything is printed.
        let script = format!("(sleep 0.2; lake-shim {line}; echo code $? >&2) | true");
        let run = sandbox.command("sh", "-c").arg(script).env("LAKE_SHIM_LOG", "quiet").run();
        run.expect_code(0).expect_stderr("code 0\n");
    }
    expect_no_leftovers(&sandbox);
}

#[test]
fn a_full_disk_behind_stdout_is_an_error() {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.shim_bin();
    let run = sandbox.command("sh", "-c").arg("exec lake-shim names > /dev/full").run();
    run.expect_code(1).stderr_contains("No space left on device");
}
