//! Packages at their locked revision: Lake is told so, and no command starts git.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use shim_tests::{Call, Run, Sandbox, Tmpfs, Tree};

use crate::packages::add_package;
use crate::{MATHLIB, set_origin};

/// Of the Lakes that know package overrides.
const DIALECTS: [&str; 2] = ["4.27", "4.36"];

/// Lake's commands, but for those that resolve or ask git about the packages on their own account. `NEW` is unknown to us.
const COMMANDS: &str = "build|build -q|-v build|build --no-build|check-build|query Mathlib|query-kind x|pack|unpack|setup-file \
    App.lean|test|check-test|lint|check-lint|clean app|script list|scripts|run x|serve|env true|exe x|exec x|lean \
    App.lean|translate-config toml|reservoir-config|version-tags|new x|init x|help|help build|--help|--version|\
    self-check|check|shake|comparator|samply|builtin-lint|exe cache get|exe cache lookup|NEW|NEW update|NEW --x=y|build --new|\
    --new build|--new env true|build --new-value x|--new-value x build|-d . build|-f lakefile.toml build|build -K a=b|\
    -H -R build|build -o out.json|lint --linters x";

/// Commands that settle nothing, since Lake resolves or asks git about the packages.
const WITHOUT: &str = "update|upgrade|update mathlib|build -U|build --update|-U build|resolve-deps|upload v1|cache get x|cache put x";

/// A workspace with nine packages in all, built, so that nothing is left for which Lake needs git.
fn settled(dialect: &str) -> Sandbox {
    let sandbox = Sandbox::mini_mathlib().with_dialect(dialect);
    for name in ["a", "b", "c", "d", "e", "f", "g"] {
        add_package(&sandbox, sandbox.packages(), name);
    }
    for package in ["mathlib", "batteries", "a", "b", "c", "d", "e", "f", "g"] {
        sandbox.mkdir(sandbox.package(package).join(".lake/build"));
    }
    with_new_words(sandbox)
}

/// Teaches the fake lake words that the shim has never heard of.
fn with_new_words(mut sandbox: Sandbox) -> Sandbox {
    sandbox.set_env("FAKE_LAKE_NEW_VERBS", "frobnicate");
    sandbox.set_env("FAKE_LAKE_NEW_OPTIONS", "--new --new-value= --x=");
    sandbox
}

fn words(command: &str) -> String {
    command.replace("NEW", "frobnicate")
}

/// Runs a command with a `git` that writes down how it is called, by shim and Lake alike.
fn run_with_spy(sandbox: &Sandbox, call: Call<'_>) -> (Run, Vec<String>) {
    let log = sandbox.path("tmp/git-calls");
    let git = sandbox.path("tools/git");
    let body = format!("echo \"$*\" >>{}\nexec {} \"$@\"", log.display(), git.display());
    sandbox.script("spy/git", &body);
    sandbox.write(&log, "");
    let run = call.path_first("spy").run();
    (run, sandbox.read(&log).lines().map(str::to_owned).collect())
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn no_git_is_started_whatever_the_command_is_fake_lake_only() {
    for dialect in DIALECTS {
        let sandbox = settled(dialect);
        for command in COMMANDS.split('|').map(str::trim) {
            let (run, calls) = run_with_spy(&sandbox, sandbox.lake(&words(command)));
            assert!(calls.is_empty(), "{dialect}, `{command}`: {calls:?}\n{run}");
            run.stderr_lacks("deleting").stderr_lacks("lake-shim: error");
        }
        // It would be seen.
        for command in ["build", "frobnicate", "env true"] {
            let (_, calls) = run_with_spy(&sandbox, sandbox.real_lake(command));
            assert!(calls.len() >= 9, "{dialect}, `{command}`: {calls:?}");
        }
    }
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn what_resolves_gets_no_overrides_fake_lake_only() {
    for dialect in DIALECTS {
        let sandbox = settled(dialect);
        for command in WITHOUT.split('|') {
            sandbox.lake(command).run();
            let calls = sandbox.lake_calls();
            let call = calls.last().expect("a call");
            assert_eq!((call.line(), &call.settled), (command.to_owned(), &None), "{dialect}");
        }
    }
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn an_older_lake_gets_no_overrides_and_works_with_git_fake_lake_only() {
    let sandbox = settled("4.16");
    for command in ["build", "env true", "lint", "frobnicate", "build --new"] {
        let (run, calls) = run_with_spy(&sandbox, sandbox.lake(command));
        run.expect_code(0).stderr_lacks("lake-shim");
        let call = sandbox.lake_calls().pop().expect("a call");
        assert_eq!((call.line().as_str(), call.settled), (command, None));
        assert!(calls.len() >= 9, "{calls:?}");
    }
}

#[test]
fn a_settled_workspace_needs_no_git_at_all() {
    let mut sandbox = Sandbox::mini_mathlib();
    sandbox.set_env("LAKE_SHIM_NETWORK", "never");
    sandbox.lake("exe cache get").run().expect_code(0);
    let without = sandbox.lake("build --no-build Mathlib").run();
    sandbox.remove("tools/git");
    let checkouts = Tree::of(sandbox.packages());
    for words in ["build --no-build Mathlib", "env printf x", "script list", "lint"] {
        let run = sandbox.lake(words).run();
        run.stderr_lacks("deleting").stderr_lacks("cloning").stderr_lacks("git");
        assert!(!words.starts_with("build") || run.code == without.code, "{without}{run}");
        assert!(!words.starts_with("env") || run.code == Some(0), "{run}");
    }
    checkouts.assert_same_content();
}

/// Since lean4#14782 every load makes `origin` the wanted URL, letter for letter: two workspaces flip it at each build,
/// and a read-only checkout fails.
#[test]
#[cfg_attr(not(all(has = "fake-lake", has = "mount")), ignore = "needs the fake lake, mount")]
fn no_origin_is_rewritten_fake_lake_only() {
    let dot_git = format!("{MATHLIB}.git");
    for is_built in [true, false] {
        let sandbox = with_new_words(Sandbox::mini_mathlib().with_dialect("4.36"));
        set_origin(&sandbox, &sandbox.package("mathlib"), &dot_git);
        if is_built {
            sandbox.mkdir(sandbox.package("mathlib").join(".lake/build"));
        }
        sandbox
            .rename(sandbox.packages(), "shared")
            .symlink(sandbox.path("shared"), sandbox.packages());
        let origin =
            || sandbox.git(&sandbox.path("shared/mathlib"), &["config", "remote.origin.url"]);
        for command in COMMANDS.split('|').chain(WITHOUT.split('|')).map(str::trim) {
            let run = sandbox.lake(&words(command)).run();
            run.stderr_lacks("remote URL changed");
            assert_eq!(origin(), dot_git, "{run}");
        }
        let _shared = Tmpfs::read_only(sandbox.path("shared"));
        sandbox.lake("build").run().expect_code(0).stderr_lacks("lake-shim");
        let bare = sandbox.real_lake("build").run();
        bare.stderr_contains("remote URL changed"); // there was something to protect
    }
}

/// The entries of the file that a call got.
fn entries(sandbox: &Sandbox) -> Vec<(String, String)> {
    let file = sandbox.lake_calls().pop().and_then(|call| call.settled);
    let Some(file) = file else { return Vec::new() };
    let overrides: Value = serde_json::from_str(&sandbox.read(file)).expect("JSON");
    assert_eq!(overrides["schemaVersion"], "1.1.0");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let packages = overrides["packages"].as_array().expect("packages");
    assert!(packages.iter().all(|entry| entry["type"] == "path"), "{overrides}");
    packages.iter().map(|entry| (text(&entry["name"]), text(&entry["dir"]))).collect()
}

fn pair(name: &str) -> (String, String) {
    (name.to_owned(), format!(".lake/packages/{name}"))
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn only_packages_at_their_locked_revision_are_settled_fake_lake_only() {
    let sandbox = settled("4.27");
    sandbox.lake("build").run().expect_code(0);
    let all: Vec<_> = ["mathlib", "batteries", "a", "b", "c", "d", "e", "f", "g"].map(pair).into();
    assert_eq!(entries(&sandbox), all, "in the manifest's order");
    crate::move_head(&sandbox, &sandbox.package("a"));
    sandbox.remove(sandbox.package("b"));
    sandbox.lake("build").run().expect_code(0);
    let found = entries(&sandbox);
    assert!(!found.contains(&pair("a")) && !found.contains(&pair("b")), "{found:?}");
    assert_eq!(found.len(), 7);
}

/// Lake asks git in such a package where to fetch a build from.
#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn a_package_that_lake_may_fetch_a_build_for_stays_with_git_fake_lake_only() {
    let sandbox = Sandbox::mini_mathlib(); // scope leanprover-community, not built
    add_package(&sandbox, sandbox.packages(), "a");
    add_package(&sandbox, sandbox.packages(), "b");
    let lakefile = sandbox.read(sandbox.package("b").join("lakefile.toml"));
    let upstream = sandbox.path("upstream/b");
    sandbox.write(upstream.join("lakefile.toml"), lakefile + "preferReleaseBuild = true\n");
    let rev = sandbox.commit(&upstream);
    sandbox.git(&sandbox.package("b"), &["fetch", "--quiet"]);
    sandbox.git(&sandbox.package("b"), &["checkout", "--quiet", "--detach", &rev]);
    crate::packages::edit_packages(&sandbox, "app", |packages| {
        packages
            .iter_mut()
            .filter(|package| package["name"] == "b")
            .for_each(|b| b["rev"] = json!(rev));
    });
    sandbox.lake("build").run().expect_code(0);
    assert_eq!(entries(&sandbox), [pair("a")]);
    // Not without a network, nor once it is built.
    sandbox.lake("build").env("LAKE_SHIM_NETWORK", "never").run().expect_code(0);
    assert_eq!(entries(&sandbox).len(), 4);
    for package in ["mathlib", "batteries", "b"] {
        sandbox.mkdir(sandbox.package(package).join(".lake/build"));
    }
    sandbox.lake("build").run().expect_code(0);
    assert_eq!(entries(&sandbox).len(), 4);
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn overrides_of_the_users_win_fake_lake_only() {
    let sandbox = settled("4.27");
    let overrides = |name: &str, dir: &str| {
        let entry = json!({"type": "path", "name": name, "inherited": false, "dir": dir});
        json!({"schemaVersion": "1.1.0", "packages": [entry]}).to_string()
    };
    sandbox.rename(sandbox.package("a"), "elsewhere/a").rename(sandbox.package("b"), "elsewhere/b");
    sandbox.write("app/.lake/package-overrides.json", overrides("a", "../elsewhere/a"));
    sandbox.write("mine.json", overrides("b", "../elsewhere/b"));
    for command in [
        "--packages=../mine.json build",
        "build --packages ../mine.json",
        "build --packages=../mine.json -q",
    ] {
        let (run, calls) = run_with_spy(&sandbox, sandbox.lake(command));
        run.expect_code(0).stderr_lacks("cloning");
        assert!(calls.is_empty(), "{calls:?}");
        assert_eq!(sandbox.lake_calls().pop().expect("a call").line(), command, "as it was given");
        let found = entries(&sandbox);
        assert_eq!(found.len(), 7, "{found:?}");
        assert!(!found.contains(&pair("a")) && !found.contains(&pair("b")), "{found:?}");
    }
    // One that cannot be read is Lake's to complain about.
    for text in ["{", "[]", "{}"] {
        sandbox.write("mine.json", text);
        let command = "--packages=../mine.json build";
        let direct = sandbox.real_lake(command).run();
        let run = sandbox.lake(command).run();
        assert_eq!(run.code, direct.code, "{direct}{run}");
        assert!(run.stderr.ends_with(&direct.stderr), "{direct}{run}");
    }
}

/// The file of a state is written once, and no other state writes it.
#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn the_file_is_written_only_when_something_changed_fake_lake_only() {
    let sandbox = settled("4.27");
    let file = || sandbox.lake_calls().pop().and_then(|call| call.settled).expect("a file");
    sandbox.lake("build").run().expect_code(0);
    let (first, state) = (file(), Tree::of(file()));
    assert_eq!(first.parent(), Some(&*sandbox.path("app/.lake/lake-shim")));
    for command in ["build", "env true", "frobnicate", "serve"] {
        sandbox.lake(command).run().expect_code(0);
        assert_eq!(file(), first);
    }
    state.assert_unchanged();
    crate::move_head(&sandbox, &sandbox.package("g"));
    sandbox.lake("build").run().expect_code(0);
    assert_ne!(file(), first);
    state.assert_unchanged();
    sandbox.lake("env true").run().expect_code(0);
}

#[test]
#[cfg_attr(not(all(has = "fake-lake", has = "mount")), ignore = "needs the fake lake, mount")]
fn a_read_only_workspace_is_settled_too_fake_lake_only() {
    let sandbox = settled("4.27");
    let _app = Tmpfs::read_only(sandbox.path("app"));
    for _ in 0..2 {
        let (run, calls) = run_with_spy(&sandbox, sandbox.lake("env true"));
        run.expect_code(0).expect_stderr("");
        assert!(calls.is_empty(), "{calls:?}");
        assert_eq!(entries(&sandbox).len(), 9);
    }
    let file = sandbox.lake_calls().pop().and_then(|call| call.settled).expect("a file");
    assert!(file.starts_with(sandbox.home()), "{}", file.display());
    // Nowhere to write at all: git it is, as with an older Lake.
    sandbox.remove(sandbox.home().join(".cache"));
    let _home = Tmpfs::read_only(sandbox.home());
    sandbox.lake("env true").run().expect_code(0).stderr_lacks("error");
}

/// A lake of which no file tells the version is asked, once.
#[test]
fn a_lake_that_must_be_asked_for_its_version_is_asked_once() {
    for (says, is_settled) in [
        ("Lake version 5.0.0-src (Lean version 4.27.0)", true),
        ("Lake version 5.0.0-src (Lean version 4.17.0-rc1)", true),
        ("Lake version 5.0.0-src (Lean version 4.16.0)", false),
        ("Lake version 5.0.0-src (Lean version 4.9.1)", false),
        ("a wrapper of ours", false),
        ("", false),
    ] {
        let sandbox = Sandbox::mini_mathlib();
        let asked = sandbox.path("tmp/asked");
        let lake: PathBuf = sandbox.path("deep/down/bin/lake");
        let body = format!(
            "case $1 in --version) echo x >>{}; echo '{says}' ;; *) echo \"$#\" ;; esac",
            asked.display()
        );
        sandbox.script(&lake, &body);
        for _ in 0..3 {
            let call = sandbox.lake("build").env("LAKE_SHIM_LAKE", &lake);
            let run = call.env("LAKE_SHIM_NETWORK", "never").run();
            run.expect_code(0).expect_stdout(if is_settled { "2\n" } else { "1\n" });
            run.expect_stderr("");
        }
        assert_eq!(sandbox.read(&asked), "x\n", "{says}");
    }
}

/// A script may start another Lake for each toolchain, as elan does.
#[test]
fn a_script_is_asked_for_its_version_in_each_toolchain() {
    let sandbox = Sandbox::mini_mathlib();
    let lake: PathBuf = sandbox.path("deep/down/bin/lake");
    let body = "
        case $1 in +*) toolchain=${1#+}; shift ;; *) toolchain=$(cat lean-toolchain) ;; esac
        case $1 in --version) echo \"Lake version 5.0.0-src (Lean version ${toolchain#*:v})\" ;; *) echo \"$#\" ;; esac";
    sandbox.script(&lake, body);
    let build = |words: &str| {
        let call = sandbox.lake(words).env("LAKE_SHIM_LAKE", &lake);
        call.env("LAKE_SHIM_NETWORK", "never").env("LAKE_SHIM_RESTORE", "never").run()
    };
    for (toolchain, words, arguments) in [
        ("leanprover/lean4:v4.27.0", "build", "2\n"),
        ("leanprover/lean4:v4.16.0", "build", "1\n"),
        ("leanprover/lean4:v4.27.0", "build", "2\n"),
        ("leanprover/lean4:v4.27.0", "+leanprover/lean4:v4.16.0 build", "1\n"),
        ("leanprover/lean4:v4.16.0", "+leanprover/lean4:v4.27.0 build", "2\n"),
    ] {
        sandbox.write("app/lean-toolchain", toolchain);
        build(words).expect_code(0).expect_stdout(arguments);
    }
    assert_eq!(
        std::fs::read_dir(sandbox.home().join(".cache/lake-shim/versions"))
            .expect("answers")
            .count(),
        2
    );
}

/// A proxy that cannot download its toolchain can tomorrow.
#[test]
fn a_lake_that_fails_to_say_its_version_is_asked_again() {
    let sandbox = Sandbox::mini_mathlib();
    let lake: PathBuf = sandbox.path("deep/down/bin/lake");
    let body = format!(
        "case $1 in --version) echo 'Lake (Lean version 4.27.0)'; [ -e {} ] ;; *) echo \"$#\" ;; esac",
        sandbox.path("tmp/online").display()
    );
    sandbox.script(&lake, &body);
    for arguments in ["1\n", "2\n"] {
        let call = sandbox.lake("build").env("LAKE_SHIM_LAKE", &lake);
        call.env("LAKE_SHIM_NETWORK", "never").run().expect_code(0).expect_stdout(arguments);
        sandbox.write("tmp/online", "");
    }
}

#[test]
fn a_lake_that_does_not_say_its_version_costs_no_build() {
    for body in ["exit 1", "kill -9 $$", "exec sleep 60", "yes", "cat", "printf '\\377\\n'"] {
        let sandbox = Sandbox::mini_mathlib();
        let lake = sandbox.path("deep/down/bin/lake");
        sandbox.symlink(shim_tests::tools::find_on_path("yes").unwrap_or_default(), "tools/yes");
        sandbox.script(&lake, &format!("case $1 in --version) {body} ;; *) echo \"$#\" ;; esac"));
        let call = sandbox.lake("build").env("LAKE_SHIM_LAKE", &lake);
        let run = call.env("LAKE_SHIM_NETWORK", "never").run();
        run.expect_code(0).expect_stdout("1\n");
        assert!(run.took.as_secs() < 20, "{run}");
    }
}

/// The checkout at its locked revision is as the user left it, changes included: Lake only used to warn of them.
#[test]
fn a_settled_package_with_local_changes_is_built_as_it_is() {
    let mut sandbox = Sandbox::mini_mathlib();
    sandbox.set_env("LAKE_SHIM_NETWORK", "never");
    let mathlib = sandbox.package("mathlib");
    sandbox
        .write(mathlib.join("Mathlib.lean"), "prelude\n-- mine\n")
        .write(mathlib.join("notes.txt"), "mine\n");
    let before = Tree::of(&mathlib).filtered(|path: &Path| !path.starts_with(".lake"));
    sandbox.lake("env printf x").run().expect_code(0).expect_stdout("x");
    let now = Tree::of(&mathlib).filtered(|path: &Path| !path.starts_with(".lake"));
    assert!(before.changes_to(&now).is_empty(), "{:?}", before.changes_to(&now));
}
