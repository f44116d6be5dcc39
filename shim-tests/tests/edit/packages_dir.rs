//! `packagesDir` in the manifest, in the configuration, in both and in neither: a build is linked to `LAKE_PKG_DIR` where
//! Lake looks for packages, and no clone is lost over it.

use std::fs;
use std::path::PathBuf;

use shim_tests::{Sandbox, Tree, mini_mathlib};

use crate::clones::{Keepsake, expect_link, move_head, names};
use crate::expect_no_leftovers;

/// Of the only package there is.
pub const A: &str = "https://example.org/org/a";

/// What a manifest says.
#[derive(Clone, Copy, Debug)]
pub enum Locked {
    NoManifest,
    /// An explicit `null`.
    Nothing,
    At(&'static str),
}

/// A workspace on one package, which is cloned where Lake will look for it when it builds, or would before an update.
/// Online. `ROOT` in a directory stands for the sandbox.
pub fn world(locked: Locked, configured: Option<&str>) -> Sandbox {
    let sandbox = Sandbox::resolve_case("one_git_branch");
    if let Some(dir) = configured {
        let lakefile = sandbox.read("app/lakefile.toml");
        let dir = placed(&sandbox, dir);
        sandbox.write("app/lakefile.toml", format!("packagesDir = \"{dir}\"\n{lakefile}"));
    }
    let golden = mini_mathlib::fixtures().join("resolve/one_git_branch/lake-manifest.json");
    let manifest = |dir: &str| sandbox.read(&golden).replace("\".lake/packages\"", dir);
    match locked {
        Locked::NoManifest => {}
        Locked::Nothing => {
            sandbox.write("app/lake-manifest.json", manifest("null"));
        }
        Locked::At(dir) => {
            let dir = format!("\"{}\"", placed(&sandbox, dir));
            sandbox.write("app/lake-manifest.json", manifest(&dir));
        }
    }
    let dir = in_effect(&sandbox, locked, configured);
    sandbox.mkdir(&dir);
    sandbox.git(&dir, &["clone", "--quiet", A, "a"]);
    sandbox.git(&dir.join("a"), &["checkout", "--quiet", "--detach"]);
    sandbox.shim_bin();
    sandbox
}

/// Where Lake builds: as the manifest has it, else the configuration.
pub fn in_effect(sandbox: &Sandbox, locked: Locked, configured: Option<&str>) -> PathBuf {
    let dir = match locked {
        Locked::At(dir) => dir,
        _ => configured.unwrap_or(".lake/packages"),
    };
    sandbox.workspace().join(placed(sandbox, dir))
}

fn placed(sandbox: &Sandbox, dir: &str) -> String {
    dir.replace("ROOT", sandbox.path("").display().to_string().trim_end_matches('/'))
}

/// Asserts that a build keeps the clone and finds it where it is, before and after it is linked.
#[track_caller]
fn expect_linked_by_builds(locked: Locked, configured: Option<&str>) {
    let sandbox = world(locked, configured);
    let dir = in_effect(&sandbox, locked, configured);
    let keepsake = Keepsake::leave(&sandbox, dir.join("a"));
    let real = fs::canonicalize(&dir).expect("a directory");
    let direct = sandbox.real_lake("resolve-deps").run();
    direct.expect_code(0).stderr_lacks("cloning");
    if matches!(locked, Locked::NoManifest) {
        sandbox.remove("app/lake-manifest.json");
    }
    let (shared, config) = (sandbox.path("shared"), sandbox.read("app/lakefile.toml"));
    let first = sandbox.lake("resolve-deps").env("LAKE_PKG_DIR", &shared).run();
    first.expect_code(0).expect_stdout("").stderr_contains("after moving `a`");
    first.stderr_lacks("deleting").stderr_lacks("cloning").stderr_lacks("warning: `");
    // What Lake says of a package, it says of its real path.
    let said = first.stderr.replace(&shared.display().to_string(), &real.display().to_string());
    assert!(
        said.ends_with(&direct.stderr),
        "without the shim:
{direct}
with it:
{first}"
    );
    expect_link(&dir, &shared);
    keepsake.assert_kept(&first);
    let manifest = Tree::of(sandbox.path("app/lake-manifest.json"));
    let second = sandbox.lake("resolve-deps").env("LAKE_PKG_DIR", &shared).run();
    second.expect_code(0).stderr_lacks("lake-shim").stderr_lacks("cloning");
    manifest.assert_unchanged();
    assert_eq!(sandbox.read("app/lakefile.toml"), config);
    expect_no_leftovers(&sandbox, "app");
}

#[test]
fn the_directory_that_both_have_is_linked() {
    for dir in [".lake/packages", "deps", "deep/down/deps", "../app/deps", "ROOT/app/x"] {
        expect_linked_by_builds(Locked::At(dir), Some(dir));
    }
}

#[test]
fn the_directory_of_the_manifest_is_linked_whatever_the_configuration_has() {
    for (locked, configured) in [
        ("deps", None),
        (".lake/packages", Some("deps")),
        ("deps", Some(".lake/packages")),
        ("old", Some("ROOT/new")),
        ("ROOT/app/old", Some("new")),
    ] {
        expect_linked_by_builds(Locked::At(locked), configured);
    }
}

#[test]
fn the_directory_of_the_configuration_is_linked_if_the_manifest_has_none() {
    for configured in [None, Some("deps")] {
        expect_linked_by_builds(Locked::Nothing, configured);
    }
}

/// Without a manifest nothing says which packages could be made again. The command that writes it leaves them, the next
/// one links.
#[test]
fn packages_without_a_manifest_are_linked_by_the_command_after_it() {
    for configured in [None, Some("deps")] {
        let sandbox = world(Locked::NoManifest, configured);
        let dir = in_effect(&sandbox, Locked::NoManifest, configured);
        let (keepsake, shared) = (Keepsake::leave(&sandbox, dir.join("a")), sandbox.path("shared"));
        let call = || sandbox.lake("resolve-deps").env("LAKE_PKG_DIR", &shared).run();
        let first = call();
        first.expect_code(0).stderr_contains("it has `a`, which is not a package of the manifest");
        first.stderr_lacks("deleting").stderr_lacks("cloning");
        keepsake.assert_kept(&first);
        let second = call();
        second.expect_code(0).stderr_contains("after moving `a`").stderr_lacks("cloning");
        expect_link(&dir, &shared);
        keepsake.assert_kept(&second);
    }
}

/// A manifest or a configuration, which others wrote, is not to have the shim make, move or delete anything outside of
/// the workspace.
#[test]
fn a_directory_outside_of_the_workspace_is_left_alone() {
    for dir in [
        "../elsewhere",
        "ROOT/elsewhere",
        "x/../../elsewhere",
        "ROOT/app/../elsewhere",
        "ROOT/home/src",
    ] {
        for locked in [Locked::At("../elsewhere"), Locked::Nothing, Locked::NoManifest] {
            for is_there in [true, false] {
                let locked = if let Locked::At(_) = locked { Locked::At(dir) } else { locked };
                let sandbox = world(locked, Some(dir));
                let dir = in_effect(&sandbox, locked, Some(dir));
                match is_there {
                    true => {
                        sandbox
                            .mkdir(dir.join("thesis/.git"))
                            .write(dir.join("notes.txt"), "mine\n");
                    }
                    false => {
                        sandbox.remove(&dir);
                    }
                }
                let before = Tree::of(&dir);
                let shared = sandbox.path("shared");
                let call = |words: &str| {
                    let call = sandbox.lake(words).env("LAKE_PKG_DIR", &shared);
                    call.env("LAKE_SHIM_NETWORK", "never").run()
                };
                let link = sandbox.lake_shim("link").env("LAKE_PKG_DIR", &shared).run();
                link.expect_code(1).stderr_contains("is outside of the workspace");
                link.stderr_contains(
                    "hint: if you trust this project with that directory, set `LAKE_PKG_DIR=",
                );
                before.assert_unchanged();
                let run = call("env true");
                assert!(!dir.is_symlink(), "{run}");
                assert!(!shared.exists() || names(&shared).is_empty(), "{run}");
                if is_there {
                    // Lake itself fetches.
                    let changes = before.content_changes_to(&Tree::of(&dir));
                    let change = changes.iter().find(|change| !change.contains(".git/FETCH_HEAD"));
                    assert_eq!(change, None, "{run}");
                    assert_eq!(run.code, Some(0), "Lake works there as ever: {run}");
                }
                // Said once.
                call("env true").stderr_lacks("is outside of the workspace");
            }
        }
    }
}

/// The user's own setting does.
#[test]
fn a_directory_outside_that_the_setting_names_is_used() {
    for dir in ["../elsewhere", "ROOT/elsewhere"] {
        let sandbox = world(Locked::At(dir), Some(dir));
        let dir = in_effect(&sandbox, Locked::At(dir), Some(dir));
        let keepsake = Keepsake::leave(&sandbox, dir.join("a"));
        let call = sandbox.lake("env true").env("LAKE_PKG_DIR", sandbox.path("elsewhere"));
        let run = call.run();
        run.expect_code(0).stderr_lacks("lake-shim");
        keepsake.assert_kept(&run);
    }
}

#[test]
fn odd_spellings_of_a_directory_are_as_good() {
    for dir in ["./deps", "x//y", "../app/deps", "ünï code"] {
        expect_linked_by_builds(Locked::At(dir), Some(dir));
    }
}

#[test]
fn a_slash_behind_a_directory_changes_nothing() {
    for dir in ["deps/", "./deps//deeper/", "ROOT/app/elsewhere/"] {
        expect_linked_by_builds(Locked::At(dir), Some(dir));
        expect_linked_by_builds(Locked::Nothing, Some(dir));
    }
}

#[test]
fn a_fresh_checkout_is_linked_wherever_its_packages_are_to_be() {
    for dir in ["deps", "deep/down/deps", "./deps", "../app/elsewhere", "ROOT/app/elsewhere"] {
        for locked in [Locked::At("deps"), Locked::NoManifest] {
            let sandbox = world(locked, Some(dir));
            let dir = in_effect(&sandbox, locked, Some(dir));
            sandbox.rename(dir.join("a"), "shared/a").remove(&dir);
            let keepsake = Keepsake::leave(&sandbox, "shared/a");
            let shared = sandbox.path("shared");
            let run = sandbox.lake("resolve-deps").env("LAKE_PKG_DIR", &shared).run();
            run.expect_code(0).stderr_contains("linked `").stderr_lacks("cloning");
            expect_link(&dir, &shared);
            keepsake.assert_kept(&run);
        }
    }
}

#[test]
fn a_directory_that_is_the_shared_one_needs_no_link() {
    for dir in ["ROOT/shared", "../shared", "ROOT/./shared", "ROOT/alias", "../alias"] {
        for locked in [Locked::At("../shared"), Locked::Nothing, Locked::NoManifest] {
            let sandbox = world(locked, Some("../shared"));
            sandbox.symlink("shared", "alias");
            let text = sandbox.read("app/lakefile.toml");
            sandbox.write("app/lakefile.toml", text.replace("../shared", &placed(&sandbox, dir)));
            let keepsake = Keepsake::leave(&sandbox, "shared/a");
            let shared = sandbox.path("shared");
            for words in ["resolve-deps", "env true"] {
                let run = sandbox.lake(words).env("LAKE_PKG_DIR", &shared).run();
                run.expect_code(0).stderr_lacks("lake-shim").stderr_lacks("cloning");
                keepsake.assert_kept(&run);
            }
            assert!(shared.is_dir() && !shared.is_symlink());
            assert!(!sandbox.packages().exists());
        }
    }
}

#[test]
fn a_directory_that_is_the_shared_one_and_not_there_yet_is_made() {
    for dir in ["ROOT/shared", "../shared", "ROOT/deep/down/shared"] {
        let sandbox = world(Locked::Nothing, Some(dir));
        let dir = in_effect(&sandbox, Locked::Nothing, Some(dir));
        sandbox.remove(&dir);
        let shared = sandbox.path(placed(&sandbox, "ROOT/deep/down/shared"));
        let shared = if dir == shared { shared } else { sandbox.path("shared") };
        sandbox.lake("resolve-deps").env("LAKE_PKG_DIR", &shared).run().expect_code(0);
        assert!(shared.join("a/.git").is_dir() && !shared.is_symlink());
    }
}

#[test]
fn a_directory_with_the_workspace_in_it_is_not_linked() {
    for dir in [".", "./", "..", "", "/", "x/.."] {
        let sandbox = world(Locked::Nothing, None);
        let lakefile = sandbox.read("app/lakefile.toml");
        sandbox.write("app/lakefile.toml", format!("packagesDir = \"{dir}\"\n{lakefile}"));
        sandbox.mkdir("app/x").write("app/Own.lean", "prelude\n").mkdir("shared");
        let all = || [names(&sandbox.workspace()), names(&sandbox.path(""))];
        let before = all();
        let shared = sandbox.path("shared");
        // What Lake makes of it is its affair; nothing of ours is moved.
        let run = sandbox.lake("env true").env("LAKE_PKG_DIR", &shared).run();
        for (before, now) in before.iter().zip(all()) {
            let gone: Vec<_> = before.iter().filter(|name| !now.contains(name)).collect();
            assert!(gone.is_empty(), "`{dir}`: {gone:?} is gone\n{run}");
        }
        run.stderr_contains("lake-shim: warning: ");
        assert_eq!(names(&shared), [""; 0]);
        let link = sandbox.lake_shim("link").env("LAKE_PKG_DIR", &shared).run();
        link.expect_code(1).stderr_contains("hint: ");
    }
}

#[test]
fn the_manifest_may_have_another_name() {
    for file in ["lock.json", "locks/lean.json", "../lock.json"] {
        for words in ["resolve-deps", "update"] {
            let sandbox = world(Locked::At("deps"), Some("deps"));
            let path = sandbox.workspace().join(file);
            let lakefile = sandbox.read("app/lakefile.toml");
            sandbox.write("app/lakefile.toml", format!("manifestFile = \"{file}\"\n{lakefile}"));
            sandbox.rename("app/lake-manifest.json", &path);
            // Not a manifest any more, and nobody is to look at it.
            sandbox.write("app/lake-manifest.json", "broken");
            sandbox.git(
                &sandbox.path("app/deps/a"),
                &["remote", "set-url", "origin", &format!("{A}.git")],
            );
            if words == "update" {
                move_head(&sandbox, &sandbox.path("app/deps/a"));
            }
            let keepsake = Keepsake::leave(&sandbox, "app/deps/a");
            let shared = sandbox.path("shared");
            let run = sandbox.lake(words).env("LAKE_PKG_DIR", &shared).run();
            run.expect_code(0).stderr_lacks("deleting").stderr_lacks("cloning");
            if words != "update" {
                expect_link(&sandbox.path("app/deps"), &shared);
            }
            keepsake.assert_kept(&run);
            assert_eq!(sandbox.read("app/lake-manifest.json"), "broken");
            assert!(sandbox.read(path).contains("\"packagesDir\": \"deps\""));
        }
    }
}

#[test]
fn an_option_that_names_the_workspace_is_no_hindrance() {
    let sandbox = world(Locked::At("deps"), Some("deps"));
    let (keepsake, shared) = (Keepsake::leave(&sandbox, "app/deps/a"), sandbox.path("shared"));
    let run = sandbox.lake("-d ../app resolve-deps").cwd("home").env("LAKE_PKG_DIR", &shared).run();
    run.expect_code(0).stderr_lacks("cloning");
    expect_link(&sandbox.path("app/deps"), &shared);
    keepsake.assert_kept(&run);
}

#[test]
#[cfg_attr(not(has = "real-lake"), ignore = "needs SHIM_TEST_REAL_LAKE")]
fn lakes_own_warning_of_two_directories_is_heard_real_lake_only() {
    let sandbox = world(Locked::At(".lake/packages"), Some("deps"));
    let run = sandbox.lake("resolve-deps").env("LAKE_PKG_DIR", sandbox.path("shared")).run();
    run.expect_code(0).stderr_contains("manifest out of date: packages directory changed");
    assert!(!sandbox.path("app/deps").exists());
}
