//! No file has more rights than its directory and the umask give it, and none that others were given is lost.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use shim_tests::{Sandbox, Tree};

use crate::{baked_and_fresh, entries, get};

/// What the shim makes: build files from archives, sources and builds from packs, stores.
fn make_all(mask: u32) -> Sandbox {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.remove("app/.lake/packages").mkdir("app/.lake/packages");
    sandbox.clone_packages(&sandbox.packages());
    get(&sandbox).umask(mask).run().expect_code(0);
    let baked = sandbox.path("baked");
    let bake = sandbox.lake_shim("bake --level 1 --format both --store").arg(&baked);
    bake.umask(mask).run().expect_code(0);
    sandbox.remove("app/.lake");
    let restore = get(&sandbox).env("LAKE_SHIM_STORE", &baked);
    restore.umask(mask).run().expect_code(0);
    sandbox.lake("build").env("LAKE_SHIM_STORE", &baked).umask(mask).run().expect_code(0);
    sandbox
}

#[test]
fn the_umask_is_honoured_and_not_exceeded() {
    for mask in [0o077, 0o027, 0o022, 0o002] {
        let sandbox = make_all(mask);
        for place in ["baked", "app/.lake"] {
            let entries = entries(sandbox.path(place));
            assert!(entries.len() > 15, "{place}: {entries:?}");
            for (path, mode, is_dir) in entries {
                let in_git = path.components().any(|name| name.as_os_str() == "objects");
                let full = match (is_dir, mode & 0o100 != 0) {
                    (true, _) | (_, true) => 0o777,
                    // git's own are for reading.
                    _ if in_git && mode & 0o200 == 0 => 0o444,
                    _ => 0o666,
                };
                assert_eq!(
                    mode,
                    full & !mask,
                    "{place}/{}: {mode:o} with {mask:o}",
                    path.display()
                );
            }
        }
    }
}

#[test]
#[cfg_attr(not(has = "root"), ignore = "needs root")]
fn a_group_comes_from_the_directory() {
    let sandbox = baked_and_fresh();
    sandbox.mkdir("shared").chown("shared", 0);
    let shared = sandbox.path("shared");
    std::os::unix::fs::chown(&shared, None, Some(crate::GROUP)).expect("root may");
    sandbox.chmod("shared", 0o2775);
    for command in ["exe cache get", "build"] {
        let run = sandbox.lake(command).env("LAKE_PKG_DIR", &shared).umask(0o002).run();
        run.expect_code(0);
    }
    let count = expect_group(&shared);
    assert!(count > 50, "{count} entries");
    // Again over what is there.
    sandbox.remove(shared.join("mathlib/.lake/build/lib"));
    let run = sandbox.lake_shim("restore --force").env("LAKE_PKG_DIR", &shared).umask(0o002).run();
    run.expect_code(0);
    expect_group(&shared);
}

/// That everything is the group's, files to write and directories to hand on. How many there are.
#[track_caller]
fn expect_group(dir: &Path) -> usize {
    let tree = Tree::of(dir);
    for path in tree.entries().keys() {
        let meta = std::fs::symlink_metadata(dir.join(path)).expect("it is there");
        assert_eq!(meta.gid(), crate::GROUP, "{}", path.display());
        let mode = meta.permissions().mode() & 0o7777;
        let in_git = path.components().any(|name| name.as_os_str() == "objects");
        match () {
            () if meta.is_dir() => assert_eq!(mode, 0o2775, "{}", path.display()),
            () if meta.is_file() && !in_git => {
                assert_eq!(mode & 0o666, 0o664, "{}", path.display())
            }
            () => {}
        }
    }
    tree.entries().len()
}

#[test]
#[cfg_attr(not(has = "setfacl"), ignore = "needs setfacl")]
fn a_default_acl_takes_the_place_of_the_umask() {
    let sandbox = baked_and_fresh();
    sandbox.mkdir("shared");
    let shared = sandbox.path("shared");
    let acl = "u::rwx,g::rwx,o::-,m::rwx,u:2001:rwx,d:u::rwx,d:g::rwx,d:o::-,d:m::rwx,d:u:2001:rwx";
    let setfacl = shim_tests::tools::find_on_path("setfacl").expect("needed");
    sandbox.command(setfacl, "-m").arg(acl).arg(&shared).run().expect_code(0);
    let run = get(&sandbox).env("LAKE_PKG_DIR", &shared).umask(0o077).run();
    run.expect_code(0);
    let mut files = 0;
    for (path, mode, is_dir) in entries(&shared).into_iter().skip(1) {
        if path.components().any(|name| name.as_os_str() == ".git") {
            continue;
        }
        files += usize::from(!is_dir);
        // The group's bits of a file with an ACL are its mask: what the user named there may do.
        assert_eq!(mode & 0o667, 0o660, "{}: {mode:o}", path.display());
    }
    assert!(files > 50, "{files} files");
    let getfacl = shim_tests::tools::find_on_path("getfacl").expect("comes with setfacl");
    let trace = shared.join("mathlib/.lake/build/lib/lean/Mathlib/Init.trace");
    let run = sandbox.command(getfacl, "--numeric --omit-header --absolute-names").arg(trace).run();
    run.expect_code(0).stdout_contains("user:2001:rw");
}

#[test]
fn a_copy_gives_nobody_its_owners_rights() {
    let sandbox = Sandbox::mini_mathlib();
    let shared = sandbox.path("shared");
    sandbox.rename("app/.lake/packages", &shared).symlink(&shared, "app/.lake/packages");
    let program = shared.join("mathlib/program");
    sandbox.script(&program, "id").chmod(&program, 0o6777);
    sandbox.chmod(shared.join("mathlib/Mathlib"), 0o3777);
    sandbox.lake_shim("unlink --copy").umask(0o022).run().expect_code(0);
    let copies: Vec<_> = entries(sandbox.package("mathlib"));
    let mode = |name: &str| copies.iter().find(|entry| entry.0 == Path::new(name)).expect(name).1;
    assert_eq!(mode("program"), 0o755, "{:o}", mode("program"));
    assert_eq!(mode("Mathlib"), 0o755, "{:o}", mode("Mathlib"));
    assert!(copies.iter().all(|(_, mode, _)| mode & 0o7022 == 0), "{copies:?}");
}
