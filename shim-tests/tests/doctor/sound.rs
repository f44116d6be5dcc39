//! Where nothing is wrong, nothing is found.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use serde_json::Value;
use shim_tests::{NOBODY, Sandbox};

use crate::{
    bake, baked_and_fresh, doctor, findings_of_nobody, none, parse, shared, shim, sound,
    with_toolchain,
};

#[test]
fn a_workspace_with_a_store() {
    let sandbox = sound();
    none(&sandbox);
    sandbox.lake_shim("restore --network never").run().expect_code(0);
    none(&sandbox);
}

#[test]
fn a_fresh_checkout_with_a_baked_store() {
    let sandbox = baked_and_fresh();
    none(&sandbox);
    sandbox.lake("build").run().expect_code(0);
    none(&sandbox);
}

#[test]
fn a_shared_packages_directory() {
    let sandbox = shared(sound());
    none(&sandbox);
    bake(&sandbox);
    none(&sandbox);
}

#[test]
#[cfg_attr(not(has = "setpriv"), ignore = "needs setpriv")]
fn another_user_in_an_image() {
    let sandbox = baked_and_fresh();
    sandbox.chown("app", NOBODY);
    let findings = findings_of_nobody(&sandbox);
    assert!(findings.is_empty(), "{findings:#?}");
}

#[test]
fn a_directory_below_the_root() {
    let sandbox = sound();
    sandbox.mkdir("app/App/Sub");
    let run = doctor(&sandbox, "--json").cwd("app/App/Sub").run();
    assert!(parse(&run).is_empty(), "{run}");
    let run = doctor(&sandbox, "--json --dir").arg(sandbox.workspace()).cwd("home").run();
    assert!(parse(&run).is_empty(), "{run}");
}

#[test]
fn a_project_without_mathlib() {
    let mut sandbox = with_toolchain(Sandbox::empty());
    sandbox.write("app/lakefile.toml", "name = \"app\"\n");
    none(&sandbox);
    sandbox.set_env("LAKE_SHIM_NETWORK", "never");
    none(&sandbox);
    sandbox.remove("lean/bin/leantar");
    none(&sandbox);
}

#[test]
fn no_leantar_where_nothing_is_to_be_unpacked() {
    let mut sandbox = sound();
    sandbox.lake_shim("restore --network never").run().expect_code(0);
    let store = sandbox.path("baked");
    sandbox.lake_shim("bake --level 1 --format pack --store").arg(&store).run().expect_code(0);
    sandbox.remove("lean/bin/leantar").remove("toolchain/bin/leantar");
    sandbox.set_env("LAKE_SHIM_NETWORK", "never");
    // What is restored already needs no leantar, whatever the store.
    none(&sandbox);
    // Neither do packs.
    sandbox.set_env("LAKE_SHIM_STORE", store);
    none(&sandbox);
    sandbox.remove("app/.lake");
    none(&sandbox);
    doctor(&sandbox, "").run().expect_code(0).stdout_contains("not found, and not needed");
    sandbox.lake_shim("restore").run().expect_code(0);
    none(&sandbox);
}

#[test]
fn names_that_are_not_utf_8() {
    let sandbox = sound();
    let name = OsStr::from_bytes(b"caf\xe9");
    let app = sandbox.path(name);
    sandbox.rename("app", &app);
    for words in ["--json", ""] {
        let run = doctor(&sandbox, words).cwd(&app).env("LAKE_SHIM_STORE", app.join("store")).run();
        run.expect_code(1).stdout_contains("store-missing").stdout_contains("caf\u{fffd}");
    }
}

#[test]
fn facts_are_for_programs() {
    let sandbox = sound();
    let run = doctor(&sandbox, "--json").run();
    let report: Value = serde_json::from_str(&run.stdout).expect("JSON");
    let facts = &report["facts"];
    assert_eq!(facts["shim"]["path"], shim(&sandbox).display().to_string());
    assert_eq!(facts["lake"]["version"], "5.0.0-fake");
    assert_eq!(facts["lean"]["version"], "4.27.0");
    assert!(facts["leantar"]["version"].is_string(), "{run}");
    assert_eq!(facts["stores"][0]["cache_files"], 11);
    assert_eq!(facts["workspace"]["packages"], serde_json::json!(["mathlib", "batteries"]));
    assert_eq!(facts["restore"]["modules"]["to_unpack"], 11);
    assert_eq!(facts["packages"]["packages"][0]["head"], sandbox.locked("mathlib").1);
    assert!(facts["git"]["version"].is_string(), "{run}");
    assert_eq!(facts["settings"]["LAKE_SHIM_STORE"], sandbox.store().display().to_string());
}
