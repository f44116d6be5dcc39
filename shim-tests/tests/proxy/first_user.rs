//! The first user's script in a CI whose token git puts into URLs (`insteadOf`): generated packages without a manifest,
//! one repository in two spellings, one packages directory for all of them.

use std::path::{Path, PathBuf};

use shim_tests::{Call, Run, Sandbox, Tree};

const TOKEN: &str = "https://x-access-token:s3cret@";

fn rewrite(sandbox: &Sandbox, host: &str) {
    let section = format!("[url \"{TOKEN}{host}/\"]\n\tinsteadOf = https://{host}/\n");
    let config = sandbox.read("home/.gitconfig");
    sandbox.write("home/.gitconfig", config + &section);
    sandbox.symlink(host, format!("remotes/x-access-token:s3cret@{host}"));
}

fn script<'a>(sandbox: &'a Sandbox, words: &str) -> Call<'a> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("first-user.sh");
    sandbox
        .command(script, words)
        .path_first(sandbox.shim_bin())
        .env("LAKE_PKG_DIR", sandbox.path("shared"))
}

fn prepare(sandbox: &Sandbox, case: &Path, name: &str) -> PathBuf {
    let work = sandbox.path(name);
    script(sandbox, "prepare").arg(case).arg(&work).path_first("/usr/bin").run().expect_code(0);
    assert!(!work.join("lake-manifest.json").exists());
    work
}

/// Asserts that no file of the sandbox but the user's own configuration has the token in it.
#[track_caller]
fn expect_no_token(sandbox: &Sandbox, run: &Run) {
    for place in ["shared", "work0", "work1", "work2", "tmp", "home", "cases"] {
        for file in Tree::of(sandbox.path(place)).files().into_keys() {
            let path = sandbox.path(place).join(file);
            let text = std::fs::read(&path).unwrap_or_default();
            let is_there = String::from_utf8_lossy(&text).contains("s3cret");
            assert!(!is_there || path.ends_with(".gitconfig"), "{}\n{run}", path.display());
        }
    }
    run.stderr_lacks("s3cret").stdout_lacks("s3cret");
}

/// Nothing is baked: Lake resolves, and clones once.
#[test]
fn generated_packages_share_what_lake_clones() {
    let mut sandbox = Sandbox::resolve_case("two_paths_share_git_dotgit");
    rewrite(&sandbox, "example.org");
    sandbox.set_env("CI", "");
    sandbox.rename("app", "cases/0").mkdir("app");
    let case = sandbox.path("cases/0");
    let mut checkout = None;
    for i in 0..3 {
        let work = prepare(&sandbox, &case, &format!("work{i}"));
        for round in 0..2 {
            let run = script(&sandbox, "run").arg(&work).run();
            run.expect_code(0).stderr_lacks("deleting").stderr_lacks("lake-shim: error");
            assert_eq!(run.stderr.contains("cloning"), i == 0 && round == 0, "{run}");
            let head = Tree::of(sandbox.path("shared/m/.git/HEAD"));
            match &checkout {
                None => checkout = Some(head),
                Some(first) => first.assert_unchanged(),
            }
            let config = sandbox.read("shared/m/.git/config");
            assert!(config.contains("url = https://example.org/org/m"), "{config}");
            expect_no_token(&sandbox, &run);
            let manifest = sandbox.read(work.join("lake-manifest.json"));
            assert!(manifest.contains("\"https://example.org/org/m"), "{manifest}");
        }
    }
}

/// Three at once, from the first use of the directory on.
#[test]
fn generated_packages_at_once_are_in_nobodys_way() {
    let mut sandbox = Sandbox::resolve_case("two_paths_share_git_dotgit");
    rewrite(&sandbox, "example.org");
    sandbox.set_env("CI", "");
    sandbox.rename("app", "cases/0").mkdir("app");
    let works = [0, 1, 2].map(|i| prepare(&sandbox, &sandbox.path("cases/0"), &format!("work{i}")));
    let running = works.each_ref().map(|work| script(&sandbox, "run").arg(work).spawn());
    for run in running.map(shim_tests::Running::wait) {
        run.expect_code(0).stderr_lacks("deleting");
        expect_no_token(&sandbox, &run);
    }
    let status = sandbox.git(&sandbox.path("shared/m"), &["status", "--porcelain"]);
    assert_eq!(status, "");
}

/// With a baked store, offline: as ever.
#[test]
#[cfg_attr(not(has = "unshare"), ignore = "needs unshare")]
fn a_baked_store_serves_them_offline() {
    let mut sandbox = Sandbox::mini_mathlib();
    sandbox.lake_shim("restore --network never").run().expect_code(0);
    let baked = sandbox.path("baked");
    sandbox.lake_shim("bake --level 1 --store").arg(&baked).run().expect_code(0);
    sandbox.set_env("LAKE_SHIM_STORE", baked).set_env("CI", "true");
    sandbox.mkdir("remotes/github.com");
    rewrite(&sandbox, "github.com");
    sandbox
        .remove("app/.lake")
        .remove("app/lake-manifest.json")
        .rename("app", "cases/0")
        .mkdir("app");
    for i in 0..3 {
        let work = prepare(&sandbox, &sandbox.path("cases/0"), &format!("work{i}"));
        let run = script(&sandbox, "run").arg(&work).without_network().run();
        run.expect_code(0).stderr_contains("resolved 2 packages from lock");
        run.stderr_lacks("deleting").stderr_lacks("cloning").stderr_lacks("warning");
        expect_no_token(&sandbox, &run);
    }
}
