//! Moving packages to the shared directory: on one file system, between two, on an overlay, and what happens to them
//! where it fails half-way or files in them change meanwhile.

use std::fs;
use std::path::{Path, PathBuf};

use shim_tests::preload::{Act, Armed, Strike};
use shim_tests::{Call, NOBODY, Run, Running, Sandbox, Tmpfs, Tree};

use crate::packages::{add_package, clone_package};
use crate::{bare, expect_left, expect_link, expect_no_leftovers, link};

/// Asserts that `shared` has what `before` had, with kinds and modes, and the links' targets.
#[track_caller]
fn expect_moved(before: &Tree, shared: &Path, run: &Run) {
    let after = Tree::of(shared);
    for (path, entry) in before.entries().iter().filter(|(path, _)| path.components().count() > 0) {
        let moved = after.entries().get(path).map(|moved| (&moved.kind, moved.mode));
        assert_eq!(moved, Some((&entry.kind, entry.mode)), "{}\n{run}", path.display());
    }
}

#[test]
fn packages_move_into_the_shared_directory_with_all_they_are() {
    let sandbox = Sandbox::mini_mathlib();
    let shared = sandbox.path("shared");
    let before = Tree::of(sandbox.packages());
    let run = link(&sandbox, &shared).run();
    run.expect_code(0).stderr_contains("after moving `batteries`, `mathlib` there");
    expect_link(&sandbox.packages(), &shared);
    let after = Tree::of(&shared);
    for (path, entry) in before.entries().iter().filter(|(path, _)| path.components().count() > 0) {
        assert_eq!(after.entries().get(path), Some(entry), "{}", path.display());
    }
    let status = sandbox.git(&sandbox.package("mathlib"), &["status", "--porcelain"]);
    assert_eq!(status, "");
    let direct = sandbox.real_lake("resolve-deps").run();
    direct.expect_code(0).stderr_lacks("deleting").stderr_lacks("changes");
}

#[test]
#[cfg_attr(not(has = "mount"), ignore = "needs mount")]
fn packages_move_across_file_systems() {
    let sandbox = Sandbox::mini_mathlib();
    let _disk = Tmpfs::mount(sandbox.path("disk"), "64m");
    let shared = sandbox.path("disk/shared");
    let build = sandbox.package("mathlib/.lake/build");
    sandbox.write(build.join("bin/tool"), "tool").chmod(build.join("bin/tool"), 0o555);
    sandbox.symlink("bin/tool", build.join("a-link"));
    let before = Tree::of(sandbox.packages());
    let run = link(&sandbox, &shared).run();
    run.expect_code(0).stderr_contains("after moving `batteries`, `mathlib` there");
    expect_link(&sandbox.packages(), &shared);
    expect_moved(&before, &shared, &run);
    expect_no_leftovers(&sandbox);
    assert_eq!(sandbox.git(&shared.join("mathlib"), &["status", "--porcelain"]), "");
}

/// Docker: packages in a layer of the image, which no program can rename.
#[test]
#[cfg_attr(not(has = "mount"), ignore = "needs mount")]
fn packages_of_a_lower_layer_move() {
    for place in ["merged/shared", "shared"] {
        let sandbox = Sandbox::mini_mathlib();
        let disk = sandbox.path("disk");
        let _disk = Tmpfs::mount(&disk, "64m");
        sandbox.copy("app", "disk/lower/app");
        let _overlay = Tmpfs::overlay(&disk, sandbox.path("merged"));
        let (packages, shared) = (sandbox.path("merged/app/.lake/packages"), sandbox.path(place));
        let before = Tree::of(&packages);
        let run = link(&sandbox, &shared).cwd("merged/app").run();
        run.expect_code(0).stderr_contains("after moving `batteries`, `mathlib` there");
        expect_link(&packages, &shared);
        expect_moved(&before, &shared, &run);
        let build = sandbox.lake("build").cwd("merged/app").env("LAKE_PKG_DIR", &shared).run();
        build.expect_code(0).stderr_lacks("lake-shim");
        for folder in ["merged", "shared"].iter().filter(|folder| sandbox.path(folder).exists()) {
            assert!(sandbox.leftovers(folder).is_empty(), "{:?}", sandbox.leftovers(folder));
        }
    }
}

#[test]
#[cfg_attr(not(all(has = "mount", has = "setpriv")), ignore = "needs mount, setpriv")]
fn a_read_only_directory_in_a_package_moves_across_file_systems() {
    let (sandbox, _) = bare();
    let _disk = Tmpfs::mount(sandbox.path("disk"), "16m");
    add_package(&sandbox, sandbox.packages(), "a");
    sandbox.chmod("app/.lake/packages/a/Deep/Down.lean", 0o444);
    sandbox.chmod("disk", 0o1777).chown("app", NOBODY).chmod("app/.lake/packages/a/Deep", 0o555);
    let shared = sandbox.path("disk/shared");
    link(&sandbox, &shared).as_user(NOBODY).run().expect_code(0);
    expect_link(&sandbox.packages(), &shared);
    assert_eq!(sandbox.read(shared.join("a/Deep/Down.lean")), "prelude\n");
}

/// Such as a container leaves.
#[test]
#[cfg_attr(not(all(has = "mount", has = "setpriv")), ignore = "needs mount, setpriv")]
fn what_cannot_be_deleted_after_a_move_is_not_half_a_package() {
    let (sandbox, _) = bare();
    let _disk = Tmpfs::mount(sandbox.path("disk"), "16m");
    let package = sandbox.package("a");
    add_package(&sandbox, sandbox.packages(), "a");
    sandbox.write(package.join(".lake/build/file"), "of root");
    sandbox.chmod("disk", 0o1777).chown("app", NOBODY);
    sandbox.chown(package.join(".lake/build"), 0);
    let shared = sandbox.path("disk/shared");
    let before = Tree::of(&package);
    let run = link(&sandbox, &shared).as_user(NOBODY).run();
    run.expect_code(0).stderr_contains("after moving `a` there");
    expect_link(&sandbox.packages(), &shared);
    assert_eq!(Tree::of(shared.join("a")).files(), before.files());
}

// The same packages in both places

#[test]
fn equal_packages_in_both_places_count_as_the_same() {
    let (sandbox, shared) = bare();
    for name in ["a", "b"] {
        add_package(&sandbox, sandbox.packages(), name);
        clone_package(&sandbox, &shared, name);
    }
    add_package(&sandbox, sandbox.packages(), "c");
    // A build is worth keeping where there is none, and left where there is one.
    sandbox.write("app/.lake/packages/a/.lake/build/A.olean", "mine");
    sandbox.write("app/.lake/packages/b/.lake/build/B.olean", "mine");
    sandbox.write("shared/b/.lake/build/B.olean", "theirs");
    let run = link(&sandbox, &shared).run();
    run.expect_code(0).stderr_contains("after moving `c` there");
    expect_link(&sandbox.packages(), &shared);
    assert_eq!(sandbox.read("shared/a/.lake/build/A.olean"), "mine");
    assert_eq!(sandbox.read("shared/b/.lake/build/B.olean"), "theirs");
    expect_no_leftovers(&sandbox);
}

/// A user-wide directory, set when several projects exist already.
#[test]
fn a_second_project_with_the_same_lock_is_linked_by_any_command() {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.copy("app", "second");
    let shared = sandbox.path("shared");
    for project in ["app", "second"] {
        for words in ["exe cache get", "build --no-build Mathlib"] {
            let call = sandbox.lake(words).cwd(project).env("LAKE_PKG_DIR", &shared);
            let run = call.env("LAKE_SHIM_NETWORK", "never").run();
            run.expect_code(0).stderr_lacks("warning");
            expect_link(&sandbox.path(project).join(".lake/packages"), &shared);
        }
    }
    sandbox.expect_all_restored();
}

#[test]
fn another_package_of_the_same_name_keeps_all_of_them_where_they_are() {
    type Change = fn(&Sandbox, &Path);
    let others: [(&str, Change); 4] = [
        ("another revision", |s, b| {
            s.git(b, &["checkout", "--quiet", "--detach", "origin/master"]);
        }),
        ("another repository", |s, b| {
            s.git(b, &["remote", "set-url", "origin", "https://example.org/fork/b"]);
        }),
        ("a changed file", |s, b| {
            s.write(b.join("lakefile.toml"), "theirs\n");
        }),
        ("a file", |s, b| {
            s.remove(b).write(b, "theirs\n");
        }),
    ];
    for (what, change) in others {
        let (sandbox, shared) = bare();
        for name in ["a", "b", "c"] {
            add_package(&sandbox, sandbox.packages(), name);
        }
        clone_package(&sandbox, &shared, "b");
        change(&sandbox, &shared.join("b"));
        let (mine, theirs) = (Tree::of(sandbox.packages()), Tree::of(shared.join("b")));
        let run = link(&sandbox, &shared).run();
        expect_left(&run, &mine, &["has another `b`"]);
        theirs.assert_unchanged();
        assert!(!shared.join("a").exists() && !shared.join("c").exists(), "{what}: {run}");
        // Until there is nothing left to keep.
        sandbox.remove(sandbox.package("b"));
        link(&sandbox, &shared).run().expect_code(0).stderr_contains("after moving `a`, `c` there");
        expect_link(&sandbox.packages(), &shared);
        theirs.assert_unchanged();
        expect_no_leftovers(&sandbox);
    }
}

// Half-way

/// Links as a user who may not do something, which must leave everything where it is.
#[track_caller]
fn expect_kept_as_nobody(sandbox: &Sandbox, shared: &Path, said: &str) {
    let packages = Tree::of(sandbox.packages());
    let there = Tree::of(shared);
    let run = link(sandbox, shared).as_user(NOBODY).run();
    expect_left(&run, &packages, &[said, "Permission denied"]);
    there.assert_unchanged();
    let build = sandbox.lake("env printf x").as_user(NOBODY).env("LAKE_PKG_DIR", shared).run();
    build.expect_code(0).expect_stdout("x").stderr_contains("is not linked to `");
    let is_index = |path: &Path| path.ends_with(".git/index"); // which git writes as it likes
    let [before, now] = [packages.files(), Tree::of(sandbox.packages()).files()];
    let changed =
        before.iter().find(|(path, file)| !is_index(path) && now.get(*path) != Some(*file));
    assert_eq!(changed, None, "{build}");
}

#[test]
#[cfg_attr(not(has = "setpriv"), ignore = "needs setpriv")]
fn without_a_right_to_make_the_link_nothing_is_moved() {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.chown("app", NOBODY).mkdir("shared").chown("shared", NOBODY);
    std::os::unix::fs::chown(sandbox.path("app/.lake"), Some(0), Some(0)).expect("root may");
    expect_kept_as_nobody(&sandbox, &sandbox.path("shared"), "app/.lake");
}

#[test]
#[cfg_attr(not(has = "setpriv"), ignore = "needs setpriv")]
fn without_a_right_to_the_shared_directory_nothing_is_moved() {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.chown("app", NOBODY).mkdir("shared");
    expect_kept_as_nobody(&sandbox, &sandbox.path("shared"), "shared");
}

#[test]
#[cfg_attr(not(has = "mount"), ignore = "needs mount")]
fn a_read_only_shared_directory_gets_nothing() {
    let sandbox = Sandbox::mini_mathlib();
    let _shared = Tmpfs::read_only(sandbox.path("shared"));
    let packages = Tree::of(sandbox.packages());
    let run = link(&sandbox, &sandbox.path("shared")).run();
    expect_left(&run, &packages, &["Read-only file system"]);
}

/// Where the last steps fail, the packages go back: on one file system, between two, and as doubles.
#[test]
#[cfg_attr(not(all(has = "strace", has = "mount")), ignore = "needs strace, mount")]
fn a_link_that_fails_at_last_leaves_the_packages_where_they_were() {
    for place in ["shared", "disk/shared", "doubles"] {
        for rule in ["rmdir:error=EBUSY:when=1", "rename:error=EIO:when=1+"] {
            let (sandbox, _) = bare();
            let _disk = Tmpfs::mount(sandbox.path("disk"), "16m");
            for name in ["a", "b"] {
                add_package(&sandbox, sandbox.packages(), name);
                if place == "doubles" {
                    clone_package(&sandbox, place, name);
                }
            }
            sandbox.write("app/.lake/packages/a/.lake/build/A.olean", "built");
            let files = Tree::of(sandbox.packages()).files();
            let run = link(&sandbox, &sandbox.path(place)).injected(rule).run();
            run.expect_code(1).stderr_contains("is not linked to `");
            assert!(!sandbox.packages().is_symlink(), "{rule}: {run}");
            assert_eq!(Tree::of(sandbox.packages()).files(), files, "{place}, {rule}: {run}");
            // The next one finds everything as it was.
            link(&sandbox, &sandbox.path(place)).run().expect_code(0);
            expect_link(&sandbox.packages(), &sandbox.path(place));
            assert_eq!(sandbox.read(sandbox.package("a/.lake/build/A.olean")), "built");
        }
    }
}

/// An older container's seccomp profile, an older kernel, a file system without it.
#[test]
#[cfg_attr(not(has = "strace"), ignore = "needs strace")]
fn a_rename_that_replaces_nothing_may_be_denied() {
    for errno in ["EPERM", "ENOSYS", "EINVAL"] {
        let rule = format!("renameat2:error={errno}");
        let sandbox = Sandbox::mini_mathlib();
        let (shared, files) = (sandbox.path("shared"), Tree::of(sandbox.packages()).files());
        let denied = |call: Call<'_>| call.env("LAKE_PKG_DIR", &shared).injected(&rule).run();
        denied(sandbox.lake_shim("link")).expect_code(0).stderr_contains("after moving");
        expect_link(&sandbox.packages(), &shared);
        assert_eq!(Tree::of(&shared).files(), files);
        // A double, a restore, a directory of its own again.
        sandbox
            .copy("app", "second")
            .remove("second/.lake")
            .copy("shared", "second/.lake/packages");
        sandbox.remove("second/.lake/packages/.lake-shim");
        denied(sandbox.lake_shim("link").cwd("second")).expect_code(0).stderr_lacks("moving");
        expect_link(&sandbox.path("second/.lake/packages"), &shared);
        let get = sandbox.lake("exe cache get").env("LAKE_SHIM_NETWORK", "never");
        denied(get).expect_code(0).stderr_contains("restored 11 modules");
        sandbox.expect_all_restored();
        denied(sandbox.lake_shim("unlink --copy")).expect_code(0);
        assert!(!sandbox.packages().is_symlink());
        sandbox.expect_all_restored();
    }
}

// Edits meanwhile

/// Runs a link that is stopped at its `at`th call and edits a file of `b` there. Returns `false` if there are fewer calls.
fn edit_at(sandbox: &Sandbox, shared: &Path, calls: &'static str, at: u64) -> bool {
    let strike = Strike { calls, programs: "lake-shim", at, lasting: false, act: Act::Stop };
    let (call, armed) = strike.arm(sandbox, link(sandbox, shared));
    let mut running = call.spawn();
    let mut is_stopped = false;
    while !is_stopped && !running.has_ended() {
        is_stopped = armed.struck().is_some();
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    let file = sandbox.package("b").join("lakefile.toml");
    // As editors do that write in place; a file that is not there just now cannot be edited.
    let is_edited = is_stopped && file.exists() && fs::write(&file, "an hour of work").is_ok();
    let new = sandbox.package("b").join("Deep/New.lean");
    let is_new = is_stopped && fs::write(&new, "an hour of work").is_ok();
    armed.resume();
    let run = running.wait();
    let place =
        if sandbox.packages().is_symlink() { shared.to_owned() } else { sandbox.packages() };
    for (is_there, name) in [(is_edited, "b/lakefile.toml"), (is_new, "b/Deep/New.lean")] {
        let found = fs::read_to_string(place.join(name)).ok();
        let is_kept = !is_there || found.as_deref() == Some("an hour of work");
        assert!(is_kept, "lost at call {at}, {:?}: {name} is {found:?}\n{run}", armed.struck());
    }
    for name in ["a", "b"] {
        let status = sandbox.git(&place.join(name), &["rev-parse", "HEAD"]);
        assert_eq!(status.len(), 40, "`{name}` is whole");
    }
    is_stopped
}

/// The packages `a` and `b`, the latter also in the shared directory, and a link that is stopped at its `at`th look into a
/// directory.
fn stopped_link(at: u64) -> (Sandbox, Running, Armed) {
    let (sandbox, shared) = bare();
    for name in ["a", "b"] {
        add_package(&sandbox, sandbox.packages(), name);
    }
    clone_package(&sandbox, &shared, "b");
    let strike =
        Strike { calls: "list", programs: "lake-shim", at, lasting: false, act: Act::Stop };
    let (call, armed) = strike.arm(&sandbox, link(&sandbox, &shared));
    let running = call.spawn();
    running.wait_until(|| armed.struck().is_some());
    (sandbox, running, armed)
}

/// Where `b` is while it is neither in its place nor gone.
fn aside(sandbox: &Sandbox) -> Option<PathBuf> {
    let mut entries = fs::read_dir(sandbox.path("app/.lake")).expect("a directory").flatten();
    entries.find_map(|entry| {
        let work = entry.path().join("work");
        work.join("b").exists().then_some(work)
    })
}

/// A file in `b` changes while it is aside, and it cannot go back.
#[test]
#[cfg_attr(not(has = "cc"), ignore = "needs cc")]
fn an_edit_is_kept_if_its_package_cannot_go_back() {
    let first = (1..).find(|at| {
        let (sandbox, running, armed) = stopped_link(*at);
        let is_aside = aside(&sandbox).is_some();
        armed.resume();
        running.wait();
        is_aside
    });
    let at = first.expect("a call");
    let in_the_way = |sandbox: &Sandbox, name: &str| {
        sandbox.write(sandbox.package(name).join("other"), "new");
    };
    for case in ["b is there again", "and a, which is tried too", "it is linked by another"] {
        let (sandbox, running, armed) = stopped_link(at);
        let shared = sandbox.path("shared");
        let work = aside(&sandbox).expect("a place");
        let edited = work.join("b/lakefile.toml");
        sandbox.write(&edited, "an hour of work");
        match case {
            "b is there again" => in_the_way(&sandbox, "b"),
            "and a, which is tried too" => {
                ["a", "b"].iter().for_each(|name| in_the_way(&sandbox, name));
            }
            _ => drop(sandbox.remove(sandbox.packages()).symlink(&shared, sandbox.packages())),
        }
        armed.resume();
        let run = running.wait();
        run.expect_code(1).stderr_contains("`lakefile.toml` was changed while it was moved");
        run.stderr_contains(&format!("`b` is in `{}` now", work.display()));
        run.stderr_contains("hint: nothing of it was deleted");
        for _ in 0..2 {
            assert_eq!(sandbox.read(&edited), "an hour of work", "{case}: {run}");
            assert!(shared.join("b/.git").is_dir(), "{case}: {run}");
            // Nor does a later command sweep it.
            sandbox.lake("env true").env("LAKE_PKG_DIR", &shared).run();
            link(&sandbox, &shared).run();
        }
    }
}

#[test]
#[cfg_attr(not(all(has = "mount", has = "cc")), ignore = "needs mount, cc")]
fn no_edit_is_lost_at_any_step() {
    for place in ["disk/shared", "shared", "doubles", "merged/shared"] {
        // Of a copy every fifth new file will do.
        let is_copied = place.contains('/');
        let calls = if is_copied { "create,rename,symlink" } else { "rename,symlink" };
        for at in (1..).step_by(if is_copied { 5 } else { 1 }) {
            let (mut sandbox, _) = bare();
            let disk = sandbox.path("disk");
            let _disk = Tmpfs::mount(&disk, "16m");
            for name in ["a", "b"] {
                add_package(&sandbox, sandbox.packages(), name);
                if place == "doubles" {
                    clone_package(&sandbox, place, name);
                }
            }
            let _overlay = place.starts_with("merged").then(|| {
                sandbox.copy("app", "disk/lower/app").remove("app");
                let overlay = Tmpfs::overlay(&disk, sandbox.path("merged"));
                sandbox.symlink("merged/app", "app");
                overlay
            });
            sandbox.set_env("GIT_OPTIONAL_LOCKS", "0");
            if !edit_at(&sandbox, &sandbox.path(place), calls, at) {
                assert!(at > 3, "it was never stopped");
                break;
            }
        }
    }
}
