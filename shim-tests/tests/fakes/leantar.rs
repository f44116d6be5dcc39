//! leantar: what it writes, and its ways of failing.

use std::path::Path;

use nix::sys::signal::Signal;
use serde_json::json;
use shim_tests::{Sandbox, Tree, modules};

use crate::{all, leantar, list_entry, unpack_all};

#[test]
fn leantar_restores_every_module() {
    let sandbox = Sandbox::mini_mathlib();
    let store = Tree::of(sandbox.store());
    unpack_all(&sandbox).expect_code(0).expect_stdout("");
    sandbox.expect_all_restored();
    store.assert_unchanged();
    let packages = Tree::of(sandbox.packages());
    let olean = &packages.entries()[&modules()[0].olean()];
    assert_eq!(olean.mode, 0o600);

    // With nothing to do nothing is written, unless forced.
    unpack_all(&sandbox).expect_code(0);
    packages.assert_unchanged();
    leantar(&sandbox, &["-f"], &all(&sandbox)).expect_code(0);
    packages.assert_same_content();
    assert!(!packages.changes_to(&Tree::of(sandbox.packages())).is_empty());
}

#[test]
fn leantar_tells_what_it_does() {
    let sandbox = Sandbox::mini_mathlib();
    let one = [list_entry(&sandbox, "Mathlib.Init")];
    let ltar = sandbox.ltar("Mathlib.Init");
    let run = leantar(&sandbox, &["-v"], &one);
    run.expect_code(0).stdout_contains(&format!("unpacking {}\n", ltar.display()));
    run.stdout_contains("Mathlib/Init.trace, compression = 0\n");
    leantar(&sandbox, &["-v"], &one)
        .expect_code(0)
        .stdout_contains("not unpacking because the trace matches\n");
    sandbox
        .command("leantar", "-k")
        .arg(&ltar)
        .run()
        .expect_code(0)
        .stdout_contains("git=mathlib4@");
    sandbox.command("leantar", "--version").run().expect_code(0).expect_stdout("leantar 0.1.19\n");
}

#[test]
fn leantar_deletes_a_truncated_archive_and_exits_0() {
    let sandbox = Sandbox::mini_mathlib();
    let ltar = sandbox.ltar("Mathlib.Init");
    sandbox.truncate(&ltar);
    unpack_all(&sandbox).expect_code(0).stderr_contains("removing corrupted file");
    assert!(!ltar.exists());
    assert!(!sandbox.package("mathlib").join(".lake/build/lib/lean/Mathlib/Init.trace").exists());
}

#[test]
#[cfg_attr(not(has = "fake-leantar"), ignore = "needs the fake leantar")]
fn leantar_can_keep_a_truncated_archive_fake_leantar_only() {
    let sandbox = Sandbox::mini_mathlib();
    let ltar = sandbox.ltar("Mathlib.Init");
    sandbox.truncate(&ltar);
    let unpack = |options| {
        sandbox.command("leantar", options).arg(&ltar).env("FAKE_LEANTAR_KEEP", "1").run()
    };
    unpack("-x")
        .expect_code(1)
        .stderr_contains("file is corrupted, try deleting or redownloading it");
    assert!(ltar.exists());
    unpack("-r -x").expect_code(0).stderr_contains("removing corrupted file");
    assert!(!ltar.exists());
}

#[test]
fn leantar_deletes_a_good_archive_when_the_trace_on_disk_is_cut_short() {
    let sandbox = Sandbox::mini_mathlib();
    let trace = "app/.lake/packages/mathlib/.lake/build/lib/lean/Mathlib/Init.trace";
    for half in ["", "{\"schemaVersion\":\"2025-09-10\","] {
        sandbox.write(trace, half);
        let ltar = sandbox.ltar("Mathlib.Init");
        let good = std::fs::read(&ltar).unwrap_or_default();
        unpack_all(&sandbox).expect_code(0).stderr_contains("removing corrupted file");
        assert!(!ltar.exists(), "trace is `{half}`");
        sandbox.write(ltar, good);
    }
    // Whole, but no trace: an error, and not unpacked. `-f` does not look at it.
    sandbox.write(trace, "garbage");
    unpack_all(&sandbox).expect_code(1).stderr_contains("expected value at line 1 column 1");
    leantar(&sandbox, &["-f"], &all(&sandbox)).expect_code(0);
    sandbox.expect_all_restored();
}

#[test]
fn leantar_does_the_rest_when_a_file_is_missing_or_no_archive() {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.remove(sandbox.ltar("Mathlib"));
    sandbox.write(sandbox.ltar("Batteries"), "GIF89a, not an archive");
    let run = unpack_all(&sandbox);
    run.expect_code(1)
        .stderr_contains("42d0a36b4d7626bc.ltar not found")
        .stderr_contains("bad .ltar file");
    assert!(sandbox.ltar("Batteries").exists());
    let rest: Vec<_> = modules().iter().map(|module| module.name.as_str()).collect();
    let rest: Vec<_> =
        rest.into_iter().filter(|name| !["Mathlib", "Batteries"].contains(name)).collect();
    sandbox.expect_restored(&rest);
}

#[test]
#[cfg_attr(not(has = "fake-leantar"), ignore = "needs the fake leantar")]
fn leantar_aborts_on_a_flipped_bit_fake_leantar_only() {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.flip_bit(sandbox.ltar("Mathlib.Init"));
    let run = unpack_all(&sandbox);
    run.expect_signal(Signal::SIGABRT)
        .stderr_contains("memory allocation of 280375465082980 bytes failed");
    let folder = Tree::of(sandbox.package("mathlib").join(".lake/build/lib/lean/Mathlib"));
    let names: Vec<_> = folder.files().into_keys().collect();
    assert!(names.contains(&"Init.olean".into()), "half-written: {names:?}");
    assert!(names.iter().any(|name| name.to_string_lossy().starts_with(".tmp")), "{names:?}");
    assert!(!folder.files().contains_key(Path::new("Init.trace")));
    assert!(!folder.files().contains_key(Path::new("Order/Basic.trace")), "none of the rest");
}

#[test]
#[cfg_attr(not(has = "fake-leantar"), ignore = "needs the fake leantar")]
fn leantar_dies_in_the_middle_of_a_module_fake_leantar_only() {
    let sandbox = Sandbox::mini_mathlib();
    let list = json!([list_entry(&sandbox, "Mathlib.Init")]).to_string();
    let run = sandbox
        .command("leantar", "-x -j -")
        .env("FAKE_LEANTAR_DIE", "kill")
        .env("FAKE_LEANTAR_DIE_AFTER", "1")
        .stdin(list)
        .run();
    run.expect_signal(Signal::SIGKILL);
    let folder = Tree::of(sandbox.package("mathlib").join(".lake/build/lib/lean/Mathlib")).files();
    assert!(
        folder.contains_key(Path::new("Init.trace"))
            && !folder.contains_key(Path::new("Init.olean"))
    );
    assert_eq!(sandbox.leantar_calls()[0].files(), [sandbox.ltar("Mathlib.Init")]);
}

#[test]
fn leantar_packs_what_it_unpacks() {
    let sandbox = Sandbox::mini_mathlib();
    unpack_all(&sandbox).expect_code(0);
    let mathlib = sandbox.package("mathlib");
    let stem = ".lake/build/lib/lean/Mathlib/Algebra/Two";
    let packed = sandbox.path("two.ltar");
    let run = sandbox
        .command("leantar", "-C")
        .arg(&mathlib)
        .arg(&packed)
        .args([".trace", ".olean", ".ilean"].map(|extension| format!("{stem}{extension}")))
        .args(["-c", "a comment"])
        .run();
    run.expect_code(0);
    sandbox.command("leantar", "-x -C").arg(sandbox.path("out")).arg(&packed).run().expect_code(0);
    for extension in ["olean", "ilean"] {
        let file = Path::new(stem).with_extension(extension);
        let (out, original) = (sandbox.path("out").join(&file), mathlib.join(&file));
        assert_eq!(std::fs::read(out).ok(), std::fs::read(original).ok());
    }
    sandbox.command("leantar", "-k").arg(&packed).run().expect_code(0).expect_stdout("a comment\n");
}
