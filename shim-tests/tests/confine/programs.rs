//! Leantars of every kind, and stores in odd places: confined, they work as before.

use shim_tests::{Call, Run, Sandbox};

use crate::{expect_held, get};

/// That all is restored by a leantar that is held.
#[track_caller]
fn expect_restored_confined(sandbox: &Sandbox, call: Call) -> Run {
    let run = call.env("LAKE_SHIM_LOG", "debug").env("LAKE_SHIM_CONFINE", "always").run();
    run.expect_code(0).stderr_contains("restored 11 modules");
    expect_held(&run, "confined");
    sandbox.expect_all_restored();
    run
}

#[test]
#[cfg_attr(not(all(has = "landlock", has = "fake-lake")), ignore = "needs landlock, the fake lake")]
fn one_in_the_store() {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.rename("toolchain/bin/leantar", "store/leantar-0.1.16");
    expect_restored_confined(&sandbox, get(&sandbox));
}

#[test]
#[cfg_attr(not(all(has = "landlock", has = "fake-lake")), ignore = "needs landlock, the fake lake")]
fn one_behind_symlinks() {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.rename("toolchain/bin/leantar", "opt/leantar/bin/leantar");
    sandbox.symlink(sandbox.path("opt/leantar/bin/leantar"), "toolchain/bin/leantar");
    expect_restored_confined(&sandbox, get(&sandbox));
}

#[test]
#[cfg_attr(not(has = "landlock"), ignore = "needs landlock")]
fn one_that_is_a_script() {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.rename("toolchain/bin/leantar", "home/real-leantar");
    let body = "cd / && true > /dev/null && x=$(uname) && exec \"$HOME/real-leantar\" \"$@\"";
    sandbox.script("wrapper", body);
    let call = get(&sandbox).env("LAKE_SHIM_LEANTAR", sandbox.path("wrapper"));
    expect_restored_confined(&sandbox, call);
    // What it runs may write no more than it may itself.
    let sandbox = Sandbox::mini_mathlib();
    sandbox.script("wrapper", "echo a > \"$HOME/new\"; exec \"$REAL\" \"$@\"");
    let real = sandbox.toolchain_bin().join("leantar");
    let call =
        || get(&sandbox).env("LAKE_SHIM_LEANTAR", sandbox.path("wrapper")).env("REAL", &real);
    expect_restored_confined(&sandbox, call());
    assert!(!sandbox.path("home/new").exists());
    sandbox.remove(sandbox.package("mathlib").join(".lake"));
    call().env("LAKE_SHIM_CONFINE", "never").run().expect_code(0);
    assert!(sandbox.path("home/new").exists());
}

#[test]
#[cfg_attr(not(has = "landlock"), ignore = "needs landlock")]
fn one_named_by_a_relative_path() {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.rename("toolchain/bin/leantar", "app/leantar");
    for name in ["leantar", "./leantar"] {
        let _ = std::fs::remove_dir_all(sandbox.package("mathlib").join(".lake"));
        let _ = std::fs::remove_dir_all(sandbox.package("batteries").join(".lake"));
        expect_restored_confined(&sandbox, get(&sandbox).env("LAKE_SHIM_LEANTAR", name));
    }
}

#[test]
#[cfg_attr(not(has = "landlock"), ignore = "needs landlock")]
fn stores_in_odd_places() {
    let sandbox = Sandbox::mini_mathlib();
    // Half of it here, half there, one file of each a link to somewhere else, and the first store a link itself.
    sandbox.mkdir("second").mkdir("blobs");
    let entries = std::fs::read_dir(sandbox.store()).expect("a store").flatten();
    for (i, entry) in entries.enumerate() {
        let name = entry.file_name();
        let store = if i % 2 == 0 { sandbox.store() } else { sandbox.path("second") };
        if i % 4 < 2 {
            sandbox.rename(entry.path(), sandbox.path("blobs").join(&name));
            sandbox.symlink(sandbox.path("blobs").join(&name), store.join(&name));
        } else {
            sandbox.rename(entry.path(), store.join(&name));
        }
    }
    sandbox.symlink(sandbox.store(), "first");
    let stores = format!("{}:../second", sandbox.path("first").display());
    expect_restored_confined(&sandbox, get(&sandbox).env("LAKE_SHIM_STORE", stores));
}

#[test]
#[cfg_attr(not(all(has = "landlock", has = "mount")), ignore = "needs landlock, mount")]
fn a_workspace_and_a_store_on_an_overlay() {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.shim_bin();
    // As in a container: what lies in the image is lower, what is written is upper.
    let mount = "mount -t tmpfs tmpfs \"$UP\" && mkdir \"$UP/upper\" \"$UP/work\" && \
                 mount -t overlay -o lowerdir=\"$ROOT\",upperdir=\"$UP/upper\",workdir=\"$UP/work\" overlay \"$ROOT\" && \
                 cd \"$ROOT/app\" && lake exe cache get && \
                 test \"$(find .lake/packages -name '*.trace' | wc -l)\" = 11";
    let unshare = shim_tests::tools::find_on_path("unshare").expect("needed");
    let run = sandbox
        .command(unshare, "--mount -- /bin/sh -ec")
        .arg(mount)
        .cwd("")
        .env("UP", "/mnt")
        .env("ROOT", sandbox.path(""))
        .env(
            "PATH",
            format!("{}:/usr/bin:/bin:/usr/sbin:/sbin", sandbox.path("shim/bin").display()),
        )
        .env("LAKE_SHIM_LEANTAR", sandbox.toolchain_bin().join("leantar"))
        .env("LAKE_SHIM_NETWORK", "never")
        .env("LAKE_SHIM_LOG", "debug")
        .env("LAKE_SHIM_CONFINE", "always")
        .run();
    run.expect_code(0).stderr_contains("restored 11 modules");
    expect_held(&run, "confined");
    sandbox.expect_restored(&[]);
}
