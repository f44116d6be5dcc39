//! `lake update`, and what else resolves, has the shim for a parent: exit codes, signals and the terminal are as with
//! `exec`, and Mathlib's hook is answered from the store.

use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;
use shim_tests::{Call, Run, Sandbox};

use crate::alike;

/// Commands that resolve: the third where there is no manifest.
const RESOLVING: [&str; 4] = ["update", "build -U", "env true", "upgrade a"];

fn world(command: &str) -> Sandbox {
    let sandbox = Sandbox::resolve_case("one_git_branch");
    let golden =
        shim_tests::mini_mathlib::fixtures().join("resolve/one_git_branch/lake-manifest.json");
    sandbox.real_lake("resolve-deps").run().expect_code(0);
    sandbox.shim_bin();
    if !command.starts_with("env") {
        sandbox.copy(golden, "app/lake-manifest.json");
    } else {
        sandbox.remove("app/lake-manifest.json");
    }
    sandbox
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn exit_codes_and_deaths_are_lakes_own_fake_lake_only() {
    for command in RESOLVING {
        let sandbox = world(command);
        let again = |call: Call<'_>| -> Run {
            if command.starts_with("env") && sandbox.path("app/lake-manifest.json").exists() {
                sandbox.remove("app/lake-manifest.json");
            }
            call.run()
        };
        // One way for all of them.
        let (codes, signals) = match command {
            "update" => (
                &[0, 1, 2, 3, 4, 5, 42, 126, 127, 130, 255][..],
                &[
                    Signal::SIGSEGV,
                    Signal::SIGKILL,
                    Signal::SIGTERM,
                    Signal::SIGABRT,
                    Signal::SIGINT,
                ][..],
            ),
            _ => (&[0, 3][..], &[Signal::SIGTERM][..]),
        };
        for &code in codes {
            let with = |call: Call<'_>| again(call.env("FAKE_LAKE_EXIT", code.to_string()));
            let (direct, shim) = (with(sandbox.real_lake(command)), with(sandbox.lake(command)));
            crate::assert_alike(&direct, &shim);
            shim.expect_code(code);
        }
        for &signal in signals {
            let with = |call: Call<'_>| again(call.env("FAKE_LAKE_SIGNAL", signal.as_str()));
            let (direct, shim) = (with(sandbox.real_lake(command)), with(sandbox.lake(command)));
            crate::assert_alike(&direct, &shim);
            shim.expect_signal(signal);
        }
    }
}

#[test]
fn lakes_own_errors_are_as_without_the_shim() {
    let sandbox = world("update");
    for command in ["update --no-such-option", "update -d /nowhere", "update no-such-package"] {
        let direct = sandbox.real_lake(command).run();
        let shim = sandbox.lake(command).run();
        assert_eq!((direct.code, &direct.stdout), (shim.code, &shim.stdout), "{direct}{shim}");
    }
    sandbox.write("app/lakefile.toml", "name = ");
    let direct = sandbox.real_lake("update").run();
    let shim = sandbox.lake("update").run();
    assert_eq!((direct.code, &direct.stdout), (shim.code, &shim.stdout), "{direct}{shim}");
    assert!(shim.stderr.ends_with(&direct.stderr), "{direct}{shim}");
}

#[test]
fn standard_streams_and_descriptors_are_inherited() {
    let sandbox = world("update");
    let lake = "exec 3<&0; cat; echo to-stderr >&2; cat <&9; umask; ulimit -n; grep SigIgn /proc/self/status; pwd";
    sandbox.script("told/lake", lake);
    sandbox.write("data", "from descriptor 9\n");
    let script =
        r#"umask 027; exec 9<"$DATA"; trap '' USR1; ulimit -n 77; exec "$THE_LAKE" update"#;
    let run = |lake| {
        let call = sandbox.command("sh", "-c").arg(script).env("THE_LAKE", lake).stdin("hello\n");
        call.env("DATA", sandbox.path("data"))
            .env("LAKE_SHIM_LAKE", sandbox.path("told/lake"))
            .run()
    };
    let (direct, shim) = (run(sandbox.path("told/lake")), run(sandbox.shim_bin().join("lake")));
    crate::assert_alike(&direct, &shim);
    shim.expect_code(0).stdout_contains("hello\n").stdout_contains("from descriptor 9\n0027\n77\n");
}

/// A signal to the process that was started reaches lake.
#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn signals_reach_lake_fake_lake_only() {
    for command in RESOLVING {
        let signals =
            [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGKILL];
        // One way for all commands.
        for &signal in if command == "update" { &signals[..] } else { &signals[..1] } {
            let sandbox = world(command);
            let log = sandbox.path("logs/lake.jsonl");
            sandbox.write(&log, "");
            let running = sandbox.lake(command).env("FAKE_LAKE_SLEEP", "60").spawn();
            running.wait_until(|| sandbox.read(&log).ends_with('\n'));
            running.wait_until(|| sandbox.path("app/lake-manifest.json").exists());
            let lake = sandbox.lake_calls()[0].pid;
            running.signal(signal);
            let run = running.wait();
            run.expect_signal(signal).stderr_lacks("lake-shim");
            assert!(run.took < Duration::from_secs(20), "{run}");
            let is_alive = || {
                nix::sys::signal::kill(nix::unistd::Pid::from_raw(lake.cast_signed()), None).is_ok()
            };
            let start = std::time::Instant::now();
            while is_alive() && start.elapsed() < Duration::from_secs(5) {
                std::thread::sleep(Duration::from_millis(5));
            }
            assert!(!is_alive(), "lake outlived the shim: {run}");
        }
    }
}

/// A lake that catches them decides what comes of it.
#[test]
fn a_lake_that_catches_a_signal_decides() {
    for (signal, name) in [
        (Signal::SIGINT, "INT"),
        (Signal::SIGTERM, "TERM"),
        (Signal::SIGHUP, "HUP"),
        (Signal::SIGUSR1, "USR1"),
        (Signal::SIGUSR2, "USR2"),
    ] {
        let sandbox = world("update");
        let body =
            format!("trap 'echo caught; exit 7' {name}; echo ready; while :; do sleep 0.05; done");
        sandbox.script("told/lake", &body);
        let call = sandbox.lake("update").env("LAKE_SHIM_LAKE", sandbox.path("told/lake"));
        let running = call.timeout(Duration::from_secs(20)).spawn();
        running.wait_until_it_says("ready");
        running.signal(signal);
        running.wait().expect_code(7).expect_stdout("ready\ncaught\n").expect_stderr("");
    }
}

#[test]
fn what_is_ignored_stays_ignored() {
    let sandbox = world("update");
    sandbox.script("told/lake", "echo ready; sleep 0.5; echo done");
    let call = sandbox.command("sh", "-c").arg("trap '' HUP INT; exec lake update");
    let running = call.env("LAKE_SHIM_LAKE", sandbox.path("told/lake")).spawn();
    running.wait_until_it_says("ready");
    running.signal(Signal::SIGHUP).signal(Signal::SIGINT);
    running.wait().expect_code(0).expect_stdout("ready\ndone\n");
}

#[test]
fn it_can_be_stopped_and_goes_on() {
    let sandbox = world("update");
    let ticks = sandbox.path("tmp/ticks");
    let body = format!(
        "echo ready; while [ ! -e {0}.end ]; do echo x >>{0}; sleep 0.02; done",
        ticks.display()
    );
    sandbox.script("told/lake", &body);
    let call = sandbox.lake("update").env("LAKE_SHIM_LAKE", sandbox.path("told/lake"));
    let running = call.timeout(Duration::from_secs(60)).spawn();
    running.wait_until_it_says("ready");
    let count = || sandbox.read(&ticks).lines().count();
    let state = |pid: u32| {
        let stat = sandbox.read(format!("/proc/{pid}/stat"));
        stat.rsplit_once(") ").map(|(_, rest)| rest.chars().next())
    };
    running.wait_until(|| ticks.exists() && count() > 2);
    running.signal(Signal::SIGTSTP);
    running.wait_until(|| state(running.pid()) == Some(Some('T')));
    std::thread::sleep(Duration::from_millis(300)); // a sleep of lake's comes to its end
    let stopped = count();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(count(), stopped, "lake goes on while the shim stands still");
    running.signal(Signal::SIGCONT);
    running.wait_until(|| count() > stopped + 2);
    sandbox.write(sandbox.path("tmp/ticks.end"), "");
    running.wait().expect_code(0);
}

/// Runs `lake update` on a terminal of its own, at which `keys` are typed.
fn on_terminal(sandbox: &Sandbox, keys: &str) -> Run {
    let script = shim_tests::tools::find_on_path("script").expect("needed");
    sandbox
        .command(script, "-qec")
        .arg("lake update; echo code $?")
        .arg("/dev/null")
        .stdin(keys)
        .run()
}

#[test]
#[cfg_attr(not(all(has = "script", has = "stty")), ignore = "needs script, stty")]
fn the_terminal_is_lakes() {
    let mut sandbox = world("update");
    let body = "for fd in 0 1 2; do [ -t $fd ] && echo tty $fd; done; read -r x </dev/tty; echo got $x; exit 3";
    sandbox.script("told/lake", body);
    let lake = sandbox.path("told/lake");
    sandbox.set_env("LAKE_SHIM_LAKE", lake);
    let run = on_terminal(&sandbox, "hello\n");
    for said in ["tty 0", "tty 1", "tty 2", "got hello", "code 3"] {
        run.stdout_contains(said);
    }
}

/// The kernel gives it to all that are at work there: once to each.
#[test]
#[cfg_attr(not(all(has = "script", has = "stty")), ignore = "needs script, stty")]
fn control_c_reaches_lake_once() {
    let mut sandbox = world("update");
    let body = "n=0; trap 'n=$((n+1)); echo caught $n' INT; echo ready
        i=0; while [ $i -lt 40 ]; do i=$((i+1)); sleep 0.05; done; echo times $n; exit 5";
    sandbox.script("told/lake", body);
    let lake = sandbox.path("told/lake");
    sandbox.set_env("LAKE_SHIM_LAKE", lake);
    let script = shim_tests::tools::find_on_path("script").expect("needed");
    let typed = "(sleep 1; printf '\\003'; sleep 3) | \"$SCRIPT\" -qec 'trap : INT; lake update; echo code $?' /dev/null";
    let run = sandbox.command("sh", "-c").arg(typed).env("SCRIPT", script).run();
    run.stdout_contains("caught 1").stdout_contains("times 1").stdout_contains("code 5");
}

// Mathlib's hook

/// Words that the fake, and the shim, take for the hook in Mathlib's lakefile. The archives have the names that go with it.
fn with_hook() -> Sandbox {
    let sandbox = Sandbox::mini_mathlib().online().with_cloud();
    let names = || -> Value {
        let run = sandbox.lake_shim("names --json").run();
        serde_json::from_str(&run.expect_code(0).stdout).expect("JSON")
    };
    let old = names();
    let lakefile = sandbox.package("mathlib").join("lakefile.lean");
    let hook = sandbox.read(&lakefile) + "-- post_update: MATHLIB_NO_CACHE_ON_UPDATE\n";
    sandbox.write(lakefile, hook);
    let new = names();
    for (module, name) in new.as_object().expect("an object") {
        let [old, new] =
            [&old[module], name].map(|name| name.as_str().unwrap_or_default().to_owned());
        for place in [sandbox.store(), sandbox.cloud()] {
            sandbox.rename(place.join(&old), place.join(&new));
        }
    }
    sandbox.write("names.json", new.to_string());
    sandbox
}

/// Takes a module out of the store.
fn lack(sandbox: &Sandbox, module: &str) {
    let names: Value = serde_json::from_str(&sandbox.read("names.json")).expect("JSON");
    sandbox.remove(sandbox.store().join(names[module].as_str().expect("a name")));
}

const SWITCH: &str = "MATHLIB_NO_CACHE_ON_UPDATE";

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn the_hook_is_answered_from_the_store_fake_lake_only() {
    let commands = ["update", "upgrade", "update mathlib", "-d ../app update"];
    for (dialect, commands) in
        [("4.16", &commands[..1]), ("4.27", &commands), ("4.36", &commands[..1])]
    {
        for &command in commands {
            let sandbox = with_hook().with_dialect(dialect);
            let run = sandbox.lake(command).env("LAKE_SHIM_NETWORK", "never").run();
            run.expect_code(0).expect_stdout("").stderr_contains("restored 11 modules");
            sandbox.expect_all_restored();
            let calls = sandbox.lake_calls();
            let [lake] = calls.as_slice() else { panic!("{dialect}: {calls:?}") };
            assert_eq!((lake.line().as_str(), lake.var(SWITCH).as_deref()), (command, Some("1")));
        }
    }
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn what_the_store_lacks_the_real_tool_fetches_fake_lake_only() {
    let sandbox = with_hook();
    lack(&sandbox, "Mathlib.Init");
    sandbox.lake("update").run().expect_code(0);
    sandbox.expect_all_restored();
    let calls = sandbox.lake_calls();
    assert!(calls.iter().all(|call| !call.is_hook()), "{calls:?}");
    assert!(calls.iter().any(|call| call.line() == "exe cache get-"), "{calls:?}");
}

/// The hook's tool runs in the root, with the configuration of the update.
#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn the_real_tool_runs_in_the_root_fake_lake_only() {
    for (command, get) in [
        ("-d app update", "exe cache get-"),
        ("update -d app -f lakefile.toml", "-f lakefile.toml exe cache get-"),
    ] {
        let sandbox = with_hook();
        lack(&sandbox, "Mathlib.Init");
        sandbox.lake(command).cwd("").run().expect_code(0);
        sandbox.expect_all_restored();
        let calls = sandbox.lake_calls();
        let tool = calls.iter().find(|call| call.line() == get).expect("the tool's call");
        assert_eq!(tool.cwd, sandbox.workspace(), "{calls:?}");
    }
}

/// doc-gen4's set-up: a project in a directory of another one, with the other's packages.
fn with_docbuild() -> Sandbox {
    let sandbox = with_hook();
    for file in ["lakefile.toml", "lake-manifest.json", "lean-toolchain"] {
        sandbox.copy(Path::new("app").join(file), Path::new("app/docbuild").join(file));
    }
    let lakefile = sandbox.read("app/docbuild/lakefile.toml");
    sandbox.write(
        "app/docbuild/lakefile.toml",
        format!("packagesDir = \"../.lake/packages\"\n{lakefile}"),
    );
    sandbox.edit_json("app/docbuild/lake-manifest.json", |manifest| {
        manifest["packagesDir"] = "../.lake/packages".into();
    });
    sandbox
}

/// Nothing is restored outside of the workspace. The real tool may do it.
#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn with_packages_elsewhere_the_real_tool_restores_fake_lake_only() {
    for command in ["exe cache get", "update"] {
        let sandbox = with_docbuild();
        let run = sandbox.lake(command).cwd("app/docbuild").run();
        run.expect_code(0).stderr_contains("warning: the packages directory `");
        let calls = sandbox.lake_calls();
        assert!(calls.iter().any(|call| call.line() == "exe cache get"), "{calls:?}");
        // Without a network there is no real tool to ask.
        let sandbox = with_docbuild();
        let call = sandbox.lake("exe cache get").cwd("app/docbuild");
        let run = call.env("LAKE_SHIM_NETWORK", "never").run();
        run.expect_code(1).stderr_contains("error: the packages directory `");
        sandbox.expect_restored(&[]);
    }
}

/// The Lake behind the update is that of the toolchain it came to.
#[test]
fn the_tool_is_started_as_the_lake_that_the_update_chose() {
    let sandbox = with_hook();
    lack(&sandbox, "Mathlib.Init");
    sandbox.write("app/lean-toolchain", "leanprover/lean4:v4.27.0\n");
    let body = "
        case $1 in
            --version) echo \"Lake (Lean version $(sed 's/.*:v//' lean-toolchain))\" ;;
            update)
                echo leanprover/lean4:v4.16.0 >lean-toolchain
                cp lean-toolchain .lake/packages/mathlib ;;
            *) echo \"$@\" >>calls ;;
        esac";
    sandbox.script("deep/down/bin/lake", body);
    sandbox.lake("update").env("LAKE_SHIM_LAKE", sandbox.path("deep/down/bin/lake")).run();
    let calls = sandbox.read("app/calls");
    assert!(calls.starts_with("exe cache get"), "{calls}");
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn without_network_what_the_store_lacks_fails_the_update_fake_lake_only() {
    let sandbox = with_hook();
    lack(&sandbox, "Mathlib.Init");
    let run = sandbox.lake("update").env("LAKE_SHIM_NETWORK", "never").run();
    run.expect_code(1).stderr_contains("Mathlib.Init");
    assert!(sandbox.path("app/lake-manifest.json").exists(), "the update itself is done");
}

/// The hook is Lake's then, as the user wants it.
#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn a_variable_of_the_users_is_kept_and_nothing_is_answered_fake_lake_only() {
    for (value, hooks) in [("1", 0), ("0", 1), ("", 1), ("yes", 1)] {
        let sandbox = with_hook();
        let run = sandbox.lake("update").env(SWITCH, value).run();
        run.expect_code(0).stderr_lacks("lake-shim: restored");
        let calls = sandbox.lake_calls();
        assert_eq!(calls[0].var(SWITCH).as_deref(), Some(value));
        assert_eq!(calls.iter().filter(|call| call.is_hook()).count(), hooks, "{value}");
        if hooks == 0 {
            sandbox.expect_restored(&[]);
        }
    }
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn only_a_good_update_of_a_mathlib_with_a_hook_is_answered_fake_lake_only() {
    for code in ["1", "3", "4"] {
        let sandbox = with_hook();
        let run = sandbox.lake("update").env("FAKE_LAKE_EXIT", code).run();
        assert_eq!(run.code, code.parse().ok());
        sandbox.expect_restored(&[]);
    }
    let sandbox = Sandbox::mini_mathlib().online(); // an old one
    sandbox.lake("update").run().expect_code(0).expect_stderr("");
    sandbox.expect_restored(&[]);
    // `-U` is no `lake update`: its hook is Lake's.
    let sandbox = with_hook();
    sandbox.lake("build -U").run().expect_code(0);
    let calls = sandbox.lake_calls();
    assert_eq!(calls[0].var(SWITCH), None);
    assert!(calls.iter().any(shim_tests::LakeCall::is_hook));
}

#[test]
fn without_a_workspace_it_is_as_without_the_shim() {
    let sandbox = Sandbox::empty();
    for command in ["update", "update x", "build -U"] {
        alike(&sandbox, command, |call| call.cwd("home"));
    }
}
