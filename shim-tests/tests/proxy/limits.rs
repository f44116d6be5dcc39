//! Limits of the system that a restore before a build runs into: the build goes on.

use shim_tests::{Run, Sandbox};

/// A workspace on a baked store, with the sources of `batteries` still to be unpacked.
fn baked() -> Sandbox {
    let mut sandbox = Sandbox::mini_mathlib();
    sandbox.lake_shim("restore --network never").run().expect_code(0);
    let baked = sandbox.path("baked");
    sandbox.lake_shim("bake --level 1 --store").arg(&baked).run().expect_code(0);
    sandbox.set_env("LAKE_SHIM_STORE", baked).set_env("LAKE_SHIM_RESTORE", "baked");
    sandbox.script("told/lake", "echo built");
    sandbox
}

/// The packages that are missing before the command.
const MISSING: [&str; 3] = ["batteries", "mathlib/.lake", ""];

fn limited(sandbox: &Sandbox, limit: &str, words: &str) -> Run {
    let script = format!("{limit}; exec lake {words}");
    sandbox.shim_bin();
    let call = sandbox.command("sh", "-c").arg(script);
    call.env("LAKE_SHIM_LAKE", sandbox.path("told/lake")).run()
}

#[track_caller]
fn expect_built(sandbox: &Sandbox, run: &Run) {
    run.expect_code(0).expect_stdout("built\n").stderr_contains("lake-shim: ");
    assert!(sandbox.leftovers("").iter().all(|path| path.ends_with(".lake-shim.pack")), "{run}");
}

/// SIGXFSZ, which a write beyond the limit gets, is an error of the restore and no end of the build.
#[test]
fn a_limit_for_files_costs_no_build() {
    for missing in MISSING {
        for blocks in [0, 1, 8] {
            let sandbox = baked();
            sandbox.remove(sandbox.packages().join(missing).components().as_path());
            let run = limited(&sandbox, &format!("ulimit -f {blocks}"), "build");
            run.expect_code(0).expect_stdout("built\n");
            if blocks == 0 {
                expect_built(&sandbox, &run);
            }
            // Without the limit all is well.
            limited(&sandbox, ":", "build").expect_code(0).expect_stdout("built\n");
            sandbox.expect_all_restored();
        }
    }
}

/// Lake gets the signal as it would without the shim: its default action.
#[test]
fn the_limit_is_lakes_as_without_the_shim() {
    let sandbox = baked();
    sandbox.script("told/lake", "head -c 100000 /dev/zero >big; echo $?");
    let run = limited(&sandbox, "ulimit -f 1", "env true");
    let direct = sandbox.command("sh", "-c").arg("ulimit -f 1; exec ../told/lake").run();
    assert_eq!((run.code, run.signal, &run.stdout), (direct.code, direct.signal, &direct.stdout));
}

#[test]
fn other_limits_cost_no_build() {
    for limit in ["ulimit -n 16", "ulimit -u 100000", "ulimit -c 0", "ulimit -s 1024"] {
        let sandbox = baked();
        sandbox.remove(sandbox.package("batteries"));
        limited(&sandbox, limit, "build").expect_code(0).expect_stdout("built\n");
    }
}

/// An older container's seccomp profile denies `renameat2` with EPERM, an older kernel lacks it.
#[test]
#[cfg_attr(not(has = "strace"), ignore = "needs strace")]
fn a_denied_renameat2_costs_nothing() {
    for errno in ["EPERM", "ENOSYS", "EINVAL"] {
        let rule = format!("renameat2:error={errno}");
        for missing in MISSING {
            let sandbox = baked();
            sandbox.remove(sandbox.packages().join(missing).components().as_path());
            let call = sandbox.lake("exe cache get").env("LAKE_SHIM_NETWORK", "never");
            call.injected(&rule).run().expect_code(0).stderr_lacks("error");
            sandbox.expect_all_restored();
        }
        // From archives, without packs.
        let sandbox = Sandbox::mini_mathlib();
        let call = sandbox.lake("exe cache get").env("LAKE_SHIM_NETWORK", "never");
        call.injected(&rule).run().expect_code(0).stderr_contains("restored 11 modules");
        sandbox.expect_all_restored();
    }
}
