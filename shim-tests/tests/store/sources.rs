//! Source packs, as they come out again.

use std::fs;
use std::path::Path;

use shim_tests::{Sandbox, Tree, mini_mathlib, tools};

use crate::{bake, baked, baked_and_fresh, built, clear, expect_clones, restore, shard};

const BOTH: [&str; 2] = ["mathlib", "batteries"];

/// Unpacks a package's sources by hand.
fn unpack(sandbox: &Sandbox, package: &str, into: &str) {
    sandbox.mkdir(into);
    let run = sandbox
        .command("tar", "--zstd -xf")
        .arg(shard(sandbox, package, "source"))
        .arg("-C")
        .arg(sandbox.path(into))
        .run();
    run.expect_code(0);
}

#[test]
#[cfg_attr(not(has = "zstd"), ignore = "needs zstd")]
fn tar_and_git_take_a_shard_by_themselves() {
    let sandbox = built();
    bake(&sandbox, "").run().expect_code(0);
    for package in BOTH {
        let into = format!("unpacked/{package}");
        unpack(&sandbox, package, &into);
        let git = |args: &[&str]| {
            sandbox.git(&sandbox.path(&into), &[&["-c", "safe.directory=*"], args].concat())
        };
        let (url, rev) = sandbox.locked(package);
        assert_eq!(git(&["rev-parse", "HEAD"]), rev);
        assert_eq!(git(&["remote", "get-url", "origin"]), url);
        git(&["fsck", "--strict"]);
        assert_eq!(git(&["status", "--porcelain"]), "");
        assert_eq!(git(&["rev-list", "--count", "HEAD"]), "1", "shallow");
    }
}

#[test]
#[cfg_attr(not(has = "zstd"), ignore = "needs zstd")]
fn nothing_of_the_bakers_machine_is_in_a_source_pack() {
    let sandbox = built();
    let mathlib = sandbox.package("mathlib");
    let config = sandbox.read(mathlib.join(".git/config"));
    sandbox
        .write(mathlib.join(".git/config"), format!("{config}[user]\n\tname = Bakers Name\n"))
        .write(mathlib.join(".git/hooks/post-checkout"), "#!/bin/sh\ntouch /tmp/hooked\n")
        .write(mathlib.join("untracked-secret"), "s3cret")
        .write(mathlib.join(".git/info/exclude"), "untracked-secret\n");
    sandbox.git(&mathlib, &["branch", "private-branch"]);
    sandbox.git(&mathlib, &["tag", "private-tag"]);
    bake(&sandbox, "").run().expect_code(0);
    let sandbox_path = sandbox.path("");
    let root = sandbox_path.to_string_lossy();
    for package in BOTH {
        unpack(&sandbox, package, &format!("unpacked/{package}"));
    }
    let tree = Tree::of(sandbox.path("unpacked"));
    for path in tree.files().into_keys() {
        let bytes = fs::read(sandbox.path("unpacked").join(&path)).expect("unpacked");
        for word in [root.trim_end_matches('/'), "Bakers", "private-", "s3cret", "test@example.org"]
        {
            let name = path.to_string_lossy();
            let found =
                name.contains(word) || bytes.windows(word.len()).any(|w| w == word.as_bytes());
            assert!(!found, "`{word}` in {name}");
        }
    }
    for unwanted in
        ["hooks", "logs", "refs/heads", "refs/tags", "packed-refs", "ORIG_HEAD", "FETCH_HEAD"]
    {
        let path = sandbox.path("unpacked/mathlib/.git").join(unwanted);
        let is_empty = fs::read_dir(&path).is_ok_and(|mut entries| entries.next().is_none());
        assert!(is_empty || !path.exists(), ".git/{unwanted}");
    }
    assert!(!sandbox.path("unpacked/mathlib/untracked-secret").exists());
}

#[test]
fn what_is_not_committed_is_not_packed() {
    let sandbox = built();
    let batteries = sandbox.package("batteries");
    sandbox.write(batteries.join("notes.txt"), "new").chmod(batteries.join("lakefile.toml"), 0o755);
    bake(&sandbox, "").run().expect_code(0);
    clear(&sandbox);
    restore(&sandbox, "").run().expect_code(0);
    expect_clones(&sandbox, &BOTH);
    assert!(!batteries.join("notes.txt").exists());
}

#[test]
fn executables_symlinks_and_odd_names_survive() {
    let sandbox = built();
    let clone = sandbox.package("batteries");
    sandbox
        .script(clone.join("run.sh"), "true")
        .symlink("lakefile.toml", clone.join("link"))
        .symlink("../../../../etc/hostname", clone.join("Batteries/tricky"))
        .write(clone.join("with space/ünï\tcode\n\"quoted\""), "odd")
        .write(clone.join("CASE"), "upper")
        .write(clone.join("case"), "lower")
        .write(clone.join("empty"), "")
        .write(clone.join("crlf"), "a\r\nb\r\n")
        .write(clone.join("x".repeat(200)), "long");
    sandbox.remove(clone.join("Batteries/tricky"));
    let rev = sandbox.commit(&clone);
    crate::edit_manifest(&sandbox, |manifest| crate::packages(manifest)[1]["rev"] = rev.into());
    let ignored = |path: &Path| path.starts_with(".git") || path.starts_with(".lake");
    let kinds = || {
        let tree = Tree::of(&clone);
        let entries = tree.entries().iter().filter(|(path, _)| !ignored(path));
        let entries =
            entries.map(|(path, e)| (path.clone(), (e.kind.clone(), e.mode & 0o111 != 0)));
        entries.collect::<std::collections::BTreeMap<_, _>>()
    };
    let before = kinds();
    bake(&sandbox, "").env("MATHLIB_CACHE_DIR", sandbox.store()).run().expect_code(0);
    clear(&sandbox);
    restore(&sandbox, "").run().expect_code(0);
    expect_clones(&sandbox, &["batteries"]);
    assert_eq!(kinds(), before);
}

#[test]
#[cfg_attr(not(has = "strace"), ignore = "needs strace")]
fn git_finds_nothing_changed_without_reading_a_source() {
    let sandbox = baked_and_fresh();
    restore(&sandbox, "").run().expect_code(0);
    for (package, _) in mini_mathlib::PACKAGES {
        let log = sandbox.path(format!("logs/{package}.strace"));
        let strace = tools::find_on_path("strace").expect("strace");
        let run = sandbox
            .command(strace, "-f -e trace=open,openat -o")
            .arg(&log)
            .args(["git", "diff", "HEAD", "--exit-code"])
            .cwd(sandbox.package(package))
            .run();
        run.expect_code(0).expect_stdout("");
        let log = sandbox.read(&log);
        assert!(log.contains(".git/index"), "traced: {log}");
        let read: Vec<_> = log.lines().filter(|line| line.contains(".lean\"")).collect();
        assert!(read.is_empty(), "{read:?}");
    }
}

#[test]
#[cfg_attr(not(has = "strace"), ignore = "needs strace")]
fn unpacking_sources_starts_no_git() {
    let sandbox = baked_and_fresh();
    sandbox.shim_bin();
    let log = sandbox.path("logs/restore.strace");
    let strace = tools::find_on_path("strace").expect("strace");
    let run = sandbox
        .command(strace, "-f -e trace=execve -o")
        .arg(&log)
        .args(["lake-shim", "restore", "--network", "never", "--store"])
        .arg(baked(&sandbox))
        .run();
    run.expect_code(0);
    let log = sandbox.read(&log);
    assert!(log.contains("leantar"), "traced: {log}");
    assert!(!log.contains("/git\""), "{log}");
    expect_clones(&sandbox, &BOTH);
}
