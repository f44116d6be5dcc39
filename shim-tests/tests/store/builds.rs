//! Build packs: of packages that mathlib's cache does not cover, and of all with `--format pack`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::{Value, json};
use shim_tests::Sandbox;

use crate::{
    bake, baked, baked_and_fresh_from, built, clear, edit_index, edit_manifest, expect_clones,
    expect_no_leftovers, files, files_ending, index, lake, restore, shard, verify,
};

fn with_extra(words: &str) -> Sandbox {
    let sandbox = built();
    sandbox.add_extra();
    baked_and_fresh_from(sandbox, words)
}

fn packs(sandbox: &Sandbox) -> Vec<(String, String)> {
    let index = index(sandbox);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let packs = index["packs"].as_array().into_iter().flatten();
    packs.map(|pack| (text(&pack["package"]), text(&pack["content"]))).collect()
}

fn has_extra(sandbox: &Sandbox) -> bool {
    sandbox.package("extra").join(".lake/build/lib/lean/Extra.olean").exists()
}

#[test]
fn a_package_that_the_cache_does_not_cover_gets_a_build_pack() {
    let sandbox = built();
    sandbox.add_extra();
    let build = sandbox.package("extra").join(".lake/build");
    let before = files(&build);
    let sandbox = baked_and_fresh_from(sandbox, "");
    let builds: Vec<_> =
        packs(&sandbox).into_iter().filter(|(_, content)| content == "build").collect();
    assert_eq!(builds, [("extra".to_owned(), "build".to_owned())]);
    verify(&sandbox, "").run().expect_code(0).stderr_contains("4 packs");
    restore(&sandbox, "").run().expect_code(0);
    sandbox.expect_all_restored();
    expect_clones(&sandbox, &["mathlib", "batteries", "extra"]);
    let mut after = files(&build);
    assert!(after.remove(Path::new(".lake-shim.pack")).is_some());
    assert_eq!(after, before);
    let mode = fs::metadata(build.join("bin/tool")).expect("restored").permissions().mode();
    assert_eq!(mode & 0o111, 0o111, "a program can be run");
    let alias = fs::read_link(build.join("lib/lean/Alias.olean")).expect("a symlink");
    assert_eq!(alias.to_str(), Some("Extra.olean"));
    expect_no_leftovers(&sandbox);
    restore(&sandbox, "").run().expect_code(0).stderr_contains("nothing to do");
}

#[test]
#[cfg_attr(not(has = "zstd"), ignore = "needs zstd")]
fn setup_files_and_logs_are_left_out() {
    let sandbox = built();
    sandbox.add_extra();
    let build = sandbox.package("extra").join(".lake/build");
    let path = sandbox.path("").display().to_string();
    sandbox
        .write(build.join("ir/Extra.setup.json"), &path)
        .write(build.join("lib/lean/Extra.log"), &path);
    let sandbox = baked_and_fresh_from(sandbox, "");
    let script = "zstd -dc \"$0\"";
    let run = sandbox.command("sh", "-c").arg(script).arg(shard(&sandbox, "extra", "build")).run();
    run.expect_code(0).stdout_contains("Extra.olean");
    run.stdout_lacks("setup.json").stdout_lacks("Extra.log").stdout_lacks(&path);
}

#[test]
fn what_was_built_where_does_not_show() {
    let shards = [(); 2].map(|()| {
        let sandbox = with_extra("");
        shard(&sandbox, "extra", "build").file_name().map(ToOwned::to_owned)
    });
    assert_eq!(shards[0], shards[1]);
}

#[test]
fn packs_alone_hold_everything() {
    let sandbox = baked_and_fresh_from(built(), "--format pack");
    assert!(files_ending(&sandbox, ".ltar").is_empty());
    assert_eq!(packs(&sandbox).len(), 4);
    verify(&sandbox, "").run().expect_code(0);
    // leantar is not needed.
    let run = restore(&sandbox, "").env("LAKE_SHIM_LEANTAR", "/bin/false").run();
    run.expect_code(0).stderr_contains("2 packages");
    sandbox.expect_all_restored();
    expect_clones(&sandbox, &["mathlib", "batteries"]);
    expect_no_leftovers(&sandbox);
    restore(&sandbox, "").run().expect_code(0).stderr_contains("nothing to do");
    lake(&sandbox, "build --no-build Mathlib").run().expect_code(0);
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn with_packs_alone_nothing_built_is_nothing_baked_fake_lake_only() {
    // The fake lake builds nothing, and there are no files of a build.
    let sandbox = Sandbox::mini_mathlib();
    bake(&sandbox, "--format pack").run().expect_code(1).stderr_contains("mathlib");
    assert!(!sandbox.path("baked/lake-shim/index.json").exists());
}

#[test]
fn both_forms_at_once() {
    let sandbox = baked_and_fresh_from(built(), "--format both");
    assert_eq!(files_ending(&sandbox, ".ltar").len(), 11);
    assert_eq!(packs(&sandbox).len(), 4);
    restore(&sandbox, "").run().expect_code(0);
    sandbox.expect_all_restored();
    // When the build of one is damaged, there are the cache files.
    clear(&sandbox);
    sandbox.flip_bit(shard(&sandbox, "mathlib", "build"));
    restore(&sandbox, "").run().expect_code(0);
    sandbox.expect_all_restored();
    expect_clones(&sandbox, &["mathlib", "batteries"]);
}

#[test]
fn a_store_may_be_baked_in_one_form_and_then_in_the_other() {
    let sandbox = built();
    bake(&sandbox, "").run().expect_code(0);
    bake(&sandbox, "--format pack").run().expect_code(0);
    verify(&sandbox, "").run().expect_code(0);
    clear(&sandbox);
    restore(&sandbox, "").run().expect_code(0);
    sandbox.expect_all_restored();
}

#[test]
fn a_build_that_does_not_fit_is_not_used() {
    type Change = fn(&Sandbox);
    let changes: [(&str, Change); 4] = [
        ("toolchain", |sandbox| edit_build(sandbox, "toolchain", json!("leanprover/lean4:v4.0.0"))),
        ("platform", |sandbox| edit_build(sandbox, "platform", json!("riscv64-plan9"))),
        ("a dependency", |sandbox| {
            edit_build(sandbox, "dependencies", json!({"batteries": "0".repeat(40)}))
        }),
        ("a missing dependency", |sandbox| {
            edit_build(sandbox, "dependencies", json!({"aesop": "0".repeat(40)}))
        }),
    ];
    let sandbox = with_extra("");
    sandbox.copy("baked", "whole");
    for (name, change) in changes {
        sandbox.remove("baked").copy("whole", "baked");
        change(&sandbox);
        restore(&sandbox, "").run();
        assert!(
            sandbox.package("extra").join("Extra.lean").exists(),
            "{name}: sources fit all the same"
        );
        assert!(!has_extra(&sandbox), "{name}");
        sandbox.expect_all_restored();
        clear(&sandbox);
    }
    sandbox.remove("baked").copy("whole", "baked");
    restore(&sandbox, "").run().expect_code(0);
    assert!(has_extra(&sandbox));
}

#[test]
fn a_build_of_another_revision_is_not_used() {
    let sandbox = built();
    sandbox.add_extra();
    bake(&sandbox, "").run().expect_code(0);
    let extra = sandbox.package("extra");
    sandbox.write(extra.join("Extra.lean"), "prelude\n-- other\n").remove(extra.join(".lake"));
    let rev = sandbox.commit(&extra);
    edit_manifest(&sandbox, |manifest| crate::packages(manifest)[2]["rev"] = json!(rev));
    restore(&sandbox, "").run();
    assert!(!has_extra(&sandbox));
}

#[test]
fn a_build_that_is_there_is_replaced_by_the_packed_one_of_this_lock() {
    let sandbox = with_extra("");
    restore(&sandbox, "").run().expect_code(0);
    let build = sandbox.package("extra").join(".lake/build");
    let packed = files(&build);
    sandbox.remove(&build).write(build.join("lib/lean/Extra.olean"), "of another revision");
    restore(&sandbox, "").run().expect_code(0);
    assert_eq!(files(&build), packed);
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn lakes_own_cache_get_is_answered_when_every_build_is_packed_fake_lake_only() {
    let sandbox = baked_and_fresh_from(built(), "--format pack");
    let already = sandbox.lake_calls().len();
    let run = lake(&sandbox, "cache get").run();
    run.expect_code(0).expect_stdout("").stderr_contains("2 packages");
    assert_eq!(sandbox.lake_calls().len(), already, "lake is not needed");
    sandbox.expect_all_restored();
    expect_clones(&sandbox, &["mathlib", "batteries"]);
    let run = lake(&sandbox, "cache get").run();
    run.expect_code(0);
    assert_eq!(sandbox.lake_calls().len(), already);
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn lakes_own_cache_get_is_lakes_when_a_build_is_not_packed_fake_lake_only() {
    let sandbox = with_extra("");
    sandbox.clone_packages(&sandbox.packages());
    // Only `extra` has a pack of a build.
    let already = sandbox.lake_calls().len();
    lake(&sandbox, "cache get").run();
    let lines: Vec<_> = sandbox.lake_calls()[already..].iter().map(|call| call.line()).collect();
    assert_eq!(lines, ["cache get"]);
}

#[test]
#[cfg_attr(
    not(all(has = "fake-lake", has = "fake-leantar")),
    ignore = "needs the fake lake, the fake leantar"
)]
fn lakes_own_cache_get_is_lakes_when_a_pack_is_damaged_fake_leantar_only() {
    let sandbox = baked_and_fresh_from(built(), "--format pack");
    sandbox.clone_packages(&sandbox.packages()).flip_bit(shard(&sandbox, "mathlib", "build"));
    let already = sandbox.lake_calls().len();
    lake(&sandbox, "cache get").run().stderr_contains("the build of `mathlib`");
    let lines: Vec<_> = sandbox.lake_calls()[already..].iter().map(|call| call.line()).collect();
    assert_eq!(lines, ["cache get"]);
}

fn edit_build(sandbox: &Sandbox, key: &str, value: Value) {
    edit_index(sandbox, |index| {
        let packs = index["packs"].as_array_mut().expect("packs").iter_mut();
        packs.filter(|pack| pack["content"] == "build").for_each(|pack| pack[key] = value.clone());
    });
}

/// As of `buildO (pkg.buildDir / "ffi.o")`.
#[test]
fn files_that_lie_in_the_build_directory_itself_are_replaced() {
    let sandbox = built();
    sandbox.add_extra();
    let object = sandbox.package("extra").join(".lake/build/ffi.o");
    sandbox.write(&object, "new");
    let sandbox = baked_and_fresh_from(sandbox, "");
    restore(&sandbox, "").run().expect_code(0);
    sandbox.write(&object, "old").remove(object.with_file_name(".lake-shim.pack"));
    restore(&sandbox, "").run().expect_code(0);
    assert_eq!(sandbox.read(&object), "new");
    assert!(has_extra(&sandbox));
    expect_no_leftovers(&sandbox);
}

/// A store that was baked in both ways has a build without Lean's files, and one with them.
#[test]
fn a_whole_build_goes_before_a_part_of_one() {
    let sandbox = built();
    sandbox.write(sandbox.package("mathlib").join(".lake/build/bin/cache"), "a program");
    bake(&sandbox, "").run().expect_code(0);
    let sandbox = baked_and_fresh_from(sandbox, "--format pack");
    let of_mathlib = ("mathlib".to_owned(), "build".to_owned());
    assert_eq!(packs(&sandbox).iter().filter(|pack| **pack == of_mathlib).count(), 2);
    for file in files_ending(&sandbox, ".ltar") {
        sandbox.remove(baked(&sandbox).join(file));
    }
    let run = restore(&sandbox, "").run();
    run.expect_code(0);
    sandbox.expect_all_restored();
    restore(&sandbox, "").run().expect_code(0).stderr_contains("nothing to do");
}
