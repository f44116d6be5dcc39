//! The workspace's own files.

use crate::{MATHLIB, doctor, edit, findings_of, follow, none, only, parse, says, sound, the_only};

#[test]
fn no_workspace() {
    let sandbox = sound();
    let finding = the_only(
        findings_of(&sandbox, doctor(&sandbox, "--json").cwd("home")),
        "note",
        "no-workspace",
    );
    says(&finding, &["/home` or above", "-d DIR"]);
    let run = doctor(&sandbox, "--json --dir").arg(sandbox.home()).run();
    let finding = the_only(parse(&run), "error", "no-workspace");
    says(&finding, &["/home"]);
}

#[test]
fn no_directory_to_be_in() {
    let sandbox = sound();
    let script = "mkdir gone && cd gone && rmdir ../gone; exec \"$0\" doctor --json";
    sandbox.symlink("/bin/rmdir", "tools/rmdir");
    let run = sandbox.command("sh", "-c").arg(script).arg(crate::shim(&sandbox)).run();
    let finding = the_only(parse(&run), "error", "no-directory");
    says(&finding, &["`cd`"]);
}

#[test]
fn a_manifest_that_nobody_understands() {
    let sandbox = sound();
    let manifest = sandbox.read("app/lake-manifest.json");
    for (text, why, hint) in [
        (&manifest[..manifest.len() / 2], "cannot understand", "git checkout"),
        ("{}", "it has no version", "know this version"),
        (&manifest.replace("1.1.0", "2.0.0"), "`2.0.0`", "know this version"),
    ] {
        sandbox.write("app/lake-manifest.json", text);
        let finding = only(&sandbox, "error", "manifest-unreadable");
        says(&finding, &[why, hint, "app/lake-manifest.json"]);
    }
    sandbox.write("app/lake-manifest.json", manifest);
    none(&sandbox);
}

#[test]
fn no_manifest() {
    let sandbox = sound().online();
    sandbox.remove("app/lake-manifest.json");
    let finding = only(&sandbox, "warning", "manifest-missing");
    says(&finding, &["no store has a lock", "`lake update`, with network"]);
    sandbox.lake("update").run().expect_code(0);
    let findings = crate::findings(&sandbox);
    assert!(!findings.iter().any(|f| f["check"] == "manifest-missing"), "{findings:#?}");
}

#[test]
fn a_manifest_that_a_store_can_write() {
    let sandbox = crate::baked_and_fresh();
    sandbox.remove("app/lake-manifest.json");
    let finding = only(&sandbox, "note", "manifest-missing");
    says(&finding, &["/baked` has the lock "]);
    follow(&sandbox, &finding);
}

#[test]
fn a_requirement_that_lake_does_not_take() {
    let sandbox = sound();
    let lakefile = sandbox.read("app/lakefile.toml");
    sandbox.write("app/lakefile.toml", format!("{lakefile}\n[[require]]\nname = \"x\"\ngit = 5\n"));
    let finding = only(&sandbox, "warning", "lakefile-require");
    says(&finding, &["`x` is required", "line "]);
    sandbox.write("app/lakefile.toml", lakefile);
    none(&sandbox);
}

#[test]
fn a_requirement_that_is_not_locked() {
    let sandbox = sound();
    let lakefile = sandbox.read("app/lakefile.toml");
    let extra = "\n[[require]]\nname = \"extra\"\ngit = \"https://example.org/extra\"\n";
    sandbox.write("app/lakefile.toml", format!("{lakefile}{extra}"));
    let finding = only(&sandbox, "error", "manifest-outdated");
    says(&finding, &["`extra` is required", "`lake update extra`"]);
    sandbox.write("app/lakefile.toml", lakefile);
    none(&sandbox);
}

#[test]
fn a_manifest_that_locks_another_repository() {
    let sandbox = sound();
    edit(&sandbox, "app/lakefile.toml", MATHLIB, crate::FORK);
    let finding = only(&sandbox, "warning", "manifest-outdated");
    says(&finding, &[MATHLIB, crate::FORK, "`lake update mathlib`"]);
}

#[test]
fn a_url_that_the_configuration_spells_otherwise() {
    let sandbox = sound();
    edit(&sandbox, "app/lakefile.toml", MATHLIB, &format!("{MATHLIB}.git"));
    let finding = only(&sandbox, "note", "lakefile-url");
    says(&finding, &[&format!("`{MATHLIB}.git`"), "Lake warns"]);
    follow(&sandbox, &finding);
}

#[test]
fn a_configuration_that_is_no_toml() {
    let sandbox = sound();
    let lakefile = sandbox.read("app/lakefile.toml");
    sandbox.write("app/lakefile.toml", format!("{lakefile}\n[[require"));
    let finding = only(&sandbox, "error", "lakefile");
    says(&finding, &["app/lakefile.toml", "line"]);
    sandbox.write("app/lakefile.toml", lakefile);
    none(&sandbox);
}

#[test]
fn overrides_that_nobody_understands() {
    let sandbox = sound();
    sandbox.write("app/.lake/package-overrides.json", "[]");
    let finding = only(&sandbox, "error", "workspace");
    says(&finding, &["package-overrides.json"]);
    sandbox.remove("app/.lake/package-overrides.json");
    none(&sandbox);
}

#[test]
fn a_toolchain_that_cannot_be_read() {
    let sandbox = sound();
    sandbox.write("app/lean-toolchain", [0xff, 0xfe]);
    let finding = only(&sandbox, "error", "lean-toolchain");
    says(&finding, &["app/lean-toolchain"]);
}

#[test]
fn a_toolchain_that_is_not_mathlibs() {
    let sandbox = sound();
    // The lean that runs is right, as far as its name tells; elan would choose another.
    sandbox.write("app/lean-toolchain", "leanprover/lean4:nightly\n");
    let finding = only(&sandbox, "error", "toolchain-mismatch");
    says(&finding, &["lean4:nightly`", "v4.27.0"]);
    follow(&sandbox, &finding);
    sandbox.remove("app/lean-toolchain");
    let finding = only(&sandbox, "error", "toolchain-mismatch");
    follow(&sandbox, &finding);
}
