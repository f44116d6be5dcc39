//! `lake update` after `packagesDir` has changed: Lake renames the old directory to the new one, and compares URLs there.

use shim_tests::{Run, Sandbox};

use crate::clones::{FORK, Keepsake, expect_link, expect_own};
use crate::packages_dir::{A, Locked, in_effect, world};

const MOVES: [(&str, Option<&str>); 3] =
    [(".lake/packages", Some("deps")), ("deps", None), ("deps", Some("deep/down/deps"))];

/// Out of the workspace, or into it: the shim links neither.
const OUTSIDE: [(&str, Option<&str>); 4] = [
    (".lake/packages", Some("../elsewhere")),
    (".lake/packages", Some("x/../../elsewhere")),
    (".lake/packages", Some("ROOT/elsewhere")),
    ("../elsewhere", Some(".lake/packages")),
];

const UPDATES: [&str; 3] = ["update", "update a", "build --update --no-build"];

/// Every move by one command, and one move by every command.
fn moves() -> impl Iterator<Item = (&'static str, Option<&'static str>, &'static str)> {
    let all = MOVES.into_iter().map(|(old, new)| (old, new, "update"));
    all.chain(UPDATES.into_iter().skip(1).map(|words| (MOVES[0].0, MOVES[0].1, words)))
}

/// The clone's origin is not spelled as the configuration spells it.
fn spelled_otherwise(sandbox: &Sandbox, clone: impl AsRef<std::path::Path>) {
    set_origin(sandbox, clone, &format!("{A}.git"));
}

fn set_origin(sandbox: &Sandbox, clone: impl AsRef<std::path::Path>, url: &str) {
    sandbox.git(&sandbox.path(clone), &["remote", "set-url", "origin", url]);
}

#[track_caller]
fn expect_updated(run: &Run) {
    run.expect_code(0).stderr_lacks("deleting").stderr_lacks("cloning").stderr_lacks("warning: `");
}

#[test]
fn what_is_renamed_is_linked_before_and_after() {
    for (old, new, words) in moves() {
        let sandbox = world(Locked::At(old), new);
        let from = in_effect(&sandbox, Locked::At(old), new);
        let to = in_effect(&sandbox, Locked::Nothing, new);
        spelled_otherwise(&sandbox, from.join("a"));
        let (keepsake, shared) =
            (Keepsake::leave(&sandbox, from.join("a")), sandbox.path("shared"));
        let run = sandbox.lake(words).env("LAKE_PKG_DIR", &shared).run();
        expect_updated(&run);
        keepsake.assert_kept_at(&to.join("a"), &run);
        expect_link(&to, &shared);
        assert!(!from.is_symlink() && !from.exists(), "renamed");
        let next = sandbox.lake("resolve-deps").env("LAKE_PKG_DIR", &shared).run();
        next.expect_code(0).stderr_lacks("lake-shim").stderr_lacks("cloning");
    }
}

#[test]
fn what_is_linked_already_stays_linked() {
    for (old, new) in MOVES {
        let sandbox = world(Locked::At(old), new);
        let from = in_effect(&sandbox, Locked::At(old), new);
        let to = in_effect(&sandbox, Locked::Nothing, new);
        let shared = sandbox.path("shared");
        sandbox.rename(&from, &shared).symlink(&shared, &from);
        spelled_otherwise(&sandbox, "shared/a");
        let keepsake = Keepsake::leave(&sandbox, "shared/a");
        let run = sandbox.lake("update").env("LAKE_PKG_DIR", &shared).run();
        expect_updated(&run);
        keepsake.assert_kept(&run);
        expect_link(&to, &shared);
    }
}

#[test]
fn what_is_renamed_outside_of_the_workspace_is_not_linked() {
    for (old, new) in OUTSIDE {
        let sandbox = world(Locked::At(old), new);
        let from = in_effect(&sandbox, Locked::At(old), new);
        let to = in_effect(&sandbox, Locked::Nothing, new);
        spelled_otherwise(&sandbox, from.join("a"));
        sandbox.mkdir("app/x");
        let keepsake = Keepsake::leave(&sandbox, from.join("a"));
        let run = sandbox.lake("update").env("LAKE_PKG_DIR", sandbox.path("shared")).run();
        run.expect_code(0)
            .stderr_contains("is outside of the workspace")
            .stderr_contains("renaming");
        run.stderr_lacks("deleting").stderr_lacks("cloning");
        keepsake.assert_kept_at(&to.join("a"), &run);
        expect_own(&to);
    }
}

#[test]
fn a_clone_spelled_otherwise_is_kept_when_its_directory_is_renamed() {
    let outside = OUTSIDE.into_iter().map(|(old, new)| (old, new, "update"));
    for (old, new, words) in moves().chain(outside) {
        let prepare = || {
            let sandbox = world(Locked::At(old), new);
            sandbox.mkdir("app/x");
            let clone = in_effect(&sandbox, Locked::At(old), new).join("a");
            spelled_otherwise(&sandbox, &clone);
            let keepsake = Keepsake::leave(&sandbox, &clone);
            (sandbox, keepsake)
        };
        let (sandbox, _) = prepare();
        let direct = sandbox.real_lake(words).run();
        direct.stderr_contains("renaming").stderr_contains("deleting");
        let (sandbox, keepsake) = prepare();
        let run = sandbox.lake(words).run();
        run.expect_code(0).stderr_contains("renaming");
        let now = in_effect(&sandbox, Locked::Nothing, new).join("a");
        keepsake.assert_kept_at(&now, &run);
    }
}

#[test]
fn a_clone_spelled_otherwise_is_kept_when_a_link_is_renamed() {
    for (old, new) in MOVES.into_iter().chain(OUTSIDE) {
        let sandbox = world(Locked::At(old), new);
        sandbox.mkdir("app/x");
        let from = in_effect(&sandbox, Locked::At(old), new);
        sandbox.rename(&from, "others").symlink(sandbox.path("others"), &from);
        spelled_otherwise(&sandbox, "others/a");
        let keepsake = Keepsake::leave(&sandbox, "others/a");
        let run = sandbox.lake("update").run();
        run.expect_code(0).stderr_contains("renaming");
        keepsake.assert_kept(&run);
    }
}

#[test]
fn a_fork_in_a_shared_directory_is_refused_before_its_link_is_renamed() {
    for words in UPDATES {
        for by_variable in [true, false] {
            let mut sandbox = world(Locked::At(".lake/packages"), Some("deps"));
            let shared = sandbox.path("shared");
            sandbox.rename(sandbox.packages(), &shared).symlink(&shared, sandbox.packages());
            set_origin(&sandbox, "shared/a", FORK);
            if by_variable {
                sandbox.set_env("LAKE_PKG_DIR", &shared);
            }
            let keepsake = Keepsake::leave(&sandbox, "shared/a");
            let run = sandbox.lake(words).run();
            keepsake.assert_kept(&run);
            run.expect_code(1).expect_stdout("").stderr_contains(FORK).stderr_contains("hint: ");
        }
    }
}

#[test]
fn an_update_into_the_shared_directory_itself_works() {
    for is_linked in [false, true] {
        for has_others in [false, true] {
            let sandbox = world(Locked::At(".lake/packages"), Some("ROOT/shared"));
            let shared = sandbox.path("shared");
            if has_others {
                sandbox.write("shared/other/lakefile.toml", "name = \"other\"\n");
            }
            if is_linked {
                sandbox.mkdir(&shared).rename(sandbox.package("a"), "shared/a");
                sandbox.remove(sandbox.packages()).symlink(&shared, sandbox.packages());
            }
            let clone = if is_linked { shared.join("a") } else { sandbox.package("a") };
            let keepsake = Keepsake::leave(&sandbox, &clone);
            let run = sandbox.lake("update").env("LAKE_PKG_DIR", &shared).run();
            keepsake.assert_kept_at(&shared.join("a"), &run);
            assert!(!has_others || shared.join("other/lakefile.toml").exists(), "{run}");
            run.expect_code(0).stderr_lacks("cloning");
        }
    }
}

#[test]
fn a_directory_of_ones_own_is_renamed_and_stays_ones_own() {
    let sandbox = world(Locked::At(".lake/packages"), Some("deps"));
    let shared = sandbox.path("shared");
    sandbox.lake_shim("unlink").run().expect_code(0);
    let keepsake = Keepsake::leave(&sandbox, sandbox.package("a"));
    let run = sandbox.lake("update").env("LAKE_PKG_DIR", &shared).run();
    run.expect_code(0).stderr_contains("renaming").stderr_lacks("cloning");
    keepsake.assert_kept_at(&sandbox.path("app/deps/a"), &run);
    let run = sandbox.lake("resolve-deps").env("LAKE_PKG_DIR", &shared).run();
    run.expect_code(0).stderr_lacks("lake-shim");
    expect_own(&sandbox.path("app/deps"));
}

#[test]
fn where_lake_cannot_rename_nothing_is_lost() {
    // Both are there and have something in them.
    let sandbox = world(Locked::At(".lake/packages"), Some("deps"));
    sandbox.write("app/deps/mine/lakefile.toml", "name = \"mine\"\n");
    let keepsake = Keepsake::leave(&sandbox, sandbox.package("a"));
    let run = sandbox.lake("update").run();
    run.expect_code(1).stderr_contains("could not rename").stderr_lacks("lake-shim");
    keepsake.assert_kept(&run);
    // With a shared directory it is the same, but that the package is in there.
    let shared = sandbox.path("shared");
    let run = sandbox.lake("update").env("LAKE_PKG_DIR", &shared).run();
    run.expect_code(1).stderr_contains("could not rename").stderr_contains("it has `mine`");
    keepsake.assert_kept(&run);
    assert!(sandbox.path("app/deps/mine/lakefile.toml").exists());
    // Out of the way, the rest goes on.
    sandbox.rename("app/deps/mine", "mine");
    let run = sandbox.lake("update").env("LAKE_PKG_DIR", &shared).run();
    expect_updated(&run);
    keepsake.assert_kept_at(&shared.join("a"), &run);
    expect_link(&sandbox.path("app/deps"), &shared);
}

#[test]
fn another_package_of_the_same_name_in_the_shared_directory_is_kept() {
    let sandbox = world(Locked::At(".lake/packages"), Some("deps"));
    let shared = sandbox.path("shared");
    sandbox.copy(sandbox.package("a"), "shared/a").write("shared/a/lakefile.toml", "theirs\n");
    let own = Keepsake::leave(&sandbox, sandbox.package("a"));
    let theirs = Keepsake::leave(&sandbox, "shared/a");
    let run = sandbox.lake("update").env("LAKE_PKG_DIR", &shared).run();
    run.expect_code(0).stderr_contains("is not linked").stderr_lacks("cloning");
    own.assert_kept_at(&sandbox.path("app/deps/a"), &run);
    theirs.assert_kept(&run);
}
