//! Where a clone's HEAD is, is read from files, in every way in which git keeps it: no process is started while it is
//! where the manifest wants it.

use std::path::{Path, PathBuf};

use shim_tests::{Call, Run, Sandbox, Tree};

use crate::{FORK, MATHLIB, OTHER_REV, relock, set_origin};

/// A lake of a known version that starts no process.
fn quiet(sandbox: &Sandbox) -> PathBuf {
    sandbox.script("quiet/lake", "exit 0");
    sandbox.path("quiet/lake")
}

/// A sandbox without a network, so that nothing is left for which Lake would need git.
fn offline() -> Sandbox {
    let mut sandbox = Sandbox::mini_mathlib();
    sandbox.set_env("LAKE_SHIM_NETWORK", "never");
    sandbox
}

/// git works there, and knows the wanted URL.
#[test]
fn a_head_on_a_branch_without_commits_is_lakes_affair() {
    let sandbox = offline();
    sandbox.write(sandbox.package("mathlib").join(".git/HEAD"), "ref: refs/heads/nowhere\n");
    let objects = Tree::of(sandbox.package("mathlib").join(".git/objects"));
    let run = sandbox.lake("build").run();
    run.expect_code(1).stderr_lacks("lake-shim").stderr_lacks("deleting"); // the fetch fails
    objects.assert_unchanged();
}

/// How the shim calls git in a run, a line per call. Lake itself calls none.
fn gits_of(sandbox: &Sandbox, call: Call<'_>) -> (Vec<String>, Run) {
    let log = sandbox.path("tmp/git-calls");
    let git = sandbox.path("tools/git");
    let body = format!("echo \"$*\" >>{}\nexec {} \"$@\"", log.display(), git.display());
    sandbox.script("spy/git", &body);
    sandbox.write(&log, "");
    let run = call.path_first("spy").env("LAKE_SHIM_LAKE", quiet(sandbox)).run();
    (sandbox.read(&log).lines().map(asked).collect(), run)
}

/// A call of git without the settings that keep it from running what a clone names.
fn asked(line: &str) -> String {
    let mut words = line.split(' ').peekable();
    while words.next_if_eq(&"-c").is_some() {
        words.next();
    }
    words.collect::<Vec<_>>().join(" ")
}

type Lay = fn(&Sandbox, &Path, &str);

/// Ways to have HEAD at a revision; each starts with a detached HEAD there.
const LAYOUTS: [(&str, Lay); 14] = [
    ("detached", |_, _, _| {}),
    ("loose branch", |s, clone, _| {
        git(s, clone, "checkout --quiet -B work");
    }),
    ("packed branch", |s, clone, _| {
        git(s, clone, "checkout --quiet -B work");
        git(s, clone, "pack-refs --all");
        assert!(!clone.join(".git/refs/heads/work").exists());
    }),
    ("branch in folders", |s, clone, _| {
        git(s, clone, "checkout --quiet -B work/in/progress");
        git(s, clone, "pack-refs --all");
    }),
    ("packed among tags", |s, clone, _| {
        git(s, clone, "checkout --quiet -B work");
        git(s, clone, "tag --annotate -m message work-1");
        git(s, clone, "branch workshop");
        git(s, clone, "pack-refs --all");
    }),
    ("loose over packed", |s, clone, rev| {
        let other = git(s, clone, "commit-tree HEAD^{tree} -m other");
        git(s, clone, &format!("update-ref refs/heads/work {other}"));
        git(s, clone, "pack-refs --all");
        git(s, clone, &format!("update-ref refs/heads/work {rev}"));
        git(s, clone, "symbolic-ref HEAD refs/heads/work");
    }),
    ("chain of symbolic refs", |s, clone, rev| {
        git(s, clone, &format!("update-ref refs/heads/work {rev}"));
        git(s, clone, "symbolic-ref refs/heads/alias refs/heads/work");
        git(s, clone, "symbolic-ref HEAD refs/heads/alias");
    }),
    ("git directory elsewhere", |s, clone, _| {
        s.mkdir("git-dirs");
        git(s, clone, "init --quiet --separate-git-dir=../../../../git-dirs/mathlib");
        assert!(clone.join(".git").is_file());
    }),
    ("relative gitdir file", |s, clone, _| {
        s.rename(clone.join(".git"), "app/.lake/modules/mathlib");
        s.write(clone.join(".git"), "gitdir: ../../modules/mathlib\n");
    }),
    ("linked git directory", |s, clone, _| {
        s.rename(clone.join(".git"), "git-dir").symlink(s.path("git-dir"), clone.join(".git"));
    }),
    ("detached worktree", |s, clone, rev| {
        s.rename(clone, "main/mathlib");
        let add = ["worktree", "add", "--quiet", "--detach"];
        s.git(&s.path("main/mathlib"), &[&add[..], &[&*clone.to_string_lossy(), rev]].concat());
        assert!(clone.join(".git").is_file());
    }),
    ("worktree on a packed branch", |s, clone, _| {
        s.rename(clone, "main/mathlib");
        let main = s.path("main/mathlib");
        s.git(&main, &["worktree", "add", "--quiet", "-b", "work", &clone.to_string_lossy()]);
        s.git(&main, &["pack-refs", "--all"]);
    }),
    ("worktree on a loose branch", |s, clone, _| {
        s.rename(clone, "main/mathlib");
        let main = s.path("main/mathlib");
        s.git(&main, &["worktree", "add", "--quiet", "-b", "work", &clone.to_string_lossy()]);
    }),
    ("shallow clone", |s, clone, rev| {
        let bare = s.path("bare");
        s.git(
            &s.workspace(),
            &["clone", "--quiet", "--bare", &clone.to_string_lossy(), &bare.to_string_lossy()],
        );
        s.git(&bare, &["update-ref", "refs/heads/only", rev]);
        let url = format!("file://{}", bare.display());
        s.remove(clone);
        s.git(
            &s.workspace(),
            &["clone", "--quiet", "--depth=1", "--branch=only", &url, &clone.to_string_lossy()],
        );
        set_origin(s, clone, MATHLIB);
    }),
];

fn git(sandbox: &Sandbox, clone: &Path, words: &str) -> String {
    sandbox.git(clone, &words.split(' ').collect::<Vec<_>>())
}

#[test]
fn head_is_read_without_git_however_it_is_stored() {
    for (name, lay) in LAYOUTS {
        let sandbox = offline();
        let clone = sandbox.package("mathlib");
        let (_, rev) = sandbox.locked("mathlib");
        lay(&sandbox, &clone, &rev);
        assert_eq!(git(&sandbox, &clone, "rev-parse HEAD"), rev, "{name}");
        let (calls, run) = gits_of(&sandbox, sandbox.lake("build"));
        run.expect_code(0).expect_stderr("");
        assert!(calls.is_empty(), "{name}: {calls:?}");
        let accepted = sandbox.real_lake("resolve-deps").run();
        accepted.expect_code(0).stderr_lacks("cloning").stderr_lacks("checking out");
        // It looks at this very clone: a revision further, and git is asked what Lake will ask.
        relock(&sandbox, &format!("{MATHLIB}.git"), OTHER_REV);
        let (calls, run) = gits_of(&sandbox, sandbox.lake("build"));
        run.expect_code(0);
        assert!(calls.iter().any(|call| call == "remote get-url origin"), "{name}: {calls:?}");
        assert!(calls.iter().any(|call| call.starts_with("rev-parse")), "{name}: {calls:?}");
    }
}

#[test]
fn head_of_a_repository_with_long_names_is_read_without_git() {
    let sandbox = offline();
    let clone = sandbox.package("mathlib");
    sandbox.remove(&clone).mkdir(&clone);
    git(&sandbox, &clone, "init --quiet --object-format=sha256");
    git(&sandbox, &clone, "commit --quiet --allow-empty -m first");
    git(&sandbox, &clone, &format!("remote add origin {MATHLIB}"));
    let rev = git(&sandbox, &clone, "rev-parse HEAD");
    assert_eq!(rev.len(), 64);
    relock(&sandbox, MATHLIB, &rev);
    let (calls, _) = gits_of(&sandbox, sandbox.lake("build"));
    assert!(calls.is_empty(), "{calls:?}");
}

#[test]
#[cfg_attr(not(has = "strace"), ignore = "needs strace")]
fn no_process_is_started_on_the_way_through() {
    let sandbox = offline();
    let traced = |words: &str| {
        let strace = shim_tests::tools::find_on_path("strace").unwrap_or_default();
        let log = sandbox.path("tmp/strace");
        let call =
            sandbox.command(strace, "-f -qq -e trace=fork,vfork,clone,clone3,execve -o").arg(&log);
        let call = call.arg(sandbox.shim_bin().join("lake")).args(words.split(' '));
        call.env("LAKE_SHIM_LAKE", quiet(&sandbox)).run().expect_code(0);
        sandbox.read(log).lines().filter(|line| !line.contains(" +++ ")).count()
    };
    // Itself and lake.
    for words in ["build", "--version", "serve", "exe app", "lint", "frobnicate"] {
        assert_eq!(traced(words), 2, "{words}");
    }
    relock(&sandbox, &format!("{MATHLIB}.git"), OTHER_REV);
    assert!(traced("build") > 2, "it would be seen");
}

#[test]
#[cfg_attr(not(has = "reftable"), ignore = "needs reftable")]
fn a_head_that_files_do_not_tell_is_asked_of_git() {
    // Stored in a reftable. Lake asks git, finds the locked revision and compares no URL; so nothing is in danger.
    let sandbox = Sandbox::mini_mathlib();
    let clone = sandbox.package("mathlib");
    git(&sandbox, &clone, "checkout --quiet -B work");
    set_origin(&sandbox, &clone, FORK);
    sandbox.remove(clone.join(".git/logs")); // git 2.47 cannot take them along
    git(&sandbox, &clone, "refs migrate --ref-format=reftable");
    sandbox
        .rename("app/.lake/packages", "shared")
        .symlink(sandbox.path("shared"), "app/.lake/packages");
    sandbox.real_lake("resolve-deps").run().expect_code(0).stderr_lacks("deleting");
    let run = sandbox.lake("resolve-deps").env("LAKE_PKG_DIR", sandbox.path("shared")).run();
    run.expect_code(0).stderr_lacks("lake-shim");
}

#[test]
fn a_broken_clone_is_refused_and_kept() {
    let breaks: [Lay; 6] = [
        |s, clone, _| {
            s.write(clone.join(".git/HEAD"), "");
        },
        |s, clone, _| {
            s.write(clone.join(".git/HEAD"), "nonsense\n");
        },
        |s, clone, _| {
            s.write(clone.join(".git/HEAD"), "ref: ../../../../../../etc/passwd\n");
        },
        |s, clone, _| {
            s.write(clone.join(".git/HEAD"), "ref: HEAD\n");
        },
        |s, clone, _| {
            s.remove(clone.join(".git/HEAD")).mkdir(clone.join(".git/HEAD"));
        },
        |s, clone, _| {
            s.remove(clone.join(".git")).write(clone.join(".git"), "gitdir: /nowhere\n");
        },
    ];
    for (number, break_it) in breaks.iter().enumerate() {
        let sandbox = offline();
        let package = sandbox.package("mathlib");
        break_it(&sandbox, &package, "");
        let everything = Tree::of(&package);
        let run = sandbox.lake("build").run();
        assert_eq!((run.code, &*run.stdout), (Some(1), ""), "case {number}: {run}");
        run.stderr_contains("lake-shim: error: `mathlib` in `").stderr_contains("\nhint: ");
        run.stderr_lacks("deleting");
        everything.assert_unchanged();
        // The bare Lake deletes it.
        sandbox.real_lake("build").run().stderr_contains("deleting");
    }
}
