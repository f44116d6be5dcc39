//! What `cache get` takes to name modules, as the stock tool of 2026-04 does.

use shim_tests::{Call, Sandbox};

use crate::offline;

/// Runs `cache get` with these arguments, in `cwd`.
fn get<'a>(sandbox: &'a Sandbox, args: &[&str], cwd: &str) -> Call<'a> {
    offline(sandbox, "exe cache get").args(args).cwd(cwd)
}

const ALGEBRA: [&str; 4] =
    ["Mathlib.Algebra", "Mathlib.Algebra.Basic", "Mathlib.Algebra.Two", "Mathlib.Algebra.Three"];

#[test]
fn folders_and_globs_stand_for_what_is_below_them() {
    let mathlib = "app/.lake/packages/mathlib";
    for (args, cwd) in [
        (&["Mathlib.Algebra.*"][..], "app"),
        (&["Mathlib/Algebra/", "Mathlib.Algebra"], mathlib),
        (&["Mathlib/Algebra", "Mathlib/Algebra.lean"], mathlib),
        (&["./Mathlib//Algebra/", "Mathlib.Algebra"], mathlib),
        (&["Mathlib.Algebra.+", "Mathlib.Algebra"], "app"),
    ] {
        let sandbox = Sandbox::mini_mathlib();
        let line = if cwd == mathlib { vec!["-d", "../../.."] } else { vec![] };
        let call = sandbox.lake("").args(line).args(["exe", "cache", "get"]).args(args).cwd(cwd);
        call.env("LAKE_SHIM_NETWORK", "never").run().expect_code(0);
        let restored = sandbox.restored();
        assert!(ALGEBRA.iter().all(|module| restored.contains(module)), "{args:?}: {restored:?}");
        assert!(!restored.contains(&"Mathlib"), "{args:?}: {restored:?}");
        assert!(!restored.contains(&"Mathlib.Order.Lattice"), "{args:?}: {restored:?}");
    }
    // Only what is below it.
    let sandbox = Sandbox::mini_mathlib();
    get(&sandbox, &["Mathlib.Algebra.+"], "app").run().expect_code(0);
    assert!(!sandbox.restored().contains(&"Mathlib.Algebra"));
}

#[test]
fn a_folder_without_a_module_of_its_name_stands_for_what_is_below_it() {
    let mathlib = "app/.lake/packages/mathlib";
    let expected = ["Mathlib.Order.Basic", "Mathlib.Order.Lattice"];
    for arg in ["Mathlib.Order.*", "Mathlib.Order.+", "Mathlib/Order"] {
        let sandbox = Sandbox::mini_mathlib();
        assert!(!sandbox.path(mathlib).join("Mathlib/Order.lean").exists());
        // An editor's lock.
        sandbox.symlink("me@here.1", format!("{mathlib}/Mathlib/Order/.#Basic.lean"));
        let names = sandbox.lake_shim("names -d").arg(sandbox.workspace()).arg(arg).cwd(mathlib);
        let run = names.run();
        run.expect_code(0);
        assert!(expected.iter().all(|module| run.stdout.contains(module)), "{arg}: {run}");
        let call = sandbox.lake("-d ../../.. exe cache get").arg(arg).cwd(mathlib);
        call.env("LAKE_SHIM_NETWORK", "never").run().expect_code(0);
        let restored = sandbox.restored();
        assert!(expected.iter().all(|module| restored.contains(module)), "{arg}: {restored:?}");
        assert!(!restored.contains(&"Mathlib"), "{arg}: {restored:?}");
    }
}

#[test]
fn what_names_no_module_is_an_error() {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.mkdir("app/Empty");
    for (arg, message) in [
        ("Mathlib.Nothing", "there is no module `Mathlib.Nothing`"),
        ("Mathlib.Nothing.*", "`Mathlib.Nothing.*` has no `.lean` files"),
        ("Mathlib.Init.+", "`Mathlib.Init.+` has no `.lean` files"),
        ("Empty/", "`Empty/` has no `.lean` files"),
        ("../app/Empty/", "does not lie below this directory"),
        ("/etc/", "does not lie below this directory"),
        ("No/Such.lean", "is no `.lean` file or directory here"),
        (".*", "is no module name"),
    ] {
        let run = get(&sandbox, &[arg], "app").run();
        run.expect_code(1).stderr_contains(message);
    }
    sandbox.expect_restored(&[]);
}

#[test]
fn options_of_the_download_are_answered_and_unknown_ones_said() {
    let sandbox = Sandbox::mini_mathlib();
    for options in [
        &["--repo=a/b"][..],
        &["--repo", "a/b"],
        &["--cache-from=master,legacy"],
        &["--container", "master"],
        &["--scope=HEAD"],
        &["--unsafe"],
        &["--unsafe-window=3"],
        &["--staging-dir=x"],
    ] {
        get(&sandbox, options, "app").run().expect_code(0);
        crate::expect_no_lake(&sandbox);
    }
    sandbox.expect_all_restored();
    for option in ["--dev-cache", "--dev-cache=x", "-x", "--scoop=HEAD"] {
        let run = get(&sandbox, &[option], "app").run();
        run.expect_code(1)
            .stderr_contains(&format!("what `{option}` means to the cache tool is not known"))
            .stderr_contains("hint: ");
        crate::expect_no_lake(&sandbox);
    }
}
