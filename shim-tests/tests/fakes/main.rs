//! The fakes against the contracts of the real ones, so that tests of the shim may believe them. With
//! `SHIM_TEST_REAL_LAKE` and `SHIM_TEST_REAL_LEANTAR` the same tests hold the real ones to them.

mod cache;
mod dialects;
mod hook;
mod lake;
mod leantar;
mod materialize;

use serde_json::{Value, json};
use shim_tests::{NOBODY, Run, Sandbox, Tree, modules};

#[test]
fn sandbox_is_a_workspace_that_lake_accepts() {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.expect_restored(&[]);
    let packages = Tree::of(sandbox.packages());
    sandbox
        .real_lake("resolve-deps")
        .run()
        .expect_code(0)
        .stderr_lacks("cloning")
        .stderr_lacks("changes");
    packages.assert_same_content();
}

#[test]
#[cfg_attr(not(all(has = "unshare", has = "setpriv")), ignore = "needs unshare, setpriv")]
fn a_run_can_be_without_network_and_another_user() {
    let sandbox = Sandbox::empty();
    let run = sandbox
        .command("sh", "-c")
        .arg("id -u; cat /proc/net/dev")
        .without_network()
        .as_user(NOBODY)
        .run();
    run.expect_code(0).stdout_contains("65534\n").stdout_lacks("eth0");
}

fn unpack_all(sandbox: &Sandbox) -> Run {
    leantar(sandbox, &[], &all(sandbox))
}

fn all(sandbox: &Sandbox) -> Vec<Value> {
    modules().iter().map(|module| list_entry(sandbox, &module.name)).collect()
}

fn leantar(sandbox: &Sandbox, options: &[&str], list: &[Value]) -> Run {
    sandbox
        .command("leantar", "")
        .args(options)
        .args(["-x", "-j", "-"])
        .stdin(json!(list).to_string())
        .run()
}

/// As mathlib's tool lists it in a downstream workspace.
fn list_entry(sandbox: &Sandbox, module: &str) -> Value {
    let file = sandbox.ltar(module);
    match module.starts_with("Mathlib") {
        true => json!({ "file": file, "base": sandbox.package("mathlib") }),
        false => json!(file),
    }
}
