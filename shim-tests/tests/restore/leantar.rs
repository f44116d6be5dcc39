//! Leantars that are absent, cannot be run, die or lie.

use shim_tests::Sandbox;

use crate::{expect_no_leftovers, offline_get};

#[test]
fn leantar_must_exist_where_it_is_named() {
    let sandbox = Sandbox::mini_mathlib();
    let run = offline_get(&sandbox).env("LAKE_SHIM_LEANTAR", "/nonexistent/leantar").run();
    run.expect_code(1)
        .stderr_contains("11 modules in a store, and not unpacked: ")
        .stderr_contains("`LAKE_SHIM_LEANTAR` is `/nonexistent/leantar`, which is not there")
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
        .stderr_contains("11 modules in a store, and not unpacked: ")
        .stderr_contains("there is no leantar of 0.1.16 or later: not in the toolchain")
        .stderr_lacks("in no store")
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
    run.expect_code(1)
        .stderr_contains(&format!("`{}`, which is not executable", leantar.display()));
    sandbox.expect_restored(&[]);
    expect_no_leftovers(&sandbox);
}

/// A leantar that tells its version, and else does `body`.
fn script(sandbox: &Sandbox, body: &str) {
    let version = r#"[ "$1" = --version ] && echo leantar 0.1.19 && exit"#;
    sandbox.script("leantar", &format!("{version}\n{body}"));
}

#[test]
fn a_leantar_that_always_dies_restores_nothing_and_leaves_nothing() {
    for (body, message) in [("kill -9 $$", "signal: 9"), ("echo boom >&2; exit 101", "boom")] {
        let sandbox = Sandbox::mini_mathlib();
        script(&sandbox, body);
        let run = offline_get(&sandbox).env("LAKE_SHIM_LEANTAR", sandbox.path("leantar")).run();
        run.expect_code(1).stderr_contains("leantar died").stderr_contains(message);
        sandbox.expect_restored(&[]);
        expect_no_leftovers(&sandbox);
    }
}

#[test]
fn a_leantar_that_does_nothing_is_not_believed() {
    let sandbox = Sandbox::mini_mathlib();
    script(&sandbox, "cat >/dev/null");
    let run = offline_get(&sandbox).env("LAKE_SHIM_LEANTAR", sandbox.path("leantar")).run();
    run.expect_code(1)
        .stderr_contains("11 modules in a store, and not unpacked: `LAKE_SHIM_LEANTAR` is ")
        .stderr_contains("which unpacks none of 11 archives: ")
        .stderr_contains("it has no trace")
        .stderr_lacks("damaged");
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

/// Leantars that cannot be used, and the words for each.
const UNFIT: [(&str, &str); 8] = [
    ("mode", "is not executable"),
    ("directory", "is not a file"),
    ("pipe", "is not a file"),
    ("another program", "is not a leantar"),
    ("old", "is 0.1.2, and this mathlib needs 0.1.16"),
    ("dying", "fails"),
    ("idle", "unpacks none of"),
    ("foreign", "is a program for another processor"),
];

fn make_unfit(sandbox: &Sandbox, kind: &str, path: &str) {
    match kind {
        "mode" => {
            sandbox.install_leantar("good").copy("good", path).chmod(path, 0o644);
        }
        "directory" => {
            sandbox.mkdir(path);
        }
        "pipe" => {
            nix::unistd::mkfifo(&sandbox.path(path), nix::sys::stat::Mode::S_IRWXU)
                .expect("a pipe");
        }
        "another program" => {
            sandbox.script(path, "echo tar 1.34");
        }
        "old" => {
            sandbox.script(path, "echo leantar 0.1.2");
        }
        "idle" => {
            sandbox.script(
                path,
                "case $1 in --version) echo leantar 0.1.19 ;; *) cat >/dev/null ;; esac",
            );
        }
        "foreign" => {
            // An ELF file for PowerPC.
            let mut elf = b"\x7fELF\x02\x01\x01".to_vec();
            elf.resize(18, 0);
            elf.extend([21, 0, 1, 0]);
            sandbox.write(path, elf).chmod(path, 0o755);
        }
        _ => {
            sandbox.script(path, "kill -9 $$");
        }
    }
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs a toolchain without leantar")]
fn an_unfit_leantar_gives_way_to_a_fit_one_fake_lake_only() {
    for (kind, reason) in UNFIT {
        let sandbox = Sandbox::mini_mathlib();
        sandbox.rename("toolchain/bin/leantar", "hidden/leantar");
        make_unfit(&sandbox, kind, "store/leantar-0.1.19");
        let run = offline_get(&sandbox).run();
        run.expect_code(1)
            .stderr_contains("11 modules in a store, and not unpacked: ")
            .stderr_contains(&format!("store/leantar-0.1.19` {reason}"))
            .stderr_lacks("in no store")
            .stderr_lacks("damaged");
        sandbox.expect_restored(&[]);
        // A lower version in the store, and one on PATH.
        for fit in ["store/leantar-0.1.17", "tools/leantar"] {
            sandbox.install_leantar(fit);
            offline_get(&sandbox).run().expect_code(0);
            sandbox.expect_all_restored();
            sandbox.remove(fit);
            crate::clean(&sandbox);
        }
    }
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs a toolchain without leantar")]
fn a_bad_leantar_is_named_by_every_command_fake_lake_only() {
    for (kind, reason) in UNFIT {
        let sandbox = Sandbox::mini_mathlib();
        sandbox.rename("toolchain/bin/leantar", "hidden/leantar");
        make_unfit(&sandbox, kind, "store/leantar-0.1.19");
        for line in ["bake --level 1 --store ../store", "verify", "doctor leantar", "restore"] {
            if kind == "idle" && line == "doctor leantar" {
                continue; // it asks for the version, and unpacks nothing
            }
            let run = sandbox.lake_shim(line).env("LAKE_SHIM_NETWORK", "never").run();
            run.expect_code(1);
            let said = format!("{}{}", run.stdout, run.stderr);
            // On one line, however wide the page is.
            let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(said.contains("leantar-0.1.19`"), "{kind}, {line}: {run}");
            assert!(said.contains(reason), "{kind}, {line}: {run}");
            assert!(!said.contains("damaged"), "{kind}, {line}: {run}");
        }
    }
}
