//! What a file keeps besides its bytes when it is respelled: mode, owner, and that it is a link.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use shim_tests::{NOBODY, Run, Sandbox, Tree, mini_mathlib};

use crate::{WRONG, expect_no_leftovers, normalize, right, workspace, wrong_manifest};

const MODES: [u32; 7] = [0o644, 0o600, 0o755, 0o444, 0o400, 0o664, 0o666];

/// A workspace whose lakefile is to be respelled.
fn wrong() -> Sandbox {
    let sandbox = workspace();
    sandbox.write("app/lakefile.toml", WRONG);
    sandbox
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("a file").mode() & 0o7777
}

fn owner(path: &Path) -> (u32, u32) {
    let meta = fs::metadata(path).expect("a file");
    (meta.uid(), meta.gid())
}

#[test]
fn the_mode_is_kept() {
    let sandbox = wrong();
    let lakefile = sandbox.path("app/lakefile.toml");
    for old in MODES {
        for umask in ["000", "022", "077", "777"] {
            sandbox.chmod(&lakefile, 0o644).write(&lakefile, WRONG).chmod(&lakefile, old);
            sandbox.shim_bin();
            let script = format!("umask {umask}; exec lake-shim normalize --lock ../lock.json");
            let run = sandbox.command("sh", "-c").arg(script).run();
            run.expect_code(0);
            assert_eq!(sandbox.read(&lakefile), right(WRONG));
            assert_eq!(mode(&lakefile), old, "{old:o} under {umask}");
        }
    }
}

#[test]
#[cfg_attr(not(has = "setpriv"), ignore = "needs setpriv")]
fn a_file_that_only_the_directory_lets_its_owner_change_keeps_its_mode() {
    let sandbox = wrong();
    for old in [0o444, 0o400] {
        sandbox.write("app/lakefile.toml", WRONG).chmod("app/lakefile.toml", old);
        sandbox.chown("app", NOBODY);
        normalize(&sandbox, "").as_user(NOBODY).run().expect_code(0);
        let lakefile = sandbox.path("app/lakefile.toml");
        assert_eq!(sandbox.read(&lakefile), right(WRONG));
        assert_eq!((mode(&lakefile), owner(&lakefile)), (old, (NOBODY, NOBODY)));
    }
}

#[test]
#[cfg_attr(not(has = "root"), ignore = "needs root")]
fn root_leaves_a_file_to_whom_it_belongs() {
    let sandbox = wrong();
    let lakefile = sandbox.path("app/lakefile.toml");
    std::os::unix::fs::chown(&lakefile, Some(NOBODY), Some(12)).expect("root may");
    sandbox.chmod(&lakefile, 0o640);
    normalize(&sandbox, "").run().expect_code(0);
    assert_eq!(sandbox.read(&lakefile), right(WRONG));
    assert_eq!((mode(&lakefile), owner(&lakefile)), (0o640, (NOBODY, 12)));
    // The same in a directory that root owns and he does not.
    assert_eq!(owner(&sandbox.workspace()), (0, 0));
}

#[test]
#[cfg_attr(not(has = "setpriv"), ignore = "needs setpriv")]
fn a_file_of_another_user_in_ones_own_directory_becomes_ones_own() {
    let sandbox = wrong();
    sandbox.chown("app", NOBODY).chown("app/lakefile.toml", 0);
    let run = normalize(&sandbox, "").as_user(NOBODY).run();
    run.expect_code(0);
    let lakefile = sandbox.path("app/lakefile.toml");
    assert_eq!(sandbox.read(&lakefile), right(WRONG));
    assert_eq!((mode(&lakefile), owner(&lakefile)), (0o644, (NOBODY, NOBODY)));
}

// Links

#[test]
fn a_symlink_stays_and_what_it_leads_to_changes() {
    for target in ["../elsewhere/deep/lakefile.toml", "ROOT/elsewhere/deep/lakefile.toml"] {
        let sandbox = workspace();
        let root = sandbox.path("").display().to_string();
        let target = target.replace("ROOT", root.trim_end_matches('/'));
        sandbox.write("elsewhere/deep/lakefile.toml", WRONG);
        sandbox.chmod("elsewhere/deep/lakefile.toml", 0o640);
        sandbox.symlink(&target, "app/lakefile.toml");
        normalize(&sandbox, "").run().expect_code(0);
        assert_eq!(
            fs::read_link(sandbox.path("app/lakefile.toml")).ok().as_deref(),
            Some(Path::new(&target))
        );
        let changed = sandbox.path("elsewhere/deep/lakefile.toml");
        assert_eq!(sandbox.read(&changed), right(WRONG));
        assert!(fs::symlink_metadata(&changed).is_ok_and(|meta| meta.is_file()));
        assert_eq!(mode(&changed), 0o640);
        expect_no_leftovers(&sandbox, "");
    }
}

#[test]
fn every_symlink_of_a_chain_stays() {
    let sandbox = workspace();
    sandbox
        .write("c/manifest.txt", wrong_manifest())
        .symlink("../c/manifest.txt", "b/middle.json")
        .symlink("b", "alias")
        .symlink("../alias/middle.json", "app/lake-manifest.json");
    let links = Tree::of(sandbox.path("b"));
    normalize(&sandbox, "lake-manifest.json").run().expect_code(0);
    links.assert_unchanged();
    for link in ["app/lake-manifest.json", "alias", "b/middle.json"] {
        assert!(sandbox.path(link).is_symlink(), "{link}");
    }
    assert_eq!(sandbox.read("c/manifest.txt"), right(&wrong_manifest()));
    expect_no_leftovers(&sandbox, "");
}

#[test]
fn two_links_to_one_file_are_two_names_of_it() {
    let sandbox = wrong();
    sandbox.symlink("lakefile.toml", "app/a.toml").symlink("a.toml", "app/b.toml");
    normalize(&sandbox, "a.toml b.toml lakefile.toml a.toml").run().expect_code(0);
    assert_eq!(sandbox.read("app/lakefile.toml"), right(WRONG));
    assert!(sandbox.path("app/a.toml").is_symlink() && sandbox.path("app/b.toml").is_symlink());
    expect_no_leftovers(&sandbox, "");
}

#[test]
fn a_manifest_that_is_a_dangling_link_is_an_error_that_names_it() {
    for target in ["../elsewhere/lake-manifest.json", "lake-manifest.json", "/nonexistent/x.json"] {
        let sandbox = wrong();
        sandbox.mkdir("elsewhere").symlink(target, "app/lake-manifest.json");
        let before = Tree::of(sandbox.workspace());
        let run = normalize(&sandbox, "lakefile.toml lake-manifest.json").run();
        run.expect_code(1).expect_stdout("").stderr_contains("app/lake-manifest.json");
        before.assert_unchanged();
        assert!(Tree::of(sandbox.path("elsewhere")).files().is_empty());
    }
}

/// A workspace whose manifest is not there yet, and what a real Lake would write.
fn unresolved() -> (Sandbox, String) {
    let manifest = mini_mathlib::fixtures().join("resolve/one_git_branch/lake-manifest.json");
    let sandbox = Sandbox::resolve_case("one_git_branch");
    sandbox.copy(&manifest, "lock.json");
    (sandbox, fs::read_to_string(manifest).expect("a golden manifest"))
}

#[track_caller]
fn resolve(sandbox: &Sandbox) -> Run {
    sandbox.lake_shim("resolve --lock ../lock.json").run()
}

#[test]
fn a_manifest_is_made_where_a_dangling_link_leads_to() {
    for target in ["../elsewhere/manifest", "ROOT/elsewhere/manifest", "manifest"] {
        let (sandbox, golden) = unresolved();
        let root = sandbox.path("").display().to_string();
        let target = target.replace("ROOT", root.trim_end_matches('/'));
        sandbox.mkdir("elsewhere").symlink(&target, "app/lake-manifest.json");
        resolve(&sandbox).expect_code(0);
        let link = sandbox.path("app/lake-manifest.json");
        assert_eq!(fs::read_link(&link).ok().as_deref(), Some(Path::new(&target)));
        assert_eq!(sandbox.read(link), golden);
        expect_no_leftovers(&sandbox, "app");
        expect_no_leftovers(&sandbox, "elsewhere");
    }
}

#[test]
fn every_link_of_a_dangling_chain_stays() {
    let (sandbox, golden) = unresolved();
    sandbox
        .mkdir("elsewhere")
        .symlink("../elsewhere/manifest", "links/middle.json")
        .symlink("../links/middle.json", "app/lake-manifest.json");
    let run = resolve(&sandbox);
    run.expect_code(0);
    for link in ["app/lake-manifest.json", "links/middle.json"] {
        assert!(sandbox.path(link).is_symlink(), "{link} is no link any more\n{run}");
    }
    assert_eq!(sandbox.read("elsewhere/manifest"), golden);
}

#[test]
fn a_manifest_whose_link_leads_into_no_directory_is_an_error_that_names_it() {
    let (sandbox, _) = unresolved();
    sandbox.symlink("../none/manifest", "app/lake-manifest.json");
    resolve(&sandbox).expect_code(1).stderr_contains("app/../none");
    assert!(sandbox.path("app/lake-manifest.json").is_symlink());
    expect_no_leftovers(&sandbox, "app");
}

#[test]
fn the_other_name_of_a_hard_link_keeps_the_old_text() {
    let sandbox = wrong();
    let (lakefile, other) = (sandbox.path("app/lakefile.toml"), sandbox.path("other.toml"));
    fs::hard_link(&lakefile, &other).expect("a hard link");
    normalize(&sandbox, "").run().expect_code(0);
    assert_eq!(sandbox.read(&lakefile), right(WRONG));
    assert_eq!(sandbox.read(&other), WRONG, "a file is replaced, not written into");
    assert_eq!(fs::metadata(&lakefile).expect("a file").nlink(), 1);
}
