//! Work in a package that is nowhere else: a command in which Lake would delete or reset it is refused, and says what
//! would be lost and how to go on. Everything else goes on, and nothing is lost either.

use std::path::Path;

use shim_tests::{Run, Sandbox, Tree};

use crate::move_head;
use crate::packages::{add_package, edit_packages, upstream};

/// Of each kind: how it is made, whether it is still there, what is said of it, and what else than a deletion loses it.
type Kind = (&'static str, fn(&Sandbox, &Path), fn(&Sandbox, &Path) -> bool, &'static str, Lost);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Lost {
    OnlyByDeletion,
    /// By `git clean`, which Lake runs behind a checkout since 4.29.
    ByCleaning,
    /// By a checkout of another commit.
    ByMoving,
}

const KINDS: [Kind; 13] = [
    (
        "changed",
        |s, a| write(s, a, "lakefile.toml", "name = \"a\" # mine\n"),
        |s, a| s.read(a.join("lakefile.toml")).contains("mine"),
        "changed `lakefile.toml`",
        Lost::OnlyByDeletion,
    ),
    (
        "staged",
        |s, a| {
            write(s, a, "New.lean", "mine\n");
            git(s, a, "add New.lean");
        },
        |_, a| a.join("New.lean").exists(),
        "changed `New.lean`",
        Lost::OnlyByDeletion,
    ),
    (
        "untracked",
        |s, a| write(s, a, "notes.txt", "mine\n"),
        |_, a| a.join("notes.txt").exists(),
        "untracked `notes.txt`",
        Lost::ByCleaning,
    ),
    (
        "untracked in a new directory",
        |s, a| write(s, a, "drafts/one.lean", "mine\n"),
        |_, a| a.join("drafts/one.lean").exists(),
        "untracked `drafts/one.lean`",
        Lost::ByCleaning,
    ),
    (
        "assumed unchanged",
        |s, a| {
            git(s, a, "update-index --assume-unchanged Deep/Down.lean");
            write(s, a, "Deep/Down.lean", "mine\n");
        },
        |s, a| s.read(a.join("Deep/Down.lean")) == "mine\n",
        "changed `Deep/Down.lean`",
        Lost::OnlyByDeletion,
    ),
    (
        "stashed",
        |s, a| {
            write(s, a, "lakefile.toml", "mine\n");
            git(s, a, "stash --quiet");
        },
        |s, a| git(s, a, "stash list").contains("stash@{0}"),
        "a stash",
        Lost::OnlyByDeletion,
    ),
    (
        "on a branch",
        |s, a| {
            git(s, a, "checkout --quiet -b work");
            git(s, a, "commit --quiet --allow-empty -m work-in-progress");
            git(s, a, "checkout --quiet --detach HEAD~1");
        },
        |s, a| git(s, a, "log --format=%s work").contains("work-in-progress"),
        "only here: `",
        Lost::OnlyByDeletion,
    ),
    (
        "on a branch that is checked out",
        |s, a| {
            git(s, a, "checkout --quiet -b work");
            git(s, a, "commit --quiet --allow-empty -m work-in-progress");
        },
        |s, a| git(s, a, "log --format=%s work").contains("work-in-progress"),
        "only here: `",
        Lost::OnlyByDeletion,
    ),
    (
        "under a tag",
        |s, a| {
            git(s, a, "commit --quiet --allow-empty -m tagged-work");
            git(s, a, "tag keep");
            git(s, a, "checkout --quiet --detach HEAD~1");
        },
        |s, a| git(s, a, "log --format=%s keep").contains("tagged-work"),
        "only here: `",
        Lost::OnlyByDeletion,
    ),
    (
        "on a detached HEAD",
        |s, a| {
            git(s, a, "commit --quiet --allow-empty -m detached-work");
        },
        |s, a| git(s, a, "log --format=%s --all HEAD").contains("detached-work"),
        "detached-work`",
        Lost::ByMoving,
    ),
    (
        "on a detached HEAD without a log",
        |s, a| {
            git(s, a, "commit --quiet --allow-empty -m detached-work");
            s.remove(a.join(".git/logs"));
        },
        |s, a| git(s, a, "log --format=%s --all HEAD").contains("detached-work"),
        "detached-work`",
        Lost::ByMoving,
    ),
    (
        "ignored",
        |s, a| write(s, a, "mine.log", "mine\n"),
        |_, a| a.join("mine.log").exists(),
        "ignored `mine.log`",
        Lost::ByCleaning,
    ),
    (
        "in a worktree",
        |s, a| {
            let tree = s.path("worktree").display().to_string();
            git(s, a, &format!("worktree add --quiet --detach {tree}"));
            git(s, &s.path("worktree"), "commit --quiet --allow-empty -m work-in-progress");
        },
        |s, _| git(s, &s.path("worktree"), "log --format=%s").contains("work-in-progress"),
        "worktrees at `",
        Lost::OnlyByDeletion,
    ),
];

fn write(sandbox: &Sandbox, dir: &Path, file: &str, text: &str) {
    sandbox.write(dir.join(file), text);
}

fn git(sandbox: &Sandbox, dir: &Path, words: &str) -> String {
    sandbox.git(dir, &words.split(' ').collect::<Vec<_>>())
}

/// Where the package lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Private,
    Shared,
    Linked,
}

/// Lake's next step, which would lose the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Danger {
    /// The lock is the next revision.
    Moves,
    /// The lock is another repository.
    Deletes,
}

/// A workspace on the package `a`, which is not as it is locked.
fn world(dialect: &str, place: Place, danger: Danger) -> Sandbox {
    let sandbox = Sandbox::empty().with_dialect(dialect);
    let url = upstream(&sandbox, "a");
    let require =
        format!("name = \"app\"\n\n[[require]]\nname = \"a\"\ngit = \"{url}\"\nrev = \"master\"\n");
    sandbox.write("app/lakefile.toml", require);
    add_package(&sandbox, sandbox.packages(), "a");
    match danger {
        Danger::Moves => {
            let next = git(&sandbox, Path::new(&url), "rev-parse HEAD");
            edit_packages(&sandbox, "app", |packages| packages[0]["rev"] = next.into());
        }
        Danger::Deletes => {
            move_head(&sandbox, &sandbox.package("a"));
            let fork = sandbox.path("upstream/fork");
            sandbox.copy(&url, &fork);
            let fork = format!("remote set-url origin {}", fork.display());
            git(&sandbox, &sandbox.package("a"), &fork);
        }
    }
    match place {
        Place::Private => {}
        Place::Shared => {
            sandbox
                .rename(sandbox.packages(), "shared")
                .symlink(sandbox.path("shared"), sandbox.packages());
        }
        Place::Linked => {
            sandbox
                .rename(sandbox.package("a"), "dev/a")
                .symlink(sandbox.path("dev/a"), sandbox.package("a"));
        }
    }
    sandbox
}

#[track_caller]
fn expect_refused(run: &Run, before: &Tree, said: &str) {
    run.expect_code(1).expect_stdout("").stderr_contains("lake-shim: error: `a` in `");
    run.stderr_contains(said)
        .stderr_contains("\nhint: ")
        .stderr_lacks("deleting")
        .stderr_lacks("info:");
    before.assert_unchanged();
}

/// Every kind in a private directory. How a package is shared makes no difference to the kinds.
fn each_case(danger: Danger, check: impl Fn(&Sandbox, &str, Place, &Kind)) {
    for dialect in ["4.16", "4.27", "4.36"] {
        for place in [Place::Private, Place::Shared, Place::Linked] {
            let sandbox = world(dialect, place, danger);
            let kept = sandbox.keep(&["app", "shared", "dev"]);
            let kinds = if place == Place::Private { &KINDS[..] } else { &KINDS[9..11] };
            for kind in kinds {
                (kind.1)(&sandbox, &sandbox.package("a"));
                assert!((kind.2)(&sandbox, &sandbox.package("a")), "{}", kind.0);
                check(&sandbox, dialect, place, kind);
                let is_kept = (kind.2)(&sandbox, &sandbox.package("a"));
                assert!(is_kept, "lost: {} in {dialect}, {place:?}, {danger:?}", kind.0);
                kept.put_back();
            }
        }
    }
}

/// A build, and what resolves. Other commands that load the workspace go the way of the build.
const COMMANDS: [&str; 2] = ["build", "update"];

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn a_deletion_that_would_lose_something_is_refused_fake_lake_only() {
    each_case(Danger::Deletes, |sandbox, dialect, place, kind| {
        let (what, _, _, said, lost) = kind;
        let before = Tree::of(sandbox.package("a"));
        let is_lost = dialect != "4.36" || *lost != Lost::OnlyByDeletion;
        for command in COMMANDS {
            if place == Place::Private && !is_lost {
                continue; // below, as it changes the package
            }
            let run = sandbox.lake(command).run();
            if place == Place::Private {
                expect_refused(&run, &before, said);
                run.stderr_contains("Lost would be: ").stderr_contains("`mv ");
            } else {
                expect_refused(&run, &before, "and this workspace wants `");
            }
            assert!(run.stderr.contains("is a checkout of `"), "{what}: {run}");
        }
        if place == Place::Private && !is_lost {
            sandbox.lake("build").run(); // gives it the wanted URL, and what else it does loses nothing
        }
    });
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn a_checkout_that_would_lose_something_is_refused_fake_lake_only() {
    each_case(Danger::Moves, |sandbox, dialect, _, (what, _, _, said, lost)| {
        let before = Tree::of(sandbox.package("a"));
        let is_lost = match lost {
            Lost::OnlyByDeletion => false,
            Lost::ByCleaning => dialect == "4.36",
            Lost::ByMoving => true,
        };
        if is_lost {
            for command in COMMANDS {
                let run = sandbox.lake(command).run();
                expect_refused(&run, &before, said);
                run.stderr_contains("Lost would be: ").stderr_contains("or `mv ");
            }
        } else {
            let run = sandbox.lake("build").run();
            run.expect_code(0).stderr_contains("checking out revision");
            assert!(sandbox.package("a").join("Second.lean").exists(), "{what}: {run}");
        }
    });
}

/// The verb makes no difference, nor does its not being known.
#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn whatever_loads_the_workspace_is_refused_fake_lake_only() {
    let sandbox = world("4.27", Place::Private, Danger::Deletes);
    write(&sandbox, &sandbox.package("a"), "lakefile.toml", "mine\n");
    let before = Tree::of(sandbox.package("a"));
    for command in [
        "build",
        "env true",
        "resolve-deps",
        "frobnicate",
        "samply exe1 --help",
        "--new-option new build",
        "update",
        "upgrade a",
        "build -U",
    ] {
        let run = sandbox.lake(command).run();
        expect_refused(&run, &before, "Lost would be: changed `lakefile.toml`");
    }
}

/// Nightlies of 4.35 are older than the change which ended deletions.
#[test]
fn a_lake_that_may_be_older_than_its_number_is_expected_to_delete() {
    for (version, is_refused) in [("4.34", true), ("4.35", true), ("4.36", false)] {
        let sandbox = world(version, Place::Private, Danger::Deletes);
        sandbox.script("deep/bin/lake", "echo built");
        write(&sandbox, &sandbox.package("a"), "lakefile.toml", "mine\n");
        let run = sandbox.lake("build").env("LAKE_SHIM_LAKE", sandbox.path("deep/bin/lake"));
        sandbox.rename("include", "deep/include");
        let run = run.run();
        let is_said =
            run.stderr.contains("Lake would delete it. Lost would be: changed `lakefile.toml`");
        assert_eq!((is_said, run.code == Some(1)), (is_refused, is_refused), "{version}: {run}");
    }
}

/// Builds of a package in a subdirectory are Lake's, and not in the way.
#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn lakes_own_directory_is_no_work_wherever_it_is_fake_lake_only() {
    let sandbox = world("4.36", Place::Private, Danger::Moves);
    let package = sandbox.package("a");
    write(&sandbox, &package, "Deep/.lake/build/lib/x.olean", "x");
    write(&sandbox, &package, ".lake/build/lib/x.olean", "x");
    sandbox.lake("build").run().expect_code(0);
    assert!(package.join("Second.lean").exists());
}

/// Where refs and logs are no files, git tells of them.
#[test]
fn work_in_a_reftable_is_found() {
    let sandbox = world("4.27", Place::Private, Danger::Moves);
    let (package, url) = (sandbox.package("a"), upstream(&sandbox, "a"));
    let clone = ["clone", "--quiet", "--ref-format=reftable", &*url, "table"];
    if sandbox.command("git", "").args(clone).run().code != Some(0) {
        return; // a git that has none
    }
    let fork = format!("remote set-url origin {}", sandbox.path("upstream/fork").display());
    for (make, said) in [("stash", "a stash"), ("commit -m detached-work", "detached-work`")] {
        sandbox.remove(&package).copy("app/table", &package);
        git(&sandbox, &package, "checkout --quiet --detach HEAD~1");
        write(&sandbox, &package, "lakefile.toml", "mine\n");
        git(&sandbox, &package, "add .");
        git(&sandbox, &package, &format!("{make} --quiet"));
        git(&sandbox, &package, &fork);
        let before = Tree::of(&package);
        expect_refused(&sandbox.lake("build").run(), &before, said);
    }
}

/// A directory without `.git` becomes a checkout, and `git clean` takes what is in it.
#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn files_without_a_checkout_are_not_cleaned_away_fake_lake_only() {
    for (dialect, would) in [("4.27", "would delete it"), ("4.36", "would make it a checkout")] {
        let sandbox = world(dialect, Place::Private, Danger::Moves);
        let package = sandbox.package("a");
        sandbox.remove(&package);
        write(&sandbox, &package, ".lake/build/x", "x");
        if dialect == "4.36" {
            sandbox.lake("build").run().expect_code(0);
            sandbox.remove(package.join(".git"));
        }
        write(&sandbox, &package, "NOTES", "mine\n");
        let before = Tree::of(&package);
        expect_refused(&sandbox.lake("build").run(), &before, would);
    }
}

/// An update may go on as the Lake of another toolchain, which cleans.
#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn an_update_that_elan_may_restart_is_expected_to_clean_fake_lake_only() {
    let sandbox = world("4.27", Place::Private, Danger::Moves);
    let package = sandbox.package("a");
    write(&sandbox, &package, "notes.txt", "mine\n");
    let before = Tree::of(&package);
    let run = sandbox.lake("update").env("ELAN_HOME", sandbox.home()).run();
    expect_refused(&run, &before, "untracked `notes.txt`");
    sandbox.lake("update").run().expect_code(0);
    assert!(package.join("notes.txt").exists() && package.join("Second.lean").exists());
}

// Packages of which the URL is not written down as data

/// `a` requires `b`, and `b` lies there with local work and an origin that `a` does not name.
fn with_unwritten(dialect: &str, work: &str) -> Sandbox {
    let sandbox = Sandbox::empty().with_dialect(dialect);
    let (a, b) = (upstream(&sandbox, "a"), upstream(&sandbox, "b"));
    add_package(&sandbox, sandbox.packages(), "b");
    sandbox.rename("app/lake-manifest.json", "b.json");
    sandbox.copy("b.json", Path::new(&a).join("lake-manifest.json"));
    let require = format!("\n[[require]]\nname = \"b\"\ngit = \"{b}\"\nrev = \"master\"\n");
    let lakefile = sandbox.read(Path::new(&a).join("lakefile.toml")) + &require;
    sandbox.write(Path::new(&a).join("lakefile.toml"), lakefile);
    sandbox.commit(Path::new(&a));
    let require = require.replace("\"b\"", "\"a\"").replace(&b, &a);
    sandbox.write("app/lakefile.toml", format!("name = \"app\"\n{require}"));
    let package = sandbox.package("b");
    move_head(&sandbox, &package);
    git(&sandbox, &package, &format!("remote set-url origin {b}-fork"));
    write(&sandbox, &package, "lakefile.toml", "name = \"b\" # mine\n");
    if work == "stash" {
        git(&sandbox, &package, "stash --quiet");
    }
    sandbox
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn what_a_package_that_is_not_there_may_require_is_kept_fake_lake_only() {
    for work in ["changed", "stash"] {
        for command in ["build", "update"] {
            let sandbox = with_unwritten("4.27", work);
            let before = Tree::of(sandbox.package("b"));
            let run = sandbox.lake(command).run();
            run.expect_code(1).stderr_contains("lake-shim: error: `b` in `");
            run.stderr_contains("Lost would be: ").stderr_contains(work);
            before.assert_unchanged();
        }
    }
    // Nothing requires it, and all else stays.
    let sandbox = with_unwritten("4.27", "changed");
    sandbox.write("app/lakefile.toml", "name = \"app\"\n");
    let before = Tree::of(sandbox.package("b"));
    for command in ["build", "update"] {
        sandbox.lake(command).run().expect_code(0);
    }
    before.assert_same_content();
}

/// A program may require any URL, not only that of the old manifest.
#[test]
fn what_a_program_may_require_is_kept() {
    for (is_locked, version) in [(false, "4.27"), (false, "4.36"), (true, "4.27"), (true, "4.36")] {
        let sandbox = world(version, Place::Private, Danger::Moves);
        let package = sandbox.package("a");
        sandbox.script("deep/bin/lake", "echo lake ran").rename("include", "deep/include");
        sandbox.remove("app/lakefile.toml").write(
            "app/lakefile.lean",
            "import Lake\nopen Lake DSL\npackage app\nrequire \"o\" / \"a\"\n",
        );
        if !is_locked {
            sandbox.remove("app/lake-manifest.json");
        }
        let update = || {
            let lake = sandbox.path("deep/bin/lake");
            let command = if is_locked { "update" } else { "build" };
            sandbox.lake(command).env("LAKE_SHIM_LAKE", lake).run()
        };
        update().expect_code(0).expect_stdout("lake ran\n");
        write(&sandbox, &package, "lakefile.toml", "mine\n");
        let before = Tree::of(&package);
        match version {
            "4.27" => expect_refused(&update(), &before, "changed `lakefile.toml`"),
            _ => drop(update().expect_code(0).expect_stdout("lake ran\n")),
        }
        git(&sandbox, &package, "commit --quiet -a -m detached-work");
        let before = Tree::of(&package);
        expect_refused(&update(), &before, "detached-work`");
    }
}

/// A Lake of an unknown version may clean.
#[test]
fn a_lake_of_unknown_version_is_expected_to_clean_and_to_delete() {
    let lake = |sandbox: &Sandbox| {
        sandbox.script("deep/down/bin/lake", "echo built");
        sandbox.path("deep/down/bin/lake")
    };
    for (danger, said) in [(Danger::Moves, "untracked `notes.txt`"), (Danger::Deletes, "a stash")] {
        let sandbox = world("4.27", Place::Private, danger);
        let package = sandbox.package("a");
        match danger {
            Danger::Moves => write(&sandbox, &package, "notes.txt", "mine\n"),
            Danger::Deletes => {
                write(&sandbox, &package, "lakefile.toml", "mine\n");
                git(&sandbox, &package, "stash --quiet");
            }
        }
        let before = Tree::of(&package);
        let run = sandbox.lake("build").env("LAKE_SHIM_LAKE", lake(&sandbox)).run();
        expect_refused(&run, &before, said);
    }
}

/// The way out that the message names.
#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn what_the_message_says_helps_fake_lake_only() {
    let sandbox = world("4.27", Place::Private, Danger::Moves);
    let package = sandbox.package("a");
    git(&sandbox, &package, "commit --quiet --allow-empty -m detached-work");
    let run = sandbox.lake("build").run();
    let (_, hint) = run.stderr.split_once("or `").expect("a hint");
    let (command, _) = hint.split_once('`').expect("a command");
    assert!(command.starts_with("mv "), "{run}");
    sandbox.command("sh", "-c").arg(command).run().expect_code(0);
    sandbox.lake("build").run().expect_code(0).stderr_contains("cloning");
    assert!(git(&sandbox, &sandbox.package("a.old"), "log --format=%s").contains("detached-work"));
    // Or a branch that is pushed.
    let sandbox = world("4.27", Place::Private, Danger::Moves);
    let package = sandbox.package("a");
    git(&sandbox, &package, "checkout --quiet -b work");
    git(&sandbox, &package, "commit --quiet --allow-empty -m work");
    git(&sandbox, &package, "push --quiet origin work");
    sandbox.lake("build").run().expect_code(0).stderr_contains("checking out revision");
}
