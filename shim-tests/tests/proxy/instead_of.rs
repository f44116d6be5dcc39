//! `url.<base>.insteadOf`: a company's mirror, ssh for https, the token of a CI. git then prints another URL than the one
//! in the lakefile, so that Lake deletes the checkout, or rewrites its `origin`. It does neither behind the shim, and no
//! file gets a token, a mirror or a spelling of ssh.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;
use shim_tests::{Run, Sandbox, Tree};

use crate::{FORK, MATHLIB, lost_without_kept_with, move_head, spelled};

const TOKEN: &str = "https://x-access-token:s3cret@example.org/";

/// The replacement of `https://example.org/`.
const BASES: [&str; 5] = [
    TOKEN,
    "https://git.company.example/mirrors/",
    "ssh://git@example.org/",
    "git@example.org:",
    "https://EXAMPLE.org:443/",
];

/// Words that must be in no file but the user's own configuration.
const SECRETS: [&str; 4] = ["s3cret", "company.example", "git@example", "EXAMPLE.org"];

const COMMANDS: [&str; 6] = [
    "update",
    "update c",
    "upgrade",
    "build -U --no-build",
    "update --keep-toolchain",
    "build --no-build",
];

/// Where the user's rewriting comes from.
#[derive(Clone, Copy, Debug)]
enum From {
    Global,
    System,
    Environment,
    Parameters,
    Include,
    Local,
}

/// A workspace on `a`, `b` and, inherited by both, `c`; cloned, locked, and all of it reachable.
fn world(from: From, base: &str, dialect: &str) -> Sandbox {
    let mut sandbox = Sandbox::resolve_case("diamond_through_two_gits").with_dialect(dialect);
    // The same repositories wherever the user has them: ssh is a script that serves them.
    sandbox.symlink("example.org", "remotes/x-access-token:s3cret@example.org");
    sandbox.symlink("example.org", "remotes/EXAMPLE.org:443");
    sandbox.symlink("../example.org", "remotes/git.company.example/mirrors");
    let ssh = "for last; do :; done; path=${last#*\\'}; path=${path%\\'*}; path=${path#/}
        exec git upload-pack \"$(dirname \"$0\")/../remotes/example.org/${path%.git}\"";
    sandbox.script("ssh/ssh", ssh);
    let script = sandbox.path("ssh/ssh");
    sandbox.set_env("GIT_SSH_COMMAND", script).set_env("GIT_ALLOW_PROTOCOL", "file:https:ssh");
    sandbox.set_env("GIT_SSH_VARIANT", "simple");
    sandbox.mkdir(sandbox.packages());
    for name in ["a", "b", "c"] {
        let url = format!("https://example.org/org/{name}");
        sandbox.git(&sandbox.packages(), &["clone", "--quiet", &url, name]);
        sandbox.git(&sandbox.package(name), &["checkout", "--quiet", "--detach"]);
    }
    let golden = shim_tests::mini_mathlib::fixtures().join("resolve/diamond_through_two_gits");
    sandbox.copy(golden.join("lake-manifest.json"), "app/lake-manifest.json");
    let section = format!("[url \"{base}\"]\n\tinsteadOf = https://example.org/\n");
    let key = format!("url.{base}.insteadOf");
    match from {
        From::Global => append(&sandbox, "home/.gitconfig", &section),
        From::System => {
            append(&sandbox, "etc/gitconfig", &section);
            let system = sandbox.path("etc/gitconfig");
            sandbox.set_env("GIT_CONFIG_NOSYSTEM", "0").set_env("GIT_CONFIG_SYSTEM", system);
        }
        From::Environment => {
            sandbox.set_env("GIT_CONFIG_COUNT", "1").set_env("GIT_CONFIG_KEY_0", key);
            sandbox.set_env("GIT_CONFIG_VALUE_0", "https://example.org/");
        }
        From::Parameters => {
            sandbox.set_env("GIT_CONFIG_PARAMETERS", format!("'{key}'='https://example.org/'"));
        }
        From::Include => {
            append(&sandbox, "home/work", &section);
            let include = format!(
                "[includeIf \"gitdir:{}/\"]\n\tpath = work\n",
                sandbox.path("app").display()
            );
            append(&sandbox, "home/.gitconfig", &include);
        }
        From::Local => {
            for name in ["a", "b", "c"] {
                append(&sandbox, sandbox.package(name).join(".git/config"), &section);
            }
        }
    }
    sandbox
}

fn append(sandbox: &Sandbox, path: impl AsRef<Path>, text: &str) {
    let old = std::fs::read_to_string(sandbox.path(path.as_ref())).unwrap_or_default();
    sandbox.write(path, old + text);
}

/// The checkouts and their configurations, to be compared.
fn checkouts(sandbox: &Sandbox) -> Vec<(u64, String)> {
    let of = |name| {
        let package = sandbox.package(name);
        let inode = std::fs::metadata(package.join(".git")).map_or(0, |meta| meta.ino());
        let config = ["config", "--file", ".git/config", "remote.origin.url"];
        (inode, sandbox.git(&package, &config))
    };
    ["a", "b", "c"].map(of).into()
}

/// Files of the workspace and the home with a secret in them, the user's own left out.
fn with_secrets(sandbox: &Sandbox, own: &[PathBuf]) -> Vec<PathBuf> {
    let is_text = |path: &PathBuf| !own.contains(path) && path.is_file();
    let trees = ["app", "home", "tmp", "shared"].map(|dir| Tree::of(sandbox.path(dir)));
    let files =
        trees.iter().flat_map(|tree| tree.files().into_keys().map(|file| tree.root().join(file)));
    let mut files: Vec<_> = files.filter(is_text).collect();
    files.retain(|file| {
        let text = String::from_utf8_lossy(&std::fs::read(file).unwrap_or_default()).into_owned();
        // git itself notes where it fetched from, but for what is secret of it.
        let secrets = if file.ends_with("FETCH_HEAD") { &SECRETS[..1] } else { &SECRETS };
        secrets.iter().any(|secret| text.contains(secret))
    });
    files
}

fn own_files(sandbox: &Sandbox) -> Vec<PathBuf> {
    let local = ["a", "b", "c"].map(|name| sandbox.package(name).join(".git/config"));
    [sandbox.path("home/.gitconfig"), sandbox.path("home/work")].into_iter().chain(local).collect()
}

#[track_caller]
fn expect_kept(sandbox: &Sandbox, before: &[(u64, String)], run: &Run) {
    run.stderr_lacks("deleting").stderr_lacks("remote URL changed").stderr_lacks("lake-shim: ");
    assert_eq!(checkouts(sandbox), before, "{run}");
    let secrets = with_secrets(sandbox, &own_files(sandbox));
    assert!(secrets.is_empty(), "{secrets:?}: {run}");
    for name in ["a", "b", "c"] {
        assert_eq!(sandbox.locked(name).0, format!("https://example.org/org/{name}"), "{run}");
    }
    assert!(sandbox.leftovers("").is_empty(), "{:?}: {run}", sandbox.leftovers(""));
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn what_the_user_rewrites_is_kept_by_every_lake_fake_lake_only() {
    for dialect in ["4.16", "4.27", "4.36"] {
        let sandbox = world(From::Global, TOKEN, dialect);
        let kept = sandbox.keep(&["app", "home"]);
        for base in BASES {
            // The commands go one way for all replacements.
            let commands = if base == TOKEN { &COMMANDS[..] } else { &COMMANDS[..1] };
            for command in commands {
                for with_manifest in [true, false] {
                    if with_manifest && command.starts_with("build --no") {
                        continue;
                    }
                    let config = sandbox.read("home/.gitconfig").replace(TOKEN, base);
                    sandbox.write("home/.gitconfig", config);
                    if !with_manifest {
                        sandbox.remove("app/lake-manifest.json");
                    }
                    let before = checkouts(&sandbox);
                    let run = sandbox.lake(command).run();
                    run.expect_code(0);
                    expect_kept(&sandbox, &before, &run);
                    kept.put_back();
                }
            }
        }
    }
}

/// There is something to keep.
#[test]
fn without_the_shim_it_is_lost() {
    for base in BASES {
        let sandbox = world(From::Global, base, "4.27");
        let run = sandbox.real_lake("update").run();
        run.stderr_contains("URL has changed; deleting");
    }
}

#[test]
fn wherever_the_user_rewrites_it_is_kept() {
    for from in [
        From::Global,
        From::System,
        From::Environment,
        From::Parameters,
        From::Include,
        From::Local,
    ] {
        for base in [TOKEN, "ssh://git@example.org/"] {
            let sandbox = world(from, base, "4.27");
            let before = checkouts(&sandbox);
            let run = sandbox.lake("update").run();
            assert_eq!(run.code, Some(0), "{from:?}: {run}");
            expect_kept(&sandbox, &before, &run);
        }
    }
}

#[test]
fn a_packages_own_spelling_makes_no_difference() {
    for base in BASES {
        let sandbox = world(From::Global, base, "4.27");
        for (name, spelling) in [("a", ".git"), ("c", "/")] {
            let url = format!("https://example.org/org/{name}{spelling}");
            sandbox.git(&sandbox.package(name), &["remote", "set-url", "origin", &url]);
        }
        move_head(&sandbox, &sandbox.package("c"));
        let before = checkouts(&sandbox);
        let run = sandbox.lake("update").run();
        run.expect_code(0);
        expect_kept(&sandbox, &before, &run);
    }
}

/// It rewrites what is pushed, and nothing that Lake asks for.
#[test]
fn push_instead_of_makes_no_difference() {
    let sandbox = world(From::Global, "https://nowhere.example/", "4.27");
    let config = sandbox.read("home/.gitconfig").replace("insteadOf", "pushInsteadOf");
    sandbox.write("home/.gitconfig", config);
    let before = checkouts(&sandbox);
    let run = sandbox.lake("update").run();
    run.expect_code(0);
    expect_kept(&sandbox, &before, &run);
}

#[test]
fn a_shared_directory_is_updated_as_well() {
    for base in BASES {
        let mut sandbox = world(From::Global, base, "4.27");
        sandbox
            .rename(sandbox.packages(), "shared")
            .symlink(sandbox.path("shared"), sandbox.packages());
        let shared = sandbox.path("shared");
        sandbox.set_env("LAKE_PKG_DIR", shared);
        for words in ["update", "resolve-deps"] {
            if words == "resolve-deps" {
                sandbox.remove("app/lake-manifest.json");
            }
            let before = checkouts(&sandbox);
            let run = sandbox.lake(words).run();
            run.expect_code(0);
            expect_kept(&sandbox, &before, &run);
        }
    }
}

/// A package that is not there yet is cloned from the user's mirror, and its `origin` is the lakefile's URL.
#[test]
fn what_is_cloned_has_no_token_either() {
    for base in BASES {
        let sandbox = world(From::Global, base, "4.27");
        sandbox.remove(sandbox.package("b")).remove(sandbox.package("c"));
        let run = sandbox.lake("update").run();
        run.expect_code(0).stderr_contains("b: cloning").stderr_lacks("deleting");
        let secrets = with_secrets(&sandbox, &[sandbox.path("home/.gitconfig")]);
        assert!(secrets.is_empty(), "{secrets:?}: {run}");
        assert_eq!(checkouts(&sandbox)[2].1, "https://example.org/org/c");
    }
}

/// A fork is another repository, through a mirror too.
#[test]
fn a_fork_behind_a_mirror_is_refused_if_something_would_be_lost() {
    for base in [TOKEN, "https://git.company.example/mirrors/"] {
        let sandbox = world(From::Global, base, "4.27");
        for (fork, shown) in [
            (FORK, FORK),
            ("https://me:s3cret@github.com/me/a", "`https://***@github.com/me/a`"),
            ("https://example.org/me/a", "/me/a`"),
        ] {
            sandbox.git(&sandbox.package("a"), &["remote", "set-url", "origin", fork]);
            sandbox.write(sandbox.package("a").join("notes.txt"), "mine\n");
            let before = Tree::of(sandbox.packages());
            let run = sandbox.lake("update").run();
            run.expect_code(1).expect_stdout("").stderr_contains(shown);
            run.stderr_contains("`notes.txt`").stderr_lacks("s3cret");
            before.assert_unchanged();
        }
    }
}

/// The checkout stays, even if the script cannot be made.
#[test]
#[cfg_attr(not(has = "mount"), ignore = "needs mount")]
fn where_no_script_can_run_it_is_refused() {
    let mut sandbox = world(From::Global, TOKEN, "4.27");
    let options = "size=16m,noexec";
    sandbox.copy("app", "kept");
    let _app = shim_tests::Tmpfs::mount_with(sandbox.workspace(), options);
    sandbox.copy("kept", "app");
    let before = checkouts(&sandbox);
    let run = sandbox.lake("update").run();
    run.expect_code(0); // in the directory for temporary files
    expect_kept(&sandbox, &before, &run);
    for tmp in ["app/.lake", "nowhere"] {
        let tmp = sandbox.path(tmp);
        sandbox.set_env("TMPDIR", tmp);
        let run = sandbox.lake("update").run();
        assert_eq!(checkouts(&sandbox), before, "{run}");
        run.expect_code(1).stderr_contains("lake-shim: error: ").stderr_contains("`TMPDIR`");
        run.stderr_lacks("s3cret").stderr_lacks("URL has changed");
    }
}

/// A directory whose name a shell would take apart.
#[test]
fn odd_places_are_answered_for() {
    for name in ["it's $HOME", "a \"b\" `c`", "* ?", "new\nline", "-d", "ünï", "%s"] {
        let sandbox = world(From::Global, TOKEN, "4.27");
        let odd = Path::new("odd").join(name);
        sandbox.mkdir("odd").rename("app", &odd);
        sandbox.symlink(sandbox.path(&odd), "app");
        let before = checkouts(&sandbox);
        let run = sandbox.lake("update").cwd(&odd).run();
        run.expect_code(0).stderr_lacks("deleting");
        assert_eq!(checkouts(&sandbox), before, "{run}");
    }
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn an_update_that_is_killed_leaves_nothing_fake_lake_only() {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGKILL] {
        let sandbox = world(From::Global, TOKEN, "4.27");
        let before = checkouts(&sandbox);
        let log = sandbox.path("logs/lake.jsonl");
        let running = sandbox.lake("update").env("FAKE_LAKE_SLEEP", "60").spawn();
        running.wait_until(|| log.exists() && !sandbox.leftovers("app").is_empty());
        running.wait_until(|| std::fs::read_to_string(&log).is_ok_and(|log| log.ends_with('\n')));
        running.signal(signal);
        let run = running.wait();
        run.expect_signal(signal);
        assert!(run.took.as_secs() < 30, "Lake went with it: {run}");
        assert_eq!(checkouts(&sandbox), before, "{run}");
        if signal != Signal::SIGKILL {
            assert!(sandbox.leftovers("").is_empty(), "{:?}", sandbox.leftovers(""));
        }
        let run = sandbox.lake("update").run();
        run.expect_code(0);
        expect_kept(&sandbox, &before, &run);
    }
}

// A build that finds its manifest compares the URL only where HEAD is another one

fn rewriting(sandbox: Sandbox, base: &str) -> Sandbox {
    append(
        &sandbox,
        "home/.gitconfig",
        &format!("[url \"{base}\"]\n\tinsteadOf = https://github.com/\n"),
    );
    sandbox
}

#[test]
fn a_build_with_a_manifest_keeps_it_too() {
    for base in ["ssh://git@github.com/", "git@github.com:", "https://git.company.example/mirrors/"]
    {
        for wanted in [MATHLIB, &format!("{MATHLIB}.git")] {
            let prepare = || rewriting(spelled(MATHLIB, wanted), base);
            let (_, run) = lost_without_kept_with(prepare, "resolve-deps");
            run.expect_code(1); // the fetch fails
            let prepare = || crate::guard::shared(rewriting(spelled(MATHLIB, wanted), base));
            let (_, run) = lost_without_kept_with(prepare, "resolve-deps");
            run.stderr_lacks("lake-shim");
        }
    }
}
