//! What a restore would write to, and what killed ones left there.

use nix::sys::signal::Signal;
use serde_json::Value;
use shim_tests::{NOBODY, Tmpfs};

use crate::{
    baked_and_fresh, doctor, findings_of_nobody, follow, none, only, says, sound, text, the_only,
};

#[test]
#[cfg_attr(not(has = "mount"), ignore = "needs mount")]
fn too_little_space() {
    let sandbox = sound();
    let lake = sandbox.package("mathlib").join(".lake");
    let disk = Tmpfs::mount(&lake, "16k");
    let finding = only(&sandbox, "error", "disk-space");
    says(&finding, &["/mathlib/.lake` has 16", "a restore needs about", "LAKE_PKG_DIR"]);
    disk.resize("64m");
    none(&sandbox);
    drop(disk);
}

#[test]
#[cfg_attr(not(has = "mount"), ignore = "needs mount")]
fn too_little_space_for_sources_and_builds() {
    let mut sandbox = baked_and_fresh();
    let shared = sandbox.path("shared");
    let disk = Tmpfs::mount(&shared, "16k");
    sandbox.set_env("LAKE_PKG_DIR", &shared);
    sandbox.symlink(&shared, "app/.lake/packages");
    only(&sandbox, "error", "disk-space");
    // The link is made by the restore itself: the shared directory's disk is what counts.
    sandbox.remove("app/.lake/packages");
    let findings = crate::findings(&sandbox);
    assert!(findings.iter().any(|f| f["check"] == "disk-space"), "{findings:#?}");
    disk.resize("64m");
    sandbox.symlink(&shared, "app/.lake/packages");
    none(&sandbox);
    drop(disk);
}

#[test]
#[cfg_attr(not(has = "setpriv"), ignore = "needs setpriv")]
fn packages_that_may_not_be_written() {
    let sandbox = sound();
    sandbox.chown("app", NOBODY).chmod("app/.lake/packages/mathlib", 0o555);
    let look = || findings_of_nobody(&sandbox);
    let finding = the_only(look(), "error", "packages-unwritable");
    says(&finding, &["/packages/mathlib`: Permission denied", "/mathlib/.lake` cannot be made"]);
    crate::type_in(&sandbox, &finding);
    assert!(look().is_empty());
    // What is complete need not be written to.
    sandbox.lake_shim("restore --network never").run().expect_code(0);
    sandbox.chmod("app/.lake/packages/mathlib", 0o555);
    assert!(look().is_empty());
}

#[test]
#[cfg_attr(not(has = "setpriv"), ignore = "needs setpriv")]
fn a_shared_directory_that_cannot_be_made() {
    let mut sandbox = baked_and_fresh();
    sandbox.chown("app", NOBODY);
    sandbox.set_env("LAKE_PKG_DIR", sandbox.path("baked/packages"));
    sandbox.mkdir("app/.lake").symlink(sandbox.path("baked/packages"), "app/.lake/packages");
    let look = || findings_of_nobody(&sandbox);
    let is_refused = |finding: &Value| finding["check"] == "packages-unwritable";
    let refused = look().into_iter().find(is_refused).expect("found");
    says(&refused, &["baked/packages` cannot be made in `", "/baked`: Permission denied"]);
    let hint = text(&refused, "hint");
    // What there is already is none of the user's business.
    assert!(!hint.contains(" -R") && hint.ends_with("/baked/packages`"), "{hint}");
    crate::type_in(&sandbox, &refused);
    assert!(!look().iter().any(is_refused));
}

#[test]
#[cfg_attr(not(has = "fake-leantar"), ignore = "needs the fake leantar")]
fn what_a_killed_restore_left() {
    let sandbox = sound();
    let restore = sandbox.lake_shim("restore --network never");
    let running = restore.env("FAKE_LEANTAR_WAIT_FOR", sandbox.path("never")).spawn();
    running.wait_until(|| !sandbox.leantar_calls().is_empty());
    assert!(!sandbox.leftovers("app").is_empty());
    // While somebody works there, nothing is left over.
    let run = doctor(&sandbox, "--json").run();
    run.stdout_lacks("\"leftovers\",\n");
    running.signal(Signal::SIGKILL);
    running.wait().expect_signal(Signal::SIGKILL);
    let finding = only(&sandbox, "warning", "leftovers");
    says(&finding, &["/.lake/build/.lake-shim-", "` is dead"]);
    follow(&sandbox, &finding);
}

#[test]
fn what_a_killed_bake_left() {
    let sandbox = baked_and_fresh();
    let left = ["baked", "baked/lake-shim"].map(|place| sandbox.leave_work_dir(place));
    let finding = only(&sandbox, "warning", "leftovers");
    left.iter().for_each(|left| says(&finding, &[&left.display().to_string()]));
    follow(&sandbox, &finding);
}

#[test]
fn what_a_killed_link_left() {
    let sandbox = sound();
    // And one of a manifest that was to be replaced.
    let left = ["app", "app/.lake"].map(|place| sandbox.leave_work_dir(place));
    sandbox.symlink(sandbox.path("home"), left[1].join("work/link"));
    let finding = only(&sandbox, "warning", "leftovers");
    left.iter().for_each(|left| says(&finding, &[&left.display().to_string()]));
    follow(&sandbox, &finding);
    assert!(sandbox.home().join(".gitconfig").exists(), "the link went, not what it leads to");
}

#[test]
fn directories_that_only_have_such_a_name() {
    let sandbox = sound();
    for place in ["app", "app/.lake", "app/.lake/packages/mathlib/.lake/build"] {
        for name in [".lake-shim-notes", ".lake-shim-0123456789ab"] {
            sandbox.write(format!("{place}/{name}/work/mine"), "mine");
        }
    }
    none(&sandbox);
}
