//! A git that does not work: Lake takes every failure for an answer (no HEAD, another URL), and deletes. The command is
//! refused with the reason; one that works without the shim works with it; and a settled workspace needs no git.

use std::path::Path;

use shim_tests::{Run, Sandbox, Tree};

use crate::move_head;
use crate::packages::{add_package, edit_packages, upstream};

type Break = fn(&Sandbox, &Path);

const NOTHING: Break = |_, _| {};

/// Variables, `ROOT` for the sandbox.
type Variables = &'static [(&'static str, &'static str)];

/// Faults of the environment, the machine and the checkout.
const BREAKAGES: [(&str, Variables, Break); 41] = [
    ("nothing", &[], NOTHING),
    ("a count below zero", &[("GIT_CONFIG_COUNT", "-5")], NOTHING),
    ("a count without keys", &[("GIT_CONFIG_COUNT", "1")], NOTHING),
    ("a count that is none", &[("GIT_CONFIG_COUNT", "x")], NOTHING),
    ("a count beyond all bounds", &[("GIT_CONFIG_COUNT", "99999999999999999999")], NOTHING),
    ("an empty count", &[("GIT_CONFIG_COUNT", "")], NOTHING),
    ("bad parameters", &[("GIT_CONFIG_PARAMETERS", "'x")], NOTHING),
    ("a relative GIT_DIR", &[("GIT_DIR", "nonsense")], NOTHING),
    ("a GIT_DIR that is each one's own", &[("GIT_DIR", ".git")], NOTHING),
    ("another GIT_DIR", &[("GIT_DIR", "ROOT/other/.git")], other_repository),
    ("a GIT_COMMON_DIR", &[("GIT_COMMON_DIR", "ROOT/none/x")], NOTHING),
    ("a GIT_OBJECT_DIRECTORY", &[("GIT_OBJECT_DIRECTORY", "ROOT/none/x")], NOTHING),
    ("a GIT_WORK_TREE", &[("GIT_WORK_TREE", "ROOT/none/x")], NOTHING),
    ("a GIT_INDEX_FILE", &[("GIT_INDEX_FILE", "ROOT/none/x")], NOTHING),
    ("a GIT_NAMESPACE", &[("GIT_NAMESPACE", "x")], NOTHING),
    ("a ceiling", &[("GIT_CEILING_DIRECTORIES", "ROOT/shared")], NOTHING),
    ("no other file systems", &[("GIT_DISCOVERY_ACROSS_FILESYSTEM", "0")], NOTHING),
    ("a GIT_EXEC_PATH", &[("GIT_EXEC_PATH", "ROOT/none/x")], NOTHING),
    ("a global configuration that is gone", &[("GIT_CONFIG_GLOBAL", "ROOT/none/x")], NOTHING),
    ("a global configuration that is a directory", &[("GIT_CONFIG_GLOBAL", "ROOT/home")], NOTHING),
    ("a shallow file", &[("GIT_SHALLOW_FILE", "ROOT/none/x")], NOTHING),
    ("a trace", &[("GIT_TRACE", "1")], NOTHING),
    ("a replaced ref base", &[("GIT_REPLACE_REF_BASE", "nonsense")], NOTHING),
    ("no git", &[("PATH", "ROOT/shim/bin:ROOT/toolchain/bin:ROOT/no-git")], no_git),
    ("a git that cannot run", &[], |s, _| stand_in(s, "exit 127")),
    ("a git that says nothing", &[], |s, _| stand_in(s, "exit 0")),
    ("a git that says something else", &[], |s, _| stand_in(s, "echo hello")),
    ("a git that dies", &[], |s, _| stand_in(s, "kill -SEGV $$")),
    ("a git without its interpreter", &[], |s, _| {
        s.remove("tools/git").write("tools/git", "#!/nowhere/sh\n").chmod("tools/git", 0o755);
    }),
    ("a typo in ~/.gitconfig", &[], |s, _| {
        let config = s.read("home/.gitconfig");
        s.write("home/.gitconfig", config + "[user\n");
    }),
    ("a file that ~/.gitconfig includes", &[], |s, _| {
        let config = s.read("home/.gitconfig");
        s.write("home/.gitconfig", config + "[includeIf \"gitdir:/\"]\n\tpath = broken\n")
            .write("home/broken", "[x\n");
    }),
    (
        "a system configuration with a typo",
        &[("GIT_CONFIG_NOSYSTEM", "0"), ("GIT_CONFIG_SYSTEM", "ROOT/etc")],
        |s, _| {
            s.write("etc", "[user\n");
        },
    ),
    ("a typo in the checkout's configuration", &[], |s, a| {
        let config = s.read(a.join(".git/config"));
        s.write(a.join(".git/config"), config + "[user\n");
    }),
    ("an extension that this git does not know", &[], |s, a| {
        s.git(a, &["config", "core.repositoryFormatVersion", "1"]);
        s.git(a, &["config", "extensions.futureThing", "true"]);
    }),
    ("a format of the future", &[], |s, a| {
        s.git(a, &["config", "core.repositoryFormatVersion", "99"]);
    }),
    ("a work tree elsewhere", &[], |s, a| {
        s.mkdir("elsewhere")
            .git(a, &["config", "core.worktree", &s.path("elsewhere").to_string_lossy()]);
    }),
    ("a checkout that calls itself bare", &[], |s, a| {
        s.git(a, &["config", "core.bare", "true"]);
    }),
    ("objects that are gone", &[], |s, a| {
        s.remove(a.join(".git/objects")).mkdir(a.join(".git/objects/info"));
    }),
    ("no objects at all", &[], |s, a| {
        s.remove(a.join(".git/objects"));
    }),
    ("a HEAD that is locked", &[], |s, a| {
        s.write(a.join(".git/HEAD.lock"), "");
    }),
    ("an index that is locked", &[], |s, a| {
        s.write(a.join(".git/index.lock"), "");
    }),
];

fn other_repository(sandbox: &Sandbox, _: &Path) {
    sandbox.mkdir("other");
    sandbox.git(&sandbox.path("other"), &["init", "--quiet"]);
    sandbox.git(&sandbox.path("other"), &["commit", "--quiet", "--allow-empty", "-m", "x"]);
}

/// A slim image.
fn no_git(sandbox: &Sandbox, _: &Path) {
    for tool in ["sh", "cat", "env"] {
        sandbox.symlink(sandbox.path("tools").join(tool), Path::new("no-git").join(tool));
    }
}

fn stand_in(sandbox: &Sandbox, body: &str) {
    sandbox.remove("tools/git").script("tools/git", body);
}

/// A workspace on `a`, whose checkout is in a shared directory.
fn world(dialect: &str, is_locked: bool, is_shared: bool) -> Sandbox {
    let sandbox = Sandbox::empty().with_dialect(dialect);
    let url = upstream(&sandbox, "a");
    let require =
        format!("name = \"app\"\n\n[[require]]\nname = \"a\"\ngit = \"{url}\"\nrev = \"master\"\n");
    sandbox.write("app/lakefile.toml", require);
    add_package(&sandbox, sandbox.packages(), "a");
    if !is_locked {
        let next = sandbox.git(Path::new(&url), &["rev-parse", "HEAD"]);
        edit_packages(&sandbox, "app", |packages| packages[0]["rev"] = next.into());
        move_head(&sandbox, &sandbox.package("a"));
    }
    if is_shared {
        sandbox
            .rename(sandbox.packages(), "shared")
            .symlink(sandbox.path("shared"), sandbox.packages());
    }
    sandbox.shim_bin();
    sandbox
}

/// The folders that the breakages and the runs change.
const FOLDERS: [&str; 9] =
    ["app", "shared", "home", "tools", "other", "no-git", "etc", "elsewhere", "none"];

/// Runs a command with something broken, and says what of the checkout is gone or another.
fn run(
    sandbox: &Sandbox,
    call: shim_tests::Call<'_>,
    variables: Variables,
    break_it: Break,
) -> (Run, Vec<String>) {
    let package = sandbox.package("a");
    break_it(sandbox, &package);
    let before = Tree::of(&package);
    let root = sandbox.path("").display().to_string();
    let call = variables.iter().fold(call, |call, (name, value)| {
        call.env(name, value.replace("ROOT", root.trim_end_matches('/')))
    });
    let run = call.run();
    let now = Tree::of(&package);
    let mut changes = before.content_changes_to(&now);
    // A fetch and a checkout bring files.
    changes.retain(|change| change.starts_with("- ") && !change.contains(".git/objects"));
    (run, changes)
}

/// Where only Lake goes on: the shim cannot tell what local work would be lost.
const UNTOLD: &str = "objects that are gone";

fn expect_kept_and_as_good(dialect: &str, is_locked: bool, is_shared: bool, command: &str) {
    let sandbox = world(dialect, is_locked, is_shared);
    let kept = sandbox.keep(&FOLDERS);
    for (what, variables, break_it) in BREAKAGES {
        let (direct, lost) = run(&sandbox, sandbox.real_lake(command), variables, break_it);
        kept.put_back();
        let (shim, changes) = run(&sandbox, sandbox.lake(command), variables, break_it);
        kept.put_back();
        let case = format!("{what}, `{command}`, {dialect}:\n{direct}{shim}");
        assert!(changes.is_empty(), "{changes:?} are gone: {case}");
        let is_lost = !lost.is_empty() || direct.stderr.contains("deleting");
        assert!(!shim.stderr.contains("deleting"), "{case}");
        let is_good = direct.code == Some(0) && !what.starts_with("a git that says");
        if is_lost || what == UNTOLD && shim.stderr.contains("lake-shim: error: ") {
            let said = ["lake-shim: error: `a` in `", "\nhint: "];
            let is_said = said.iter().all(|said| shim.stderr.contains(said));
            assert!(shim.code == Some(1) && is_said, "refused, with the reason: {case}");
        } else if is_good {
            assert_eq!(shim.code, Some(0), "it works without the shim: {case}");
        }
    }
}

// A shared directory and other commands of the kind make no difference to the proof: each test has
// one of each.

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn an_older_lake_that_only_looks_loses_nothing_fake_lake_only() {
    expect_kept_and_as_good("4.16", true, true, "build");
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn a_lake_that_deletes_loses_nothing_on_its_way_to_another_revision_fake_lake_only() {
    expect_kept_and_as_good("4.27", false, false, "env true");
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn an_update_loses_nothing_fake_lake_only() {
    expect_kept_and_as_good("4.27", true, true, "update");
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn a_lake_that_rewrites_loses_nothing_fake_lake_only() {
    expect_kept_and_as_good("4.36", false, true, "build");
}

#[test]
fn a_settled_workspace_works_with_everything_broken() {
    let dialect = if shim_tests::tools::real_lake().is_some() { "4.27" } else { "4.36" };
    let sandbox = world(dialect, true, true);
    let kept = sandbox.keep(&FOLDERS);
    for (what, variables, break_it) in BREAKAGES {
        let (run, changes) = run(&sandbox, sandbox.lake("env sh -c true"), variables, break_it);
        assert_eq!((run.code, changes.len()), (Some(0), 0), "{what}: {run}");
        run.stderr_lacks("lake-shim");
        kept.put_back();
    }
}
