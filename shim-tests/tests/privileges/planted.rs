//! What somebody with a place in the same directory can put there: it is not followed, and keeps nobody waiting.

use std::os::unix::fs::lchown;
use std::path::Path;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use shim_tests::{Sandbox, Tree};

use crate::{ANNA, baked_and_fresh, get};

/// A symlink that Anna has made.
fn plant(sandbox: &Sandbox, target: impl AsRef<Path>, link: impl AsRef<Path>) {
    let link = sandbox.path(link);
    sandbox.symlink(target, &link);
    lchown(&link, Some(ANNA), Some(ANNA)).expect("root may");
}

/// A directory of root's with something in it.
fn victim(sandbox: &Sandbox) -> Tree {
    sandbox.write("victim/precious", "of root\n").write("victim/Mathlib/Init.trace", "of root\n");
    Tree::of(sandbox.path("victim"))
}

#[test]
#[cfg_attr(not(has = "root"), ignore = "needs root")]
fn root_does_not_restore_through_a_users_link() {
    for place in
        [".lake", ".lake/build", ".lake/build/lib", ".lake/build/lib/lean", ".lake/build/ir"]
    {
        let sandbox = Sandbox::mini_mathlib();
        let before = victim(&sandbox);
        let link = sandbox.package("mathlib").join(place);
        plant(&sandbox, sandbox.path("victim"), &link);
        let run = get(&sandbox).run();
        run.expect_code(1)
            .stderr_contains(&format!("`{}` is a symlink of user {ANNA} to `", link.display()))
            .stderr_contains("which belongs to root: nothing is written through it")
            .stderr_contains(&format!("\nhint: run it as user {ANNA}, or make the link yours"));
        before.assert_unchanged();
        // A build goes on without; what Lake does with the link is Lake's.
        let build = sandbox.lake("build").env("LAKE_SHIM_RESTORE", "always");
        let run = build.env("LAKE_SHIM_LAKE", sandbox.path("tools/true")).run();
        run.expect_code(0).stderr_contains("warning: `");
        before.assert_unchanged();
        // As the hint says.
        lchown(&link, Some(0), Some(0)).expect("root may");
        get(&sandbox).run().expect_code(0);
        assert!(sandbox.path("victim/precious").exists());
    }
}

#[test]
#[cfg_attr(not(has = "root"), ignore = "needs root")]
fn packs_do_not_go_through_it_either() {
    let sandbox = Sandbox::mini_mathlib();
    get(&sandbox).run().expect_code(0);
    let baked = sandbox.path("baked");
    let bake = sandbox.lake_shim("bake --level 1 --format pack --store").arg(&baked);
    bake.run().expect_code(0);
    for place in ["app/.lake/packages", "app/.lake", "app/.lake/packages/mathlib/.lake/build/lib"] {
        sandbox.remove("app/.lake");
        if place.ends_with("lib") {
            sandbox.clone_packages(&sandbox.packages());
        }
        let before = victim(&sandbox);
        plant(&sandbox, sandbox.path("victim"), place);
        let run = get(&sandbox).env("LAKE_SHIM_STORE", &baked).run();
        run.expect_code(1).stderr_contains("nothing is written through it");
        before.assert_unchanged();
        sandbox.remove(place).mkdir("app/.lake");
    }
}

#[test]
#[cfg_attr(not(has = "root"), ignore = "needs root")]
fn a_users_link_to_his_own_is_followed() {
    let sandbox = Sandbox::mini_mathlib();
    // `.lake` on a bigger disk, and root in a container that has the user's files.
    sandbox.mkdir("scratch").chown("scratch", ANNA);
    plant(&sandbox, sandbox.path("scratch"), sandbox.package("mathlib").join(".lake"));
    get(&sandbox).run().expect_code(0);
    sandbox.expect_all_restored();
    assert!(sandbox.path("scratch/build/lib/lean/Mathlib/Init.trace").exists());
}

#[test]
#[cfg_attr(not(has = "root"), ignore = "needs root")]
fn a_link_to_the_shared_directory_becomes_ones_own() {
    let sandbox = baked_and_fresh();
    sandbox.mkdir("shared");
    plant(&sandbox, sandbox.path("shared"), "app/.lake/packages");
    // Without a word of it, it is a user's link to what is root's.
    get(&sandbox).run().expect_code(1).stderr_contains("nothing is written through it");
    get(&sandbox).env("LAKE_PKG_DIR", sandbox.path("shared")).run().expect_code(0);
    sandbox.expect_restored_below(sandbox.path("shared"), &all());
    get(&sandbox).run().expect_code(0);
}

#[test]
#[cfg_attr(not(has = "root"), ignore = "needs root")]
fn nothing_is_linked_or_stamped_behind_a_users_link() {
    let sandbox = baked_and_fresh();
    let stamp = "app/.lake/lake-shim/stamp";
    sandbox.lake("build").run().expect_code(0);
    sandbox.remove(stamp).rename("app/.lake", "victim").mkdir("shared");
    plant(&sandbox, sandbox.path("victim"), "app/.lake");
    let before = Tree::of(sandbox.path("victim"));
    sandbox.lake("build").run().expect_code(0);
    before.assert_unchanged();
    let link = || sandbox.lake_shim("link").env("LAKE_PKG_DIR", sandbox.path("shared")).run();
    let unlink = || sandbox.lake_shim("unlink --copy").run();
    for run in [link(), unlink()] {
        run.expect_code(1).stderr_contains("nothing is written through it");
        before.assert_unchanged();
    }
    // Not even a link that leads there already is made one's own.
    sandbox.rename("victim/packages", "packages");
    plant(&sandbox, sandbox.path("shared"), "victim/packages");
    let before = Tree::of(sandbox.path("victim"));
    for run in [link(), unlink()] {
        run.expect_code(1).stderr_contains("nothing is written through it");
        before.assert_unchanged();
    }
    lchown(sandbox.path("app/.lake"), Some(0), Some(0)).expect("root may");
    link().expect_code(0);
}

#[test]
#[cfg_attr(not(has = "root"), ignore = "needs root")]
fn no_manifest_is_written_through_a_users_link() {
    let sandbox = baked_and_fresh();
    let manifest = sandbox.read("app/lake-manifest.json");
    sandbox.remove("app/lake-manifest.json").write("victim/precious", "of root\n");
    for target in ["victim/new", "victim/precious"] {
        let before = Tree::of(sandbox.path("victim"));
        plant(&sandbox, sandbox.path(target), "app/lake-manifest.json");
        sandbox.lake_shim("resolve").run();
        sandbox.lake("build").env("LAKE_SHIM_LAKE", sandbox.path("tools/true")).run();
        before.assert_unchanged();
        sandbox.remove("app/lake-manifest.json");
    }
    sandbox.lake_shim("resolve").run().expect_code(0);
    assert_eq!(sandbox.read("app/lake-manifest.json"), manifest);
}

#[test]
fn a_stamp_replaces_a_link_and_does_not_follow_it() {
    let sandbox = baked_and_fresh();
    sandbox.lake("build").run().expect_code(0);
    let stamp = "app/.lake/lake-shim/stamp";
    assert!(sandbox.path(stamp).is_file(), "a build stamps the workspace");
    sandbox.remove(stamp).write("victim", "of root\n").symlink(sandbox.path("victim"), stamp);
    sandbox.lake("build").run().expect_code(0);
    assert_eq!(sandbox.read("victim"), "of root\n");
    assert!(sandbox.path(stamp).is_file() && !sandbox.path(stamp).is_symlink());
}

#[test]
#[cfg_attr(not(has = "root"), ignore = "needs root")]
fn what_only_looks_like_ours_is_left_alone() {
    let sandbox = Sandbox::mini_mathlib();
    let before = victim(&sandbox);
    let places = [
        sandbox.packages(),
        sandbox.package("mathlib").join(".lake/build"),
        sandbox.home().join(".cache/mathlib"),
    ];
    for place in &places {
        sandbox.mkdir(place);
        plant(&sandbox, sandbox.path("victim"), place.join(".lake-shim-link"));
        // Opening it to read would wait for somebody to write.
        mkfifo(&place.join(".lake-shim-pipe"), Mode::S_IRWXU).expect("a pipe");
        sandbox.write(place.join(".lake-shim-file"), "a file\n");
        let theirs = place.join(".lake-shim-theirs");
        sandbox.write(theirs.join("file"), "of Anna\n").chown(&theirs, ANNA);
    }
    get(&sandbox).run().expect_code(0);
    sandbox.lake_shim("doctor").run();
    before.assert_unchanged();
    for place in &places {
        for name in ["link", "pipe", "file", "theirs/file"] {
            assert!(std::fs::symlink_metadata(place.join(format!(".lake-shim-{name}"))).is_ok());
        }
    }
    sandbox.expect_all_restored();
}

#[test]
#[cfg_attr(not(all(has = "fake-lake", has = "root")), ignore = "needs the fake lake, root")]
fn downloads_are_not_taken_from_behind_a_link_fake_lake_only() {
    let sandbox = Sandbox::mini_mathlib().with_cloud();
    let before = victim(&sandbox);
    let cache = sandbox.home().join(".cache/mathlib");
    sandbox.mkdir(&cache).remove(sandbox.ltar("Mathlib.Init"));
    plant(&sandbox, sandbox.path("victim"), cache.join(".lake-shim-evil"));
    sandbox.lake("exe cache get").run().expect_code(0);
    before.assert_unchanged();
    assert!(!cache.join("precious").exists());
}

#[test]
fn sockets_and_pipes_of_a_package_are_not_copied() {
    let sandbox = Sandbox::mini_mathlib();
    let shared = sandbox.path("shared");
    sandbox.rename("app/.lake/packages", &shared).symlink(&shared, "app/.lake/packages");
    let git = shared.join("mathlib/.git");
    mkfifo(&git.join("pipe"), Mode::S_IRWXU).expect("a pipe");
    let _socket = std::os::unix::net::UnixListener::bind(git.join("fsmonitor--daemon.ipc"))
        .expect("a socket");
    sandbox.lake_shim("unlink --copy").run().expect_code(0);
    let copy = sandbox.package("mathlib").join(".git");
    assert!(copy.join("config").is_file() && !copy.join("pipe").exists());
}

fn all() -> Vec<&'static str> {
    shim_tests::modules().iter().map(|module| module.name.as_str()).collect()
}
