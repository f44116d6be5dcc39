//! Several users and one packages directory: they work through its group, or hear why not.

use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;
use shim_tests::{Call, Sandbox, Tree};

use crate::{ANNA, BERT, GROUP, baked_and_fresh, checkout};

/// A directory of the group's, in which new files are the group's too.
fn shared(sandbox: &Sandbox, mode: u32) -> PathBuf {
    let shared = sandbox.path("shared");
    sandbox.mkdir(&shared);
    chown(&shared, None, Some(GROUP)).expect("root may");
    sandbox.chmod(&shared, mode);
    shared
}

/// A command of one of them in his own checkout.
fn by<'a>(call: Call<'a>, user: u32, app: &Path, shared: &Path) -> Call<'a> {
    let call = call.as_user(user).in_group(GROUP).cwd(app).env("LAKE_PKG_DIR", shared);
    // The fakes of another user have no say in a log of root's.
    call.env("LAKE_SHIM_NETWORK", "never").env_remove("FAKE_LAKE_LOG").umask(0o002)
}

#[test]
#[cfg_attr(not(has = "setpriv"), ignore = "needs setpriv")]
fn one_restores_and_the_other_links_builds_and_restores() {
    let sandbox = baked_and_fresh();
    let shared = shared(&sandbox, 0o2775);
    let [annas, berts] = [ANNA, BERT].map(|user| checkout(&sandbox, user));
    let run = by(sandbox.lake("exe cache get"), ANNA, &annas, &shared).run();
    run.expect_code(0).stderr_contains("restored 11 modules, 2 packages");
    sandbox.expect_restored_below(&shared, &all());
    let before = Tree::of(&shared);
    let run = by(sandbox.lake("exe cache get"), BERT, &berts, &shared).run();
    run.expect_code(0).stderr_contains("nothing to do: 11 modules up to date");
    by(sandbox.lake("build"), BERT, &berts, &shared).run().expect_code(0);
    before.assert_same_content();
    // What Anna made is replaced, with Bert's name on it and the group's rights.
    sandbox.write(shared.join("mathlib/.lake/build/lib/lean/Mathlib/Init.trace"), "damaged");
    let run = by(sandbox.lake_shim("restore"), BERT, &berts, &shared).run();
    run.expect_code(0).stderr_contains("restored 1 module");
    let run = by(sandbox.lake_shim("restore --force"), BERT, &berts, &shared).run();
    run.expect_code(0).stderr_contains("restored 11 modules");
    let run = by(sandbox.lake_shim("restore --force"), ANNA, &annas, &shared).run();
    run.expect_code(0).stderr_contains("restored 11 modules");
    sandbox.expect_restored_below(&shared, &all());
}

#[test]
#[cfg_attr(not(has = "setpriv"), ignore = "needs setpriv")]
fn who_has_no_rights_hears_it_and_lake_is_asked_all_the_same() {
    let sandbox = baked_and_fresh();
    let shared = shared(&sandbox, 0o2775);
    let [annas, berts] = [ANNA, BERT].map(|user| checkout(&sandbox, user));
    // Anna keeps to herself what the group could have had.
    let run = by(sandbox.lake("exe cache get"), ANNA, &annas, &shared).umask(0o022).run();
    run.expect_code(0);
    sandbox.remove(shared.join("mathlib/.lake/build/lib/lean/Mathlib/Init.olean"));
    let before = Tree::of(&shared);
    let run = by(sandbox.lake("exe cache get"), BERT, &berts, &shared).run();
    run.expect_code(1)
        .stderr_contains("cannot restore into `")
        .stderr_contains("mathlib/.lake/build`")
        .stderr_contains("ermission denied")
        .stderr_contains("\nhint: restoring needs to write there");
    before.assert_unchanged();
    // What a real one could build without rights is its own affair.
    let build = by(sandbox.lake("build"), BERT, &berts, &shared);
    let run = build.env("LAKE_SHIM_LAKE", sandbox.path("tools/true")).run();
    run.expect_code(0).stderr_contains("warning: cannot restore into `");
    before.assert_unchanged();
}

/// `lake env`, an editor's server: what Lake starts finds the toolchain's own lake first.
#[test]
#[cfg_attr(not(all(has = "fake-lake", has = "setpriv")), ignore = "needs the fake lake, setpriv")]
fn a_lake_past_the_shim_reads_packages_of_another_user_fake_lake_only() {
    let sandbox = baked_and_fresh();
    let shared = shared(&sandbox, 0o2777);
    let [annas, berts] = [ANNA, BERT].map(|user| checkout(&sandbox, user));
    by(sandbox.lake("exe cache get"), ANNA, &annas, &shared).umask(0o000).run().expect_code(0);
    let inner = sandbox.toolchain_bin().join("lake");
    let before = Tree::of(&shared);
    let run = by(sandbox.lake("env"), BERT, &berts, &shared).arg(&inner).arg("build").run();
    run.expect_code(0).stderr_lacks("deleting").stderr_lacks("dubious");
    before.assert_same_content();
    // Which it does not without the shim.
    by(sandbox.real_lake("build"), BERT, &berts, &shared).run().stderr_contains("deleting");
}

#[test]
#[cfg_attr(not(has = "setpriv"), ignore = "needs setpriv")]
fn a_sticky_directory_keeps_everybodys_own() {
    let sandbox = baked_and_fresh();
    let shared = shared(&sandbox, 0o1777);
    let [annas, berts] = [ANNA, BERT].map(|user| checkout(&sandbox, user));
    by(sandbox.lake("exe cache get"), ANNA, &annas, &shared).umask(0o022).run().expect_code(0);
    let before = Tree::of(&shared);
    // Whole, it is everybody's to read.
    by(sandbox.lake("build"), BERT, &berts, &shared).run().expect_code(0);
    before.assert_unchanged();
    let run = by(sandbox.lake_shim("restore --force"), BERT, &berts, &shared).run();
    run.expect_code(1).stderr_contains("cannot restore into `").stderr_contains("\nhint: ");
    before.assert_unchanged();
}

#[test]
#[cfg_attr(
    not(all(has = "fake-leantar", has = "setpriv")),
    ignore = "needs the fake leantar, setpriv"
)]
fn what_one_left_when_killed_is_in_nobodys_way_fake_leantar_only() {
    let sandbox = baked_and_fresh();
    let shared = shared(&sandbox, 0o2775);
    let [annas, berts] = [ANNA, BERT].map(|user| checkout(&sandbox, user));
    let killed = by(sandbox.lake("exe cache get"), ANNA, &annas, &shared)
        .env("FAKE_LEANTAR_WAIT_FOR", sandbox.path("never"))
        .spawn();
    let build = shared.join("mathlib/.lake/build");
    let stages = || stages(&build);
    killed.wait_until(|| !stages().is_empty()).signal(Signal::SIGKILL);
    killed.wait().expect_signal(Signal::SIGKILL);
    let left = stages();
    let run = by(sandbox.lake("exe cache get"), BERT, &berts, &shared).run();
    run.expect_code(0).stderr_contains("restored 11 modules");
    sandbox.expect_restored_below(&shared, &all());
    assert_eq!(stages(), left, "they are Anna's to clear up");
    by(sandbox.lake_shim("restore"), ANNA, &annas, &shared).run().expect_code(0);
    assert!(stages().is_empty(), "which she does without being asked");
}

#[test]
#[cfg_attr(
    not(all(has = "fake-leantar", has = "setpriv")),
    ignore = "needs the fake leantar, setpriv"
)]
fn they_wait_for_each_other_by_name_fake_leantar_only() {
    let sandbox = baked_and_fresh();
    let shared = shared(&sandbox, 0o2775);
    let [annas, berts] = [ANNA, BERT].map(|user| checkout(&sandbox, user));
    // The sources first, so that both are at the modules.
    let gate = sandbox.path("gate");
    let first = by(sandbox.lake("exe cache get"), ANNA, &annas, &shared)
        .env("FAKE_LEANTAR_WAIT_FOR", &gate)
        .spawn();
    first.wait_until(|| !stages(&shared.join("mathlib/.lake/build")).is_empty());
    let second = by(sandbox.lake("exe cache get"), BERT, &berts, &shared).spawn();
    second.wait_until_it_says("waiting for `lake exe cache get` (process ");
    sandbox.write(&gate, "");
    second.wait().expect_code(0);
    first.wait().expect_code(0);
    sandbox.expect_restored_below(&shared, &all());
}

/// What goes on there is published under the name of whoever restores.
#[test]
#[cfg_attr(
    not(all(has = "fake-leantar", has = "setpriv", has = "setfacl")),
    ignore = "needs the fake leantar, setpriv, setfacl"
)]
fn nobody_else_can_enter_where_a_restore_is_at_work_fake_leantar_only() {
    let sandbox = baked_and_fresh();
    let shared = shared(&sandbox, 0o2775);
    let setfacl = shim_tests::tools::find_on_path("setfacl").expect("needed");
    let acl = format!("d:u::rwx,d:g::rwx,d:o::-,d:m::rwx,d:u:{BERT}:rwx");
    sandbox.command(setfacl, "-m").arg(acl).arg(&shared).run().expect_code(0);
    let annas = checkout(&sandbox, ANNA);
    let gate = sandbox.path("gate");
    let running = by(sandbox.lake("exe cache get"), ANNA, &annas, &shared)
        .env("FAKE_LEANTAR_WAIT_FOR", &gate)
        .spawn();
    let build = shared.join("mathlib/.lake/build");
    running.wait_until(|| !stages(&build).is_empty());
    let touch = |dir: &Path| {
        let touch = shim_tests::tools::find_on_path("touch").expect("comes with cp");
        let touch = sandbox.command(touch, "").arg(dir.join("berts"));
        touch.as_user(BERT).in_group(GROUP).cwd(&shared).run()
    };
    let stages = stages(&build);
    for stage in &stages {
        touch(stage).expect_code(1).stderr_contains("Permission denied");
    }
    // Beside it he may, so that it was not for want of rights.
    touch(&build).expect_code(0);
    sandbox.write(&gate, "");
    running.wait().expect_code(0);
    sandbox.expect_restored_below(&shared, &all());
    touch(&build.join("lib/lean/Mathlib")).expect_code(0);
}

fn stages(build: &Path) -> Vec<PathBuf> {
    let entries =
        std::fs::read_dir(build).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_stage = |path: &PathBuf| {
        path.file_name().is_some_and(|n| n.as_encoded_bytes().starts_with(b".lake-shim-"))
    };
    entries.filter(is_stage).collect()
}

fn all() -> Vec<&'static str> {
    shim_tests::modules().iter().map(|module| module.name.as_str()).collect()
}
