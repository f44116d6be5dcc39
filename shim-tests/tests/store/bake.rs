//! What a bake puts into a store, and that it puts the same every time.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, SystemTime};

use shim_tests::ltar::Ltar;
use shim_tests::{Sandbox, Tmpfs, Tree, mini_mathlib, modules, tools};

use crate::{
    bake, baked, built, clear, expect_clones, files, files_ending, index, ltar, restore, verify,
};

#[test]
fn a_built_workspace_becomes_a_store() {
    let sandbox = built();
    let packages = Tree::of(sandbox.packages());
    let run = bake(&sandbox, "").run();
    run.expect_code(0).expect_stdout("").stderr_contains("is whole");
    let ltars: BTreeSet<_> = files_ending(&sandbox, ".ltar").into_iter().collect();
    let expected: BTreeSet<_> = modules().iter().map(|module| module.ltar.clone()).collect();
    assert_eq!(ltars, expected);
    assert_eq!(files_ending(&sandbox, ".tar.zst").len(), 2, "sources of two packages");
    let others = files(baked(&sandbox)).into_keys().filter(|path| {
        let name = path.to_string_lossy();
        !name.ends_with(".ltar") && !name.ends_with(".tar.zst") && !name.starts_with("leantar-")
    });
    let others: Vec<_> = others.map(|path| path.display().to_string()).collect();
    assert_eq!(others, ["lake-shim/index.json"]);
    packages.assert_unchanged();
    verify(&sandbox, "").without_network().run().expect_code(0);
}

#[test]
fn cache_files_made_from_builds_hold_what_the_clouds_hold() {
    let sandbox = built();
    bake(&sandbox, "").run().expect_code(0);
    for module in modules() {
        let made = fs::read(ltar(&sandbox, &module.name)).expect("baked");
        let original = fs::read(sandbox.ltar(&module.name)).expect("in the fixture");
        if tools::real_leantar().is_some() {
            assert!(made == original, "{} has other bytes", module.name);
            continue;
        }
        // The made-up archives have another order.
        let sorted = |bytes: &[u8]| {
            let ltar = Ltar::parse(bytes).expect("an archive");
            let mut entries: Vec<_> = ltar.entries.iter().map(|e| format!("{e:?}")).collect();
            entries.sort();
            (ltar.header, entries)
        };
        assert_eq!(sorted(&made), sorted(&original), "{}", module.name);
    }
}

#[test]
fn cache_files_that_lie_in_another_store_are_copied() {
    let sandbox = Sandbox::mini_mathlib();
    // Nothing is built, and there is no cloud.
    let run = bake(&sandbox, "").env("MATHLIB_CACHE_DIR", sandbox.store()).run();
    run.expect_code(0).stderr_contains("copied 11 files");
    for module in modules() {
        let bytes = |path| fs::read(path).expect("a file");
        assert!(bytes(ltar(&sandbox, &module.name)) == bytes(sandbox.ltar(&module.name)));
    }
    if tools::real_lake().is_none() {
        assert!(sandbox.lake_calls().is_empty(), "lake was not needed");
    }
}

#[test]
fn everybody_may_read_what_was_baked() {
    let sandbox = built();
    sandbox.shim_bin();
    let script = "umask 022; exec lake-shim bake --level 1 --store \"$0\"";
    let run = sandbox.command("sh", "-c").arg(script).arg(baked(&sandbox)).run();
    run.expect_code(0);
    let tree = Tree::of(baked(&sandbox));
    let private = tree.entries().iter().filter(|(_, entry)| entry.mode & 0o044 != 0o044);
    let private: Vec<_> =
        private.map(|(path, entry)| format!("{} {:o}", path.display(), entry.mode)).collect();
    assert!(private.is_empty(), "only their owner may read {private:?}");
}

#[test]
fn baking_again_changes_nothing() {
    let sandbox = built();
    bake(&sandbox, "").run().expect_code(0);
    let first = files(baked(&sandbox));
    bake(&sandbox, "").run().expect_code(0);
    assert_eq!(files(baked(&sandbox)), first);
    sandbox.remove(baked(&sandbox));
    bake(&sandbox, "").run().expect_code(0);
    assert_eq!(files(baked(&sandbox)), first);
}

#[test]
fn another_place_and_another_day_give_the_same_bytes() {
    let first = built();
    first.add_extra();
    bake(&first, "--format both").run().expect_code(0);
    thread::sleep(Duration::from_millis(1100));
    let second = built();
    second.rename("app", "somewhere/else/app").symlink("somewhere/else/app", "app");
    second.add_extra();
    let yesterday = SystemTime::now() - Duration::from_secs(100_000);
    for path in files(second.path("somewhere/else/app")).into_keys() {
        let file = fs::File::open(second.path("somewhere/else/app").join(path)).expect("a file");
        file.set_modified(yesterday).expect("touched");
    }
    bake(&second, "--format both --jobs 1").run().expect_code(0);
    let (first, second) = (files(baked(&first)), files(baked(&second)));
    assert_eq!(first, second);
}

#[test]
fn a_users_umask_and_git_configuration_do_not_show() {
    let first = built();
    bake(&first, "").run().expect_code(0);
    let second = built();
    let config = second.read("home/.gitconfig");
    second.write("home/hooks/post-checkout", "").write(
        "home/.gitconfig",
        format!(
            "{config}[core]\n\tautocrlf = true\n\thooksPath = {0}/hooks\n\tfsmonitor = true\n\tuntrackedCache = true\n\
             [index]\n\tversion = 4\n\tthreads = 2\n[feature]\n\tmanyFiles = true\n[pack]\n\twindow = 50\n\
             [init]\n\ttemplateDir = {0}\n\tdefaultRefFormat = reftable\n[extensions]\n\tworktreeConfig = true\n",
            second.home().display()
        ),
    );
    second.shim_bin();
    let script = "umask 077; exec lake-shim bake --level 1 --store \"$0\"";
    let run = second.command("sh", "-c").arg(script).arg(baked(&second)).run();
    run.expect_code(0);
    assert_eq!(files(baked(&first)), files(baked(&second)));
}

#[test]
fn a_head_that_only_git_can_read_is_read_by_git() {
    type Write = fn(&Sandbox, &Path);
    let capitals: Write = |sandbox, clone| {
        sandbox.write(clone.join(".git/HEAD"), sandbox.locked("batteries").1.to_uppercase());
    };
    // A git from before 2.46 leaves the clone as it is, and none takes reflogs along yet.
    let reftable: Write = |sandbox, clone| {
        sandbox.remove(clone.join(".git/logs"));
        sandbox.command("git", "refs migrate --ref-format=reftable").cwd(clone).run();
    };
    for write in [capitals, reftable] {
        let sandbox = built();
        write(&sandbox, &sandbox.package("batteries"));
        bake(&sandbox, "").run().expect_code(0).stderr_lacks("resolve-deps");
        clear(&sandbox);
        restore(&sandbox, "").run().expect_code(0);
        expect_clones(&sandbox, &["mathlib", "batteries"]);
    }
}

#[test]
fn git_variables_of_a_hook_do_not_show() {
    let first = built();
    bake(&first, "").env("MATHLIB_CACHE_DIR", first.store()).run().expect_code(0);
    let second = built();
    second.git(&second.workspace(), &["init", "--quiet"]);
    // What git sets for a hook, in which somebody might bake.
    let run = bake(&second, "")
        .env("GIT_DIR", second.path("app/.git"))
        .env("GIT_INDEX_FILE", second.path("app/.git/index"))
        .env("GIT_WORK_TREE", second.path("app"))
        .env("GIT_DEFAULT_REF_FORMAT", "reftable")
        .env("MATHLIB_CACHE_DIR", second.store())
        .run();
    run.expect_code(0);
    assert_eq!(files(baked(&first)), files(baked(&second)));
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn a_fresh_checkout_is_materialised_and_filled_from_the_cloud_fake_lake_only() {
    let sandbox = Sandbox::mini_mathlib_without_packages().online().with_cloud();
    let run = bake(&sandbox, "").run();
    run.expect_code(0).stderr_contains("running `lake resolve-deps`");
    let lines: Vec<_> = sandbox.lake_calls().iter().map(|call| call.line()).collect();
    assert_eq!(lines, ["resolve-deps", "exe cache get"]);
    let call = &sandbox.lake_calls()[1];
    assert_eq!(call.var("MATHLIB_CACHE_DIR"), Some(baked(&sandbox).display().to_string()));
    for module in modules() {
        let bytes = |path| fs::read(path).expect("a file");
        assert!(bytes(ltar(&sandbox, &module.name)) == bytes(sandbox.ltar(&module.name)));
    }
    let other = built();
    bake(&other, "").env("MATHLIB_CACHE_DIR", other.store()).run().expect_code(0);
    assert_eq!(files(baked(&other)), files(baked(&sandbox)), "however it was filled");
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn what_the_cloud_lacks_and_is_built_is_packed_fake_lake_only() {
    let sandbox = built().with_cloud();
    let lacking = sandbox.ltar("Mathlib.Order.Lattice");
    let name = lacking.file_name().expect("a name");
    sandbox.remove(sandbox.cloud().join(name));
    bake(&sandbox, "").run().expect_code(0).stderr_contains("1 module");
    assert!(baked(&sandbox).join(name).exists());
    verify(&sandbox, "").run().expect_code(0);
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn from_source_asks_no_cloud_fake_lake_only() {
    let sandbox = built().with_cloud();
    bake(&sandbox, "--from-source").run().expect_code(0);
    let lines: Vec<_> = sandbox.lake_calls().iter().map(|call| call.line()).collect();
    assert!(lines.iter().all(|line| !line.contains("cache get")), "{lines:?}");
    assert!(lines.iter().any(|line| line.starts_with("build")), "{lines:?}");
    assert_eq!(files_ending(&sandbox, ".ltar").len(), modules().len());
}

#[test]
fn the_index_says_what_there_is() {
    let sandbox = built();
    bake(&sandbox, "").run().expect_code(0);
    let index = index(&sandbox);
    assert_eq!(index["schema"], 1);
    let locks = index["locks"].as_object().expect("locks");
    assert_eq!(locks.len(), 1);
    let lock = locks.values().next().expect("one");
    assert_eq!(lock["toolchain"], sandbox.read("app/lean-toolchain").trim());
    let found = files(baked(&sandbox));
    for module in modules() {
        assert_eq!(lock["modules"][&module.name], module.ltar.as_str());
        let record = &index["ltars"][&module.ltar];
        let path = Path::new(&module.ltar);
        assert_eq!(record["sha256"], found[path].as_str());
        let size = fs::metadata(baked(&sandbox).join(path)).expect("baked").len();
        assert_eq!(record["size"], size);
    }
    for (package, _) in mini_mathlib::PACKAGES {
        let shard = crate::shard(&sandbox, package, "source");
        let relative = shard.strip_prefix(baked(&sandbox)).expect("in the store");
        assert!(shard.to_string_lossy().contains(&found[relative]), "named by its sha256");
    }
}

#[test]
#[cfg_attr(not(has = "mount"), ignore = "needs mount")]
fn temporary_files_may_lie_on_another_file_system() {
    let sandbox = built();
    let _disk = Tmpfs::mount(sandbox.path("tmp"), "64m");
    bake(&sandbox, "").run().expect_code(0);
}
