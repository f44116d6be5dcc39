//! Arguments reach the lake behind the shim as they are, whatever they are, and `argv[0]` is `lake`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use shim_tests::Sandbox;

use crate::{alike, mirror};

#[test]
fn arguments_arrive_byte_by_byte() {
    let sandbox = Sandbox::mini_mathlib();
    let mirror = mirror(&sandbox);
    let cases: [&[&[u8]]; 20] = [
        &[],
        &[b""],
        &[b"", b"", b"build", b"", b"App", b""],
        &[b"build", b"Odd\xff\xfe"],
        &[b"\xff"],
        &[b"-d\xff", b"build"],
        &[b"-K", b"key=\xff", b"build"],
        &[b"exe", b"cache", b"get", b"\xff.lean", b"--frobnicate"],
        &[b"exe", b"\xffcache"],
        &[b"+nightly", b"build"],
        &[b"+\xff", b"build"],
        &[b"build", b"+nightly"],
        &[b"--", b"build"],
        &[b"build", b"--", b"-d", b"x"],
        &[b"exe", b"app", b"--", b"--help"],
        &[b"build", b"a b\tc\nd", b"'", b"\"", b"*", b"$HOME", b"\\"],
        &[b"build", "Körper.Gruppe".as_bytes()],
        &[b"-q", b"-v", b"--log-level=info", b"build", b"-R"],
        &[b"run", b"-d", b"elsewhere"],
        &[b"-"],
    ];
    for args in cases {
        let run = sandbox
            .lake("")
            .args(args.iter().map(|arg| OsStr::from_bytes(arg)))
            .env("LAKE_SHIM_LAKE", &mirror)
            .run();
        let expected: Vec<u8> =
            args.iter().flat_map(|arg| [arg, b"\0".as_slice()].concat()).collect();
        run.expect_code(0).expect_stderr("");
        assert_eq!(run.stdout_bytes, expected, "{run}");
    }
}

#[test]
fn ten_thousand_arguments_arrive() {
    let sandbox = Sandbox::mini_mathlib();
    let mirror = mirror(&sandbox);
    let many: Vec<String> = (0..10_000).map(|n| format!("Module.Number.{n}")).collect();
    for words in ["build", "frobnicate", "exe app"] {
        let run = sandbox.lake(words).args(&many).env("LAKE_SHIM_LAKE", &mirror).run();
        let expected: Vec<&str> = words.split(' ').chain(many.iter().map(String::as_str)).collect();
        run.expect_code(0);
        assert!(run.stdout == expected.join("\0") + "\0", "{} bytes arrived", run.stdout.len());
    }
    alike(&sandbox, "env printf %s\\n", |call| call.args(&many))
        .stdout_contains("Module.Number.9999\n");
}

#[test]
fn argv0_is_lake_however_the_shim_was_called() {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.symlink(sandbox.shim_bin().join("lake"), "elsewhere/lake");
    for program in ["lake".into(), sandbox.shim_bin().join("lake"), sandbox.path("elsewhere/lake")]
    {
        // `lake /proc/self/cmdline`, told by a `cat` that takes itself for a lake.
        let run = sandbox
            .command(&program, "/proc/self/cmdline")
            .env("LAKE_SHIM_LAKE", sandbox.path("tools/cat"))
            .run();
        run.expect_code(0).expect_stdout("lake\0/proc/self/cmdline\0");
    }
}
