//! mathlib's hook after an update.

use shim_tests::Sandbox;

/// The mini-mathlib with what the fake takes for the hook in mathlib's lakefile.
fn with_hook() -> Sandbox {
    let sandbox = Sandbox::mini_mathlib().online().with_cloud();
    let lakefile = sandbox.package("mathlib").join("lakefile.lean");
    let hook = sandbox.read(&lakefile) + "-- post_update: MATHLIB_NO_CACHE_ON_UPDATE\n";
    sandbox.write(lakefile, hook);
    sandbox
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn an_update_runs_the_cache_tool_fake_lake_only() {
    for dialect in ["4.16", "4.27", "4.35"] {
        let sandbox = with_hook();
        let update = sandbox.real_lake("update -d ../app").cwd("home");
        let run = update.env("FAKE_LAKE_DIALECT", dialect).run();
        run.expect_code(0).stderr_contains("mathlib: running post-update hooks");
        sandbox.expect_all_restored();
        let calls = sandbox.lake_calls();
        let [lake, tool] = calls.as_slice() else { panic!("{calls:?}") };
        assert!(!lake.is_hook() && tool.is_hook());
        assert_eq!((tool.line().as_str(), &tool.cwd), ("get", &sandbox.workspace()));
        assert_eq!(tool.var("MATHLIB_NO_CACHE_ON_UPDATE"), None);
    }
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn a_variable_switches_the_hook_off_fake_lake_only() {
    let sandbox = with_hook();
    let update = sandbox.real_lake("update").env("MATHLIB_NO_CACHE_ON_UPDATE", "1");
    update.run().expect_code(0);
    sandbox.expect_restored(&[]);
    let calls = sandbox.lake_calls();
    let [lake] = calls.as_slice() else { panic!("{calls:?}") };
    assert_eq!(lake.var("MATHLIB_NO_CACHE_ON_UPDATE").as_deref(), Some("1"));
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn the_hook_runs_only_where_lake_resolves_fake_lake_only() {
    let sandbox = with_hook();
    let hooks = || sandbox.lake_calls().iter().filter(|call| call.is_hook()).count();
    sandbox.real_lake("build").run().expect_code(0);
    assert_eq!(hooks(), 0);
    // Lake updates if there is no manifest.
    sandbox.remove("app/lake-manifest.json").real_lake("build").run().expect_code(0);
    assert_eq!(hooks(), 1);
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn a_hook_that_fails_fails_the_update_fake_lake_only() {
    let sandbox = with_hook();
    let run = sandbox.real_lake("update").env("FAKE_CLOUD_FAILURES", "1").run();
    run.expect_code(1).stderr_contains("error: mathlib: failed to fetch cache\n");
}
