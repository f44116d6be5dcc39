//! How Lake makes the packages directory what the manifest says, and how it loses clones.

use std::path::Path;

use serde_json::json;
use shim_tests::{NOBODY, Sandbox, Tree, mini_mathlib};

const MATHLIB_GIT: &str = "https://github.com/leanprover-community/mathlib4.git";

const OTHER_REV: &str = "0000000000000000000000000000000000000001";

/// The mini-mathlib with its manifest changed: a revision that the clone does not have, at that URL.
fn with_locked_mathlib(url: &str, rev: &str) -> Sandbox {
    let sandbox = Sandbox::mini_mathlib();
    relock(&sandbox, url, rev);
    sandbox
}

fn relock(sandbox: &Sandbox, url: &str, rev: &str) {
    let (old_url, old_rev) = sandbox.locked("mathlib");
    let manifest =
        sandbox.read("app/lake-manifest.json").replace(&old_url, url).replace(&old_rev, rev);
    sandbox.write("app/lake-manifest.json", manifest);
}

#[test]
fn lake_asks_no_url_while_head_is_the_locked_revision() {
    let sandbox = Sandbox::mini_mathlib();
    let (_, rev) = sandbox.locked("mathlib");
    relock(&sandbox, "https://example.org/elsewhere", &rev);
    sandbox.real_lake("resolve-deps").run().expect_code(0);
    assert!(sandbox.package("mathlib").join("Mathlib.lean").exists());
}

#[test]
fn lake_deletes_a_clone_whose_url_is_spelled_otherwise() {
    let sandbox = with_locked_mathlib(MATHLIB_GIT, OTHER_REV);
    sandbox
        .real_lake("resolve-deps")
        .run()
        .expect_code(1)
        .stderr_contains("mathlib: URL has changed; deleting")
        .stderr_contains("and cloning again");
    assert!(!sandbox.package("mathlib").join("Mathlib.lean").exists(), "the clone is gone");
    assert!(sandbox.package("batteries").join("Batteries.lean").exists());
}

#[test]
fn lake_keeps_a_clone_whose_url_is_mapped_to_its_origin() {
    let sandbox = with_locked_mathlib(MATHLIB_GIT, OTHER_REV);
    let origin = sandbox.git(&sandbox.package("mathlib"), &["remote", "get-url", "origin"]);
    sandbox
        .real_lake("resolve-deps")
        .env("LAKE_PKG_URL_MAP", json!({ "mathlib": origin }).to_string())
        .run()
        .expect_code(1) // the fetch fails
        .stderr_lacks("deleting");
    assert!(sandbox.package("mathlib").join("Mathlib.lean").exists());
}

#[test]
fn lake_deletes_through_instead_of() {
    let sandbox =
        with_locked_mathlib("https://github.com/leanprover-community/mathlib4", OTHER_REV);
    let config = sandbox.read("home/.gitconfig");
    let rewrite = "[url \"ssh://git@github.com/\"]\n\tinsteadOf = https://github.com/\n";
    sandbox.write("home/.gitconfig", config + rewrite);
    sandbox.real_lake("resolve-deps").run().expect_code(1).stderr_contains("URL has changed");
}

#[test]
#[cfg_attr(not(has = "root"), ignore = "needs root")]
fn lake_deletes_what_another_user_owns() {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.chown(sandbox.package("mathlib"), NOBODY);
    sandbox
        .real_lake("resolve-deps")
        .run()
        .expect_code(1)
        .stderr_contains("URL has changed; deleting");
    assert!(!sandbox.package("mathlib").join("Mathlib.lean").exists());
}

#[test]
#[cfg_attr(not(has = "root"), ignore = "needs root")]
fn safe_directory_saves_what_another_user_owns() {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.chown(sandbox.package("mathlib"), NOBODY);
    sandbox
        .real_lake("resolve-deps")
        .env("GIT_CONFIG_COUNT", "1")
        .env("GIT_CONFIG_KEY_0", "safe.directory")
        .env("GIT_CONFIG_VALUE_0", sandbox.package("mathlib"))
        .run()
        .expect_code(0)
        .stderr_lacks("deleting");
}

#[test]
#[cfg_attr(not(has = "setpriv"), ignore = "needs setpriv")]
fn another_user_may_not_delete_but_lake_tries() {
    let sandbox = Sandbox::mini_mathlib();
    let run = sandbox.real_lake("resolve-deps").as_user(NOBODY).run();
    run.expect_code(1).stderr_contains("URL has changed; deleting");
    assert!(sandbox.package("mathlib").join("Mathlib.lean").exists());
}

#[test]
fn lake_deletes_the_target_of_a_package_that_is_a_symlink() {
    // lean4#14476
    let sandbox = with_locked_mathlib(MATHLIB_GIT, OTHER_REV);
    sandbox.rename("app/.lake/packages/mathlib", "shared/mathlib");
    sandbox.symlink(sandbox.path("shared/mathlib"), "app/.lake/packages/mathlib");
    sandbox
        .real_lake("resolve-deps")
        .run()
        .expect_code(1)
        .stderr_contains("URL has changed; deleting");
    assert_eq!(
        Tree::of(sandbox.path("shared/mathlib")).entries().len(),
        1,
        "only the directory is left"
    );
}

#[test]
fn lake_follows_a_linked_packages_directory() {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.rename("app/.lake/packages", "shared");
    sandbox.symlink(sandbox.path("shared"), "app/.lake/packages");
    sandbox.real_lake("resolve-deps").run().expect_code(0).stderr_lacks("cloning");
}

#[test]
fn lake_clones_what_is_missing() {
    let sandbox = Sandbox::mini_mathlib_without_packages().online();
    sandbox
        .real_lake("resolve-deps")
        .run()
        .expect_code(0)
        .stderr_contains("mathlib: cloning https://github.com");
    for name in ["mathlib", "batteries"] {
        let (url, rev) = sandbox.locked(name);
        assert_eq!(sandbox.git(&sandbox.package(name), &["rev-parse", "HEAD"]), rev);
        assert_eq!(sandbox.git(&sandbox.package(name), &["remote", "get-url", "origin"]), url);
    }
}

#[test]
fn lake_fetches_from_the_same_url() {
    let sandbox = Sandbox::mini_mathlib().online();
    let remote = sandbox.remote(MATHLIB_GIT);
    let next = commit_on_top(&sandbox, &remote);
    relock(&sandbox, MATHLIB_GIT.trim_end_matches(".git"), &next);
    sandbox.real_lake("resolve-deps").run().expect_code(0).stderr_contains("checking out revision");
    assert_eq!(sandbox.git(&sandbox.package("mathlib"), &["rev-parse", "HEAD"]), next);
}

fn commit_on_top(sandbox: &Sandbox, remote: &Path) -> String {
    let commit = ["commit-tree", "master^{tree}", "-p", "master", "-m", "next"];
    let next = sandbox.git(remote, &commit);
    sandbox.git(remote, &["update-ref", "refs/heads/master", &next]);
    next
}

// A real one would elaborate mathlib's lakefile.lean, for which it needs Lake's own oleans.
#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn lake_resolves_where_there_is_no_manifest_fake_lake_only() {
    let sandbox = Sandbox::mini_mathlib().online();
    let before = (sandbox.locked("mathlib"), sandbox.locked("batteries"));
    sandbox.remove("app/lake-manifest.json");
    sandbox.real_lake("resolve-deps").run().expect_code(0).stderr_lacks("deleting");
    assert_eq!((sandbox.locked("mathlib"), sandbox.locked("batteries")), before);
}

#[test]
fn lake_resolves_as_the_fixtures_say() {
    for case in
        std::fs::read_dir(mini_mathlib::fixtures().join("resolve")).into_iter().flatten().flatten()
    {
        let name = case.file_name().to_string_lossy().into_owned();
        let sandbox = Sandbox::resolve_case(&name);
        sandbox.real_lake("update").run().expect_code(0);
        let manifest = |path: &Path| -> serde_json::Value {
            serde_json::from_str(&sandbox.read(path)).unwrap_or_default()
        };
        let written = manifest(&sandbox.path("app/lake-manifest.json"));
        assert_eq!(written, manifest(&case.path().join("lake-manifest.json")), "{name}");
    }
}

#[test]
fn update_compares_urls_though_head_is_right() {
    let sandbox = Sandbox::mini_mathlib();
    let config = sandbox.read("app/lakefile.toml").replace("/mathlib4\"", "/mathlib4.git\"");
    sandbox.write("app/lakefile.toml", config);
    sandbox.real_lake("update").run().expect_code(1).stderr_contains("URL has changed; deleting");
}

/// A workspace whose manifest was written when packages lay elsewhere.
fn with_other_packages_dir(configured: &str) -> Sandbox {
    let sandbox = Sandbox::resolve_case("one_git_branch");
    let manifest = mini_mathlib::fixtures().join("resolve/one_git_branch/lake-manifest.json");
    sandbox.copy(manifest, "app/lake-manifest.json");
    let lakefile = sandbox.read("app/lakefile.toml");
    sandbox.write("app/lakefile.toml", format!("packagesDir = \"{configured}\"\n{lakefile}"));
    let package = sandbox.package("a");
    let clone = ["clone", "--quiet", "https://example.org/org/a", &package.to_string_lossy()];
    sandbox.git(&sandbox.workspace(), &clone);
    sandbox.write(package.join("MARKER"), "mine");
    sandbox
}

#[test]
fn lake_update_renames_the_packages_directory() {
    for configured in ["deps", "deep/down/deps", "../deps"] {
        let sandbox = with_other_packages_dir(configured);
        sandbox
            .real_lake("update")
            .run()
            .expect_code(0)
            .stderr_contains("workspace packages directory changed; renaming")
            .stderr_lacks("cloning");
        assert!(!sandbox.packages().exists());
        assert!(sandbox.workspace().join(configured).join("a/MARKER").exists());
        assert!(sandbox.read("app/lake-manifest.json").contains(&format!("\"{configured}\"")));
    }
}

#[test]
fn lake_update_renames_the_packages_directory_over_a_link_only_if_it_is_one() {
    let sandbox = with_other_packages_dir("deps");
    sandbox.mkdir("shared").symlink("../shared", "app/deps");
    let run = sandbox.real_lake("update").run();
    run.expect_code(1).stderr_contains("could not rename workspace packages directory");
    assert!(sandbox.package("a/MARKER").exists());
    // A link over a link.
    sandbox.rename("app/.lake/packages", "others");
    sandbox.symlink(sandbox.path("others"), "app/.lake/packages");
    sandbox.real_lake("update").run().expect_code(0).stderr_lacks("cloning");
    assert!(sandbox.path("app/deps/a/MARKER").exists());
    assert!(sandbox.path("app/deps").is_symlink() && !sandbox.packages().exists());
}

#[test]
fn lake_builds_with_the_packages_directory_of_the_manifest() {
    let sandbox = with_other_packages_dir("deps");
    sandbox.real_lake("resolve-deps").run().expect_code(0).stderr_lacks("cloning");
    assert!(sandbox.package("a/MARKER").exists() && !sandbox.path("app/deps").exists());
}
