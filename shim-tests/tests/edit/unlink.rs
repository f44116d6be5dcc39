//! `lake-shim unlink` and `LAKE_SHIM_PRIVATE=1`: the workspace gets a packages directory of its own, keeps it, and
//! nothing happens to the shared one.

use std::fs;
use std::path::Path;

use shim_tests::{NOBODY, Run, Sandbox, Tree, tools};

use crate::clones::{
    FORK, Keepsake, expect_link, expect_own, forked, names, set_packages_dir, shared, shared_at,
};
use crate::{Identity, MATHLIB, expect_no_leftovers};

/// What the shim leaves in a directory that is to stay the workspace's own.
const MARK: &str = ".lake-shim.private";

/// Builds as users do later, and asserts that the directory is still the workspace's own.
#[track_caller]
fn expect_private_from_now_on(sandbox: &Sandbox, dir: &Path) {
    // The real one would have to run mathlib's lakefile.lean for an update.
    let update = if tools::real_lake().is_none() { "update" } else { "env true" };
    for words in ["resolve-deps", "build", "env true", update, "resolve-deps"] {
        let run = sandbox.lake(words).run();
        run.expect_code(0).stderr_lacks("lake-shim");
        expect_own(dir);
    }
}

#[test]
fn unlink_gives_the_workspace_an_empty_directory() {
    let sandbox = shared();
    let before = Tree::of(sandbox.path("shared"));
    let run = sandbox.lake_shim("unlink").run();
    run.expect_code(0).expect_stdout("").stderr_contains(&format!(
        "`{}` is a directory of its own now, and no link to `{}`",
        sandbox.packages().display(),
        sandbox.path("shared").display()
    ));
    expect_own(&sandbox.packages());
    assert_eq!(names(&sandbox.packages()), [MARK]);
    before.assert_unchanged();
    expect_no_leftovers_but_marks(&sandbox);
    expect_private_from_now_on(&sandbox, &sandbox.packages());
    assert_eq!(names(&sandbox.packages()), [MARK, "batteries", "mathlib"]);
    before.assert_unchanged();
}

#[test]
fn unlink_copies_the_packages_of_the_workspace_if_asked_to() {
    let sandbox = shared();
    sandbox.write("shared/other/lakefile.toml", "name = \"other\"\n");
    sandbox.symlink("Mathlib.lean", "shared/mathlib/a-link");
    sandbox.chmod("shared/mathlib/Mathlib.lean", 0o555).mkdir("shared/mathlib/.lake/build");
    let before = Tree::of(sandbox.path("shared"));
    sandbox.lake_shim("unlink --copy").run().expect_code(0).expect_stdout("");
    before.assert_unchanged();
    assert_eq!(names(&sandbox.packages()), [MARK, "batteries", "mathlib"]);
    for package in ["batteries", "mathlib"] {
        let from = Tree::of(sandbox.path("shared").join(package));
        let mut changes = from.changes_to(&Tree::of(sandbox.package(package)));
        changes.retain(|change| !change.starts_with("~ a-link "));
        assert_eq!(changes, [""; 0], "{package}");
    }
    let link = fs::read_link(sandbox.package("mathlib/a-link"));
    assert_eq!(link.ok().as_deref(), Some(Path::new("Mathlib.lean")));
    expect_no_leftovers_but_marks(&sandbox);
    let status = sandbox.git(&sandbox.package("batteries"), &["status", "--porcelain"]);
    assert_eq!(status, "");
    let own = Identity::of(&sandbox.package("batteries"));
    expect_private_from_now_on(&sandbox, &sandbox.packages());
    assert_eq!(Identity::of(&sandbox.package("batteries")).inode, own.inode, "not cloned again");
    before.assert_unchanged();
}

#[test]
fn link_shares_it_again() {
    let sandbox = shared();
    let before = Tree::of(sandbox.path("shared"));
    sandbox.lake_shim("unlink").run().expect_code(0);
    sandbox.lake_shim("link").run().expect_code(0).stderr_contains("linked `");
    expect_link(&sandbox.packages(), &sandbox.path("shared"));
    before.assert_unchanged();
    sandbox.lake("resolve-deps").run().expect_code(0).expect_stderr("");
    expect_link(&sandbox.packages(), &sandbox.path("shared"));
    assert_eq!(names(&sandbox.path("shared")), ["batteries", "mathlib"], "no mark in there");
}

#[test]
fn link_after_a_copy_keeps_what_is_not_equal() {
    let sandbox = shared();
    let before = Tree::of(sandbox.path("shared"));
    sandbox.lake_shim("unlink --copy").run().expect_code(0);
    sandbox.write(sandbox.package("mathlib").join("Mathlib.lean"), "mine\n");
    let run = sandbox.lake_shim("link").run();
    run.expect_code(1).stderr_contains("is not linked").stderr_contains("`mathlib` has local work");
    run.stderr_contains("hint: ");
    expect_own(&sandbox.packages());
    assert_eq!(sandbox.read(sandbox.package("mathlib").join("Mathlib.lean")), "mine\n");
    before.assert_unchanged();
    // Packages that equal the shared ones are no reason to keep both.
    sandbox.git(&sandbox.package("mathlib"), &["checkout", "--quiet", "Mathlib.lean"]);
    sandbox.lake_shim("link").run().expect_code(0).stderr_contains("linked `");
    expect_link(&sandbox.packages(), &sandbox.path("shared"));
    before.assert_unchanged();
}

/// The directory stays private, as it was, and later builds leave it so.
#[test]
#[cfg_attr(not(has = "strace"), ignore = "needs strace")]
fn a_link_that_fails_leaves_the_directory_private() {
    for obstacle in
        ["local work", "a bad setting", "", "the disk, at the link", "the disk, before it"]
    {
        let sandbox = shared();
        sandbox.lake_shim("unlink --copy").run().expect_code(0);
        let notes = sandbox.package("mathlib/notes.txt");
        let call = sandbox.lake_shim("link");
        let call = match obstacle {
            "local work" => {
                sandbox.write(&notes, "mine");
                call
            }
            "a bad setting" => call.env("LAKE_PKG_DIR", sandbox.workspace()),
            "" => call.env("LAKE_PKG_DIR", ""),
            "the disk, at the link" => call.injected("rename:error=EIO:when=1+"),
            _ => call.injected("rmdir:error=EBUSY:when=1"),
        };
        let before = Tree::of(sandbox.packages());
        call.run().expect_code(1);
        before.assert_same_content();
        let _ = fs::remove_file(&notes);
        expect_private_from_now_on(&sandbox, &sandbox.packages());
    }
}

#[test]
fn private_builds_unlink_and_it_stays_so() {
    let sandbox = shared();
    let before = Tree::of(sandbox.path("shared"));
    let run = sandbox.lake("build").env("LAKE_SHIM_PRIVATE", "1").run();
    run.expect_code(0).stderr_contains("is a directory of its own now");
    run.stdout_lacks("lake-shim");
    expect_own(&sandbox.packages());
    assert_eq!(names(&sandbox.packages()), [MARK, "batteries", "mathlib"], "cloned");
    let again = sandbox.lake("resolve-deps").env("LAKE_SHIM_PRIVATE", "1").run();
    again.expect_code(0).expect_stderr("");
    expect_private_from_now_on(&sandbox, &sandbox.packages());
    before.assert_unchanged();
}

#[test]
fn a_private_build_of_a_fresh_checkout_stays_private() {
    let sandbox = shared();
    sandbox.remove("app/.lake");
    let before = Tree::of(sandbox.path("shared"));
    sandbox.lake("resolve-deps").env("LAKE_SHIM_PRIVATE", "1").run().expect_code(0);
    expect_own(&sandbox.packages());
    expect_private_from_now_on(&sandbox, &sandbox.packages());
    before.assert_unchanged();
}

#[test]
fn unlink_in_a_fresh_checkout_keeps_what_it_says() {
    let sandbox = shared();
    sandbox.remove("app/.lake");
    let before = Tree::of(sandbox.path("shared"));
    sandbox.lake_shim("unlink").run().expect_code(0).stderr_contains("it stays one");
    sandbox.lake("resolve-deps").run().expect_code(0);
    expect_own(&sandbox.packages());
    before.assert_unchanged();
}

#[test]
fn a_directory_that_is_no_link_is_kept_and_stays() {
    for words in ["unlink", "unlink --copy"] {
        let sandbox = shared();
        sandbox.remove(sandbox.packages()).clone_packages(&sandbox.packages());
        let (before, own) =
            (Tree::of(sandbox.path("shared")), Tree::of(sandbox.package("mathlib")));
        sandbox.lake_shim(words).run().expect_code(0).stderr_contains("is no link");
        own.assert_unchanged();
        sandbox.lake("resolve-deps").run().expect_code(0).stderr_lacks("lake-shim");
        expect_own(&sandbox.packages());
        own.assert_same_content();
        before.assert_unchanged();
    }
}

#[test]
fn a_link_that_leads_nowhere_is_taken_back_too() {
    let sandbox = shared();
    sandbox.rename("shared", "gone");
    sandbox.lake_shim("unlink --copy").run().expect_code(0);
    expect_own(&sandbox.packages());
    assert!(!sandbox.path("shared").exists());
    expect_private_from_now_on(&sandbox, &sandbox.packages());
}

#[test]
fn another_packages_directory_is_unlinked_where_it_is() {
    for dir in ["deps", "build/deps", "./deps", "../app/deps"] {
        let sandbox = shared_at(dir);
        let before = Tree::of(sandbox.path("shared"));
        let deps = sandbox.workspace().join(dir);
        sandbox.lake_shim("unlink --copy").run().expect_code(0);
        expect_own(&deps);
        assert_eq!(names(&deps), [MARK, "batteries", "mathlib"], "{dir}");
        assert!(!sandbox.packages().exists());
        expect_private_from_now_on(&sandbox, &deps);
        before.assert_unchanged();
    }
}

/// A link that the user made beside the workspace, where `packagesDir` puts it.
#[test]
fn a_link_outside_of_the_workspace_is_not_ours_to_undo() {
    let sandbox = shared_at("../deps");
    let before = Tree::of(sandbox.path("shared"));
    for words in ["unlink", "unlink --copy"] {
        let run = sandbox.lake_shim(words).run();
        run.expect_code(1).stderr_contains("is outside of the workspace").stderr_contains("hint: ");
        expect_link(&sandbox.path("deps"), &sandbox.path("shared"));
    }
    let run = sandbox.lake("env true").env("LAKE_SHIM_PRIVATE", "1").run();
    run.expect_code(0);
    expect_link(&sandbox.path("deps"), &sandbox.path("shared"));
    before.assert_same_content();
}

/// A workspace whose packages directory is the shared one itself, by no link.
fn outside(dir: &str) -> Sandbox {
    let sandbox = shared();
    sandbox.remove("app/.lake");
    let dir = dir.replace("ROOT", sandbox.path("").display().to_string().trim_end_matches('/'));
    set_packages_dir(&sandbox, Some(&dir), Some(&dir));
    sandbox.symlink(sandbox.path("elsewhere"), "shared/another");
    sandbox
}

#[test]
fn a_directory_outside_of_the_workspace_is_not_ours_to_mark() {
    for dir in ["../shared", "ROOT/shared"] {
        let sandbox = outside(dir);
        let before = Tree::of(sandbox.path("shared"));
        let run = sandbox.lake_shim("unlink").run();
        run.expect_code(1).stderr_contains("outside of the workspace").stderr_contains("hint: ");
        before.assert_unchanged();
    }
}

#[test]
fn a_private_build_leaves_a_directory_outside_of_the_workspace_alone() {
    for dir in ["../shared", "ROOT/shared"] {
        let sandbox = outside(dir);
        let before = Tree::of(sandbox.path("shared"));
        sandbox.lake("resolve-deps").env("LAKE_SHIM_PRIVATE", "1").run();
        before.assert_same_content();
    }
}

#[test]
fn a_private_build_leaves_a_directory_behind_a_linked_parent_alone() {
    let sandbox = shared();
    sandbox.remove("app/.lake").rename("shared", "big/packages").symlink("../big", "app/.lake");
    sandbox.symlink(sandbox.path("elsewhere"), "big/packages/another");
    let before = Tree::of(sandbox.path("big/packages"));
    sandbox.lake("resolve-deps").env("LAKE_SHIM_PRIVATE", "1").env("LAKE_PKG_DIR", "").run();
    before.assert_same_content();
    let run = sandbox.lake_shim("unlink").run();
    run.expect_code(1).stderr_contains("outside of the workspace");
    before.assert_same_content();
}

// A fork, and what the hint says

#[track_caller]
fn expect_refused(sandbox: &Sandbox) -> Run {
    let everything = Tree::of(sandbox.path("shared"));
    let run = sandbox.lake("build").run();
    run.expect_code(1).expect_stdout("").stderr_contains("lake-shim: error: `mathlib` ");
    for part in [FORK, MATHLIB, "\nhint: ", "`lake-shim unlink`", "`LAKE_SHIM_PRIVATE=1`"] {
        run.stderr_contains(part);
    }
    everything.assert_unchanged();
    run
}

#[track_caller]
fn expect_built(run: &Run, sandbox: &Sandbox, dir: &Path) {
    run.expect_code(0).stderr_lacks("deleting");
    expect_own(dir);
    let origin = sandbox.git(&dir.join("mathlib"), &["remote", "get-url", "origin"]);
    assert_eq!(origin, MATHLIB);
}

#[test]
fn a_fork_in_the_shared_directory_is_avoided_as_the_hint_says() {
    for dir in [".lake/packages", "deps"] {
        let own = Path::new("app").join(dir);
        for by_variable in [false, true] {
            let sandbox = forked(shared_at(dir));
            let own = sandbox.path(&own);
            expect_refused(&sandbox);
            let everything = Tree::of(sandbox.path("shared"));
            let mut build = sandbox.lake("build");
            if by_variable {
                build = build.env("LAKE_SHIM_PRIVATE", "1");
            } else {
                sandbox.lake_shim("unlink").run().expect_code(0);
            }
            expect_built(&build.run(), &sandbox, &own);
            expect_built(&sandbox.lake("build").run(), &sandbox, &own);
            everything.assert_unchanged();
        }
    }
}

#[test]
fn a_fork_in_a_directory_outside_of_the_workspace_is_refused() {
    for dir in ["ROOT/shared", "../shared", "./../shared"] {
        let sandbox = forked(outside(dir));
        let keepsake = Keepsake::leave(&sandbox, "shared/mathlib");
        let run = sandbox.lake("build").run();
        keepsake.assert_kept(&run);
        run.expect_code(1).stderr_contains(FORK).stderr_contains("hint: ");
    }
}

#[test]
fn a_fork_behind_a_linked_parent_is_refused() {
    let sandbox = forked(shared());
    sandbox.remove("app/.lake").rename("shared", "big/packages").symlink("../big", "app/.lake");
    let keepsake = Keepsake::leave(&sandbox, "big/packages/mathlib");
    let run = sandbox.lake("build").env("LAKE_PKG_DIR", "").run();
    keepsake.assert_kept(&run);
    run.expect_code(1).stderr_contains(FORK).stderr_contains("hint: ");
}

#[test]
fn the_hint_for_a_directory_outside_of_the_workspace_is_one_that_helps() {
    let sandbox = forked(outside("ROOT/shared"));
    let run = sandbox.lake("build").run();
    run.expect_code(1).stderr_contains(FORK).stderr_contains("`packagesDir`");
}

#[test]
fn a_fork_that_was_copied_is_the_workspaces_own() {
    let sandbox = forked(shared());
    let everything = Tree::of(sandbox.path("shared"));
    sandbox.lake_shim("unlink --copy").run().expect_code(0);
    let run = sandbox.lake("build").run();
    run.expect_code(0).stderr_contains("deleting");
    everything.assert_unchanged();
}

// Who may not, and who is interrupted

#[test]
#[cfg_attr(not(has = "setpriv"), ignore = "needs setpriv")]
fn where_nothing_may_be_written_the_link_stays() {
    let sandbox = shared();
    let (app, all) = (Tree::of(sandbox.workspace()), Tree::of(sandbox.path("shared")));
    for words in ["unlink", "unlink --copy"] {
        let run = sandbox.lake_shim(words).as_user(NOBODY).run();
        run.expect_code(1).stderr_contains("app/.lake").stderr_contains("Permission denied");
    }
    app.assert_unchanged();
    all.assert_unchanged();
}

#[test]
fn many_at_once_come_to_the_same() {
    let sandbox = shared();
    let before = Tree::of(sandbox.path("shared"));
    let runs: Vec<_> = (0..6).map(|_| sandbox.lake_shim("unlink --copy").spawn()).collect();
    for run in runs {
        run.wait().expect_code(0);
    }
    assert_eq!(names(&sandbox.packages()), [MARK, "batteries", "mathlib"]);
    before.assert_unchanged();
    expect_no_leftovers_but_marks(&sandbox);
}

#[track_caller]
fn expect_no_leftovers_but_marks(sandbox: &Sandbox) {
    let mut found = sandbox.leftovers("app");
    found.retain(|path| !path.ends_with(MARK));
    assert!(found.is_empty(), "left behind: {found:?}");
    expect_no_leftovers(sandbox, "shared");
}

#[test]
fn a_restore_leaves_it_the_workspaces_own() {
    let sandbox = shared();
    sandbox.lake_shim("unlink --copy").run().expect_code(0);
    let before = Tree::of(sandbox.path("shared"));
    let run = sandbox.lake_shim("restore --network never").run();
    run.expect_code(0);
    expect_own(&sandbox.packages());
    before.assert_unchanged();
    sandbox.expect_all_restored();
    // So does the variable, where there is no mark yet.
    let sandbox = shared();
    let restore = || sandbox.lake_shim("restore --network never");
    restore().env("LAKE_SHIM_PRIVATE", "1").run().expect_code(1).stderr_contains("are missing");
    expect_own(&sandbox.packages());
}
