//! One packages directory for several workspaces: other revisions, the first use by many at once, locks that others hold
//! or that do not exclude.

use std::path::{Path, PathBuf};
use std::time::Duration;

use shim_tests::{Call, NOBODY, Run, Running, Sandbox, Tree};

use crate::packages::{edit_packages, upstream};

const SHARED: &str = "shared";

/// Workspaces `one` and `two` on the package `a`, each locked to its own revision of it, with one directory for both.
fn two() -> Sandbox {
    let mut sandbox = Sandbox::empty();
    let url = upstream(&sandbox, "a");
    let revision = |name: &str| sandbox.git(Path::new(&url), &["rev-parse", name]);
    let revisions = [revision("HEAD~1"), revision("HEAD")];
    for (workspace, rev) in ["one", "two"].into_iter().zip(revisions) {
        crate::packages::lock_package(&sandbox, workspace, "a");
        edit_packages(&sandbox, workspace, |packages| packages[0]["rev"] = rev.into());
        let require = format!("\n[[require]]\nname = \"a\"\ngit = \"{url}\"\nrev = \"master\"\n");
        sandbox.write(format!("{workspace}/lakefile.toml"), format!("name = \"app\"\n{require}"));
    }
    let shared = sandbox.path(SHARED);
    sandbox.set_env("LAKE_PKG_DIR", shared);
    sandbox
}

fn head(sandbox: &Sandbox) -> String {
    sandbox.git(&sandbox.path("shared/a"), &["rev-parse", "HEAD"])
}

#[test]
fn a_package_is_not_moved_from_under_another_workspace() {
    let sandbox = two();
    sandbox.lake("resolve-deps").cwd("one").run().expect_code(0);
    let (first, before) = (head(&sandbox), Tree::of(sandbox.path("shared/a")));
    for words in
        ["build", "resolve-deps", "env true", "frobnicate", "update", "update a", "build -U"]
    {
        let run = sandbox.lake(words).cwd("two").run();
        run.expect_code(1).expect_stdout("").stderr_contains("lake-shim: error: `a` in `");
        run.stderr_contains("needs, and Lake would check out another one");
        run.stderr_contains(&format!("`{}`", sandbox.path("one").display()));
        run.stderr_contains("\nhint: `lake-shim unlink`, or `LAKE_SHIM_PRIVATE=1`");
        before.assert_same_content();
    }
    sandbox.lake("env printf x").cwd("one").run().expect_code(0).expect_stdout("x");
    assert_eq!(head(&sandbox), first);
    // The hint helps.
    let run = sandbox.lake("env printf x").cwd("two").env("LAKE_SHIM_PRIVATE", "1").run();
    run.expect_code(0).expect_stdout("x");
    assert!(sandbox.path("two/.lake/packages/a/Second.lean").exists());
    assert_eq!(head(&sandbox), first);
    before.assert_same_content();
}

/// A cache that was restored from another lock: the directory moves on with the only workspace that uses it.
#[test]
fn a_directory_that_only_this_workspace_uses_moves_on() {
    for gone in ["deleted", "unlinked", "relocked", "elsewhere", "never there"] {
        let sandbox = two();
        if gone == "never there" {
            sandbox.lake("resolve-deps").cwd("one").run().expect_code(0);
            sandbox.remove("shared/.lake-shim"); // restored without the record
        } else {
            sandbox.lake("resolve-deps").cwd("one").run().expect_code(0);
        }
        match gone {
            "deleted" => {
                sandbox.remove("one");
            }
            "unlinked" => {
                sandbox.lake_shim("unlink").cwd("one").run().expect_code(0);
            }
            "relocked" => {
                sandbox.copy("two/lake-manifest.json", "one/lake-manifest.json");
            }
            "elsewhere" => {
                let old = sandbox.path("one/.lake/packages");
                sandbox.remove(&old).symlink(sandbox.path("other"), &old);
            }
            _ => {}
        }
        let run = sandbox.lake("env printf x").cwd("two").run();
        assert_eq!((run.code, &*run.stdout), (Some(0), "x"), "{gone}: {run}");
        assert!(sandbox.path("shared/a/Second.lean").exists(), "{gone}: {run}");
    }
}

/// Another workspace's packages are not Lake's to look at.
#[test]
fn an_update_does_not_mind_what_it_does_not_require() {
    let sandbox = two();
    sandbox.lake("resolve-deps").cwd("one").run().expect_code(0);
    sandbox.write("three/lakefile.toml", "name = \"three\"\n");
    let (before, shared) = (Tree::of(sandbox.path("shared/a")), sandbox.path(SHARED));
    for broken in [false, true] {
        if broken {
            sandbox.mkdir("shared/leftover/.git").write("shared/leftover/x", "mine\n");
        }
        for words in ["update", "build -U", "env true"] {
            let run = sandbox.lake(words).cwd("three").run();
            run.expect_code(0).stderr_lacks("error");
            assert!(sandbox.path("three/.lake/packages").is_symlink() && shared.is_dir());
        }
    }
    before.assert_same_content();
    assert_eq!(sandbox.read("shared/leftover/x"), "mine\n");
}

// First use by a crowd

const CROWD: usize = 6;

/// Workspaces with one lock, a store for it, and nothing in the shared directory yet.
fn crowd() -> Sandbox {
    let mut sandbox = Sandbox::mini_mathlib().online();
    for i in 0..CROWD {
        sandbox.copy("app", format!("ws{i}")).remove(format!("ws{i}/.lake"));
    }
    let shared = sandbox.path(SHARED);
    sandbox.set_env("LAKE_PKG_DIR", shared);
    sandbox
}

fn at_once(sandbox: &Sandbox, words: &str, with: impl Fn(Call<'_>) -> Call<'_>) -> Vec<Run> {
    let start = |i| with(sandbox.lake(words).cwd(format!("ws{i}"))).spawn();
    let running: Vec<Running> = (0..CROWD).map(start).collect();
    running.into_iter().map(Running::wait).collect()
}

#[track_caller]
fn expect_all_there(sandbox: &Sandbox, runs: &[Run]) {
    for run in runs {
        run.expect_code(0).stderr_lacks("deleting").stderr_lacks("error");
    }
    let names: Vec<_> = shim_tests::modules().iter().map(|module| module.name.as_str()).collect();
    sandbox.expect_restored_below(SHARED, &names);
    for name in ["mathlib", "batteries"] {
        let package = sandbox.path(SHARED).join(name);
        assert_eq!(sandbox.git(&package, &["rev-parse", "HEAD"]), sandbox.locked(name).1);
        assert_eq!(sandbox.git(&package, &["status", "--porcelain"]), "");
        let fsck = sandbox.git(&package, &["fsck", "--connectivity-only"]);
        assert!(!fsck.contains("missing"), "{fsck}");
    }
    assert!(sandbox.leftovers(SHARED).is_empty(), "{:?}", sandbox.leftovers(SHARED));
}

#[test]
fn the_first_use_by_a_crowd_is_whole_for_everyone() {
    for words in ["exe cache get", "build --no-build Mathlib"] {
        let mut sandbox = crowd();
        sandbox.set_env("LAKE_SHIM_RESTORE", "always");
        let runs = at_once(&sandbox, words, |call| call);
        expect_all_there(&sandbox, &runs);
    }
}

/// NFS with local locks, virtiofs, 9p: each process gets every lock. With the packages there, nothing is lost.
#[test]
#[cfg_attr(not(has = "strace"), ignore = "needs strace")]
fn locks_that_do_not_exclude_lose_nothing() {
    for _ in 0..2 {
        let sandbox = crowd();
        sandbox.clone_packages(&sandbox.path(SHARED));
        let runs = at_once(&sandbox, "exe cache get", |call| {
            call.env("LAKE_SHIM_NETWORK", "never").injected("flock:retval=0")
        });
        expect_all_there(&sandbox, &runs);
    }
}

/// Packs, sources included, for an empty directory.
#[test]
#[cfg_attr(not(has = "strace"), ignore = "needs strace")]
fn locks_that_do_not_exclude_lose_nothing_of_packs() {
    let mut sandbox = Sandbox::mini_mathlib();
    sandbox.lake_shim("restore --network never").run().expect_code(0);
    let baked = sandbox.path("baked");
    sandbox.lake_shim("bake --level 1 --store").arg(&baked).run().expect_code(0);
    for i in 0..CROWD {
        sandbox.copy("app", format!("ws{i}")).remove(format!("ws{i}/.lake"));
    }
    let shared = sandbox.path(SHARED);
    sandbox.set_env("LAKE_PKG_DIR", &shared).set_env("LAKE_SHIM_STORE", baked);
    sandbox.set_env("LAKE_SHIM_NETWORK", "never");
    for _ in 0..3 {
        let runs = at_once(&sandbox, "exe cache get", |call| call.injected("flock:retval=0"));
        for run in &runs {
            run.expect_code(0).stderr_lacks("error");
        }
        let names: Vec<_> =
            shim_tests::modules().iter().map(|module| module.name.as_str()).collect();
        sandbox.expect_restored_below(SHARED, &names);
        sandbox.remove(&shared);
        (0..CROWD).for_each(|i| {
            sandbox.remove(format!("ws{i}/.lake"));
        });
    }
}

// Locks that others hold

/// Starts a process that holds a lock on a path as long as it lives.
fn hold<'a>(sandbox: &'a Sandbox, path: &Path, user: Option<u32>) -> Running {
    let flock = shim_tests::tools::find_on_path("flock").expect("util-linux");
    let call = sandbox
        .command("sh", "-c")
        .arg("exec \"$FLOCK\" -x \"$0\" sh -c 'echo locked; exec sleep 600'");
    let call: Call<'a> = call.arg(path).env("FLOCK", flock);
    let call = if let Some(user) = user { call.as_user(user) } else { call };
    let running = call.cwd("tmp").spawn();
    running.wait_until_it_says("locked");
    running
}

fn end(running: Running) {
    let group = nix::unistd::Pid::from_raw(running.pid().cast_signed());
    let _ = nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL);
    running.wait();
}

/// Everybody who may read a directory may lock it: no such lock is waited for.
#[test]
#[cfg_attr(not(has = "setpriv"), ignore = "needs setpriv")]
fn a_lock_of_another_user_holds_nothing_up() {
    for is_shared in [false, true] {
        let mut sandbox = Sandbox::mini_mathlib();
        if is_shared {
            let shared = sandbox.path(SHARED);
            sandbox.set_env("LAKE_PKG_DIR", shared);
        }
        sandbox.set_env("LAKE_SHIM_NETWORK", "never").set_env("LAKE_SHIM_RESTORE", "always");
        sandbox.lake("exe cache get").run().expect_code(0); // makes the places for locks
        let packages = std::fs::canonicalize(sandbox.packages()).expect("a directory");
        let places: Vec<PathBuf> = [
            packages.clone(),
            packages.join("mathlib"),
            sandbox.store(),
            sandbox.workspace(),
            sandbox.path("app/.lake"),
            sandbox.path("app/.lake/lake-shim"),
            packages.join(".lake-shim"),
        ]
        .into_iter()
        .filter(|place| place.exists())
        .collect();
        let holders: Vec<_> =
            places.iter().map(|place| hold(&sandbox, place, Some(NOBODY))).collect();
        for package in ["mathlib", "batteries"] {
            sandbox.remove(sandbox.package(package).join(".lake"));
        }
        let call = sandbox.lake("env printf x").timeout(Duration::from_secs(60));
        let run = call.run();
        run.expect_code(0).expect_stdout("x").stderr_lacks("waiting");
        sandbox.expect_all_restored();
        holders.into_iter().for_each(end);
        // Ours cannot even be opened by one who may not write beside it.
        let ours = [sandbox.path("app/.lake/lake-shim/lock"), packages.join(".lake-shim/lock")];
        for lock in ours.iter().filter(|lock| lock.exists()) {
            let ls = sandbox.command("ls", "").arg(lock).as_user(NOBODY).cwd("tmp").run();
            assert_ne!(ls.code, Some(0), "{}: {ls}", lock.display());
        }
    }
}

/// One of the same user's: that is who else restores. It is said, and the end of waiting can be had.
#[test]
fn a_lock_of_ones_own_is_waited_for_and_said() {
    let mut sandbox = Sandbox::mini_mathlib();
    sandbox.set_env("LAKE_SHIM_NETWORK", "never");
    sandbox.lake("exe cache get").run().expect_code(0);
    sandbox.remove(sandbox.package("mathlib").join(".lake"));
    let lock = sandbox.path("app/.lake/lake-shim/lock");
    let holder = hold(&sandbox, &lock, None);
    let running = sandbox.lake("exe cache get").spawn();
    running.wait_until_it_says("waiting for ");
    std::thread::sleep(Duration::from_millis(200));
    end(holder);
    let run = running.wait();
    run.expect_code(0).stderr_contains("sleep 600").stderr_contains("restored 8 modules");
    sandbox.expect_all_restored();
}
