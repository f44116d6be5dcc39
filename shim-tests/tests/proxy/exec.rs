//! Finding the real lake: the one named, or the first on PATH that is no shim; and what is said when there is none.

use std::path::PathBuf;
use std::time::Duration;

use shim_tests::Sandbox;

use crate::mirror;

/// A sandbox with the shim by many names, and lakes of which only `real` is right.
fn crowded() -> Sandbox {
    let sandbox = Sandbox::empty();
    let shim = sandbox.shim_bin().join("lake-shim");
    sandbox.symlink(&shim, "symlink/lake");
    sandbox.symlink("../symlink/lake", "symlink-to-symlink/lake");
    sandbox.symlink(sandbox.shim_bin(), "folder");
    sandbox.mkdir("hard-link");
    std::fs::hard_link(&shim, sandbox.path("hard-link/lake"))
        .unwrap_or_else(|error| panic!("{error}"));
    for copy in ["copy/lake", "copy-2/lake", "copy-3/lake"] {
        sandbox.copy(&shim, copy);
    }
    sandbox.symlink("/nowhere", "dangling/lake").mkdir("directory/lake");
    sandbox.write("not-executable/lake", "#!/bin/sh\necho wrong\n");
    sandbox.script("real/lake", "printf 'real:'; for arg; do printf ' %s' \"$arg\"; done; echo");
    sandbox.script("real-2/lake", "echo wrong");
    sandbox
}

/// A PATH of these folders and the tools, in which there is no lake.
fn path_of(sandbox: &Sandbox, folders: &[&str]) -> String {
    let folders = folders.iter().chain(&["tools"]);
    let folders: Vec<_> =
        folders.map(|folder| sandbox.path(folder).display().to_string()).collect();
    folders.join(":")
}

#[test]
fn the_first_lake_on_path_that_is_no_shim_is_taken() {
    let sandbox = crowded();
    for folders in [
        &["real"] as &[&str],
        &["shim/bin", "real"],
        &["shim/bin", "real", "real-2"],
        &["real", "shim/bin"],
        &["shim/bin", "symlink", "real"],
        &["symlink-to-symlink", "symlink", "shim/bin", "real"],
        &["folder", "shim/bin", "real"],
        &["shim/bin", "hard-link", "real"],
        &["hard-link", "shim/bin", "real"],
        &["shim/bin", "shim/bin", "shim/bin/", "shim/bin/../bin", "real"],
        &[
            "nowhere",
            "dangling",
            "directory",
            "not-executable",
            "shim/bin",
            "dangling",
            "directory",
            "not-executable",
            "real",
        ],
        // A second shim cannot be told from a lake by its inode: they hand over to each other once.
        &["shim/bin", "copy", "real"],
        &["copy", "shim/bin", "real"],
        &["copy", "symlink", "copy-2", "hard-link", "copy-3", "copy", "real", "real-2"],
    ] {
        let path = path_of(&sandbox, folders);
        for caller in
            ["shim/bin/lake", "symlink/lake", "hard-link/lake", "copy/lake", "copy-3/lake"]
        {
            for words in ["build App", "--version"] {
                let call = sandbox.command(sandbox.path(caller), words).env("PATH", &path);
                let run = call.timeout(Duration::from_secs(10)).run();
                run.expect_code(0).expect_stdout(&format!("real: {words}\n")).expect_stderr("");
            }
        }
    }
}

#[test]
fn the_lake_that_is_named_is_taken() {
    let sandbox = crowded();
    let path = path_of(&sandbox, &["shim/bin", "real-2"]);
    sandbox.symlink(sandbox.path("real/lake"), "named");
    for named in ["real/lake", "named"] {
        let call = sandbox.lake("build App").env("PATH", &path);
        let run = call.env("LAKE_SHIM_LAKE", sandbox.path(named)).run();
        run.expect_code(0).expect_stdout("real: build App\n").expect_stderr("");
    }
    // Another shim hands over to it as well: it reads the same variable.
    let call = sandbox.command(sandbox.path("copy/lake"), "--version").env("PATH", "");
    call.env("LAKE_SHIM_LAKE", sandbox.path("real/lake")).run().expect_stdout("real: --version\n");
}

#[test]
fn without_a_lake_it_says_where_it_looked_and_ends_with_127() {
    let sandbox = crowded();
    for folders in [
        &[] as &[&str],
        &["shim/bin"],
        &["shim/bin", "symlink", "hard-link"],
        &["shim/bin", "nowhere", "dangling", "directory", "not-executable"],
        &["shim/bin", "copy", "copy-2"],
    ] {
        let path = path_of(&sandbox, folders);
        for words in ["build", "--version", "exe cache"] {
            let call = sandbox.command(sandbox.shim_bin().join("lake"), words).env("PATH", &path);
            let run = call.timeout(Duration::from_secs(10)).run();
            run.expect_code(127).expect_stdout("").stderr_contains("no real lake");
            run.stderr_contains(&path)
                .stderr_contains("LAKE_SHIM_LAKE")
                .stderr_contains("\nhint: ");
            run.stderr_contains("elan");
            for shim in
                folders.iter().filter(|folder| folder.contains("link") || folder.contains("shim"))
            {
                run.stderr_contains(&sandbox.path(shim).join("lake").display().to_string());
            }
        }
    }
}

#[test]
fn without_a_path_it_ends_with_127() {
    let sandbox = Sandbox::empty();
    let call = || sandbox.command(sandbox.shim_bin().join("lake"), "build");
    for call in [call().env("PATH", ""), call().env_remove("PATH")] {
        call.run().expect_code(127).stderr_contains("PATH").stderr_contains("\nhint: ");
    }
}

#[test]
fn a_named_lake_that_cannot_be_is_an_error_that_says_why() {
    let sandbox = crowded();
    sandbox.write("no-interpreter", "#!/nowhere/sh\n").chmod("no-interpreter", 0o755);
    for (named, code, said) in [
        ("nowhere/lake", 127, "not found"),
        ("dangling/lake", 127, "not found"),
        ("real/lake/lake", 127, "not a directory"),
        ("shim/bin/lake", 127, "this shim"),
        ("shim/bin/lake-shim", 127, "this shim"),
        ("symlink/lake", 127, "this shim"),
        ("hard-link/lake", 127, "this shim"),
        ("copy/lake", 127, "this shim"),
        ("not-executable/lake", 126, "cannot execute"),
        ("directory/lake", 126, "cannot execute"),
        ("no-interpreter", 126, "cannot execute"),
    ] {
        let named = sandbox.path(named);
        // There would be one on PATH; but this is the one that was asked for.
        for words in ["build", "--version"] {
            let call =
                sandbox.lake(words).env("LAKE_SHIM_LAKE", &named).timeout(Duration::from_secs(10));
            let run = call.run();
            run.expect_code(code).expect_stdout("").stderr_contains(&named.display().to_string());
            assert!(run.stderr.to_lowercase().contains(said), "no `{said}`: {run}");
            run.stderr_contains("LAKE_SHIM_LAKE").stderr_contains("\nhint: ");
        }
    }
}

#[test]
fn a_lake_on_path_that_cannot_run_ends_with_126() {
    let sandbox = crowded();
    let file = sandbox.path("lost/lake");
    sandbox.write(&file, "#!/nowhere/sh\n").chmod(&file, 0o755);
    let path = path_of(&sandbox, &["shim/bin", "lost", "real"]);
    let run = sandbox.lake("build").env("PATH", path).run();
    run.expect_code(126).expect_stdout("").stderr_contains("lost/lake");
}

#[test]
fn a_file_that_is_no_program_is_not_handed_to_a_shell() {
    // `execvp` of glibc does that: a lake that was never written to its end builds everything, with code 0.
    let sandbox = crowded();
    let other_machine = b"\x7fELF\x01\x01\x01nothing".as_slice();
    for (name, content) in
        [("empty", b"".as_slice()), ("text", b"echo wrong\n"), ("elf", other_machine)]
    {
        let file = sandbox.path(name).join("lake");
        sandbox.write(&file, content).chmod(&file, 0o755);
        let path = path_of(&sandbox, &["shim/bin", name, "real"]);
        let found = sandbox.lake("build").env("PATH", path);
        let named = sandbox.lake("build").env("LAKE_SHIM_LAKE", &file);
        for run in [found.run(), named.run()] {
            run.expect_code(126).expect_stdout("").stderr_contains(&file.display().to_string());
            run.stderr_contains("cannot execute").stderr_contains("\nhint: ");
        }
    }
}

#[test]
fn a_script_that_calls_lake_by_name_means_the_next_one() {
    let sandbox = crowded();
    for body in [
        "exec lake \"$@\"",
        "lake \"$@\"",
        "exec env lake \"$@\"",
        "exec sh -c 'lake \"$@\"; exit $?' sh \"$@\"",
        "lake --version >/dev/null; exec lake \"$@\"",
        "case $(lake --version) in *real*) exec lake \"$@\" ;; esac",
    ] {
        sandbox.script("wrapper/lake", body);
        let wrapper = sandbox.path("wrapper/lake");
        for words in ["build", "--version", "exe cache"] {
            for folders in [&["shim/bin", "copy", "real"][..], &["copy", "wrapper", "real"]] {
                let call = sandbox.command(sandbox.shim_bin().join("lake"), words);
                let call = call.env("PATH", path_of(&sandbox, folders));
                let is_named = !folders.contains(&"wrapper");
                let call = if is_named { call.env("LAKE_SHIM_LAKE", &wrapper) } else { call };
                let run = call.timeout(Duration::from_secs(20)).run();
                run.expect_code(0).expect_stdout(&format!("real: {words}\n")).expect_stderr("");
            }
        }
    }
}

#[test]
fn a_lake_that_calls_the_shim_again_and_again_is_stopped() {
    let sandbox = crowded();
    for body in [
        "exec lake \"$@\"",
        "lake \"$@\"",
        "exec env lake \"$@\"",
        "exec sh -c 'lake \"$@\"; exit $?' sh \"$@\"",
        "version=$(lake --version) || exit; exec lake \"$@\"",
    ] {
        sandbox.script("wrapper/lake", body);
        let wrapper = sandbox.path("wrapper/lake");
        let path = path_of(&sandbox, &["shim/bin", "copy"]);
        for words in ["build", "--version", "exe cache"] {
            let call = sandbox.lake(words).env("PATH", &path).env("LAKE_SHIM_LAKE", &wrapper);
            let run = call.timeout(Duration::from_secs(20)).run();
            run.expect_code(126).expect_stdout("").stderr_contains("called itself");
            run.stderr_contains("LAKE_SHIM_LAKE").stderr_contains("\nhint: ");
        }
        // Found on PATH it is no lake when it asks for one, and there is no other.
        let path = path_of(&sandbox, &["shim/bin", "copy", "wrapper"]);
        let run = sandbox.lake("build").env("PATH", path).timeout(Duration::from_secs(20)).run();
        run.expect_code(127).expect_stdout("").stderr_contains("no real lake");
    }
}

/// Each of the two calls starts the script again, and so on: without an end this doubles.
#[test]
fn a_lake_that_calls_the_shim_twice_is_stopped_in_time() {
    let sandbox = crowded();
    let count = sandbox.path("tmp/count");
    let body = format!("echo x >>{0}; lake --version 2>&1; exec lake \"$@\"", count.display());
    sandbox.script("wrapper/lake", &body);
    let call = sandbox.lake("build").env("PATH", path_of(&sandbox, &["shim/bin"]));
    let call = call.env("LAKE_SHIM_LAKE", sandbox.path("wrapper/lake"));
    let run = call.timeout(Duration::from_secs(60)).run();
    run.expect_code(126).stderr_contains("called itself");
    let started = sandbox.read(count).lines().count();
    assert!(started <= 64, "the script was started {started} times");
}

/// The first makes everything ready, and the others stand aside: a warning is not said twice, nor is an option.
#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn a_second_shim_on_path_stands_aside_fake_lake_only() {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.copy(sandbox.shim_bin().join("lake-shim"), "copy/lake");
    sandbox.write(sandbox.package("mathlib").join("Mathlib.lean"), "mine\n");
    for _ in 0..2 {
        let run = sandbox
            .lake("build")
            .env("LAKE_SHIM_NETWORK", "never")
            .env("LAKE_PKG_DIR", sandbox.path("shared"))
            .path_first("copy")
            .run();
        run.expect_code(0);
        assert!(run.stderr.matches("is not linked").count() <= 1, "{run}");
        let call = sandbox.lake_calls().pop().expect("a call");
        assert_eq!(call.line(), "build", "one option of the shim's");
        assert!(call.settled.is_some());
    }
    let last = sandbox.lake("build").env("LAKE_SHIM_NETWORK", "never").path_first("copy");
    last.run().expect_code(0).expect_stderr("");
}

/// `cargo install`, a second link, `chmod`: none of them makes another file of the shim.
#[test]
fn a_shim_whose_file_was_touched_is_the_same() {
    let sandbox = crowded();
    let shim = sandbox.shim_bin().join("lake-shim");
    let body = format!(
        "ln -f {0} {1}; exec lake \"$@\"",
        shim.display(),
        sandbox.path("tmp/ln").display()
    );
    sandbox.symlink(shim_tests::tools::find_on_path("ln").unwrap_or_default(), "tools/ln");
    sandbox.script("wrapper/lake", &body);
    let run = sandbox
        .lake("build")
        .env("PATH", path_of(&sandbox, &["shim/bin", "real"]))
        .env("LAKE_SHIM_LAKE", sandbox.path("wrapper/lake"))
        .run();
    run.expect_code(0).expect_stdout("real: build\n").expect_stderr("");
}

/// Lake sets `LAKE` for what it runs, which may call `lake` through the same script again. What was set before the script
/// was started says nothing.
#[test]
fn a_script_is_used_again_by_what_lake_runs() {
    let sandbox = crowded();
    // A program for a lake: its "commands" are scripts in the current directory.
    sandbox.symlink(sandbox.path("tools/sh"), "hidden/lake");
    sandbox
        .write("app/outer", "LAKE=/the/lake exec lake inner")
        .write("app/inner", "echo real: inner");
    let by_path = format!("echo wrapped; exec {} \"$@\"", sandbox.path("hidden/lake").display());
    for (body, expected) in [
        (&*by_path, "wrapped\nwrapped\nreal: inner\n"),
        ("echo wrapped; exec lake \"$@\"", "wrapped\nwrapped\nreal: inner\n"),
    ] {
        sandbox.script("wrapper/lake", body);
        for folders in [&["shim/bin", "hidden"][..], &["shim/bin", "wrapper", "hidden"]] {
            let call = sandbox.lake("outer").env("PATH", path_of(&sandbox, folders));
            let call = call.env("LAKE", "/some/lake").timeout(Duration::from_secs(10));
            let is_named = !folders.contains(&"wrapper");
            let wrapper = sandbox.path("wrapper/lake");
            let call = if is_named { call.env("LAKE_SHIM_LAKE", wrapper) } else { call };
            call.run().expect_code(0).expect_stdout(expected).expect_stderr("");
        }
    }
}

#[test]
fn a_lake_may_call_lake_within_reason() {
    let sandbox = Sandbox::mini_mathlib();
    // Scripts of `lake run` do that, with the variable that Lake sets for them; ten deep is deep.
    let body = "case $1 in 10) echo bottom ;; *) LAKE=$0 lake $(($1 + 1)) ;; esac";
    sandbox.script("nesting/lake", body);
    let run = sandbox.lake("1").env("LAKE_SHIM_LAKE", sandbox.path("nesting/lake")).run();
    run.expect_code(0).expect_stdout("bottom\n").expect_stderr("");
}

#[test]
fn a_loop_guard_that_was_tampered_with_does_not_matter() {
    let sandbox = Sandbox::mini_mathlib();
    let mirror = mirror(&sandbox);
    for seen in ["x", "1", "1:", ":1", ",,,", "-1:-1", "99999999999999999999999:1", "1:2,3"] {
        let call = sandbox.lake("build").env("LAKE_SHIM_SEEN", seen);
        call.env("LAKE_SHIM_LAKE", &mirror)
            .run()
            .expect_code(0)
            .expect_stdout("build\0")
            .expect_stderr("");
    }
}

#[test]
fn the_shim_may_be_copied_alone_under_the_name_lake() {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.copy(sandbox.shim_bin().join("lake-shim"), "alone/lake");
    let path: PathBuf = sandbox.path("alone/lake");
    let run = sandbox.command(&path, "build").env("LAKE_SHIM_LAKE", mirror(&sandbox)).run();
    run.expect_code(0).expect_stdout("build\0");
}
