//! Locks that do not serve, and two that do.

use shim_tests::Tree;

use super::{M, TOOLCHAIN, assert_refused, at, bake, manifest, requiring, revision, workspace};

#[test]
fn no_store_is_named_as_the_reason() {
    let mut sandbox = workspace(&at("v0"));
    assert_refused(&sandbox, &["no store has a lock", "lake-shim bake"]);
    sandbox.set_env("LAKE_SHIM_STORE", "");
    assert_refused(&sandbox, &["no store has a lock", "lake-shim bake"]);
}

#[test]
fn a_lock_for_another_toolchain_is_named() {
    let sandbox = workspace(&at("v0"));
    let id = bake(&sandbox, "v0");
    sandbox.write("app/lean-toolchain", "leanprover/lean4:v4.99.0\n");
    assert_refused(&sandbox, &["`leanprover/lean4:v4.99.0`", &id, TOOLCHAIN.trim()]);
}

#[test]
fn a_lock_older_than_the_require_is_named_with_both_revisions() {
    let sandbox = workspace(&at("v1"));
    let id = bake(&sandbox, "v0");
    assert_refused(&sandbox, &[&id, "`m`", "`v0`", "`v1`"]);
    let [old, new] = ["v0", "v2"].map(|tag| revision(&sandbox, tag));
    sandbox.write("app/lakefile.toml", at(&new));
    assert_refused(&sandbox, &[&id, "`m`", "`v0`", &new]);
    sandbox.write("app/lakefile.toml", at(&old));
    sandbox.lake_shim("resolve").run().expect_code(0);
    assert_eq!(sandbox.locked("m").1, old);
}

#[test]
fn a_dependencys_manifest_that_pins_another_revision_is_named_with_both() {
    let sandbox = workspace("name = \"root\"\n\n[[require]]\nname = \"lib\"\npath = \"lib\"\n");
    sandbox.write("app/lib/lakefile.toml", at("v1").replace("root", "lib"));
    sandbox.write("app/lib/lake-manifest.json", manifest(&sandbox, "v1").to_string());
    let id = bake(&sandbox, "v0");
    let [old, new] = ["v0", "v1"].map(|tag| revision(&sandbox, tag));
    assert_refused(&sandbox, &[&id, "`m`", &old, &new]);
}

#[test]
fn a_package_that_the_lock_does_not_have_is_named() {
    let more = "\n[[require]]\nname = \"n\"\ngit = \"https://example.org/org/n\"\n";
    let sandbox = workspace(&(at("v0") + more));
    let id = bake(&sandbox, "v0");
    let run = assert_refused(&sandbox, &[&id, "`n`", "does not have it"]);
    run.stderr_lacks("`m`");
}

#[test]
fn a_fork_is_named_with_both_urls() {
    let fork = "https://example.org/somebody/m";
    let sandbox = workspace(&at("v0").replace(M, fork));
    bake(&sandbox, "v0");
    assert_refused(&sandbox, &["`m`", M, fork]);
}

#[test]
fn another_directory_of_the_repository_is_named() {
    let sandbox = workspace(&(at("v0") + "subDir = \"sub\"\n"));
    bake(&sandbox, "v0");
    assert_refused(&sandbox, &["`m`", "`sub`"]);
}

#[test]
fn what_only_reservoir_knows_is_named() {
    for (how, parts) in [
        ("scope = \"org\"\nversion = \">= 1.0\"", &["`m`", "Reservoir", "`>= 1.0`"][..]),
        ("scope = \"org\"", &["`m`", "Reservoir", "org/m"]),
        ("scope = \"org\"\nrev = \"v0\"", &["`m`", "Reservoir", "org/m"]),
    ] {
        let sandbox = workspace(&requiring(how));
        bake(&sandbox, "v0");
        assert_refused(&sandbox, parts);
    }
}

#[test]
fn a_require_with_neither_source_nor_scope_is_ill_formed() {
    // Lake: `ill-formed dependency: dependency is missing a source and is missing a scope for Reservoir`.
    for how in ["", "rev = \"v0\"", "version = \"git#v0\""] {
        let sandbox = workspace(&requiring(how));
        bake(&sandbox, "v0");
        assert_refused(&sandbox, &["`m`"]);
    }
}

#[test]
fn two_locks_that_could_serve_are_named_and_one_can_be_chosen() {
    let sandbox = workspace(&requiring(&format!("git = \"{M}\"")));
    let ids = ["v0", "v1"].map(|tag| (bake(&sandbox, tag), revision(&sandbox, tag)));
    let [(one, _), (other, _)] = &ids;
    let run = assert_refused(&sandbox, &[one, other, "`m`", "--lock "]);
    // What the hint says works.
    let words = run.stderr.lines().find_map(|line| line.split_once("`lake-shim ")).expect("a hint");
    let words = words.1.split('`').next().expect("a command");
    sandbox.lake_shim(words).run().expect_code(0);
    for (id, rev) in &ids {
        sandbox.lake_shim("resolve --lock").arg(id).run().expect_code(0);
        assert_eq!(sandbox.locked("m").1, *rev);
        sandbox.remove("app/lake-manifest.json");
    }
    // So does what else it says.
    sandbox.write("app/lakefile.toml", at("v1"));
    sandbox.lake_shim("resolve").run().expect_code(0);
    assert_eq!(sandbox.locked("m").1, ids[1].1);
}

#[test]
fn two_locks_that_differ_in_what_is_not_used_are_no_question() {
    let sandbox = workspace("name = \"root\"\n");
    assert_ne!(bake(&sandbox, "v0"), bake(&sandbox, "v1"));
    sandbox.lake_shim("resolve").run().expect_code(0);
    sandbox.write("app/lakefile.toml", at("v0"));
    sandbox.lake_shim("resolve").run().expect_code(0);
}

#[test]
fn the_first_store_with_a_lock_that_serves_is_taken() {
    let mut sandbox = workspace(&requiring(&format!("git = \"{M}\"")));
    bake(&sandbox, "v0");
    sandbox.rename("baked", "other").mkdir("baked");
    bake(&sandbox, "v1");
    let [one, two] = ["other", "baked"].map(|store| sandbox.path(store).display().to_string());
    sandbox.set_env("LAKE_SHIM_STORE", format!("{one}:{two}"));
    sandbox.lake_shim("resolve").run().expect_code(0);
    assert_eq!(sandbox.locked("m").1, revision(&sandbox, "v0"));
}

#[test]
fn a_lock_that_is_nowhere_is_named() {
    let sandbox = workspace(&at("v0"));
    let id = bake(&sandbox, "v0");
    for lock in ["0123456789abcdef", "no/such/manifest.json"] {
        let all = Tree::of(sandbox.workspace());
        let run = sandbox.lake_shim("resolve --lock").arg(lock).run();
        run.expect_code(1).expect_stdout("").stderr_contains(lock).stderr_contains(&id);
        run.stderr_contains("\nhint: ");
        all.assert_unchanged();
    }
}

#[test]
fn a_lock_of_another_schema_is_named() {
    let sandbox = workspace(&at("v0"));
    bake(&sandbox, "v0");
    let index = "baked/lake-shim/index.json";
    let text = sandbox.read(index).replace("\"schema\": 1", "\"schema\": 99");
    sandbox.write(index, text);
    assert_refused(&sandbox, &["index.json", "99"]);
}
