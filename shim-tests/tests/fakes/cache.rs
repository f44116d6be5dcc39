//! mathlib's `cache` tool as the fake lake plays it.

use shim_tests::{Sandbox, Tree};

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn cache_get_downloads_and_unpacks_fake_lake_only() {
    let sandbox = Sandbox::mini_mathlib().with_cloud();
    let cache = sandbox.home().join(".cache/mathlib");
    sandbox.real_lake("exe cache").run().expect_code(0).stdout_contains("Usage: cache");
    let get = || sandbox.real_lake("exe cache get").run();
    get()
        .expect_code(0)
        .stdout_contains("Attempting to download 11")
        .stdout_contains("Completed successfully!");
    sandbox.expect_all_restored();
    assert_eq!(Tree::of(&cache).files().len(), 11, "neither curl.cfg nor a .part is left");
    get()
        .expect_code(0)
        .stdout_contains("No files to download")
        .stdout_contains("Already decompressed 11");
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn cache_get_of_a_module_brings_its_imports_fake_lake_only() {
    let sandbox = Sandbox::mini_mathlib().with_cloud();
    let run = sandbox.real_lake("exec mathlib/cache get Mathlib/Order/Basic.lean").run();
    run.expect_code(0).stdout_contains("Decompressing 3");
    sandbox.expect_restored(&["Mathlib.Order.Basic", "Mathlib.Init", "Batteries.Data.N"]);
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn cache_get_fails_without_a_cloud_fake_lake_only() {
    let sandbox = Sandbox::mini_mathlib();
    let run = sandbox.real_lake("exe cache get").run();
    run.expect_code(1)
        .stdout_contains("Could not resolve host")
        .stdout_contains("11 download(s) failed");
    // What is all there needs none.
    let run = sandbox.real_lake("exe cache get").env("MATHLIB_CACHE_DIR", sandbox.store()).run();
    run.expect_code(0);
    sandbox.expect_all_restored();
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn cache_get_fails_as_often_as_asked_fake_lake_only() {
    let sandbox = Sandbox::mini_mathlib().with_cloud();
    let get = || sandbox.real_lake("exe cache get").env("FAKE_CLOUD_FAILURES", "2").run();
    get().expect_code(1);
    get().expect_code(1);
    get().expect_code(0);
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn cache_prints_success_though_leantar_deleted_a_file_fake_lake_only() {
    let sandbox = Sandbox::mini_mathlib();
    let ltar = sandbox.ltar("Mathlib.Init");
    sandbox.truncate(&ltar);
    let run = sandbox.real_lake("exe cache get").env("MATHLIB_CACHE_DIR", sandbox.store()).run();
    run.expect_code(0)
        .stdout_contains("Completed successfully!")
        .stderr_contains("removing corrupted file");
    assert!(!ltar.exists());
}
