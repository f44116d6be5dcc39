//! What must not be moved: everything that a package's repository and the lock would not bring back.

use std::path::Path;

use shim_tests::{NOBODY, Sandbox, Tmpfs, Tree};

use crate::packages::{add_package, clone_package, edit_packages, upstream};
use crate::{bare, expect_left, expect_link, expect_no_leftovers, link};

type Change = fn(&Sandbox, &Path);

/// A change of the package `b`, and the words for it.
const CHANGES: [(&str, Change, &[&str]); 27] = [
    (
        "a changed file",
        |s, b| {
            s.write(b.join("lakefile.toml"), "mine\n");
        },
        &["changed `lakefile.toml`"],
    ),
    (
        "a staged file",
        |s, b| {
            s.write(b.join("New.lean"), "mine\n");
            git(s, b, "add New.lean");
        },
        &["changed `New.lean`"],
    ),
    (
        "a deleted file",
        |s, b| {
            s.remove(b.join("Deep/Down.lean"));
        },
        &["changed `Deep/Down.lean`"],
    ),
    (
        "an untracked file",
        |s, b| {
            s.write(b.join("notes.txt"), "mine\n");
        },
        &["untracked `notes.txt`"],
    ),
    (
        "an ignored file",
        |s, b| {
            s.write(b.join("run.log"), "mine\n");
        },
        &["ignored `run.log`"],
    ),
    (
        "a file in .lake",
        |s, b| {
            s.write(b.join(".lake/notes.txt"), "mine\n");
        },
        &["`.lake/notes.txt`"],
    ),
    (
        "packages of its own",
        |s, b| {
            s.mkdir(b.join(".lake/packages/x"));
        },
        &["`.lake/packages`"],
    ),
    (
        "an assumed file",
        |s, b| {
            git(s, b, "update-index --assume-unchanged lakefile.toml");
            s.write(b.join("lakefile.toml"), "mine\n");
        },
        &["changed `lakefile.toml`"],
    ),
    (
        "a skipped file",
        |s, b| {
            git(s, b, "update-index --skip-worktree lakefile.toml");
            s.write(b.join("lakefile.toml"), "mine\n");
        },
        &["changed `lakefile.toml`"],
    ),
    (
        "a stash",
        |s, b| {
            s.write(b.join("lakefile.toml"), "mine\n");
            git(s, b, "stash --quiet");
        },
        &["a stash"],
    ),
    (
        "a packed stash",
        |s, b| {
            s.write(b.join("lakefile.toml"), "mine\n");
            git(s, b, "stash --quiet");
            git(s, b, "pack-refs --all");
        },
        &["a stash"],
    ),
    (
        "a branch that was not pushed",
        |s, b| {
            git(s, b, "checkout --quiet -b work");
            git(s, b, "commit --quiet --allow-empty -m work-in-progress");
            git(s, b, "checkout --quiet --detach HEAD~1");
        },
        &["only here: `", "work-in-progress`"],
    ),
    (
        "a tag that was not pushed",
        |s, b| {
            git(s, b, "commit --quiet --allow-empty -m tagged-work");
            git(s, b, "tag keep");
            git(s, b, "checkout --quiet --detach HEAD~1");
        },
        &["only here: `", "tagged-work`"],
    ),
    (
        "another revision",
        |s, b| {
            git(s, b, "checkout --quiet --detach origin/master");
        },
        &["not at its locked revision"],
    ),
    (
        "another repository",
        |s, b| {
            git(s, b, "remote set-url origin https://example.org/fork/b");
        },
        &["is a checkout of `https://example.org/fork/b`"],
    ),
    (
        "no origin",
        |s, b| {
            git(s, b, "remote remove origin");
        },
        &["has no `origin`"],
    ),
    (
        "no git",
        |s, b| {
            s.remove(b.join(".git"));
        },
        &["is not a git checkout"],
    ),
    (
        "a git directory elsewhere",
        |s, b| {
            git(s, b, &format!("init --quiet --separate-git-dir={}", s.path("git-dir").display()));
        },
        &["`.git` is not a directory"],
    ),
    (
        "a linked git directory",
        |s, b| {
            s.rename(b.join(".git"), "git-dir").symlink(s.path("git-dir"), b.join(".git"));
        },
        &["`.git` is not a directory"],
    ),
    (
        "a worktree of another clone",
        |s, b| {
            s.rename(b, "main/b");
            let add = format!("worktree add --quiet --detach {}", b.display());
            git(s, &s.path("main/b"), &add);
        },
        &["`.git` is not a directory"],
    ),
    (
        "a worktree elsewhere",
        |s, b| {
            git(s, b, &format!("worktree add --quiet --detach {}", s.path("elsewhere").display()));
        },
        &["it has worktrees elsewhere"],
    ),
    (
        "a submodule in it",
        |s, b| {
            let url = upstream(s, "sub");
            git(s, b, &format!("-c protocol.file.allow=always submodule --quiet add {url} sub"));
        },
        &["it has submodules"],
    ),
    (
        "a link to a directory of the user's",
        |s, b| {
            s.rename(b, "elsewhere/b").symlink(s.path("elsewhere/b"), b);
        },
        &["is a symlink that you made"],
    ),
    (
        "a link in the place of its build",
        |s, b| {
            s.mkdir("elsewhere").symlink("../../../../../elsewhere", b.join(".lake/build"));
        },
        &["has a symlink of yours at `"],
    ),
    (
        "a file",
        |s, b| {
            s.remove(b).write(b, "mine\n");
        },
        &["is not a directory"],
    ),
    (
        "an override",
        |s, b| {
            let entry = format!(
                r#"{{"type": "path", "name": "b", "inherited": false, "dir": "{}"}}"#,
                b.display()
            );
            let overrides = format!(r#"{{"schemaVersion": "1.1.0", "packages": [{entry}]}}"#);
            s.write("app/.lake/package-overrides.json", overrides);
        },
        &["it has `b`, which is not a package of the manifest"],
    ),
    (
        "no entry in the manifest",
        |s, _| {
            edit_packages(s, "app", |packages| packages.retain(|package| package["name"] != "b"));
        },
        &["it has `b`, which is not a package of the manifest"],
    ),
];

fn git(sandbox: &Sandbox, dir: &Path, words: &str) -> String {
    sandbox.git(dir, &words.split(' ').collect::<Vec<_>>())
}

fn with_three() -> Sandbox {
    let (sandbox, _) = bare();
    for name in ["a", "b", "c"] {
        add_package(&sandbox, sandbox.packages(), name);
    }
    sandbox
}

#[test]
fn what_could_not_be_made_again_stays_with_all_its_neighbours() {
    for (what, change, parts) in CHANGES {
        let sandbox = with_three();
        let shared = sandbox.path("shared");
        change(&sandbox, &sandbox.package("b"));
        let packages = Tree::of(sandbox.packages());
        let elsewhere = ["elsewhere", "main", "git-dir"].map(|dir| Tree::of(sandbox.path(dir)));
        let run = link(&sandbox, &shared).run();
        expect_left(&run, &packages, parts);
        elsewhere.iter().for_each(Tree::assert_unchanged);
        assert_eq!(Tree::of(&shared).files().len(), 0, "{run}");
        expect_no_leftovers(&sandbox);
        // A command says it once, and goes on.
        let build = || sandbox.lake("env printf x").env("LAKE_PKG_DIR", &shared).run();
        let (first, second) = (build(), build());
        if first.code == Some(0) {
            first.stderr_contains("is not linked to `").expect_stdout("x");
            second.expect_code(0).expect_stdout("x");
            assert!(!second.stderr.contains("is not linked"), "{what}: {first}{second}");
        } else if what != "a file" {
            first.stderr_contains("lake-shim: error: `b` in `"); // the guard's to refuse
        }
    }
}

#[test]
fn what_does_no_harm_does_not_stop_a_link() {
    let harmless: [(&str, Change); 8] = [
        ("nothing at all", |_, _| {}),
        ("a build", |s, b| {
            s.write(b.join(".lake/build/lib/B.olean"), "built\n");
        }),
        ("Lake's own files", |s, b| {
            s.write(b.join(".lake/lakefile.olean"), "").write(b.join(".lake/config/x"), "");
        }),
        ("a branch that was pushed", |s, b| {
            git(s, b, "checkout --quiet -b work");
        }),
        ("a commit that was pushed", |s, b| {
            git(s, b, "checkout --quiet -b work");
            git(s, b, "commit --quiet --allow-empty -m pushed");
            git(s, b, "push --quiet origin work");
            git(s, b, "checkout --quiet --detach HEAD~1");
        }),
        ("packed refs", |s, b| {
            git(s, b, "pack-refs --all");
        }),
        ("another spelling", |s, b| {
            git(s, b, &format!("remote set-url origin file://{}/", upstream(s, "b")));
        }),
        ("a file that was only touched", |s, b| {
            s.write(b.join("lakefile.toml"), "name = \"b\"\n");
        }),
    ];
    for (what, change) in harmless {
        let sandbox = with_three();
        let shared = sandbox.path("shared");
        change(&sandbox, &sandbox.package("b"));
        let before = Tree::of(sandbox.packages());
        let run = link(&sandbox, &shared).run();
        run.expect_code(0).stderr_contains("after moving `a`, `b`, `c` there");
        expect_link(&sandbox.packages(), &shared);
        assert_eq!(Tree::of(&shared).files(), before.files(), "{what}");
        expect_no_leftovers(&sandbox);
    }
}

#[test]
fn what_lies_beside_the_packages_keeps_them_there() {
    for name in [".DS_Store", "notes.txt", ".lake-shim-notes", "another", ".git"] {
        let sandbox = with_three();
        sandbox.write(sandbox.packages().join(name), "mine\n");
        let packages = Tree::of(sandbox.packages());
        let run = link(&sandbox, &sandbox.path("shared")).run();
        expect_left(&run, &packages, &[&format!("it has `{name}`, which is not a package")]);
        assert!(Tree::of(sandbox.path("shared")).files().is_empty());
    }
}

/// Sources that the project's own repository has: as files, and as a submodule.
#[test]
fn what_the_project_tracks_stays() {
    for is_submodule in [false, true] {
        let (sandbox, shared) = bare();
        add_package(&sandbox, "elsewhere", "a");
        let app = sandbox.workspace();
        git(&sandbox, &app, "init --quiet");
        sandbox.edit_json("app/lake-manifest.json", |m| m["packagesDir"] = "vendor".into());
        if is_submodule {
            let url = upstream(&sandbox, "a");
            let add = format!("-c protocol.file.allow=always submodule --quiet add {url} vendor/a");
            git(&sandbox, &app, &add);
            git(&sandbox, &app.join("vendor/a"), "checkout --quiet --detach HEAD~1");
        } else {
            clone_package(&sandbox, "app/vendor", "a");
            sandbox.rename("app/vendor/a/.git", "kept").write("app/vendor/a/Mine.lean", "mine\n");
        }
        git(&sandbox, &app, "add --all");
        git(&sandbox, &app, "commit --quiet -m vendored");
        if !is_submodule {
            sandbox.remove("app/vendor/a/Mine.lean").rename("kept", "app/vendor/a/.git");
        }
        let vendor = Tree::of(sandbox.path("app/vendor"));
        let run = link(&sandbox, &shared).run();
        expect_left(&run, &vendor, &["it is tracked by this project's git repository"]);
        let status = git(&sandbox, &app.join("vendor/a"), "status --porcelain");
        assert_eq!(status, "", "still a repository");
    }
}

#[test]
#[cfg_attr(not(has = "root"), ignore = "needs root")]
fn what_belongs_to_another_user_stays() {
    for whose in ["", "b"] {
        let sandbox = with_three();
        sandbox.chown(sandbox.packages().join(whose), NOBODY);
        let packages = Tree::of(sandbox.packages());
        let run = link(&sandbox, &sandbox.path("shared")).run();
        expect_left(&run, &packages, &["belongs to another user"]);
    }
}

#[test]
#[cfg_attr(not(has = "mount"), ignore = "needs mount")]
fn what_is_mounted_stays() {
    for (what, is_bind) in [
        ("", false),
        ("b", false),
        ("b/.lake/build", false),
        ("", true),
        ("b", true),
        ("b/.lake/build", true),
    ] {
        let sandbox = with_three();
        let dir = if what.is_empty() { sandbox.packages() } else { sandbox.package(what) };
        sandbox.mkdir(&dir).copy(&dir, "mounted");
        let _mount = match is_bind {
            true => Tmpfs::bind(sandbox.path("mounted"), &dir),
            false => Tmpfs::mount(&dir, "16m"),
        };
        if !is_bind {
            sandbox.copy(sandbox.path("mounted"), &dir);
        }
        let packages = Tree::of(sandbox.packages());
        let run = link(&sandbox, &sandbox.path("shared")).run();
        expect_left(&run, &packages, &[&format!("`{}` is a mount", dir.display())]);
        assert!(Tree::of(sandbox.path("shared")).files().is_empty());
    }
}
