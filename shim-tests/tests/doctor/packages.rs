//! Packages: whose they are, where they come from, where their HEAD is.

use serde_json::Value;
use shim_tests::NOBODY;

use crate::{
    FORK, MATHLIB, edit, findings, findings_after, findings_of_nobody, follow, move_head, none,
    of_nobody, only, parse, says, set_origin, shared, shim, sound, text, the_only, type_in,
};

#[test]
fn a_url_spelled_otherwise() {
    for origin in [&format!("{MATHLIB}.git"), "git@github.com:leanprover-community/mathlib4"] {
        for sandbox in [sound(), shared(sound())] {
            let clone = sandbox.package("mathlib");
            set_origin(&sandbox, &clone, origin);
            // At its locked revision no Lake compares it.
            none(&sandbox);
            move_head(&sandbox, &clone);
            let finding = beside_the_move(findings(&sandbox), "url-spelling");
            says(&finding, &[&format!("`{origin}`"), &format!("`{MATHLIB}`")]);
            // For the shell at hand; and then for good.
            the_only(findings_after(&sandbox, &finding), "warning", "head-moved");
            type_in(&sandbox, &finding);
            only(&sandbox, "warning", "head-moved");
        }
    }
}

/// The note that there is beside the warning that HEAD is another revision.
#[track_caller]
fn beside_the_move(findings: Vec<Value>, check: &str) -> Value {
    let checks: Vec<_> = findings.iter().map(|f| (text(f, "severity"), text(f, "check"))).collect();
    let expected = [("warning", "head-moved"), ("note", check)];
    assert_eq!(checks, expected.map(|(severity, check)| (severity.into(), check.into())));
    findings.into_iter().next_back().unwrap_or_default()
}

#[test]
fn a_url_that_the_user_rewrites() {
    let sandbox = sound();
    let config = sandbox.read("home/.gitconfig");
    let rewrite = "[url \"https://git.company.example/\"]\n\tinsteadOf = https://github.com/\n";
    sandbox.write("home/.gitconfig", config + rewrite);
    none(&sandbox);
    move_head(&sandbox, &sandbox.package("mathlib"));
    let finding = beside_the_move(findings(&sandbox), "url-spelling");
    says(&finding, &["https://git.company.example/leanprover-community/mathlib4", MATHLIB]);
}

#[test]
fn another_repository() {
    let sandbox = sound();
    let clone = sandbox.package("mathlib");
    set_origin(&sandbox, &clone, FORK);
    let finding = only(&sandbox, "note", "other-repository");
    says(&finding, &[FORK, MATHLIB, "at the locked revision", "`lake update` replaces it"]);
    follow(&sandbox, &finding);
    sandbox.git(&clone, &["remote", "remove", "origin"]);
    says(&only(&sandbox, "note", "other-repository"), &["No such remote"]);
    sandbox.git(&clone, &["remote", "add", "origin", FORK]);
    move_head(&sandbox, &clone);
    let finding = only(&sandbox, "warning", "other-repository");
    says(&finding, &["Lake replaces it; no work in it would be lost"]);
    // Where work would be lost, the guard refuses.
    sandbox.write(clone.join("Mine.lean"), "");
    let finding = only(&sandbox, "error", "other-repository");
    says(&finding, &[FORK, MATHLIB, "Lost would be: untracked `Mine.lean`"]);
    sandbox.lake("build").run().expect_code(1).stderr_contains(&text(&finding, "message"));
}

#[test]
fn a_fork_in_a_shared_directory() {
    let sandbox = shared(sound());
    let clone = sandbox.package("mathlib");
    set_origin(&sandbox, &clone, FORK);
    let finding = only(&sandbox, "note", "fork-in-shared");
    says(&finding, &["at the locked revision", "`lake update` is refused"]);
    sandbox.lake("update").run().expect_code(1).stderr_contains("Lake would delete it");
    move_head(&sandbox, &clone);
    let finding = only(&sandbox, "error", "fork-in-shared");
    says(&finding, &[FORK, MATHLIB, "Lake would delete it", "`lake-shim unlink`"]);
    sandbox.lake("build").run().expect_code(1).stderr_contains("Lake would delete it");
    sandbox.lake_shim("unlink").run().expect_code(0);
    sandbox.clone_packages(&sandbox.packages());
    none(&sandbox);
}

#[test]
fn a_fork_that_only_resolving_would_delete() {
    let sandbox = shared(sound());
    set_origin(&sandbox, &sandbox.package("mathlib"), FORK);
    sandbox.remove("app/lake-manifest.json");
    let findings = findings(&sandbox);
    let checks: Vec<_> = findings.iter().map(|f| text(f, "check")).collect();
    assert_eq!(checks, ["refused", "manifest-missing"]);
    says(&findings[0], &[FORK, MATHLIB, "Lake would delete it", "`lake-shim unlink`"]);
}

#[test]
fn a_revision_that_is_not_the_locked_one() {
    for sandbox in [sound().online(), shared(sound().online())] {
        let moved = move_head(&sandbox, &sandbox.package("batteries"));
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
        move_head(&sandbox, &sandbox.package(name));
    }
    let finding = only(&sandbox, "warning", "head-moved");
    says(&finding, &["2 packages", "`batteries`", "`mathlib`"]);
    follow(&sandbox, &finding);
}

#[test]
fn a_commit_that_is_nowhere_else() {
    let sandbox = sound().online();
    let clone = sandbox.package("batteries");
    sandbox.write(clone.join("Mine.lean"), "");
    let mine = sandbox.commit(&clone);
    let finding = only(&sandbox, "error", "refused");
    says(&finding, &["`batteries` in `", "Lost would be: only here: `", &mine[..7], "push"]);
    sandbox.lake("build").run().expect_code(1).stderr_contains(&text(&finding, "message"));
    // On a branch it stays.
    sandbox.git(&clone, &["branch", "mine"]);
    follow(&sandbox, &only(&sandbox, "warning", "head-moved"));
}

#[test]
fn a_revision_that_another_workspace_needs() {
    let sandbox = shared(sound());
    sandbox.copy("app", "other").lake_shim("link").cwd("other").run().expect_code(0);
    let (_, locked) = sandbox.locked("batteries");
    edit(&sandbox, "app/lake-manifest.json", &locked, &"1".repeat(40));
    let findings = findings(&sandbox);
    let finding = findings.iter().find(|f| f["check"] == "refused").expect("found");
    assert_eq!(finding["severity"], "error");
    says(finding, &["is at the revision that `", "/other` needs", "`lake-shim unlink`"]);
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
    // Without HEAD the guard refuses; without an index no Lake minds.
    let message = "Lake may delete what git cannot read";
    let seen = "/packages/batteries` fails";
    for (file, severity, said) in [(".git/HEAD", "error", message), (".git/index", "warning", seen)]
    {
        let sandbox = sound().online();
        sandbox.write(sandbox.package("batteries").join(file), "nonsense");
        let finding = only(&sandbox, severity, "clone-damaged");
        says(&finding, &[said, "fatal: "]);
        let build = sandbox.lake("env true").run();
        build.expect_code(i32::from(severity == "error"));
        follow(&sandbox, &finding);
    }
    let sandbox = shared(sound());
    sandbox.write("shared/batteries/.git/HEAD", "nonsense");
    only(&sandbox, "error", "clone-damaged");
    sandbox.lake("build").run().expect_code(1).stderr_contains(message);
}

#[test]
fn a_package_without_git() {
    let sandbox = sound().online();
    sandbox.remove(sandbox.package("mathlib").join(".git"));
    let finding = only(&sandbox, "error", "package-without-git");
    says(&finding, &["/mathlib` has no `.git` of its own: Lake would delete it"]);
    sandbox.lake("build").run().expect_code(1).stderr_contains(&text(&finding, "message"));
    follow(&sandbox, &finding);
    let sandbox = shared(sound());
    sandbox.remove(sandbox.package("mathlib").join(".git"));
    says(&only(&sandbox, "error", "package-without-git"), &["Lake would delete it"]);
}

#[test]
fn a_package_that_is_a_symlink() {
    let sandbox = sound();
    let (package, elsewhere) = (sandbox.package("mathlib"), sandbox.path("elsewhere/mathlib"));
    sandbox.rename(&package, &elsewhere).symlink(&elsewhere, &package);
    let finding = only(&sandbox, "note", "package-symlink");
    says(&finding, &["`mathlib` is itself a symlink", "/elsewhere/mathlib`", "bypasses the shim"]);
    follow(&sandbox, &finding);
    assert!(package.join("lakefile.lean").exists() && elsewhere.join("lakefile.lean").exists());
    sandbox.remove(&package).symlink("/nowhere", &package);
    let findings = findings(&sandbox);
    let finding = findings.iter().find(|f| f["check"] == "package-symlink").expect("found");
    assert_eq!(finding["severity"], "error");
    says(finding, &["leads nowhere"]);
    type_in(&sandbox, finding);
    sandbox.rename(&elsewhere, &package);
    none(&sandbox);
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
