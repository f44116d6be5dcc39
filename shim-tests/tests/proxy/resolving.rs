//! `lake update`, and a build without a manifest: Lake compares every URL, and what it finds becomes the manifest.

use shim_tests::{Run, Sandbox, Tree};

use crate::{FORK, Keepsake, move_head};

const A: &str = "https://example.org/org/a";

/// A workspace that requires `a` as that URL, which is cloned from another spelling of it. Online.
fn required(wanted: &str, cloned: &str) -> Sandbox {
    let sandbox = Sandbox::resolve_case("one_git_branch");
    let package = sandbox.package("a");
    sandbox.mkdir(sandbox.packages());
    sandbox.git(&sandbox.workspace(), &["clone", "--quiet", cloned, &package.to_string_lossy()]);
    let config =
        sandbox.read("app/lakefile.toml").replace(&format!("\"{A}\""), &format!("\"{wanted}\""));
    assert!(config.contains(&format!("\"{wanted}\"")));
    sandbox.write("app/lakefile.toml", config);
    sandbox
}

/// Adds the manifest that goes with how it was cloned.
fn locked(wanted: &str, cloned: &str) -> Sandbox {
    let sandbox = required(wanted, cloned);
    let manifest =
        shim_tests::mini_mathlib::fixtures().join("resolve/one_git_branch/lake-manifest.json");
    let manifest = sandbox.read(manifest).replace(&format!("\"{A}\""), &format!("\"{cloned}\""));
    sandbox.write("app/lake-manifest.json", manifest);
    sandbox
}

#[track_caller]
fn lost_without_kept_with(prepare: impl Fn() -> Sandbox, words: &str) -> (Sandbox, Run) {
    let sandbox = prepare();
    let keepsake = Keepsake::leave(&sandbox, &sandbox.package("a"));
    let run = sandbox.real_lake(words).run();
    run.stderr_contains("a: URL has changed; deleting");
    assert!(keepsake.is_lost(), "this lake deletes nothing\n{run}");
    let sandbox = prepare();
    let keepsake = Keepsake::leave(&sandbox, &sandbox.package("a"));
    let run = sandbox.lake(words).run();
    keepsake.assert_kept(&run);
    run.stderr_lacks("deleting");
    (sandbox, run)
}

fn origin(sandbox: &Sandbox) -> String {
    sandbox.git(&sandbox.package("a"), &["remote", "get-url", "origin"])
}

/// What Lake says of a manifest that spells a URL otherwise than the configuration.
const OUT_OF_DATE: &str = "out of date";

#[test]
fn update_keeps_the_clone_and_its_origin_and_agrees_with_the_configuration() {
    for (wanted, cloned) in
        [(&*format!("{A}.git"), A), (A, &*format!("{A}.git")), (&*format!("{A}/"), A)]
    {
        let others = ["update a", "upgrade", "build --update --no-build"];
        let more = if wanted == A { &others[..] } else { &[] };
        for words in ["update"].iter().chain(more) {
            let (sandbox, run) = lost_without_kept_with(|| locked(wanted, cloned), words);
            run.expect_code(0);
            assert_eq!(origin(&sandbox), cloned, "no `origin` is rewritten\n{run}");
            assert_eq!(sandbox.locked("a").0, wanted, "{run}");
            let next = sandbox.lake("resolve-deps").run();
            next.expect_code(0).stderr_lacks(OUT_OF_DATE).stderr_lacks("deleting");
        }
    }
}

#[test]
fn update_changes_no_configuration_of_git() {
    for (wanted, cloned) in [(A, A), (A, &*format!("{A}.git"))] {
        let sandbox = locked(wanted, cloned);
        let config = Tree::of(sandbox.package("a").join(".git/config"));
        sandbox.lake("update").run().expect_code(0);
        config.assert_unchanged();
    }
}

#[test]
fn update_in_a_shared_directory_keeps_the_clone_and_its_origin() {
    let prepare = || {
        let mut sandbox = locked(&format!("{A}.git"), A);
        sandbox
            .rename("app/.lake/packages", "shared")
            .symlink(sandbox.path("shared"), "app/.lake/packages");
        let shared = sandbox.path("shared");
        sandbox.set_env("LAKE_PKG_DIR", shared);
        sandbox
    };
    let (sandbox, run) = lost_without_kept_with(prepare, "update");
    run.expect_code(0);
    assert_eq!(origin(&sandbox), A, "other workspaces may spell it so");
    sandbox.lake("resolve-deps").run().expect_code(0).stderr_lacks("deleting");
}

#[test]
fn update_does_not_touch_the_origin_of_a_linked_package() {
    let prepare = || {
        let sandbox = locked(&format!("{A}.git"), A);
        sandbox.rename("app/.lake/packages/a", "elsewhere/a");
        sandbox.symlink(sandbox.path("elsewhere/a"), "app/.lake/packages/a");
        sandbox
    };
    let (sandbox, run) = lost_without_kept_with(prepare, "update");
    run.expect_code(0);
    assert_eq!(origin(&sandbox), A);
}

#[test]
fn update_with_a_fork_in_a_shared_directory_is_refused() {
    let sandbox = locked(A, A);
    sandbox.git(&sandbox.package("a"), &["remote", "set-url", "origin", FORK]);
    sandbox
        .rename("app/.lake/packages", "shared")
        .symlink(sandbox.path("shared"), "app/.lake/packages");
    let keepsake = Keepsake::leave(&sandbox, &sandbox.package("a"));
    let manifest = sandbox.read("app/lake-manifest.json");
    let run = sandbox.lake("update").env("LAKE_PKG_DIR", sandbox.path("shared")).run();
    run.expect_code(1)
        .expect_stdout("")
        .stderr_contains("`a`")
        .stderr_contains(FORK)
        .stderr_contains(A);
    keepsake.assert_kept(&run);
    assert_eq!(sandbox.read("app/lake-manifest.json"), manifest);
    let run = sandbox.real_lake("update").run();
    assert!(keepsake.is_lost(), "there was something to refuse\n{run}");
}

#[test]
fn update_to_another_repository_in_a_private_directory_is_lakes_affair() {
    let sandbox = locked(A, A);
    sandbox.git(&sandbox.package("a"), &["remote", "set-url", "origin", FORK]);
    let keepsake = Keepsake::leave(&sandbox, &sandbox.package("a"));
    let run = sandbox.lake("update").run();
    run.expect_code(1).expect_stdout("").stderr_contains(FORK).stderr_contains("`MARKER`");
    keepsake.assert_kept(&run);
    // With nothing to lose it is what the user asked for.
    sandbox.remove(sandbox.package("a").join("MARKER"));
    let run = sandbox.lake("update").run();
    run.expect_code(0).stderr_contains("deleting").stderr_lacks("lake-shim");
    assert_eq!(origin(&sandbox), A);
}

#[test]
fn a_build_without_a_manifest_keeps_a_clone_spelled_otherwise() {
    for (wanted, cloned) in [(&*format!("{A}.git"), A), (A, &*format!("{A}.git"))] {
        for words in ["resolve-deps", "build", "env true"] {
            let (sandbox, run) = lost_without_kept_with(|| required(wanted, cloned), words);
            run.expect_code(0);
            // Whatever it came to, the next build has nothing to say about it.
            let next = sandbox.lake("resolve-deps").run();
            next.expect_code(0).stderr_lacks(OUT_OF_DATE).stderr_lacks("deleting");
        }
    }
}

#[test]
fn a_dependency_of_a_path_dependency_is_kept_as_well() {
    const M: &str = "https://example.org/org/m";
    let prepare = || {
        let sandbox = Sandbox::resolve_case("path_with_manifest");
        let package = sandbox.package("m");
        sandbox.mkdir(sandbox.packages());
        let cloned = format!("{M}.git");
        sandbox
            .git(&sandbox.workspace(), &["clone", "--quiet", &cloned, &package.to_string_lossy()]);
        // Off the locked revision, or nothing would be compared.
        move_head(&sandbox, &package);
        sandbox
    };
    for words in ["update", "resolve-deps"] {
        let sandbox = prepare();
        let keepsake = Keepsake::leave(&sandbox, &sandbox.package("m"));
        let run = sandbox.real_lake(words).run();
        assert!(keepsake.is_lost(), "this lake deletes nothing\n{run}");
        let sandbox = prepare();
        let keepsake = Keepsake::leave(&sandbox, &sandbox.package("m"));
        let run = sandbox.lake(words).run();
        keepsake.assert_kept(&run);
        run.expect_code(0).stderr_lacks("deleting");
    }
}
