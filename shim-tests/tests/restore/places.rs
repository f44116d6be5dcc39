//! Where packages and stores may lie.

use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;
use serde_json::json;
use shim_tests::preload::{Act, Strike};
use shim_tests::{Sandbox, Tmpfs, Tree, mini_mathlib};

use crate::{all, clean, edit_manifest, expect_no_leftovers, offline_get};

/// A directory that looks like a packages directory, for packages that lie apart.
fn view(sandbox: &Sandbox, mathlib: &Path, batteries: &Path) -> PathBuf {
    sandbox.symlink(mathlib, "view/mathlib").symlink(batteries, "view/batteries");
    sandbox.path("view")
}

#[test]
fn mathlib_may_be_a_path_dependency() {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.rename("app/.lake/packages/mathlib", "vendor/mathlib");
    edit_manifest(&sandbox, |manifest| {
        manifest["packages"][0] = json!({
            "type": "path", "dir": "../vendor/mathlib", "name": "mathlib", "inherited": false,
            "scope": "", "manifestFile": "lake-manifest.json", "configFile": "lakefile.toml",
        });
    });
    let lakefile = sandbox.read("app/lakefile.toml");
    let git = "git = \"https://github.com/leanprover-community/mathlib4\"\nrev = \"v4.27.0\"";
    let lakefile = lakefile.replace(git, "path = \"../vendor/mathlib\"");
    sandbox.write("app/lakefile.toml", lakefile);
    offline_get(&sandbox).run().expect_code(0).stderr_contains("restored 11 modules, 2 packages");
    let view = view(&sandbox, &sandbox.path("vendor/mathlib"), &sandbox.package("batteries"));
    sandbox.expect_restored_below(view, &all());
    offline_get(&sandbox).run().expect_code(0).stderr_contains("nothing to do");
}

#[test]
fn mathlib_may_be_the_root_itself() {
    let sandbox = Sandbox::mini_mathlib();
    sandbox
        .rename("app/.lake/packages/mathlib", "mathlib4")
        .rename("app/.lake/packages/batteries", "mathlib4/.lake/packages/batteries");
    offline_get(&sandbox)
        .cwd("mathlib4")
        .run()
        .expect_code(0)
        .stderr_contains("restored 11 modules, 2 packages");
    let root = sandbox.path("mathlib4");
    let view = view(&sandbox, &root, &root.join(".lake/packages/batteries"));
    sandbox.expect_restored_below(view, &all());
    expect_no_leftovers(&sandbox);
    offline_get(&sandbox).cwd("mathlib4").run().expect_code(0).stderr_contains("nothing to do");
}

#[test]
fn packages_may_be_shared_by_workspaces() {
    let sandbox = Sandbox::mini_mathlib_without_packages();
    let shared = sandbox.path("shared");
    sandbox.clone_packages(&shared).copy("app", "app2");
    let get = |cwd| offline_get(&sandbox).env("LAKE_PKG_DIR", &shared).cwd(cwd).run();
    get("app").expect_code(0).stderr_contains("restored 11 modules");
    assert_eq!(fs::read_link(sandbox.packages()).ok(), Some(shared.clone()));
    sandbox.expect_restored_below(&shared, &all());
    let before = Tree::of(&shared);
    get("app2").expect_code(0).stderr_contains("nothing to do: 11 modules up to date");
    assert_eq!(fs::read_link(sandbox.path("app2/.lake/packages")).ok(), Some(shared));
    before.assert_unchanged();
}

#[test]
fn the_packages_directory_may_be_a_symlink_of_the_users() {
    let sandbox = Sandbox::mini_mathlib();
    sandbox
        .rename("app/.lake/packages", "elsewhere")
        .symlink("../../elsewhere", "app/.lake/packages");
    offline_get(&sandbox).run().expect_code(0);
    sandbox.expect_all_restored();
    expect_no_leftovers(&sandbox);
    assert!(sandbox.packages().is_symlink());
}

#[test]
fn the_packages_directory_may_have_another_name() {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.rename("app/.lake/packages", "app/deps");
    edit_manifest(&sandbox, |manifest| manifest["packagesDir"] = json!("deps"));
    let lakefile = sandbox.read("app/lakefile.toml");
    sandbox.write("app/lakefile.toml", format!("packagesDir = \"deps\"\n{lakefile}"));
    offline_get(&sandbox).run().expect_code(0).stderr_contains("restored 11 modules, 2 packages");
    sandbox.expect_restored_below("app/deps", &all());
    assert!(!sandbox.path("app/.lake/packages").exists());
}

#[test]
fn build_directories_may_be_symlinks() {
    for link in [".lake", ".lake/build"] {
        let sandbox = Sandbox::mini_mathlib();
        for package in ["mathlib", "batteries"] {
            let target = sandbox.path(format!("scratch/{package}"));
            sandbox.mkdir(&target).symlink(&target, sandbox.package(package).join(link));
        }
        offline_get(&sandbox).run().expect_code(0);
        sandbox.expect_all_restored();
        expect_no_leftovers(&sandbox);
        let is_link = |package| sandbox.package(package).join(link).is_symlink();
        assert!(is_link("mathlib") && is_link("batteries"), "{link} was replaced");
        offline_get(&sandbox).run().expect_code(0).stderr_contains("nothing to do");
    }
}

#[test]
#[cfg_attr(not(has = "mount"), ignore = "needs mount")]
fn build_directories_may_lie_on_other_file_systems() {
    for link in [".lake", ".lake/build", ".lake/build/lib"] {
        let sandbox = Sandbox::mini_mathlib();
        let scratch = Tmpfs::mount(sandbox.path("scratch"), "32m");
        sandbox
            .mkdir("scratch/mathlib")
            .symlink(sandbox.path("scratch/mathlib"), sandbox.package("mathlib").join(link));
        offline_get(&sandbox).run().expect_code(0);
        sandbox.expect_all_restored();
        expect_no_leftovers(&sandbox);
        expect_no_leftovers(&sandbox);
        clean(&sandbox);
        drop(scratch);
    }
}

/// Where publishing is no rename, there are copies on the way.
#[test]
#[cfg_attr(not(all(has = "mount", has = "cc")), ignore = "needs mount, cc")]
fn a_kill_on_the_way_to_another_file_system_leaves_nothing_behind() {
    for at in (1..40).step_by(3) {
        let sandbox = Sandbox::mini_mathlib();
        let scratch = Tmpfs::mount(sandbox.path("scratch"), "32m");
        let (lib, there) =
            (sandbox.package("mathlib").join(".lake/build/lib"), sandbox.path("scratch/lib"));
        sandbox.mkdir(&there).symlink(&there, lib);
        let act = Act::Signal(Signal::SIGKILL);
        let strike = Strike { calls: "rename", programs: "lake-shim", at, lasting: false, act };
        let (call, armed) = strike.arm(&sandbox, offline_get(&sandbox));
        call.run().expect_signal(Signal::SIGKILL);
        assert!(armed.struck().is_some(), "there is a rename {at}");
        offline_get(&sandbox).run().expect_code(0);
        sandbox.expect_all_restored();
        expect_no_leftovers(&sandbox);
        let left = Tree::of(sandbox.path("scratch"));
        let left = left.entries().keys().filter(|path| {
            path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
        });
        assert_eq!(left.collect::<Vec<_>>(), Vec::<&PathBuf>::new(), "rename {at}");
        clean(&sandbox);
        drop(scratch);
    }
}

#[test]
fn the_store_may_lie_on_another_file_system_and_be_full_of_symlinks() {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.rename("store", "really").mkdir("store");
    for module in mini_mathlib::modules() {
        sandbox.symlink(format!("../really/{}", module.ltar), format!("store/{}", module.ltar));
    }
    let really = Tree::of(sandbox.path("really"));
    let store = Tree::of(sandbox.store());
    offline_get(&sandbox).run().expect_code(0);
    sandbox.expect_all_restored();
    really.assert_unchanged();
    store.assert_unchanged();
}

#[test]
fn stores_are_searched_in_order() {
    let sandbox = Sandbox::mini_mathlib();
    let ltar = sandbox.ltar("Mathlib.Init");
    let name = ltar.file_name().expect("a name").to_owned();
    sandbox.mkdir("first").rename(&ltar, sandbox.path("first").join(&name));
    let stores =
        |order: [&str; 2]| order.map(|store| sandbox.path(store).display().to_string()).join(":");
    let run = sandbox
        .lake_shim("names --where Mathlib.Init")
        .env("LAKE_SHIM_STORE", stores(["first", "store"]))
        .run();
    run.expect_code(0)
        .stdout_contains(&format!("{}\n", sandbox.path("first").join(&name).display()));
    for order in [["first", "store"], ["store", "first"]] {
        offline_get(&sandbox).env("LAKE_SHIM_STORE", stores(order)).run().expect_code(0);
        sandbox.expect_all_restored();
        clean(&sandbox);
    }
    // In both: the first that has it.
    sandbox.copy(sandbox.path("first").join(&name), &ltar);
    for order in [["first", "store"], ["store", "first"]] {
        let run = sandbox
            .lake_shim("names --where Mathlib.Init")
            .env("LAKE_SHIM_STORE", stores(order))
            .run();
        run.stdout_contains(&format!("{}\n", sandbox.path(order[0]).join(&name).display()));
    }
}

#[test]
fn a_file_that_is_no_archive_in_the_first_store_does_not_hide_the_second_stores() {
    for damage in ["", "GIF89a, not an archive"] {
        let sandbox = Sandbox::mini_mathlib();
        let name = sandbox.ltar("Mathlib.Init").file_name().expect("a name").to_owned();
        sandbox.mkdir("first").write(sandbox.path("first").join(name), damage);
        let stores = format!("{}:{}", sandbox.path("first").display(), sandbox.store().display());
        offline_get(&sandbox).env("LAKE_SHIM_STORE", stores).run().expect_code(0);
        sandbox.expect_all_restored();
    }
}

#[test]
fn a_truncated_archive_in_the_first_store_does_not_hide_the_second_stores() {
    let sandbox = Sandbox::mini_mathlib();
    let ltar = sandbox.ltar("Mathlib.Init");
    let first = sandbox.path("first").join(ltar.file_name().expect("a name"));
    sandbox.mkdir("first").copy(&ltar, &first).truncate(&first);
    let stores = format!("{}:{}", sandbox.path("first").display(), sandbox.store().display());
    offline_get(&sandbox).env("LAKE_SHIM_STORE", stores).run().expect_code(0);
    sandbox.expect_all_restored();
}

#[test]
#[cfg_attr(not(has = "no-image-store"), ignore = "needs no-image-store")]
fn without_a_setting_the_store_is_where_mathlibs_tool_keeps_its_files() {
    let cases: [(Option<(&str, &str)>, &str); 3] = [
        (Some(("MATHLIB_CACHE_DIR", "mine")), "mine"),
        (Some(("XDG_CACHE_HOME", "xdg")), "xdg/mathlib"),
        (None, "home/.cache/mathlib"),
    ];
    for (variable, place) in cases {
        let sandbox = Sandbox::mini_mathlib();
        sandbox.rename("store", place);
        let store = Tree::of(sandbox.path(place));
        let mut call = offline_get(&sandbox).env_remove("LAKE_SHIM_STORE");
        if let Some((name, value)) = variable {
            call = call.env(name, sandbox.path(value));
        }
        let from = format!("from {} in", sandbox.path(place).display());
        call.run().expect_code(0).stderr_contains(&from);
        sandbox.expect_all_restored();
        store.assert_unchanged();
    }
}

#[test]
#[cfg_attr(not(has = "no-image-store"), ignore = "needs no-image-store")]
fn without_any_store_everything_is_missing() {
    let sandbox = Sandbox::mini_mathlib();
    let run = offline_get(&sandbox).env_remove("LAKE_SHIM_STORE").run();
    run.expect_code(1).stderr_contains("11 modules in no store");
    sandbox.expect_restored(&[]);
}
