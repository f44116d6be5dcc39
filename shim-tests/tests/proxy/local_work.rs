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

const KINDS: [Kind; 10] = [
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

/// What Lake would do.
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

fn each_case(danger: Danger, check: impl Fn(&Sandbox, &str, Place, &Kind)) {
    for dialect in ["4.16", "4.27", "4.35"] {
        for place in [Place::Private, Place::Shared, Place::Linked] {
            for kind in &KINDS {
                let sandbox = world(dialect, place, danger);
                (kind.1)(&sandbox, &sandbox.package("a"));
                assert!((kind.2)(&sandbox, &sandbox.package("a")), "{}", kind.0);
                check(&sandbox, dialect, place, kind);
                let is_kept = (kind.2)(&sandbox, &sandbox.package("a"));
                assert!(is_kept, "lost: {} in {dialect}, {place:?}, {danger:?}", kind.0);
            }
        }
    }
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn a_deletion_that_would_lose_something_is_refused_fake_lake_only() {
    each_case(Danger::Deletes, |sandbox, dialect, place, kind| {
        let (what, _, _, said, lost) = kind;
        let before = Tree::of(sandbox.package("a"));
        for command in ["build", "frobnicate", "env true", "update"] {
            let is_deletion = dialect != "4.35";
            let run = match (place, is_deletion || *lost != Lost::OnlyByDeletion) {
                (Place::Private, false) => continue, // below, as it changes the package
                (Place::Private, true) => {
                    let run = sandbox.lake(command).run();
                    expect_refused(&run, &before, said);
                    run.stderr_contains("Lost would be: ").stderr_contains("`mv ").clone()
                }
                (Place::Shared | Place::Linked, _) => {
                    let run = sandbox.lake(command).run();
                    expect_refused(&run, &before, "and this workspace wants `");
                    run
                }
            };
            assert!(run.stderr.contains("is a checkout of `"), "{what}: {run}");
        }
        if dialect == "4.35" && place == Place::Private && *lost == Lost::OnlyByDeletion {
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
            Lost::ByCleaning => dialect == "4.35",
            Lost::ByMoving => true,
        };
        for command in ["build", "frobnicate", "env true", "update"] {
            if is_lost {
                let run = sandbox.lake(command).run();
                expect_refused(&run, &before, said);
                run.stderr_contains("Lost would be: ").stderr_contains("or `mv ");
            }
        }
        if !is_lost {
            let run = sandbox.lake("build").run();
            run.expect_code(0).stderr_contains("checking out revision");
            assert!(sandbox.package("a").join("Second.lean").exists(), "{what}: {run}");
        }
    });
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
