//! What may be at the place of the link beforehand.

use shim_tests::{Sandbox, Tree};

use crate::packages::{add_package, clone_package};
use crate::{bare, expect_left, expect_link, expect_no_leftovers, identity, link};

#[test]
fn a_fresh_checkout_is_linked() {
    let (sandbox, shared) = bare();
    let packages = sandbox.packages();
    link(&sandbox, &shared).run().expect_code(0).expect_stdout("").expect_stderr(&format!(
        "lake-shim: linked `{}` to `{}`\n",
        packages.display(),
        shared.display()
    ));
    expect_link(&packages, &shared);
    expect_no_leftovers(&sandbox);
}

#[test]
fn a_shared_directory_deep_in_nowhere_is_made() {
    let (sandbox, _) = bare();
    let shared = sandbox.path("no/such/place/yet");
    link(&sandbox, &shared).run().expect_code(0);
    expect_link(&sandbox.packages(), &shared);
}

#[test]
fn what_is_linked_already_is_not_written() {
    let (sandbox, shared) = bare();
    link(&sandbox, &shared).run().expect_code(0);
    clone_package(&sandbox, "shared", "a");
    let packages = sandbox.packages();
    let places = [
        packages.clone(),
        sandbox.path("app/.lake"),
        sandbox.path("app"),
        shared.clone(),
        shared.join("a"),
    ];
    let before: Vec<_> = places.iter().map(|place| identity(place)).collect();
    for _ in 0..3 {
        link(&sandbox, &shared).run().expect_code(0).expect_stdout("").expect_stderr("");
    }
    let after: Vec<_> = places.iter().map(|place| identity(place)).collect();
    assert_eq!(before, after);
}

#[test]
fn a_link_there_by_another_spelling_is_left_alone() {
    for spelling in ["../../shared", "ROOT/shared/", "ROOT/./shared", "ROOT/alias"] {
        let (sandbox, shared) = bare();
        sandbox.mkdir("shared").symlink("shared", "alias");
        let root = sandbox.path("").display().to_string();
        let spelling = spelling.replace("ROOT", root.trim_end_matches('/'));
        sandbox.symlink(&spelling, "app/.lake/packages");
        let before = identity(&sandbox.packages());
        link(&sandbox, &shared).run().expect_code(0).expect_stderr("");
        assert_eq!(identity(&sandbox.packages()), before, "{spelling}");
    }
}

#[test]
fn a_link_of_the_users_stays_wherever_it_leads() {
    for (target, prepare) in [
        ("ROOT/elsewhere", true),
        ("../../elsewhere", true),
        ("/nonexistent/shared", false),
        ("packages", false),
        ("ROOT/elsewhere", false),
    ] {
        let (sandbox, shared) = bare();
        if prepare {
            clone_package(&sandbox, "elsewhere", "a");
        }
        let root = sandbox.path("").display().to_string();
        let target = target.replace("ROOT", root.trim_end_matches('/'));
        sandbox.symlink(&target, "app/.lake/packages");
        let (elsewhere, before) =
            (Tree::of(sandbox.path("elsewhere")), identity(&sandbox.packages()));
        let run = link(&sandbox, &shared).run();
        run.expect_code(1).stderr_contains("which you made").stderr_contains("\nhint: ");
        assert_eq!(identity(&sandbox.packages()), before, "{run}");
        elsewhere.assert_unchanged();
        expect_no_leftovers(&sandbox);
    }
}

#[test]
fn a_link_that_we_made_follows_the_setting() {
    for is_gone in [false, true] {
        let (sandbox, old) = bare();
        link(&sandbox, &old).run().expect_code(0);
        clone_package(&sandbox, "shared", "a");
        let new = sandbox.path("new");
        if is_gone {
            sandbox.remove(&old);
        }
        let before = Tree::of(&old);
        let run = link(&sandbox, &new).run();
        before.assert_unchanged();
        match is_gone {
            // The record of who made it is gone too.
            true => {
                run.expect_code(1).stderr_contains("which you made");
            }
            false => {
                run.expect_code(0).stderr_contains("linked `");
                expect_link(&sandbox.packages(), &new);
            }
        }
        expect_no_leftovers(&sandbox);
    }
}

/// The setting named where a link of theirs leads, or they made ours again.
#[test]
fn a_link_of_the_users_that_the_setting_once_named_stays() {
    for is_remade in [false, true] {
        let (sandbox, old) = bare();
        sandbox.mkdir(&old).mkdir("app/.lake");
        if is_remade {
            link(&sandbox, &old).run().expect_code(0);
            sandbox.remove(sandbox.packages());
        }
        sandbox.symlink(&old, sandbox.packages());
        let before = identity(&sandbox.packages());
        link(&sandbox, &old).run().expect_code(0).expect_stderr("");
        let run = link(&sandbox, &sandbox.path("new")).run();
        run.expect_code(1).stderr_contains("which you made");
        for new in ["new", ""] {
            let call = sandbox.lake("env true").env("LAKE_SHIM_PRIVATE", "1");
            let call =
                if new.is_empty() { call } else { call.env("LAKE_PKG_DIR", sandbox.path(new)) };
            call.run().expect_code(0).expect_stderr("");
        }
        assert_eq!(identity(&sandbox.packages()), before, "{run}");
    }
}

#[test]
fn a_shared_directory_that_was_removed_is_made_again() {
    let (sandbox, shared) = bare();
    link(&sandbox, &shared).run().expect_code(0);
    sandbox.remove("shared");
    link(&sandbox, &shared).run().expect_code(0);
    expect_link(&sandbox.packages(), &shared);
}

#[test]
fn an_empty_directory_is_replaced() {
    let (sandbox, shared) = bare();
    sandbox.mkdir("app/.lake/packages");
    link(&sandbox, &shared).run().expect_code(0);
    expect_link(&sandbox.packages(), &shared);
}

#[test]
fn a_symlinked_package_of_the_users_is_never_deleted() {
    let (sandbox, shared) = bare();
    add_package(&sandbox, "checkouts", "a");
    add_package(&sandbox, sandbox.packages(), "b");
    sandbox.symlink("../../../checkouts/a", "app/.lake/packages/a");
    let (checkout, packages) = (Tree::of(sandbox.path("checkouts")), Tree::of(sandbox.packages()));
    expect_left(&link(&sandbox, &shared).run(), &packages, &["`a` is a symlink that you made"]);
    checkout.assert_unchanged();
}

#[test]
fn another_packages_directory_is_linked_where_it_is() {
    for by_manifest in [true, false] {
        let (sandbox, shared) = bare();
        add_package(&sandbox, "app/deps", "a");
        sandbox.edit_json("app/lake-manifest.json", |manifest| {
            manifest["packagesDir"] =
                if by_manifest { "deps".into() } else { serde_json::Value::Null };
        });
        if !by_manifest {
            sandbox.write("app/lakefile.toml", "name = \"app\"\npackagesDir = \"deps\"\n");
        }
        link(&sandbox, &shared).run().expect_code(0).stderr_contains("after moving `a`");
        expect_link(&sandbox.path("app/deps"), &shared);
        assert!(!sandbox.packages().exists());
    }
}

#[test]
fn a_directory_that_leads_there_through_a_linked_parent_is_right() {
    let (sandbox, _) = bare();
    sandbox.mkdir("big/lake/packages").symlink("../big/lake", "app/.lake");
    let before = Tree::of(sandbox.path("big"));
    let shared = sandbox.path("big/lake/packages");
    link(&sandbox, &shared).run().expect_code(0);
    before.assert_same_content();
    assert!(!sandbox.packages().is_symlink());
}

/// A user's link to a bigger disk, and any command before the link.
#[test]
fn a_packages_directory_behind_a_linked_parent_is_linked() {
    for words in ["env true", "resolve-deps", "exe cache get"] {
        let mut sandbox = Sandbox::mini_mathlib().online();
        sandbox.rename("app/.lake", "big/lake").symlink("../big/lake", "app/.lake");
        sandbox.lake(words).run().expect_code(0);
        let shared = sandbox.path("shared");
        sandbox.set_env("LAKE_PKG_DIR", &shared);
        let run = sandbox.lake("env true").run();
        run.expect_code(0).stderr_contains("after moving `batteries`, `mathlib` there");
        expect_link(&sandbox.packages(), &shared);
        expect_no_leftovers(&sandbox);
    }
}

/// A directory that a former value of the setting named is not kept by our own notes in it, but by others that use it.
#[test]
fn a_directory_that_was_shared_itself_moves_on() {
    for has_others in [false, true] {
        let (sandbox, shared) = bare();
        sandbox.mkdir("big/lake").symlink("../big/lake", "app/.lake");
        add_package(&sandbox, "big/lake/packages", "a");
        let old = sandbox.path("big/lake/packages");
        link(&sandbox, &old).run().expect_code(0);
        assert!(old.join(".lake-shim").is_dir());
        if has_others {
            sandbox.write("other/lakefile.toml", "name = \"other\"\n");
            link(&sandbox, &old).cwd("other").run().expect_code(0);
        }
        let run = link(&sandbox, &shared).run();
        match has_others {
            true => {
                run.expect_code(1).stderr_contains(&sandbox.path("other").display().to_string());
                assert!(old.join("a/.git").is_dir());
            }
            false => {
                run.expect_code(0).stderr_contains("after moving `a` there");
                expect_link(&sandbox.packages(), &shared);
            }
        }
    }
}

/// `cd` into a package of the shared directory, and a build there: its packages would be a link to the directory in
/// which it lies itself.
#[test]
fn a_package_of_the_shared_directory_is_not_linked_into_itself() {
    let sandbox = Sandbox::mini_mathlib_without_packages();
    let shared = sandbox.path("shared");
    sandbox.clone_packages(&shared);
    let alias = sandbox.path("alias");
    sandbox.symlink(&shared, &alias);
    for (cwd, value) in
        [("shared/mathlib", &shared), ("shared/mathlib", &alias), ("alias/mathlib", &shared)]
    {
        let checkout = Tree::of(shared.join("mathlib")).filtered(|path| !path.starts_with(".lake"));
        let call = |call: shim_tests::Call<'_>| {
            call.cwd(cwd).env("LAKE_PKG_DIR", value).env("LAKE_SHIM_NETWORK", "never").run()
        };
        let build = call(sandbox.lake("env printf x"));
        build.stderr_contains("`LAKE_PKG_DIR` is `").stderr_contains("around the workspace");
        let link = call(sandbox.lake_shim("link"));
        link.expect_code(1).stderr_contains("around the workspace").stderr_contains("hint: ");
        assert!(!shared.join("mathlib/.lake/packages").is_symlink(), "{build}");
        let now = Tree::of(shared.join("mathlib")).filtered(|path| !path.starts_with(".lake"));
        assert!(checkout.content_changes_to(&now).is_empty(), "{build}");
    }
}
