//! Archives that name files elsewhere. The real leantar makes and unpacks them without a word, as does the fake.

use std::path::{Path, PathBuf};

use shim_tests::{Sandbox, Tree, modules};

use crate::{get, get_unconfined};

const VICTIM: &str = "Mathlib.Init";

/// Packs the victim anew, with a file besides that is to be written to `evil`: absolute, or relative to a stage. Its
/// name and its trace stay.
fn craft(sandbox: &Sandbox, evil: &str) {
    let module = modules().iter().find(|module| module.name == VICTIM).expect("it exists");
    sandbox.lake_shim("restore --network never").run().expect_code(0);
    // leantar takes a file from where it is to be put. So all is laid out as in a stage.
    let build = sandbox.package("mathlib").join(".lake");
    let base = build.join("build/stage");
    sandbox.rename(&build, "laid-out").rename("laid-out", base.join(".lake"));
    let evil_now = base.join(evil);
    let was = std::fs::read(&evil_now).ok();
    sandbox.write(&evil_now, "by a crafted archive\n");
    let inside = |path: &Path| path.strip_prefix("mathlib").expect("mathlib's own").to_owned();
    let run = sandbox
        .command(sandbox.toolchain_bin().join("leantar"), "-C")
        .arg(&base)
        .arg(sandbox.ltar(VICTIM))
        .arg(inside(&module.trace))
        .args(module.files.iter().map(|file| inside(file)))
        .arg(evil)
        .run();
    run.expect_code(0);
    match was {
        Some(was) => sandbox.write(&evil_now, was),
        None => sandbox.remove(&evil_now),
    };
    for package in ["mathlib", "batteries"] {
        sandbox.remove(sandbox.package(package).join(".lake"));
    }
}

/// Confined, the module fails, by name, with all the others restored and nothing written; otherwise the file is.
#[track_caller]
fn expect_nowhere(evil: impl Fn(&Sandbox) -> String, written: impl Fn(&Sandbox) -> PathBuf) {
    let [confined, free] = [Sandbox::mini_mathlib(), Sandbox::mini_mathlib()];
    for sandbox in [&confined, &free] {
        craft(sandbox, &evil(sandbox));
    }
    let places = ["home", "store", "app/App", "tmp"].map(|place| Tree::of(confined.path(place)));
    let was = std::fs::read(written(&confined)).ok();
    let run = get(&confined).run();
    run.expect_code(1)
        .stderr_contains("restored 10 modules")
        .stderr_contains("could not restore 1 module")
        .stderr_contains(VICTIM)
        .stderr_contains("Permission denied");
    places.iter().for_each(Tree::assert_unchanged);
    assert_eq!(std::fs::read(written(&confined)).ok(), was, "{run}");
    let others = modules().iter().map(|module| module.name.as_str()).filter(|name| *name != VICTIM);
    confined.expect_restored(&others.collect::<Vec<_>>());
    let _ = get_unconfined(&free).run();
    let now = std::fs::read_to_string(written(&free));
    assert_eq!(now.expect("it is written"), "by a crafted archive\n");
}

#[test]
#[cfg_attr(not(has = "landlock"), ignore = "needs landlock")]
fn absolute_paths() {
    for name in ["home/.profile", "store/0000000000000000.ltar", "app/App/Evil.lean", "tmp/evil"] {
        let path = |sandbox: &Sandbox| sandbox.path(name);
        expect_nowhere(|sandbox| path(sandbox).display().to_string(), path);
    }
}

#[test]
#[cfg_attr(not(has = "landlock"), ignore = "needs landlock")]
fn paths_upwards() {
    // A stage is `.lake/build/.lake-shim-…/work` of its package, and that is in `app/.lake/packages`.
    for (evil, place) in [
        ("../../evil", "app/.lake/packages/mathlib/.lake/build/evil"),
        ("../../../../lakefile.lean", "app/.lake/packages/mathlib/lakefile.lean"),
        (
            "../../../../../batteries/.lake/build/evil",
            "app/.lake/packages/batteries/.lake/build/evil",
        ),
        ("../../../../../../../../home/.profile", "home/.profile"),
    ] {
        expect_nowhere(|_| evil.to_owned(), |sandbox| sandbox.path(place));
    }
}
