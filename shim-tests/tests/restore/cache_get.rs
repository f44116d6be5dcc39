//! `lake exe cache get` and its sisters: what they restore, and what is left to the real lake.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use shim_tests::{NOBODY, Sandbox, Tree, modules};

use crate::{
    all, expect_leantar_runs, expect_no_lake, expect_no_leftovers, lake_lines, offline, offline_get,
};

/// Takes the write permission from the store and all in it.
fn make_read_only(sandbox: &Sandbox) {
    for module in modules() {
        sandbox.chmod(sandbox.ltar(&module.name), 0o444);
    }
    sandbox.chmod("store", 0o555);
}

#[test]
#[cfg_attr(not(has = "unshare"), ignore = "needs unshare")]
fn everything_is_restored_without_network_from_a_read_only_store() {
    let sandbox = Sandbox::mini_mathlib();
    make_read_only(&sandbox);
    let store = Tree::of(sandbox.store());
    let run = sandbox.lake("exe cache get").without_network().run();
    run.expect_code(0)
        .expect_stdout("")
        .stderr_contains("restored 11 modules, 2 packages from ")
        .stderr_contains(&format!("from {} in ", sandbox.store().display()))
        .stderr_contains(" s (offline)");
    sandbox.expect_all_restored();
    store.assert_unchanged();
    expect_no_leftovers(&sandbox);
    expect_no_lake(&sandbox);
    expect_leantar_runs(&sandbox, 1);
}

#[test]
#[cfg_attr(not(all(has = "unshare", has = "setpriv")), ignore = "needs unshare, setpriv")]
fn another_user_restores_into_his_workspace_from_the_store_of_root() {
    let sandbox = Sandbox::mini_mathlib();
    make_read_only(&sandbox);
    sandbox.chown("app", NOBODY);
    let store = Tree::of(sandbox.store());
    let run = sandbox.lake("exe cache get").without_network().as_user(NOBODY).run();
    run.expect_code(0).stderr_contains("restored 11 modules, 2 packages");
    sandbox.expect_all_restored();
    store.assert_unchanged();
    let owners = Tree::of(sandbox.packages());
    assert!(owners.entries().values().all(|entry| entry.owner == NOBODY));
}

#[test]
fn a_second_run_finds_nothing_to_do_and_writes_nothing() {
    let sandbox = Sandbox::mini_mathlib();
    offline_get(&sandbox).run().expect_code(0);
    let workspace = Tree::of(sandbox.workspace());
    let home = Tree::of(sandbox.home());
    offline_get(&sandbox)
        .run()
        .expect_code(0)
        .expect_stdout("")
        .stderr_contains("nothing to do: 11 modules up to date");
    workspace.assert_unchanged();
    home.assert_unchanged();
    expect_leantar_runs(&sandbox, 1);
    expect_no_lake(&sandbox);
}

#[test]
fn lake_takes_what_was_restored_for_built() {
    let sandbox = Sandbox::mini_mathlib();
    let build = || sandbox.real_lake("build --no-build Mathlib Batteries").run();
    build().expect_code(3);
    offline_get(&sandbox).run().expect_code(0);
    build().expect_code(0);
}

#[test]
fn files_have_the_mode_that_the_umask_gives() {
    for (umask, mode) in [("022", 0o644), ("002", 0o664), ("077", 0o600)] {
        let sandbox = Sandbox::mini_mathlib();
        sandbox.shim_bin();
        let script = format!("umask {umask}; exec lake exe cache get");
        sandbox.command("sh", "-c").arg(script).run().expect_code(0);
        for file in modules().iter().flat_map(|module| module.files.iter().chain([&module.trace])) {
            let meta = fs::metadata(sandbox.packages().join(file)).expect("a restored file");
            assert_eq!(meta.mode() & 0o777, mode, "umask {umask}: {}", file.display());
        }
    }
}

#[test]
fn directories_have_the_mode_that_the_umask_gives() {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.shim_bin();
    let script = "umask 022; exec lake exe cache get";
    sandbox.command("sh", "-c").arg(script).run().expect_code(0);
    for package in ["mathlib", "batteries"] {
        let build = sandbox.package(package).join(".lake");
        for (path, entry) in Tree::of(&build).entries() {
            let is_directory = build.join(path).is_dir();
            assert!(!is_directory || entry.mode == 0o755, "{}: {:o}", path.display(), entry.mode);
        }
    }
}

#[test]
fn modules_and_files_bring_what_they_import_and_nothing_else() {
    let cases: [(&str, &str, &[&str]); 6] = [
        ("app", "Mathlib.Init", &["Mathlib.Init", "Batteries.Data.N"]),
        (
            "app",
            "Mathlib.Order.Lattice",
            &["Mathlib.Order.Lattice", "Mathlib.Order.Basic", "Mathlib.Init", "Batteries.Data.N"],
        ),
        ("app", "Batteries.Data.N", &["Batteries.Data.N"]),
        (
            "app/.lake/packages/mathlib",
            "./Mathlib/Order/Basic.lean",
            &["Mathlib.Order.Basic", "Mathlib.Init", "Batteries.Data.N"],
        ),
        (
            "app",
            "Mathlib.Init Batteries.Data.L",
            &["Mathlib.Init", "Batteries.Data.L", "Batteries.Data.N"],
        ),
        ("app", "App.lean", &all()),
    ];
    for (cwd, args, expected) in cases {
        let sandbox = Sandbox::mini_mathlib();
        let line = format!("-d {} exe cache get {args}", sandbox.workspace().display());
        offline(&sandbox, &line).cwd(cwd).run().expect_code(0);
        sandbox.expect_restored(expected);
    }
}

#[test]
fn what_is_no_module_is_an_error_that_names_it() {
    // `Mathlib.Order` is a folder without a file of its name; mathlib's tool refuses that, too (`leanModulesFromSpec`).
    for spec in ["Mathlib.Tpyo", "Mathlib/Tpyo.lean", "Nowhere.At.All", "Mathlib.Order"] {
        let sandbox = Sandbox::mini_mathlib();
        let run = offline(&sandbox, &format!("exe cache get {spec}")).run();
        run.expect_code(1).expect_stdout("").stderr_contains(spec);
        sandbox.expect_restored(&[]);
    }
}

#[test]
fn get_minus_fetches_and_unpacks_nothing() {
    let sandbox = Sandbox::mini_mathlib();
    let workspace = Tree::of(sandbox.workspace());
    offline(&sandbox, "exe cache get-").run().expect_code(0).expect_stdout("");
    workspace.assert_unchanged();
    sandbox.remove(sandbox.ltar("Mathlib.Init"));
    offline(&sandbox, "exe cache get-")
        .run()
        .expect_code(1)
        .stderr_contains("1 module in no store")
        .stderr_contains("Mathlib.Init");
    workspace.assert_unchanged();
    expect_leantar_runs(&sandbox, 0);
}

#[test]
fn unpack_restores_what_is_not_up_to_date() {
    let sandbox = Sandbox::mini_mathlib();
    offline(&sandbox, "exe cache unpack").run().expect_code(0);
    sandbox.expect_all_restored();
    let workspace = Tree::of(sandbox.workspace());
    offline(&sandbox, "exe cache unpack").run().expect_code(0);
    workspace.assert_unchanged();
}

#[test]
fn forced_verbs_unpack_what_is_up_to_date_too() {
    for verb in ["unpack!", "get!"] {
        let sandbox = Sandbox::mini_mathlib();
        offline_get(&sandbox).run().expect_code(0);
        // Lake does not look into an olean, and neither does `get`.
        let olean = sandbox.package("mathlib").join(".lake/build/lib/lean/Mathlib/Init.olean");
        let length = fs::read(&olean).expect("an olean").len();
        sandbox.write(&olean, "x".repeat(length));
        offline_get(&sandbox).run().expect_code(0).stderr_contains("nothing to do");
        let run = offline(&sandbox, &format!("exe cache {verb}")).run();
        run.expect_code(0).stderr_contains("restored 11 modules");
        sandbox.expect_all_restored();
        expect_no_leftovers(&sandbox);
        expect_no_lake(&sandbox);
    }
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn get_forced_is_the_real_lakes_where_there_may_be_a_network_fake_lake_only() {
    let sandbox = Sandbox::mini_mathlib().with_cloud();
    let run = sandbox.lake("exe cache get! Mathlib.Init").run();
    run.expect_code(0).stdout_contains("Attempting to download 2 file(s)");
    assert_eq!(lake_lines(&sandbox), ["exe cache get! Mathlib.Init"]);
    assert_eq!(sandbox.lake_calls()[0].argv0, "lake");
    assert!(sandbox.home().join(".cache/mathlib").is_dir(), "downloaded to where it always was");
}

#[test]
fn every_spelling_of_mathlibs_tool_is_understood() {
    for line in [
        "exec cache get",
        "exe mathlib/cache get",
        "exe @mathlib/cache get",
        "exec mathlib/cache get",
        "exe cache --repo=someone/mathlib4 get",
        "exe cache --skip-proofwidgets get",
        "-q exe cache get",
        "-Kfoo=bar --log-level=info exe cache get",
    ] {
        let sandbox = Sandbox::mini_mathlib();
        offline(&sandbox, line)
            .run()
            .expect_code(0)
            .expect_stdout("")
            .stderr_contains("restored 11 modules");
        sandbox.expect_all_restored();
        expect_no_lake(&sandbox);
    }
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn what_the_store_cannot_answer_goes_to_the_real_lake_fake_lake_only() {
    for line in [
        "exe cache",
        "exe cache help",
        "exe cache lookup Mathlib.Init",
        "exe cache clean",
        "exe cache put",
        "exe cache unpack Mathlib.Init",
    ] {
        let sandbox = Sandbox::mini_mathlib();
        let behind = sandbox.real_lake(line).run();
        let run = sandbox.lake(line).run();
        run.expect_code(0).expect_stdout(&behind.stdout).expect_stderr(&behind.stderr);
        assert_eq!(lake_lines(&sandbox), [line, line]);
        sandbox.expect_restored(&[]);
    }
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn an_exe_named_cache_is_not_mathlibs_without_mathlib_fake_lake_only() {
    let sandbox = Sandbox::empty();
    sandbox
        .write("app/lakefile.toml", "name = \"other\"\n")
        .write(
            "app/lake-manifest.json",
            "{\"version\": \"1.1.0\", \"packages\": [], \"name\": \"other\"}",
        )
        .script("app/.lake/build/bin/cache", "echo mine \"$@\"");
    let run = sandbox.lake("exe cache get").run();
    run.expect_code(0).expect_stdout("mine get\n").expect_stderr("");
    assert_eq!(lake_lines(&sandbox), ["exe cache get"]);
}

#[test]
fn the_workspace_is_the_one_that_the_command_line_names() {
    for option in ["-d", "-d=", "--dir ", "--dir="] {
        let sandbox = Sandbox::mini_mathlib();
        let option = format!("{option}{}", sandbox.workspace().display());
        let run = offline(&sandbox, &format!("{option} exe cache get")).cwd("home").run();
        run.expect_code(0);
        sandbox.expect_all_restored();
    }
    let sandbox = Sandbox::mini_mathlib();
    offline(&sandbox, "-d ../app exe cache get").cwd("home").run().expect_code(0);
    sandbox.expect_all_restored();
}

#[test]
fn the_workspace_is_found_from_a_folder_below() {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.mkdir("app/App/Deep");
    offline_get(&sandbox).cwd("app/App/Deep").run().expect_code(0);
    sandbox.expect_all_restored();
}

#[test]
fn builds_restore_first_only_when_told_to() {
    for (setting, code) in [(None, 3), (Some("never"), 3), (Some("baked"), 3), (Some("always"), 0)]
    {
        let sandbox = Sandbox::mini_mathlib();
        let mut call = sandbox.lake("build --no-build Mathlib").env("LAKE_SHIM_NETWORK", "never");
        if let Some(setting) = setting {
            call = call.env("LAKE_SHIM_RESTORE", setting);
        }
        let run = call.run();
        run.expect_code(code);
        let restored = if code == 0 { all() } else { Vec::new() };
        sandbox.expect_restored(&restored);
    }
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn a_build_goes_on_when_the_restore_before_it_fails_fake_lake_only() {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.remove(sandbox.ltar("Mathlib.Order.Lattice"));
    let run = sandbox
        .lake("build")
        .env("LAKE_SHIM_RESTORE", "always")
        .env("LAKE_SHIM_NETWORK", "never")
        .run();
    run.expect_code(0)
        .expect_stdout("Build completed successfully.\n")
        .stderr_contains("Mathlib.Order.Lattice");
    assert_eq!(lake_lines(&sandbox), ["build"]);
    sandbox.expect_restored(&crate::all_but(&["Mathlib.Order.Lattice"]));
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn commands_that_an_editor_waits_for_never_restore_fake_lake_only() {
    for line in ["serve", "setup-file App.lean", "update"] {
        let sandbox = Sandbox::mini_mathlib();
        let _ = sandbox.lake(line).env("LAKE_SHIM_RESTORE", "always").run();
        sandbox.expect_restored(&[]);
        assert_eq!(lake_lines(&sandbox), [line]);
    }
}
