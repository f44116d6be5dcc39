//! Archives and workspaces that are not what they should be. Always: what is good is restored, what is not is
//! named with its reason, nothing half-written stays, and the store is as it was.

use std::fs;

use serde_json::Value;
use shim_tests::ltar::{Entry, Ltar};
use shim_tests::{Run, Sandbox, Tree, modules};

use crate::{
    all_but, clean, expect_leantar_runs, expect_no_lake, expect_no_leftovers, offline_get,
};

const INIT: &str = "Mathlib.Init";

/// Runs `cache get` over damage of the store; the culprits must be named and everything else be restored.
#[track_caller]
fn expect_culprits(sandbox: &Sandbox, culprits: &[&str]) -> Run {
    let store = Tree::of(sandbox.store());
    let run = offline_get(sandbox).run();
    run.expect_code(1)
        .expect_stdout("")
        .stderr_contains("could not restore")
        .stderr_contains("hint: ");
    for culprit in culprits {
        let file = sandbox.ltar(culprit);
        run.stderr_contains(&format!("{culprit}: `{}`: ", file.display()));
    }
    sandbox.expect_restored(&all_but(culprits));
    expect_no_leftovers(sandbox);
    expect_no_lake(sandbox);
    store.assert_unchanged();
    // Replaced, it is all there is left to do.
    for culprit in culprits {
        fs::copy(whole().ltar(culprit), sandbox.ltar(culprit)).expect("a whole archive");
    }
    let again = offline_get(sandbox).run();
    again.expect_code(0).stderr_contains(&format!("restored {} module", culprits.len()));
    sandbox.expect_all_restored();
    run
}

/// A sandbox whose archives nobody damaged.
fn whole() -> &'static Sandbox {
    static WHOLE: std::sync::OnceLock<Sandbox> = std::sync::OnceLock::new();
    WHOLE.get_or_init(Sandbox::mini_mathlib_without_packages)
}

/// Changes an archive of the fake leantar, and makes it consistent again.
fn edit_ltar(sandbox: &Sandbox, module: &str, edit: impl FnOnce(&mut Ltar)) {
    let path = sandbox.ltar(module);
    let mut ltar =
        Ltar::parse(&fs::read(&path).expect("an archive")).expect("an archive of the fake's");
    edit(&mut ltar);
    sandbox.write(path, ltar.to_bytes());
}

/// The bytes of the archived file with that ending.
fn archived<'a>(ltar: &'a mut Ltar, ending: &str) -> &'a mut Vec<u8> {
    let found = ltar.entries.iter_mut().find_map(|entry| match entry {
        Entry::File { path, bytes } if path.ends_with(ending) => Some(bytes),
        _ => None,
    });
    found.expect("an archived file")
}

type Damage = Box<dyn Fn(&Sandbox)>;

#[test]
fn damaged_archives_are_named_each_with_its_own_message() {
    let init = |content: &'static str| {
        move |sandbox: &Sandbox| {
            sandbox.write(sandbox.ltar(INIT), content);
        }
    };
    let cases: [(Damage, &str); 5] = [
        (
            Box::new(|sandbox| {
                sandbox.truncate(sandbox.ltar(INIT));
            }),
            "it ends early",
        ),
        (Box::new(init("")), "it is empty"),
        (Box::new(init("LTAR1234")), "it is cut short"),
        (Box::new(init("GIF89a, not an archive")), "it is no `.ltar` file"),
        (
            Box::new(|sandbox| {
                sandbox.copy(sandbox.ltar("Mathlib.Algebra.Two"), sandbox.ltar(INIT));
            }),
            "which is another module",
        ),
    ];
    for (damage, message) in cases {
        let sandbox = Sandbox::mini_mathlib();
        damage(&sandbox);
        expect_culprits(&sandbox, &[INIT]).stderr_contains(message);
    }
}

#[test]
fn a_directory_in_the_place_of_an_archive_is_named() {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.remove(sandbox.ltar(INIT)).mkdir(sandbox.ltar(INIT));
    let run = offline_get(&sandbox).run();
    run.expect_code(1).stderr_contains(&format!("{INIT}: `")).stderr_contains("directory");
    sandbox.expect_restored(&all_but(&[INIT]));
}

#[test]
fn a_flipped_bit_costs_one_module() {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.flip_bit(sandbox.ltar(INIT));
    expect_culprits(&sandbox, &[INIT]);
}

#[test]
#[cfg_attr(not(has = "fake-leantar"), ignore = "needs the fake leantar")]
fn a_flipped_bit_kills_leantar_and_the_rest_is_restored_fake_leantar_only() {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.flip_bit(sandbox.ltar(INIT));
    expect_culprits(&sandbox, &[INIT])
        .stderr_contains("leantar died on it")
        .stderr_contains("memory allocation of 280375465082980 bytes failed");
    let runs = sandbox.leantar_calls().len();
    assert!((3..=10).contains(&runs), "halves, not one by one: {runs} runs");
}

#[test]
fn several_flipped_bits_cost_as_many_modules() {
    let sandbox = Sandbox::mini_mathlib();
    let culprits = ["Batteries", "Batteries.Data.L", INIT, "Mathlib.Order.Lattice"];
    for culprit in culprits {
        sandbox.flip_bit(sandbox.ltar(culprit));
    }
    expect_culprits(&sandbox, &culprits);
}

#[test]
fn a_flipped_bit_anywhere_never_becomes_a_wrong_file() {
    let sandbox = Sandbox::mini_mathlib();
    let good = fs::read(sandbox.ltar(INIT)).expect("an archive");
    for step in 0..24 {
        let mut bytes = good.clone();
        let at = step * (bytes.len() - 1) / 23;
        bytes[at] ^= 1 << (step % 8);
        sandbox.write(sandbox.ltar(INIT), &bytes);
        let store = Tree::of(sandbox.store());
        let run = offline_get(&sandbox).run();
        store.assert_unchanged();
        expect_no_leftovers(&sandbox);
        match run.code {
            // A bit that nothing depends on, such as one of a comment.
            Some(0) => sandbox.expect_all_restored_as_recorded(),
            _ => {
                run.expect_code(1).stderr_contains(INIT);
                sandbox.expect_restored(&all_but(&[INIT]));
            }
        }
        clean(&sandbox);
    }
}

#[test]
#[cfg_attr(not(has = "fake-leantar"), ignore = "needs the fake leantar")]
fn an_archive_whose_trace_is_of_another_build_is_refused_fake_leantar_only() {
    let sandbox = Sandbox::mini_mathlib();
    let ours = modules().iter().find(|module| module.name == INIT).expect("the module").dep_hash;
    edit_ltar(&sandbox, INIT, |ltar| {
        let trace = archived(ltar, ".trace");
        let text =
            String::from_utf8_lossy(trace).replace(&format!("{ours:016x}"), "00000000deadbeef");
        *trace = text.into_bytes();
    });
    let message = format!("its trace says 00000000deadbeef, not {ours:016x}");
    expect_culprits(&sandbox, &[INIT]).stderr_contains(&message);
}

#[test]
#[cfg_attr(not(has = "fake-leantar"), ignore = "needs the fake leantar")]
fn silently_damaged_outputs_are_found_fake_leantar_only() {
    for (ending, file) in [(".olean", "Init.olean"), (".c", "Init.c"), (".ilean", "Init.ilean")] {
        let sandbox = Sandbox::mini_mathlib();
        edit_ltar(&sandbox, INIT, |ltar| archived(ltar, ending)[7] ^= 1);
        let message = format!("`{file}` is not what its trace recorded");
        expect_culprits(&sandbox, &[INIT]).stderr_contains(&message);
    }
}

#[test]
#[cfg_attr(not(has = "fake-leantar"), ignore = "needs the fake leantar")]
fn silently_damaged_hash_files_are_found_fake_leantar_only() {
    // Lake takes a `.hash` file's word for its neighbour; a wrong one has every importer rebuilt.
    for ending in [".olean.hash", ".c.hash", ".ilean.hash"] {
        let sandbox = Sandbox::mini_mathlib();
        edit_ltar(&sandbox, INIT, |ltar| archived(ltar, ending)[7] ^= 1);
        expect_culprits(&sandbox, &[INIT]);
    }
}

#[test]
#[cfg_attr(not(has = "fake-leantar"), ignore = "needs the fake leantar")]
fn an_archive_that_lacks_a_file_is_refused_fake_leantar_only() {
    for (ending, file) in [(".olean", "Init.olean"), (".c", "Init.c"), (".trace", "")] {
        let sandbox = Sandbox::mini_mathlib();
        edit_ltar(&sandbox, INIT, |ltar| {
            ltar.entries.retain(
                |entry| !matches!(entry, Entry::File { path, .. } if path.ends_with(ending)),
            );
        });
        let message = if file.is_empty() {
            "it has no trace".to_owned()
        } else {
            format!("`{file}` is missing")
        };
        expect_culprits(&sandbox, &[INIT]).stderr_contains(&message);
    }
}

#[test]
#[cfg_attr(not(has = "fake-leantar"), ignore = "needs the fake leantar")]
fn an_archive_cannot_write_outside_of_its_module_fake_leantar_only() {
    let sandbox = Sandbox::mini_mathlib();
    let before = Tree::of(sandbox.home());
    edit_ltar(&sandbox, INIT, |ltar| {
        for path in
            ["lakefile.lean", ".lake/build/lib/lean/Mathlib/Other.olean", "Mathlib/Init.lean"]
        {
            ltar.entries.push(Entry::File { path: path.to_owned(), bytes: b"evil".to_vec() });
        }
    });
    let lakefile = fs::read(sandbox.package("mathlib").join("lakefile.lean")).ok();
    offline_get(&sandbox).run();
    assert_eq!(fs::read(sandbox.package("mathlib").join("lakefile.lean")).ok(), lakefile);
    let mathlib = sandbox.package("mathlib");
    assert!(!mathlib.join(".lake/build/lib/lean/Mathlib/Other.olean").exists());
    assert_ne!(fs::read(mathlib.join("Mathlib/Init.lean")).ok(), Some(b"evil".to_vec()));
    before.assert_unchanged();
}

#[test]
fn a_half_written_trace_in_the_workspace_costs_nothing() {
    // leantar itself would take the archive for corrupt, delete it and exit 0.
    for half in ["", "{\"schemaVersion\":\"2025-09-10\",", "garbage", "null"] {
        let sandbox = Sandbox::mini_mathlib();
        let store = Tree::of(sandbox.store());
        sandbox.write("app/.lake/packages/mathlib/.lake/build/lib/lean/Mathlib/Init.trace", half);
        offline_get(&sandbox).run().expect_code(0);
        sandbox.expect_all_restored();
        store.assert_unchanged();
    }
}

#[test]
fn old_build_files_are_replaced() {
    let sandbox = Sandbox::mini_mathlib();
    offline_get(&sandbox).run().expect_code(0);
    for module in modules() {
        let trace = sandbox.packages().join(&module.trace);
        let mut text: Value =
            serde_json::from_slice(&fs::read(&trace).expect("a trace")).expect("JSON");
        text["depHash"] = "0123456789abcdef".into();
        sandbox.write(trace, text.to_string());
        for file in &module.files {
            sandbox.write(sandbox.packages().join(file), "of an older mathlib");
        }
    }
    offline_get(&sandbox).run().expect_code(0).stderr_contains("restored 11 modules");
    sandbox.expect_all_restored();
    expect_leantar_runs(&sandbox, 2);
}

#[test]
fn a_module_with_a_trace_and_without_an_output_is_restored_again() {
    for (extension, empty) in [("olean", false), ("olean", true), ("ilean", false)] {
        let sandbox = Sandbox::mini_mathlib();
        offline_get(&sandbox).run().expect_code(0);
        let olean = sandbox
            .package("mathlib")
            .join(".lake/build/lib/lean/Mathlib/Init")
            .with_extension(extension);
        match empty {
            true => sandbox.write(olean, ""),
            false => sandbox.remove(olean),
        };
        let run = offline_get(&sandbox).run();
        run.expect_code(0)
            .stderr_contains("restored 1 module, 1 package")
            .stderr_contains("10 modules already up to date");
        sandbox.expect_all_restored();
    }
}
