//! What the store does not have: said so where no network is wanted, and else left to the real lake.

use std::fs;
use std::time::Duration;

use serde_json::json;
use shim_tests::{Sandbox, Tree, modules};

use crate::{
    all_but, clean, edit_manifest, expect_no_lake, expect_no_leftovers, lake_lines, offline,
    offline_get,
};

const LATTICE: &str = "Mathlib.Order.Lattice";

/// A store that lacks some modules, and a cloud that has them.
fn incomplete(missing: &[&str]) -> Sandbox {
    let sandbox = Sandbox::mini_mathlib().with_cloud();
    for module in missing {
        sandbox.remove(sandbox.ltar(module));
    }
    sandbox
}

/// A lake that notes what it finds in the cache directory, name and link target, before it becomes the fake.
fn noting_lake(sandbox: &Sandbox) -> std::path::PathBuf {
    let body = r#"for file in "$MATHLIB_CACHE_DIR"/*; do echo "${file##*/} $(readlink "$file")"; done >> ROOT/logs/overlay
exec ROOT/toolchain/bin/lake "$@""#;
    let body = body.replace("ROOT", &sandbox.path("").display().to_string());
    sandbox.script("scripts/noting-lake", &body).path("scripts/noting-lake")
}

#[test]
fn missing_modules_are_counted_and_named() {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.remove(sandbox.ltar(LATTICE)).remove(sandbox.ltar("Batteries"));
    let run = offline_get(&sandbox).run();
    run.expect_code(1)
        .expect_stdout("")
        .stderr_contains("2 modules in no store")
        .stderr_contains("  Batteries\n")
        .stderr_contains("  Mathlib.Order.Lattice\n")
        .stderr_contains("hint: ")
        .stderr_contains("LAKE_SHIM_NETWORK=auto");
    sandbox.expect_restored(&all_but(&[LATTICE, "Batteries"]));
    expect_no_lake(&sandbox);
}

#[test]
fn ten_missing_modules_are_named_and_the_others_counted() {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.remove("store").mkdir("store");
    let run = offline_get(&sandbox).run();
    run.expect_code(1).stderr_contains("11 modules in no store").stderr_contains("and 1 more");
    let named =
        modules().iter().filter(|module| run.stderr.contains(&format!("  {}\n", module.name)));
    assert_eq!(named.count(), 10, "{run}");
    sandbox.expect_restored(&[]);
    expect_no_leftovers(&sandbox);
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn the_real_lake_downloads_only_what_is_missing_fake_lake_only() {
    let sandbox = incomplete(&[LATTICE]);
    sandbox.chmod("store", 0o555);
    let store = Tree::of(sandbox.store());
    let lake = noting_lake(&sandbox);
    let run = sandbox.lake("exe cache --repo=me/mathlib4 get").env("LAKE_SHIM_LAKE", lake).run();
    run.expect_code(0).stdout_contains("Attempting to download 1 file(s)");
    sandbox.expect_all_restored();
    store.assert_unchanged();
    // It only downloads: what it unpacks would be in no ledger.
    assert_eq!(lake_lines(&sandbox), ["exe cache --repo=me/mathlib4 get-"]);
    // Ten links to the store, and nothing else, in a directory of its own.
    let overlay = sandbox.read("logs/overlay");
    let mut expected: Vec<_> = modules()
        .iter()
        .filter(|module| module.name != LATTICE)
        .map(|module| format!("{} {}", module.ltar, sandbox.ltar(&module.name).display()))
        .collect();
    expected.sort();
    assert_eq!(overlay.lines().collect::<Vec<_>>(), expected);
    let call = &sandbox.lake_calls()[0];
    let dir = call.var("MATHLIB_CACHE_DIR").expect("a cache directory");
    assert_ne!(dir, sandbox.store().display().to_string());
    assert!(!std::path::Path::new(&dir).exists(), "the overlay is removed");
    assert_eq!(call.cwd, sandbox.workspace());
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn downloads_are_kept_and_not_fetched_again_fake_lake_only() {
    let sandbox = incomplete(&[LATTICE]);
    sandbox.lake("exe cache get").run().expect_code(0);
    let cache = sandbox.home().join(".cache/mathlib");
    let ltar = sandbox.ltar(LATTICE);
    let name = ltar.file_name().expect("a name").to_string_lossy().into_owned();
    let kept: Vec<_> =
        Tree::of(&cache).files().into_keys().map(|path| path.display().to_string()).collect();
    assert_eq!(kept, [name.as_str()]);
    assert!(fs::symlink_metadata(cache.join(&name)).is_ok_and(|meta| meta.is_file()));
    clean(&sandbox);
    let again = sandbox.lake("exe cache get").run();
    again.expect_code(0).stdout_lacks("Attempting to download");
    sandbox.expect_all_restored();
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn a_failing_download_is_tried_again_fake_lake_only() {
    let sandbox = incomplete(&[LATTICE]);
    let run = sandbox.lake("exe cache get").env("FAKE_CLOUD_FAILURES", "2").run();
    run.expect_code(0).stderr_contains("attempt 3 of 3");
    assert_eq!(lake_lines(&sandbox), ["exe cache get-"; 3]);
    assert!(run.took >= Duration::from_secs(3), "pauses that grow: {:?}", run.took);
    sandbox.expect_all_restored();
    expect_no_leftovers(&sandbox);
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn a_download_that_never_works_ends_with_lakes_code_fake_lake_only() {
    let sandbox = incomplete(&[LATTICE]);
    sandbox.script(
        "scripts/failing-lake",
        &format!("echo x >> {}; exit 7", sandbox.path("logs/calls").display()),
    );
    let lake = sandbox.path("scripts/failing-lake");
    let run = sandbox.lake("exe cache get").env("LAKE_SHIM_LAKE", lake).run();
    run.expect_code(7).stderr_contains(LATTICE);
    assert_eq!(sandbox.read("logs/calls"), "x\nx\nx\n");
    sandbox.expect_restored(&all_but(&[LATTICE]));
    expect_no_leftovers(&sandbox);
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn a_damaged_archive_is_fetched_afresh_fake_lake_only() {
    let damages: [fn(&Sandbox); 3] = [
        |sandbox| {
            sandbox.truncate(sandbox.ltar(LATTICE));
        },
        |sandbox| {
            sandbox.flip_bit(sandbox.ltar(LATTICE));
        },
        |sandbox| {
            sandbox.write(sandbox.ltar(LATTICE), "");
        },
    ];
    for damage in damages {
        let sandbox = incomplete(&[]);
        damage(&sandbox);
        let store = Tree::of(sandbox.store());
        let run = sandbox.lake("exe cache get").run();
        run.expect_code(0).stdout_contains("Attempting to download 1 file(s)");
        sandbox.expect_all_restored();
        store.assert_unchanged();
        assert_eq!(lake_lines(&sandbox), ["exe cache get-"]);
    }
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn modules_in_no_cache_at_all_are_named_fake_lake_only() {
    let sandbox = incomplete(&[LATTICE]);
    let ltar = sandbox.ltar(LATTICE);
    sandbox.remove(sandbox.cloud().join(ltar.file_name().expect("a name")));
    // To the stock tool that is no failure: Lake builds what it needs.
    let run = sandbox.lake("exe cache get").run();
    run.expect_code(0).stderr_contains("1 module in no cache at all").stderr_contains(LATTICE);
    sandbox.expect_restored(&all_but(&[LATTICE]));
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn get_minus_has_missing_files_downloaded_fake_lake_only() {
    let sandbox = incomplete(&[LATTICE]);
    let run = sandbox.lake("exe cache get-").run();
    run.expect_code(0).stdout_contains("Attempting to download 1 file(s)");
    assert_eq!(lake_lines(&sandbox), ["exe cache get-"]);
    sandbox.expect_restored(&[]);
    assert_eq!(Tree::of(sandbox.home().join(".cache/mathlib")).files().len(), 1);
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn without_leantar_the_real_lake_is_asked_fake_lake_only() {
    let sandbox = incomplete(&[]);
    sandbox.rename("toolchain/bin/leantar", "hidden/leantar");
    let run = sandbox
        .lake("exe cache get")
        .env("FAKE_LAKE_LEANTAR", sandbox.path("hidden/leantar"))
        .run();
    run.expect_code(0)
        .stderr_contains("warning: there is no leantar")
        .stdout_contains("No files to download");
    sandbox.expect_all_restored();
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn missing_sources_are_the_real_lakes_to_fetch_fake_lake_only() {
    for package in ["mathlib", "batteries"] {
        let sandbox = incomplete(&[]).online();
        sandbox.remove(sandbox.package(package));
        let run = sandbox.lake("exe cache get").run();
        run.expect_code(0).stderr_contains("clone and check out the packages");
        assert_eq!(lake_lines(&sandbox), ["resolve-deps"], "the files come from the store");
        assert!(sandbox.package(package).join("lakefile.toml").exists(), "cloned");
        sandbox.expect_all_restored();
    }
}

#[test]
fn missing_sources_are_an_error_without_network() {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.remove(sandbox.package("batteries"));
    let run = offline_get(&sandbox).run();
    run.expect_code(1).expect_stdout("").stderr_contains("the sources of `batteries` are missing");
    expect_no_lake(&sandbox);
}

/// Changes a file of the mathlib checkout.
fn edit_mathlib(sandbox: &Sandbox, file: &str, from: &str, to: &str) {
    let path = sandbox.package("mathlib").join(file);
    let text = sandbox.read(&path);
    assert!(text.contains(from), "`{from}` is not in {file}");
    sandbox.write(path, text.replace(from, to));
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn a_recipe_that_is_not_known_is_left_to_the_real_lake_fake_lake_only() {
    let edits = [
        (
            "Cache/Hashing.lean",
            "return hash (rootHashGeneration :: hashes)",
            "return hash (salt :: hashes)",
        ),
        ("Cache/Hashing.lean", "\"lean-toolchain\", ", ""),
        ("Cache/IO.lean", ".contains mod.getRoot", ".any fun root => root.isPrefixOf mod"),
    ];
    for (file, from, to) in edits {
        let sandbox = incomplete(&[]);
        edit_mathlib(&sandbox, file, from, to);
        let run = sandbox.lake("exe cache get").run();
        run.expect_code(0).stderr_contains("warning: ").stderr_contains("is not one we know");
        assert_eq!(lake_lines(&sandbox), ["exe cache get"]);
        let never = offline_get(&sandbox).run();
        never.expect_code(1).stderr_contains("is not one we know");
        assert_eq!(lake_lines(&sandbox).len(), 1);
    }
}

#[test]
fn another_lean_than_mathlibs_is_an_error() {
    for network in ["auto", "never"] {
        for (toolchain, message) in [
            (
                Some("leanprover/lean4:v4.26.0\n"),
                "this workspace uses Lean `leanprover/lean4:v4.26.0`",
            ),
            (None, "this workspace has no `lean-toolchain`"),
        ] {
            let sandbox = Sandbox::mini_mathlib();
            match toolchain {
                Some(toolchain) => sandbox.write("app/lean-toolchain", toolchain),
                None => sandbox.remove("app/lean-toolchain"),
            };
            let run = sandbox.lake("exe cache get").env("LAKE_SHIM_NETWORK", network).run();
            run.expect_code(1)
                .expect_stdout("")
                .stderr_contains(message)
                .stderr_contains("v4.27.0")
                .stderr_contains("hint: ");
            sandbox.expect_restored(&[]);
            expect_no_lake(&sandbox);
        }
    }
}

#[test]
fn white_space_makes_no_other_lean() {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.write("app/lean-toolchain", "\n leanprover/lean4:v4.27.0 \r\n");
    offline_get(&sandbox).run().expect_code(0);
    sandbox.expect_all_restored();
}

#[test]
fn the_release_of_proofwidgets_counts_as_missing() {
    let sandbox = Sandbox::mini_mathlib();
    sandbox
        .write("proofwidgets/lakefile.toml", "name = \"proofwidgets\"\n")
        .write("proofwidgets/ProofWidgets.lean", "");
    edit_manifest(&sandbox, |manifest| {
        let package = json!({
            "type": "path", "dir": "../proofwidgets", "name": "proofwidgets", "inherited": true,
            "scope": "", "manifestFile": "lake-manifest.json", "configFile": "lakefile.toml",
        });
        manifest["packages"].as_array_mut().expect("packages").push(package);
    });
    // A recipe that does not fetch it does not miss it.
    offline_get(&sandbox).run().expect_code(0).stderr_lacks("proofwidgets");
    edit_mathlib(
        &sandbox,
        "Cache/IO.lean",
        "def LEANTARVERSION",
        "def getProofWidgets := 0\n\ndef LEANTARVERSION",
    );
    offline_get(&sandbox)
        .run()
        .expect_code(1)
        .stderr_contains("missing, and in no `.ltar`: proofwidgets:release");
    let skip = "exe cache --skip-proofwidgets get";
    offline(&sandbox, skip).run().expect_code(0).stderr_lacks("proofwidgets");
    sandbox.mkdir("proofwidgets/.lake/build/js");
    offline_get(&sandbox).run().expect_code(0).stderr_contains("nothing to do");
}

/// A workspace with a package `CSDP`, whose mathlib's cache tool also builds these targets.
fn with_native(targets: &str) -> Sandbox {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.write("csdp/lakefile.toml", "name = \"CSDP\"\n").write("csdp/CSDP.lean", "");
    edit_manifest(&sandbox, |manifest| {
        let package = json!({
            "type": "path", "dir": "../csdp", "name": "CSDP", "inherited": true,
            "scope": "", "manifestFile": "lake-manifest.json", "configFile": "lakefile.toml",
        });
        manifest["packages"].as_array_mut().expect("packages").push(package);
    });
    edit_mathlib(
        &sandbox,
        "Cache/IO.lean",
        "def LEANTARVERSION",
        &format!("def native := #[{targets}]\n\ndef LEANTARVERSION"),
    );
    sandbox
}

const MISSING: &str = "missing, and in no `.ltar`: ";

#[test]
fn native_targets_of_the_recipe_count_as_missing() {
    let sandbox = with_native(r#""--no-ansi", "CSDP:release", "CSDP:shared", "Elsewhere:shared""#);
    let dry = sandbox.lake_shim("restore --dry-run").run();
    dry.expect_code(1).stdout_contains("miss CSDP:release\nmiss CSDP:shared\n");
    let run = offline_get(&sandbox).run();
    run.expect_code(1).stderr_contains(&format!("{MISSING}CSDP:release, CSDP:shared\n"));
    sandbox.expect_all_restored();
    sandbox.write("csdp/.lake/build/bin/csdp", "x");
    offline_get(&sandbox).run().expect_code(1).stderr_contains(&format!("{MISSING}CSDP:shared\n"));
    sandbox.write("csdp/.lake/build/lib/libcsdp.so", "x");
    offline_get(&sandbox).run().expect_code(0).stderr_contains("nothing to do");
}

#[test]
fn native_targets_are_there_if_their_own_files_are() {
    let sandbox = with_native(r#""@CSDP:release", "CSDP/Solver:shared", "CSDP:static""#);
    offline_get(&sandbox).run().expect_code(1);
    sandbox.copy("csdp", "bare");
    let [release, shared, archive] = ["@CSDP:release", "CSDP/Solver:shared", "CSDP:static"];
    for (file, missing) in [
        // Lake's own files, and ours.
        ("lib/lean/CSDP.olean", &[release, shared, archive][..]),
        ("ir/CSDP.c", &[release, shared, archive]),
        (".lake-shim.ledger", &[release, shared, archive]),
        // Unrelated ones.
        ("lib/libgmp.so", &[shared, archive]),
        ("lib/libcsdp.txt", &[shared, archive]),
        ("lib/libCSDP_Solver.so", &[archive]),
        ("lib/libsolver.dylib", &[archive]),
        ("lib/libcsdp.a", &[shared]),
    ] {
        sandbox.remove("csdp").copy("bare", "csdp");
        sandbox.write(format!("csdp/.lake/build/{file}"), "x");
        let run = offline_get(&sandbox).run();
        run.expect_code(1).stderr_contains(&format!("{MISSING}{}\n", missing.join(", ")));
    }
    // A link counts if it leads to a file.
    sandbox.remove("csdp").copy("bare", "csdp");
    for library in ["libcsdp.so", "libcsdp.a"] {
        sandbox.symlink(sandbox.path(library), format!("csdp/.lake/build/lib/{library}"));
    }
    let all = format!("{MISSING}{release}, {shared}, {archive}\n");
    offline_get(&sandbox).run().expect_code(1).stderr_contains(&all);
    sandbox.write("libcsdp.so", "x").write("libcsdp.a", "x");
    offline_get(&sandbox).run().expect_code(0);
}

#[test]
fn downloads_that_nobody_could_keep_are_not_begun() {
    let sandbox = incomplete(&[LATTICE]);
    sandbox.write("no-directory", "");
    let cache = sandbox.path("no-directory/mathlib");
    let run = sandbox
        .lake("exe cache get-")
        .env("MATHLIB_CACHE_DIR", &cache)
        .env("LAKE_SHIM_STORE", sandbox.store())
        .run();
    run.expect_code(1)
        .stderr_contains(&format!("`{}` cannot be written", cache.display()))
        .stderr_contains("`MATHLIB_CACHE_DIR` names another directory");
    expect_no_lake(&sandbox);
}

/// A workspace that is updated, with what the fake lake takes for Mathlib's hook.
fn with_hook() -> Sandbox {
    let sandbox = Sandbox::mini_mathlib().online();
    let lakefile = sandbox.package("mathlib").join("lakefile.lean");
    let hook = sandbox.read(&lakefile) + "-- post_update: MATHLIB_NO_CACHE_ON_UPDATE\n";
    sandbox.write(lakefile, hook);
    // The lakefile is in the hash of every file.
    for line in sandbox.lake_shim("names").run().expect_code(0).stdout.lines() {
        let (module, name) = line.split_once(' ').expect("a module and its file");
        sandbox.rename(sandbox.ltar(module), sandbox.store().join(name));
    }
    sandbox
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn an_update_restores_what_mathlibs_hook_would_fetch_fake_lake_only() {
    let sandbox = with_hook();
    let run = sandbox.lake("update").run();
    run.expect_code(0).stderr_contains("restored 11 modules");
    sandbox.expect_all_restored();
    assert_eq!(lake_lines(&sandbox), ["update"], "and no cache tool beside it");
    // The user has said that nothing is to be fetched.
    let sandbox = with_hook();
    sandbox.lake("update").env("MATHLIB_NO_CACHE_ON_UPDATE", "1").run().expect_code(0);
    sandbox.expect_restored(&[]);
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn an_update_is_done_once_whatever_comes_after_it_fake_lake_only() {
    let sandbox = with_hook();
    sandbox.write(sandbox.package("mathlib").join(".lake/build"), "in the way");
    let run = sandbox.lake("update").run();
    run.expect_code(1).stderr_contains("error: ").stderr_contains("mathlib/.lake/build");
    assert_eq!(lake_lines(&sandbox), ["update"]);
    // A request that no store can answer is the real tool's.
    let sandbox = with_hook();
    edit_mathlib(&sandbox, "Cache/Hashing.lean", "\"lean-toolchain\", ", "");
    let never = sandbox.lake("update").env("LAKE_SHIM_NETWORK", "never").run();
    never.expect_code(1).stderr_contains("error: ").stderr_contains("is not one we know");
    assert_eq!(lake_lines(&sandbox), ["update"]);
    let run = sandbox.lake("update").run();
    run.stderr_contains("warning: ").stderr_contains("is not one we know");
    assert_eq!(lake_lines(&sandbox), ["update", "update", "exe cache get"]);
}
