//! Kernels that have no Landlock, or an old one: strace has this one answer so. A restore works there as ever, and it
//! is said how leantar runs.

use serde_json::Value;
use shim_tests::{Call, Run, Sandbox};

use crate::{expect_held, get};

const NONE: &str = "landlock_create_ruleset:error=ENOSYS";
const SWITCHED_OFF: &str = "landlock_create_ruleset:error=EOPNOTSUPP";

/// The first question is for the version; what is made afterwards is real.
fn version(abi: u32) -> String {
    format!("landlock_create_ruleset:retval={abi}:when=1+2")
}

/// Runs the shim in front of a kernel that answers so.
fn with_kernel<'a>(sandbox: &'a Sandbox, answer: &str, words: &str) -> Call<'a> {
    let shim = sandbox.shim_bin();
    let inject = format!("inject={answer}");
    let strace = shim_tests::tools::find_on_path("strace").expect("needed");
    let call = sandbox.command(strace, "-f -qq -o").arg(sandbox.path("logs/strace"));
    let call = call.args(["-e", "trace=/landlock", "-e", &inject]);
    let (program, words) = words.split_once(' ').expect("a program and words");
    call.arg(shim.join(program)).args(words.split_whitespace())
}

fn debug_get<'a>(sandbox: &'a Sandbox, answer: &str) -> Call<'a> {
    let call = with_kernel(sandbox, answer, "lake exe cache get");
    call.env("LAKE_SHIM_NETWORK", "never").env("LAKE_SHIM_LOG", "debug")
}

fn doctor(sandbox: &Sandbox, answer: &str) -> (Run, Vec<Value>, Value) {
    let run = with_kernel(sandbox, answer, "lake-shim doctor --json").run();
    let report: Value = serde_json::from_str(&run.stdout).unwrap_or_else(|e| panic!("{e}\n{run}"));
    let findings = report["findings"].as_array().cloned().unwrap_or_default();
    let about_leantar =
        |finding: &Value| finding["check"].as_str().is_some_and(|c| c.starts_with("leantar"));
    let findings = findings.into_iter().filter(about_leantar).collect();
    (run, findings, report["facts"]["leantar"]["landlock_abi"].clone())
}

#[test]
#[cfg_attr(not(has = "landlock"), ignore = "needs landlock")]
fn this_kernel_holds_leantar() {
    let sandbox = Sandbox::mini_mathlib();
    let run = get(&sandbox).env("LAKE_SHIM_LOG", "debug").env("LAKE_SHIM_CONFINE", "always").run();
    run.expect_code(0);
    expect_held(&run, "confined (Landlock ABI ");
    let report = sandbox.lake_shim("doctor --json").run();
    let report: Value = serde_json::from_str(&report.stdout).expect("JSON");
    assert!(report["facts"]["leantar"]["landlock_abi"].as_i64().is_some_and(|abi| abi >= 6));
    // A word of it only for those who ask.
    sandbox.remove(sandbox.package("mathlib").join(".lake"));
    get(&sandbox).run().expect_code(0).stderr_lacks("confined");
}

#[test]
#[cfg_attr(not(has = "strace"), ignore = "needs strace")]
fn without_landlock_a_restore_works() {
    for (answer, reason) in [
        (NONE, "this kernel has no Landlock"),
        (SWITCHED_OFF, "Landlock is switched off in this kernel"),
        (&version(1), "this kernel's Landlock is too old (ABI 1)"),
        ("landlock_add_rule:error=EPERM", "Landlock refuses the rules ("),
        // In sixteen other confinements already.
        ("landlock_restrict_self:error=E2BIG", "Landlock refuses ("),
        // Rules that lead nowhere, as on a file system with a new inode at every look.
        ("landlock_add_rule:retval=0", "Landlock does not work on the file system of `"),
    ] {
        let sandbox = Sandbox::mini_mathlib();
        let run = debug_get(&sandbox, answer).run();
        run.expect_code(0).stderr_contains("restored 11 modules");
        expect_held(&run, &format!("not confined: {reason}"));
        sandbox.expect_all_restored();
        let (run, findings, abi) = doctor(&sandbox, answer);
        assert_eq!((findings.len(), abi), (1, Value::Null), "{run}");
        assert_eq!(findings[0]["severity"], "note");
        assert_eq!(findings[0]["check"], "leantar-unconfined");
        assert!(findings[0]["evidence"][0].as_str().is_some_and(|e| e.contains(reason)), "{run}");
    }
}

#[test]
#[cfg_attr(not(all(has = "strace", has = "landlock")), ignore = "needs strace, landlock")]
fn an_older_landlock_does_what_it_can() {
    for (abi, lacks) in [
        (2, "truncating files (Linux 6.2), TCP (Linux 6.7), devices (Linux 6.10), signals"),
        (3, "does not cover TCP (Linux 6.7), devices"),
        (4, "does not cover devices (Linux 6.10), signals and abstract sockets (Linux 6.12)"),
        (5, "does not cover signals and abstract sockets (Linux 6.12)"),
    ] {
        let sandbox = Sandbox::mini_mathlib();
        let run = debug_get(&sandbox, &version(abi)).run();
        run.expect_code(0).stderr_contains("restored 11 modules");
        expect_held(&run, &format!("confined (Landlock ABI {abi})"));
        let (run, findings, found) = doctor(&sandbox, &version(abi));
        assert_eq!((findings.len(), found), (1, Value::from(abi)), "{run}");
        assert!(findings[0]["evidence"][0].as_str().is_some_and(|e| e.contains(lacks)), "{run}");
    }
}

#[test]
#[cfg_attr(not(all(has = "strace", has = "landlock")), ignore = "needs strace, landlock")]
fn doctor_tries_what_a_restore_would_use() {
    let mut sandbox = Sandbox::mini_mathlib();
    get(&sandbox).run().expect_code(0);
    let expect = |sandbox: &Sandbox, answer: &str, place: Option<&str>| {
        let (run, findings, abi) = doctor(sandbox, answer);
        let Some(place) = place else {
            return assert!(findings.is_empty() && abi.is_number(), "{run}");
        };
        let reason = format!("Landlock does not work on the file system of `{place}");
        assert_eq!((findings.len(), abi), (1, Value::Null), "{run}");
        assert!(findings[0]["evidence"][0].as_str().is_some_and(|e| e.contains(&reason)), "{run}");
    };
    let workspace = sandbox.path("app/.lake").display().to_string();
    expect(&sandbox, "landlock_add_rule:retval=0", Some(&workspace));
    // The first rule is for `/dev/null`. What is refused once may have been replaced meanwhile.
    expect(&sandbox, "landlock_add_rule:retval=0:when=2", None);
    // The first of all that is tried, by its name.
    let store = sandbox.path("a-store");
    sandbox.copy(sandbox.store(), &store);
    sandbox.set_env("LAKE_SHIM_STORE", &store);
    expect(&sandbox, "landlock_add_rule:retval=0", Some(&store.display().to_string()));
}

#[test]
#[cfg_attr(not(has = "strace"), ignore = "needs strace")]
fn who_insists_gets_an_error() {
    let sandbox = Sandbox::mini_mathlib();
    let run = debug_get(&sandbox, NONE).env("LAKE_SHIM_CONFINE", "always").run();
    run.expect_code(1)
        .stderr_contains("leantar cannot be confined: this kernel has no Landlock")
        .stderr_contains("set `LAKE_SHIM_CONFINE` to `auto`");
    sandbox.expect_restored(&[]);
    let call = with_kernel(&sandbox, NONE, "lake-shim doctor --confine always --json");
    call.run().expect_code(1).stdout_contains("leantar cannot be confined, and is not run without");
}
