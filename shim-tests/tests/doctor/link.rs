//! The packages directory and `LAKE_PKG_DIR`.

use serde_json::Value;
use shim_tests::Sandbox;

use crate::{baked_and_fresh, edit, follow, move_head, none, only, says, shared, sound};

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
fn linked_elsewhere_by_the_user() {
    let mut sandbox = unlinked();
    sandbox.copy("shared", "other").symlink(sandbox.path("other"), "app/.lake/packages");
    let finding = only(&sandbox, "warning", "directory-kept");
    says(&finding, &["it is a symlink to `", "/other`, which you made", "LAKE_SHIM_PRIVATE=1"]);
    sandbox.set_env("LAKE_SHIM_PRIVATE", "1");
    none(&sandbox);
    sandbox.set_env("LAKE_SHIM_PRIVATE", "");
    follow(&sandbox, &finding);
    assert!(sandbox.path("other/mathlib").is_dir());
}

#[test]
fn linked_to_what_the_setting_was_before() {
    let mut sandbox = unlinked();
    sandbox.lake_shim("link").run().expect_code(0);
    sandbox.copy("shared", "other");
    sandbox.set_env("LAKE_PKG_DIR", sandbox.path("other"));
    let finding = only(&sandbox, "note", "not-linked");
    says(&finding, &["`LAKE_PKG_DIR` is `", "/other`"]);
    follow(&sandbox, &finding);
}

#[test]
fn linked_to_nowhere() {
    let sandbox = unlinked();
    sandbox.symlink("/nowhere/at/all", "app/.lake/packages");
    let finding = dangling(&sandbox);
    says(&finding, &["/nowhere/at/all"]);
    crate::type_in(&sandbox, &finding);
    follow(&sandbox, &only(&sandbox, "note", "not-linked"));
    let mut sandbox = sound().online();
    sandbox.set_env("LAKE_SHIM_NETWORK", "auto");
    sandbox.rename("app/.lake/packages", "away").symlink("/nowhere", "app/.lake/packages");
    crate::type_in(&sandbox, &dangling(&sandbox));
    sandbox.rename("away", "app/.lake/packages");
    none(&sandbox);
}

/// The error that the link leads nowhere, among those that come of it.
#[track_caller]
fn dangling(sandbox: &Sandbox) -> Value {
    let findings = crate::findings(sandbox);
    let finding = findings.into_iter().find(|f| f["check"] == "dangling-link").expect("found");
    assert_eq!(finding["severity"], "error");
    finding
}

#[test]
fn linked_to_what_will_be_made() {
    let mut sandbox = baked_and_fresh();
    sandbox.set_env("LAKE_PKG_DIR", sandbox.path("new"));
    sandbox.symlink(sandbox.path("new"), "app/.lake/packages");
    none(&sandbox);
}

#[test]
fn a_directory_that_is_kept() {
    type Case = (&'static str, fn(&Sandbox));
    let cases: [Case; 5] = [
        ("`batteries` has local work (untracked `mine`)", |sandbox| {
            sandbox.write("app/.lake/packages/batteries/mine", "");
        }),
        ("it has `mine`, which is not a package of the manifest", |sandbox| {
            sandbox.write("app/.lake/packages/mine/lakefile.toml", "");
        }),
        ("`batteries` is a symlink that you made", |sandbox| {
            let package = sandbox.package("batteries");
            sandbox.rename(&package, "away").symlink(sandbox.path("away"), &package);
        }),
        ("/shared` has another `mathlib`", |sandbox| {
            move_head(sandbox, &sandbox.path("shared/mathlib"));
        }),
        ("`batteries` cannot be moved: it has worktrees elsewhere", |sandbox| {
            sandbox.git(&sandbox.package("batteries"), &["worktree", "add", "-q", "../../../wt"]);
        }),
    ];
    for (why, edit) in cases {
        let sandbox = unlinked();
        sandbox.copy("shared", "app/.lake/packages");
        edit(&sandbox);
        let findings = crate::findings(&sandbox);
        let finding = findings.iter().find(|f| f["check"] == "directory-kept").expect(why);
        assert_eq!(finding["severity"], "warning");
        says(finding, &[why, "LAKE_SHIM_PRIVATE=1"]);
        // As it says, so it is.
        sandbox.lake_shim("link").run().expect_code(1).stderr_contains(why);
        crate::type_in(&sandbox, finding);
        assert!(sandbox.packages().is_symlink(), "{why}");
        assert!(sandbox.path("app/.lake/packages.old/mathlib").is_dir(), "nothing is deleted");
    }
}

#[test]
fn the_same_packages_in_both_places() {
    let sandbox = unlinked();
    sandbox.copy("shared", "app/.lake/packages");
    let finding = only(&sandbox, "note", "not-linked");
    says(&finding, &["`batteries` moves there", "`mathlib` moves there"]);
    follow(&sandbox, &finding);
}

#[test]
fn a_directory_of_ones_own() {
    let mut sandbox = shared(sound());
    sandbox.lake_shim("unlink --copy").run().expect_code(0);
    none(&sandbox);
    sandbox.remove("app/.lake/packages/.lake-shim.private");
    only(&sandbox, "note", "not-linked");
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
fn a_shared_directory_that_cannot_be_one() {
    for (place, why) in [
        ("app/packages", "inside the workspace"),
        ("app/.lake/packages", "inside the workspace"),
        ("app", "inside the workspace"),
        ("", "around the workspace"),
        ("/", "around the workspace"),
        ("home", "your home directory"),
        ("file", "not a directory"),
        ("file/below", "Not a directory"),
        ("loop", "loop"),
    ] {
        let mut sandbox = sound();
        sandbox.write("file", "").symlink("loop", "loop");
        sandbox.set_env("LAKE_PKG_DIR", sandbox.path(place));
        let finding = only(&sandbox, "error", "pkg-dir-unusable");
        let value = sandbox.path(place).display().to_string();
        says(&finding, &[&format!("`LAKE_PKG_DIR` is `{value}`"), why, "or unset it"]);
        sandbox.set_env("LAKE_PKG_DIR", "");
        none(&sandbox);
    }
}

#[test]
fn packages_outside_of_the_workspace() {
    let mut sandbox = sound();
    edit(
        &sandbox,
        "app/lake-manifest.json",
        "\"packagesDir\": \".lake/packages\"",
        "\"packagesDir\": \"../deps\"",
    );
    sandbox.rename("app/.lake/packages", "deps");
    // Lake takes them as they are.
    none(&sandbox);
    sandbox.set_env("LAKE_PKG_DIR", sandbox.path("shared"));
    let finding = only(&sandbox, "error", "not-linked");
    says(&finding, &["/deps` is outside of the workspace `", "set `LAKE_PKG_DIR="]);
    sandbox.set_env("LAKE_PKG_DIR", sandbox.path("deps"));
    none(&sandbox);
}
