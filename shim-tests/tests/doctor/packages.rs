//! Packages: whose they are, where they come from, where their HEAD is.

use serde_json::Value;
use shim_tests::{NOBODY, Sandbox};

use crate::{
    FORK, MATHLIB, commit, edit, findings, findings_after, findings_of_nobody, follow, none,
    of_nobody, only, parse, says, set_origin, shared, shim, sound, text, the_only, type_in,
};

#[test]
fn a_url_spelled_otherwise() {
    for origin in [&format!("{MATHLIB}.git"), "git@github.com:leanprover-community/mathlib4"] {
        for sandbox in [sound(), shared(sound())] {
            set_origin(&sandbox, &sandbox.package("mathlib"), origin);
            let finding = only(&sandbox, "note", "url-spelling");
            says(&finding, &[&format!("`{origin}`"), &format!("`{MATHLIB}`")]);
            assert!(findings_after(&sandbox, &finding).is_empty(), "for the shell at hand");
            follow(&sandbox, &finding);
        }
    }
}

#[test]
fn a_url_that_the_user_rewrites() {
    let sandbox = sound();
    let config = sandbox.read("home/.gitconfig");
    let rewrite = "[url \"https://git.company.example/\"]\n\tinsteadOf = https://github.com/\n";
    sandbox.write("home/.gitconfig", config + rewrite);
    let finding = only(&sandbox, "note", "url-spelling");
    says(&finding, &["https://git.company.example/leanprover-community/mathlib4", MATHLIB]);
}

#[test]
fn another_repository() {
    let sandbox = sound();
    set_origin(&sandbox, &sandbox.package("mathlib"), FORK);
    let finding = only(&sandbox, "warning", "other-repository");
    says(&finding, &[FORK, MATHLIB, "at the locked revision"]);
    follow(&sandbox, &finding);
    sandbox.git(&sandbox.package("mathlib"), &["remote", "remove", "origin"]);
    says(&only(&sandbox, "warning", "other-repository"), &["No such remote"]);
    set_origin_anew(&sandbox);
    commit(&sandbox, &sandbox.package("mathlib"));
    set_origin(&sandbox, &sandbox.package("mathlib"), FORK);
    let finding = only(&sandbox, "warning", "other-repository");
    says(&finding, &["Lake deletes it and clones again"]);
}

fn set_origin_anew(sandbox: &Sandbox) {
    sandbox.git(&sandbox.package("mathlib"), &["remote", "add", "origin", MATHLIB]);
    none(sandbox);
}

#[test]
fn a_fork_in_a_shared_directory() {
    let sandbox = shared(sound());
    let clone = sandbox.package("mathlib");
    set_origin(&sandbox, &clone, FORK);
    let finding = only(&sandbox, "warning", "fork-in-shared");
    says(&finding, &["at the locked revision"]);
    commit(&sandbox, &clone);
    let finding = only(&sandbox, "error", "fork-in-shared");
    says(&finding, &[FORK, MATHLIB, "the shim refuses", "`lake-shim unlink`"]);
    sandbox.lake("build").run().expect_code(1).stderr_contains("Lake would delete");
    sandbox.lake_shim("unlink").run().expect_code(0);
    sandbox.clone_packages(&sandbox.packages());
    none(&sandbox);
}

#[test]
fn a_fork_that_only_resolving_anew_would_delete() {
    let sandbox = shared(sound());
    set_origin(&sandbox, &sandbox.package("mathlib"), FORK);
    sandbox.remove("app/lake-manifest.json");
    let checks: Vec<_> = findings(&sandbox).iter().map(|f| text(f, "check")).collect();
    assert_eq!(checks, ["fork-in-shared", "manifest-missing"]);
}

#[test]
fn a_revision_that_is_not_the_locked_one() {
    for sandbox in [sound().online(), shared(sound().online())] {
        let moved = commit(&sandbox, &sandbox.package("batteries"));
        let (_, locked) = sandbox.locked("batteries");
        let finding = only(&sandbox, "warning", "head-moved");
        says(&finding, &["`batteries`", &moved[..10], &locked[..10]]);
        follow(&sandbox, &finding);
    }
}

#[test]
fn every_package_at_another_revision_is_one_finding() {
    let sandbox = sound().online();
    for name in ["mathlib", "batteries"] {
        commit(&sandbox, &sandbox.package(name));
    }
    let finding = only(&sandbox, "warning", "head-moved");
    says(&finding, &["2 packages", "`batteries`", "`mathlib`"]);
    follow(&sandbox, &finding);
}

#[test]
fn local_changes() {
    let sandbox = sound();
    let clone = sandbox.package("batteries");
    let toolchain = clone.join("lean-toolchain");
    let before = sandbox.read(&toolchain);
    sandbox.write(&toolchain, format!("{before}\n"));
    let finding = only(&sandbox, "warning", "local-changes");
    says(&finding, &["differs from HEAD in 1 file: ", "lean-toolchain", "stash"]);
    follow(&sandbox, &finding);
    // What is not tracked changes nothing.
    sandbox.write(clone.join("notes.txt"), "mine");
    none(&sandbox);
}

#[test]
fn a_clone_that_only_looks_changed_is_not_refreshed() {
    let sandbox = sound();
    // Newer, and the same: git would like to note that in its index.
    let file = sandbox.package("batteries").join("lean-toolchain");
    sandbox.write(&file, sandbox.read(&file));
    none(&sandbox);
}

#[test]
fn a_clone_that_git_cannot_read() {
    for (file, bytes) in [(".git/HEAD", "nonsense"), (".git/index", "nonsense")] {
        let sandbox = sound().online();
        sandbox.write(sandbox.package("batteries").join(file), bytes);
        let finding = only(&sandbox, "warning", "clone-damaged");
        says(&finding, &["/packages/batteries` fails", "fatal: "]);
        follow(&sandbox, &finding);
    }
    let sandbox = shared(sound());
    sandbox.write("shared/batteries/.git/HEAD", "nonsense");
    only(&sandbox, "error", "clone-damaged");
    sandbox.lake("build").run().expect_code(1).stderr_contains("Lake would delete");
}

#[test]
fn a_package_without_git() {
    let sandbox = sound().online();
    sandbox.remove(sandbox.package("mathlib").join(".git"));
    let finding = only(&sandbox, "warning", "package-without-git");
    says(&finding, &["/mathlib` has no `.git`", "Lake deletes it"]);
    type_in(&sandbox, &finding);
    none(&sandbox);
    let sandbox = shared(sound());
    sandbox.remove(sandbox.package("mathlib").join(".git"));
    says(&only(&sandbox, "error", "package-without-git"), &["the shim refuses"]);
}

#[test]
fn a_package_that_is_a_symlink() {
    let sandbox = sound();
    let (package, elsewhere) = (sandbox.package("mathlib"), sandbox.path("elsewhere/mathlib"));
    sandbox.rename(&package, &elsewhere).symlink(&elsewhere, &package);
    let finding = only(&sandbox, "warning", "package-symlink");
    says(&finding, &["`mathlib` is itself a symlink", "/elsewhere/mathlib`", "LAKE_PKG_DIR"]);
    type_in(&sandbox, &finding);
    sandbox.rename(&elsewhere, &package);
    none(&sandbox);
    sandbox.rename(&package, &elsewhere).symlink("/nowhere", &package);
    let findings = findings(&sandbox);
    assert!(findings[0].to_string().contains("leads nowhere"), "{findings:#?}");
}

#[test]
#[cfg_attr(not(has = "setpriv"), ignore = "needs setpriv")]
fn packages_of_another_user() {
    let sandbox = sound();
    sandbox.chown("app", NOBODY).chown("app/.lake/packages/mathlib", 0);
    sandbox.lake_shim("restore --network never").run().expect_code(0);
    let look = || findings_of_nobody(&sandbox);
    let finding = the_only(look(), "note", "package-owner");
    says(&finding, &["/mathlib`: it belongs to `root` (0)", "(65534)"]);
    let hint = text(&finding, "hint");
    let commands: Vec<_> = hint.split('`').skip(1).step_by(2).collect();
    let in_shell = |script: String| {
        of_nobody(sandbox.command("sh", "-c").arg(script)).run().expect_code(0).clone()
    };
    let doctor = format!("exec '{}' doctor --json", shim(&sandbox).display());
    // For the editor that is started from this shell; and then for good.
    assert_eq!(parse(&in_shell(format!("{}\n{doctor}", commands[0]))), [Value::Null; 0]);
    assert_eq!(look().len(), 1);
    in_shell(commands[1].to_owned());
    assert_eq!(look(), [Value::Null; 0]);
}

#[test]
fn sources_that_are_nowhere() {
    let mut sandbox = sound().online();
    sandbox.remove(sandbox.package("batteries"));
    let finding = only(&sandbox, "note", "sources-missing");
    says(&finding, &["`batteries`", "`lake resolve-deps`"]);
    sandbox.set_env("LAKE_SHIM_NETWORK", "never");
    only(&sandbox, "error", "sources-missing");
    follow(&sandbox, &finding);
}

#[test]
fn a_path_dependency_that_is_not_there() {
    let sandbox = sound();
    sandbox.write("local/lakefile.toml", "name = \"local\"\n");
    let entry = "{\"type\": \"path\", \"name\": \"local\", \"dir\": \"../local\", \"inherited\": false},\n  {";
    edit(&sandbox, "app/lake-manifest.json", "[{", &format!("[{entry}"));
    none(&sandbox);
    sandbox.rename("local", "elsewhere");
    let findings = findings(&sandbox);
    let checks: Vec<_> = findings.iter().map(|f| text(f, "check")).collect();
    assert_eq!(checks, ["path-dependency"], "{findings:#?}");
    says(&findings[0], &["`local`", "app/../local"]);
    sandbox.rename("elsewhere", "local");
    none(&sandbox);
}
