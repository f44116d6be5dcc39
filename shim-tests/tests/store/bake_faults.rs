//! When a bake must not end well, and what it leaves then.

use nix::errno::Errno;
use serde_json::json;
use shim_tests::preload::{Act, Strike};
use shim_tests::{NOBODY, Sandbox, Tree, modules};

use crate::{
    bake, baked, built, edit_manifest, files_ending, ltar, move_batteries, packages, verify,
};

fn index_exists(sandbox: &Sandbox) -> bool {
    baked(sandbox).join("lake-shim/index.json").exists()
}

#[test]
fn nothing_is_baked_without_a_manifest() {
    let sandbox = built();
    sandbox.remove("app/lake-manifest.json");
    let run = bake(&sandbox, "").run();
    run.expect_code(1)
        .expect_stdout("")
        .stderr_contains("has no `lake-manifest.json`")
        .stderr_contains("hint: `lake update`");
    assert!(!index_exists(&sandbox));
}

#[test]
fn nothing_is_baked_without_a_toolchain_or_a_workspace() {
    let sandbox = built();
    sandbox.remove("app/lean-toolchain");
    bake(&sandbox, "")
        .run()
        .expect_code(1)
        .stderr_contains("lean-toolchain")
        .stderr_contains("hint: ");
    sandbox.mkdir("empty");
    bake(&sandbox, "").cwd("empty").run().expect_code(1).stderr_contains("hint: ");
    assert!(!index_exists(&sandbox));
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn what_cannot_be_had_is_listed_and_no_index_written_fake_lake_only() {
    let sandbox = built();
    let lattice = modules().iter().find(|module| module.name == "Mathlib.Order.Lattice");
    let lattice = lattice.expect("in the fixture");
    sandbox.remove(sandbox.packages().join(&lattice.trace));
    let run = bake(&sandbox, "").run();
    run.expect_code(1)
        .stderr_contains("1 module missing")
        .stderr_contains("  Mathlib.Order.Lattice\n")
        .stderr_contains("hint: ")
        .stderr_lacks("baked `");
    assert!(!index_exists(&sandbox));
    // What was made stays, and the next bake makes the rest.
    assert_eq!(files_ending(&sandbox, ".ltar").len(), modules().len() - 1);
    let run = bake(&sandbox, "").env("MATHLIB_CACHE_DIR", sandbox.store()).run();
    run.expect_code(0).stderr_contains("copied ");
    verify(&sandbox, "").run().expect_code(0);
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn nothing_at_all_is_an_error_fake_lake_only() {
    let sandbox = Sandbox::mini_mathlib();
    bake(&sandbox, "").run().expect_code(1).stderr_contains("11 modules missing");
    assert!(!index_exists(&sandbox));
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn an_incomplete_bake_leaves_the_index_of_another_lock_fake_lake_only() {
    let sandbox = built();
    bake(&sandbox, "").run().expect_code(0);
    let before = sandbox.read("baked/lake-shim/index.json");
    move_batteries(&sandbox);
    sandbox.remove("home/.cache").remove(sandbox.package("batteries").join(".lake"));
    bake(&sandbox, "").run().expect_code(1).stderr_contains("missing");
    assert_eq!(sandbox.read("baked/lake-shim/index.json"), before);
    verify(&sandbox, "").run().expect_code(0);
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn a_build_of_other_sources_is_not_packed_under_the_new_name_fake_lake_only() {
    let sandbox = built();
    // The sources move on, the build stays, and lake fails to build them.
    let [_, new] = move_batteries(&sandbox);
    sandbox.remove("home/.cache");
    let run = bake(&sandbox, "").env("FAKE_LAKE_EXIT", "1").run();
    for file in new {
        assert!(!baked(&sandbox).join(&file).exists(), "{file} is an old build\n{run}");
    }
    run.expect_code(1);
    assert!(!index_exists(&sandbox));
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn a_build_that_failed_is_not_packed_fake_lake_only() {
    for format in ["pack", "both"] {
        let sandbox = built();
        let run = bake(&sandbox, &format!("--format {format}")).env("FAKE_LAKE_EXIT", "1").run();
        run.expect_code(1)
            .stderr_contains("`lake build Mathlib` failed")
            .stderr_contains("hint: what it said is above")
            .stderr_lacks("is whole");
        assert!(!index_exists(&sandbox) && files_ending(&sandbox, ".tar.zst").is_empty());
    }
}

#[test]
#[cfg_attr(not(has = "cc"), ignore = "needs cc")]
fn a_build_directory_that_cannot_be_listed_is_not_taken_for_empty() {
    let sandbox = built();
    sandbox.add_extra();
    bake(&sandbox, "").run().expect_code(0);
    let build = sandbox.package("extra").join(".lake/build");
    let listing = |at| {
        let act = Act::Errno(Errno::EIO);
        let strike = Strike { at, act, ..Strike::count("list", "lake-shim") };
        let (call, armed) = strike.arm(&sandbox, bake(&sandbox, ""));
        (call.env("FAULT_UNDER", &build).run(), armed)
    };
    let (run, counted) = listing(0);
    run.expect_code(0);
    assert!(counted.count() > 0, "it is listed");
    for at in 1..=counted.count() {
        let (run, _) = listing(at);
        run.expect_code(1).stderr_contains("Input/output error").stderr_contains("hint: ");
    }
}

#[test]
fn a_url_with_a_password_is_refused() {
    for (url, is_secret) in [
        ("https://me:s3cret@github.com/leanprover-community/batteries", true),
        ("https://ghp_s3cret@github.com/leanprover-community/batteries", true),
        ("ssh://git@github.com/leanprover-community/batteries", false),
    ] {
        let sandbox = built();
        edit_manifest(&sandbox, |manifest| packages(manifest)[1]["url"] = json!(url));
        let run = bake(&sandbox, "").run();
        assert_eq!(run.code, Some(i32::from(is_secret)), "{url}: {run}");
        run.stderr_lacks("s3cret").stdout_lacks("s3cret");
        assert_eq!(index_exists(&sandbox), !is_secret, "{url}");
    }
}

#[test]
#[cfg_attr(not(has = "setpriv"), ignore = "needs setpriv")]
fn a_store_that_may_not_be_written_is_an_error_that_names_it() {
    let sandbox = built();
    sandbox.mkdir("baked");
    let before = Tree::of(baked(&sandbox));
    let run = bake(&sandbox, "").as_user(NOBODY).run();
    run.expect_code(1)
        .stderr_contains(&baked(&sandbox).display().to_string())
        .stderr_contains("Permission denied");
    before.assert_unchanged();
}

#[test]
fn a_wrong_level_or_format_is_told_with_code_2() {
    let sandbox = Sandbox::mini_mathlib();
    for line in ["bake --level 0", "bake --level 23", "bake --format zip", "bake --frobnicate"] {
        sandbox.lake_shim(line).run().expect_code(2).expect_stdout("");
    }
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn a_damaged_cache_file_in_another_store_is_not_baked_as_whole_fake_lake_only() {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.truncate(sandbox.ltar("Mathlib.Order.Lattice"));
    let run = bake(&sandbox, "").env("MATHLIB_CACHE_DIR", sandbox.store()).run();
    run.expect_code(1).stderr_contains("Mathlib.Order.Lattice");
    assert!(!index_exists(&sandbox));
}

#[test]
fn a_bake_replaces_a_cache_file_that_was_damaged() {
    type Damage = fn(&Sandbox);
    let damages: [(&str, Damage); 3] = [
        ("cut", |sandbox| {
            sandbox.truncate(ltar(sandbox, "Mathlib.Init"));
        }),
        ("flipped", |sandbox| {
            sandbox.flip_bit(ltar(sandbox, "Mathlib.Init"));
        }),
        ("gone", |sandbox| {
            sandbox.remove(ltar(sandbox, "Mathlib.Init"));
        }),
    ];
    for (name, damage) in damages {
        let sandbox = built();
        bake(&sandbox, "").run().expect_code(0);
        let whole = crate::files(baked(&sandbox));
        damage(&sandbox);
        bake(&sandbox, "").run().expect_code(0);
        assert_eq!(crate::files(baked(&sandbox)), whole, "{name}");
        verify(&sandbox, "").run().expect_code(0);
    }
}

#[test]
fn a_bake_replaces_a_shard_that_was_damaged() {
    type Damage = fn(&Sandbox);
    let damages: [(&str, Damage); 3] = [
        ("cut", |sandbox| {
            sandbox.truncate(crate::shard(sandbox, "mathlib", "source"));
        }),
        ("flipped", |sandbox| {
            sandbox.flip_bit(crate::shard(sandbox, "mathlib", "source"));
        }),
        ("gone", |sandbox| {
            sandbox.remove(crate::shard(sandbox, "mathlib", "source"));
        }),
    ];
    for (name, damage) in damages {
        let sandbox = built();
        bake(&sandbox, "").run().expect_code(0);
        let whole = crate::files(baked(&sandbox));
        damage(&sandbox);
        bake(&sandbox, "").run().expect_code(0);
        assert_eq!(crate::files(baked(&sandbox)), whole, "{name}");
    }
}
