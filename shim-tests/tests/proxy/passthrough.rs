//! What the lake behind the shim inherits and what comes back from it: working directory, standard streams, exit
//! codes. Arguments and signals have tests of their own.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;

use nix::sys::signal::Signal;
use serde_json::json;
use shim_tests::Sandbox;

use crate::{MATHLIB, OTHER_REV, alike, assert_alike_but_warned, relock, spelled};

/// Commands that the shim looks into, and commands that it does not.
const COMMANDS: [&str; 22] = [
    "",
    "--help",
    "-h",
    "help",
    "help build",
    "build --help",
    "--version",
    "resolve-deps",
    "-q resolve-deps",
    "resolve-deps --frobnicate",
    "exe",
    "exe no-such-exe",
    "exe no-such-exe cache get",
    "script list",
    "frobnicate",
    "frobnicate cache get",
    "-Z",
    "-d",
    "-d /nowhere resolve-deps",
    "+nightly resolve-deps",
    "-- resolve-deps",
    "env printf x",
];

#[test]
fn every_command_is_as_without_the_shim() {
    let sandbox = Sandbox::mini_mathlib();
    // The first to elaborate a configuration writes it down and says so.
    sandbox.real_lake("resolve-deps").run().expect_code(0);
    for words in COMMANDS {
        alike(&sandbox, words, |call| call);
    }
}

#[test]
fn every_command_is_as_without_the_shim_where_there_is_no_workspace() {
    let sandbox = Sandbox::empty();
    for words in
        COMMANDS.iter().chain(&["build", "exe cache get", "serve", "setup-file A.lean", "update"])
    {
        alike(&sandbox, words, |call| call.cwd("home"));
    }
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn log_tells_arguments_argv0_cwd_and_pid_fake_lake_only() {
    let sandbox = Sandbox::mini_mathlib();
    let odd = OsStr::from_bytes(b"Odd\xff");
    let running =
        sandbox.mkdir("app/App/Sub").lake("build").arg(odd).arg("").cwd("app/App/Sub").spawn();
    let pid = running.pid();
    running.wait();
    let calls = sandbox.lake_calls();
    let [call] = calls.as_slice() else {
        panic!("lake was called {} times: {calls:?}", calls.len())
    };
    assert_eq!(call.args, ["build".into(), odd.to_owned(), OsString::new()]);
    assert_eq!(call.argv0, "lake");
    assert_eq!(call.cwd, sandbox.path("app/App/Sub"));
    assert_eq!(call.pid, pid, "it is the same process");
}

#[test]
fn what_a_process_inherits_is_inherited() {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.write("data", "from descriptor 9\n");
    // In sh's own words: the descriptor of a jobserver, signals that nohup or a CI runner ignores, the umask, limits.
    let script = r#"umask 027; exec 9<"$DATA"; trap '' HUP QUIT; ulimit -n 77; cd App 2>/dev/null || cd .
        exec "$THE_LAKE" -d "$APP" env sh -c 'umask; cat <&9; grep SigIgn /proc/self/status; ulimit -n; pwd; echo "$PPID $$" >&2'"#;
    let run = |lake| {
        let call = sandbox.command("sh", "-c").arg(script).env("THE_LAKE", lake);
        call.env("DATA", sandbox.path("data")).env("APP", sandbox.workspace()).run()
    };
    let direct = run(sandbox.toolchain_bin().join("lake"));
    let shim = run(sandbox.shim_bin().join("lake"));
    shim.expect_code(0).stdout_contains("0027\nfrom descriptor 9\n").stdout_contains("\n77\n");
    assert_eq!(direct.stdout, shim.stdout);
}

#[test]
fn environment_is_what_it_would_be_but_for_the_loop_guard() {
    let sandbox = Sandbox::mini_mathlib();
    let lines = |run: &shim_tests::Run| {
        let mut lines: Vec<_> = run.expect_code(0).stdout.lines().map(str::to_owned).collect();
        lines.retain(|line| !line.starts_with("LAKE_SHIM_SEEN="));
        lines.sort();
        lines
    };
    let with = |call: shim_tests::Call<'_>| {
        call.env("ODD", OsStr::from_bytes(b"\xff")).env("EMPTY", "").run()
    };
    let direct = with(sandbox.real_lake("env env"));
    let shim = with(sandbox.lake("env env"));
    assert_eq!(lines(&direct), lines(&shim));
}

#[test]
fn stdin_reaches_lake_to_its_last_byte() {
    let sandbox = Sandbox::mini_mathlib();
    let data: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
    for words in ["env cat", "frobnicate"] {
        let run = alike(&sandbox, words, |call| call.stdin(&data));
        assert_eq!(run.stdout_bytes == data, words == "env cat");
    }
    alike(&sandbox, "env cat", |call| call).expect_stdout("");
}

#[test]
fn serve_and_setup_file_speak_json_untouched() {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.rename("app/.lake/packages", "shared");
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": "shutdown"}).to_string();
    let message = format!("Content-Length: {}\r\n\r\n{message}", message.len());
    for words in
        ["serve", "serve -- --flag", "setup-file App.lean", "setup-file /nowhere/A.lean Init"]
    {
        // Without the shim it has to be linked by hand; the shim has something to say about linking.
        sandbox.symlink(sandbox.path("shared"), "app/.lake/packages");
        let direct = sandbox.real_lake(words).stdin(&message).run();
        sandbox.remove("app/.lake/packages");
        let shim =
            sandbox.lake(words).env("LAKE_PKG_DIR", sandbox.path("shared")).stdin(&message).run();
        shim.stderr_contains("lake-shim: linked");
        assert_eq!(
            (direct.code, &direct.stdout_bytes),
            (shim.code, &shim.stdout_bytes),
            "{direct}\n{shim}"
        );
        sandbox.remove("app/.lake/packages");
    }
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn serve_answers_while_its_stdin_stays_open_fake_lake_only() {
    let sandbox = Sandbox::mini_mathlib();
    // The second request is made only when the first is answered.
    let dialogue = r#"mkfifo in out; lake serve <in >out & exec 3>in 4<out
        printf 'one\n' >&3; read -r first <&4; printf '%s two\n' "$first" >&3; exec 3>&-; cat <&4; wait $!"#;
    sandbox.symlink(shim_tests::tools::find_on_path("mkfifo").unwrap_or_default(), "tools/mkfifo");
    let run = sandbox.command("sh", "-c").arg(dialogue).run();
    run.expect_code(0).expect_stdout("one two\n").expect_stderr("");
}

#[test]
fn standard_streams_may_be_closed() {
    let sandbox = Sandbox::mini_mathlib();
    relock(&sandbox, &format!("{MATHLIB}.git"), &sandbox.locked("mathlib").1);
    for redirection in ["0<&-", ">&-", "2>&-", "0<&- 2>/dev/full", ">/dev/full"] {
        for words in ["resolve-deps", "--version", "frobnicate", "env true"] {
            let run = |lake| {
                let script = format!("exec \"$THE_LAKE\" {words} {redirection}");
                // A bad setting makes the shim want to say something.
                let call = sandbox.command("sh", "-c").arg(script).env("THE_LAKE", lake);
                call.env("LAKE_SHIM_JOBS", "none").run()
            };
            let direct = run(sandbox.toolchain_bin().join("lake"));
            let shim = run(sandbox.shim_bin().join("lake"));
            assert_eq!((direct.code, direct.signal), (shim.code, shim.signal), "{direct}\n{shim}");
            assert_eq!(direct.stdout_bytes, shim.stdout_bytes, "{direct}\n{shim}");
        }
    }
}

#[test]
fn a_closed_standard_stream_stays_closed() {
    let sandbox = Sandbox::empty();
    let body = "for fd in 0 1 2; do [ -e /proc/$$/fd/$fd ] && echo $fd >>\"$SEEN\"; done; exit 0";
    sandbox.script("told/lake", body);
    let seen = sandbox.path("tmp/seen");
    for (redirection, open) in [("0<&-", "1\n2\n"), (">&-", "0\n2\n"), ("2>&-", "0\n1\n")] {
        for lake in [sandbox.path("told/lake"), sandbox.shim_bin().join("lake")] {
            sandbox.write(&seen, "");
            let script = format!("exec \"$THE_LAKE\" build {redirection}");
            let call = sandbox.command("sh", "-c").arg(script).env("THE_LAKE", &lake);
            let call = call.env("SEEN", &seen).env("LAKE_SHIM_LAKE", sandbox.path("told/lake"));
            call.run().expect_code(0);
            assert_eq!(sandbox.read(&seen), open, "{} {redirection}", lake.display());
        }
    }
}

#[test]
fn exit_codes_of_children_are_passed_on() {
    let sandbox = Sandbox::mini_mathlib();
    for code in [0, 1, 2, 3, 4, 5, 42, 126, 127, 128, 130, 143, 255] {
        let run = alike(&sandbox, "env sh -c", |call| {
            call.arg(format!("echo out; echo err >&2; exit {code}"))
        });
        run.expect_code(code).expect_stdout("out\n").stderr_contains("err\n");
    }
    for signal in ["TERM", "INT", "KILL", "SEGV"] {
        alike(&sandbox, "env sh -c", |call| call.arg(format!("kill -{signal} $$")));
    }
    alike(&sandbox, "setup-file A.lean", |call| call.cwd("home")).expect_code(2);
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn exit_codes_and_deaths_of_lake_are_its_own_fake_lake_only() {
    let sandbox = Sandbox::mini_mathlib();
    for words in ["build", "serve", "exe cache", "--version"] {
        for code in [0, 1, 2, 3, 4, 5, 42, 126, 127, 130, 255] {
            alike(&sandbox, words, |call| call.env("FAKE_LAKE_EXIT", code.to_string()))
                .expect_code(code);
        }
        for signal in [Signal::SIGSEGV, Signal::SIGKILL, Signal::SIGTERM, Signal::SIGABRT] {
            let name = signal.as_str();
            alike(&sandbox, words, |call| call.env("FAKE_LAKE_SIGNAL", name)).expect_signal(signal);
        }
    }
    alike(&sandbox, "build --no-build", |call| call).expect_code(3);
}

#[test]
fn a_working_directory_that_is_gone_does_not_matter() {
    let sandbox = Sandbox::empty();
    for words in ["--version", "help", "frobnicate", "build"] {
        let run = |lake| {
            let script =
                format!("mkdir gone && cd gone && rm -r ../gone && exec \"$THE_LAKE\" {words}");
            sandbox.command("sh", "-c").arg(script).env("THE_LAKE", lake).run()
        };
        let direct = run(sandbox.toolchain_bin().join("lake"));
        let shim = run(sandbox.shim_bin().join("lake"));
        match words {
            "--version" | "help" => crate::assert_alike(&direct, &shim),
            _ => assert_alike_but_warned(&direct, &shim, &["no current directory any more"]),
        }
    }
}

#[test]
fn disabled_it_stands_aside() {
    let lake = |sandbox: &Sandbox| {
        sandbox.script("told/lake", "printf '%s' \"map: $LAKE_PKG_URL_MAP $*\"");
        sandbox.path("told/lake")
    };
    let sandbox = spelled(MATHLIB, &format!("{MATHLIB}.git"));
    let told = lake(&sandbox);
    let call = |words| sandbox.lake(words).env("LAKE_SHIM_LAKE", &told);
    let enabled = call("build").run();
    enabled.stdout_contains(MATHLIB);
    for words in ["build", "exe cache get", "cache get", "update"] {
        let run = call(words)
            .env("LAKE_SHIM_DISABLE", "1")
            .env("LAKE_PKG_DIR", sandbox.path("shared"))
            .run();
        run.expect_code(0).expect_stdout(&format!("map:  {words}")).expect_stderr("");
        assert!(!sandbox.path("shared").exists(), "nothing is linked");
    }
    // Not even a look at the settings, and nothing is refused.
    let run = call("exe cache get")
        .env("LAKE_SHIM_DISABLE", "1")
        .env("LAKE_SHIM_NETWORK", "perhaps")
        .run();
    run.expect_code(0).expect_stderr("");
    assert_eq!(sandbox.locked("mathlib").1, OTHER_REV);
}
