//! The packages directory and `LAKE_PKG_DIR`.

use shim_tests::Sandbox;

use crate::{follow, none, only, says, shared, sound};

/// A workspace whose `LAKE_PKG_DIR` has the packages, and that is not linked to it.
fn unlinked() -> Sandbox {
    let sandbox = shared(sound());
    sandbox.remove("app/.lake/packages");
    sandbox
}

#[test]
fn not_linked_yet() {
    let sandbox = unlinked();
    let finding = only(&sandbox, "note", "not-linked");
    says(&finding, &["`LAKE_PKG_DIR` is `", "/shared`"]);
    follow(&sandbox, &finding);
}

#[test]
fn a_directory_whose_packages_would_move() {
    let mut sandbox = sound();
    sandbox.set_env("LAKE_PKG_DIR", sandbox.path("new"));
    let finding = only(&sandbox, "note", "not-linked");
    says(&finding, &["moves there"]);
    follow(&sandbox, &finding);
}

#[test]
fn linked_elsewhere() {
    let sandbox = unlinked();
    sandbox.copy("shared", "other").symlink(sandbox.path("other"), "app/.lake/packages");
    let finding = only(&sandbox, "warning", "wrong-link");
    says(&finding, &["/app/.lake/packages` -> `", "/other`"]);
    follow(&sandbox, &finding);
}

#[test]
fn linked_to_nowhere() {
    let sandbox = unlinked();
    sandbox.symlink("/nowhere/at/all", "app/.lake/packages");
    let finding = only(&sandbox, "warning", "dangling-link");
    says(&finding, &["/nowhere/at/all"]);
    follow(&sandbox, &finding);
    let mut sandbox = sound().online();
    sandbox.set_env("LAKE_SHIM_NETWORK", "auto");
    sandbox.rename("app/.lake/packages", "away").symlink("/nowhere", "app/.lake/packages");
    let findings = crate::findings(&sandbox);
    let finding = findings.iter().find(|f| f["check"] == "dangling-link").expect("found");
    assert_eq!(finding["severity"], "error");
    crate::type_in(&sandbox, finding);
    sandbox.rename("away", "app/.lake/packages");
    none(&sandbox);
}

#[test]
fn a_directory_that_is_kept() {
    let sandbox = unlinked();
    sandbox.copy("shared", "app/.lake/packages");
    let finding = only(&sandbox, "warning", "directory-kept");
    says(&finding, &["both have `batteries`, `mathlib`"]);
    follow(&sandbox, &finding);
    assert!(sandbox.path("app/.lake/packages.old/mathlib").is_dir(), "nothing is deleted");
}

#[test]
fn a_directory_of_ones_own() {
    let mut sandbox = shared(sound());
    sandbox.lake_shim("unlink --copy").run().expect_code(0);
    none(&sandbox);
    sandbox.remove("app/.lake/packages/.lake-shim.private");
    only(&sandbox, "warning", "directory-kept");
    sandbox.set_env("LAKE_SHIM_PRIVATE", "1");
    none(&sandbox);
}

#[test]
fn a_file_in_the_place_of_the_packages() {
    let mut sandbox = sound().online();
    sandbox.rename("app/.lake/packages", "away").write("app/.lake/packages", "");
    sandbox.set_env("LAKE_SHIM_NETWORK", "auto");
    let findings = crate::findings(&sandbox);
    let finding = findings.iter().find(|f| f["check"] == "packages-dir").expect("found");
    assert_eq!(finding["severity"], "error");
    crate::type_in(&sandbox, finding);
    sandbox.rename("away", "app/.lake/packages");
    none(&sandbox);
}

#[test]
fn a_shared_directory_inside_the_workspace() {
    for inside in ["app/packages", "app/.lake/packages", "app"] {
        let mut sandbox = sound();
        sandbox.set_env("LAKE_PKG_DIR", sandbox.path(inside));
        let finding = only(&sandbox, "error", "pkg-dir-inside");
        says(&finding, &["inside the workspace", inside, "`unset LAKE_PKG_DIR`"]);
        sandbox.set_env("LAKE_PKG_DIR", "");
        none(&sandbox);
    }
}

#[test]
fn a_shared_directory_that_is_none() {
    let mut sandbox = sound();
    sandbox.write("file", "").symlink("loop", "loop");
    for (place, why) in [("file", "no directory"), ("file/below", "file"), ("loop", "loop")] {
        sandbox.set_env("LAKE_PKG_DIR", sandbox.path(place));
        let finding = only(&sandbox, "error", "pkg-dir-unusable");
        says(&finding, &[why, place]);
    }
    sandbox.set_env("LAKE_PKG_DIR", "");
    none(&sandbox);
}
