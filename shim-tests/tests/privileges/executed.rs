//! Nothing is executed from a workspace that Lake itself would not run: no program that a clone's configuration names,
//! and none that lies there under the name of a tool.

use std::path::Path;

use shim_tests::Sandbox;

use crate::{baked_and_fresh, get};

/// A program that leaves a trace under `sprung/`, and hands on what it reads as a filter would.
fn trap(sandbox: &Sandbox, name: &str) -> String {
    let log = sandbox.path("sprung").join(name);
    // A server would be waited for.
    let then = if name == "server" { "exit 1" } else { "cat" };
    let body = format!("echo \"$0 $*\" >> '{}'\n{then}", log.display());
    let path = sandbox.path("traps").join(name);
    sandbox.mkdir(log.parent().expect("a folder")).script(&path, &body);
    path.display().to_string()
}

fn sprung(sandbox: &Sandbox) -> Vec<String> {
    let entries = std::fs::read_dir(sandbox.path("sprung")).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// Sets every trap in a clone that git knows of, and gives git reasons to step into them: a file that has to be read
/// again, and objects that are to be had from a server only.
fn booby_trap(sandbox: &Sandbox, clone: &Path) {
    let trap = |name: &str| trap(sandbox, name);
    let config = format!(
        "[core]\n\trepositoryformatversion = 1\n\tfsmonitor = {fsmonitor}\n\thooksPath = {hooks}\n\
         \tsshCommand = {ssh}\n\tgitProxy = {proxy}\n\teditor = {editor}\n\tpager = {pager}\n\
         \taskPass = {askpass}\n\talternateRefsCommand = {alternates}\n\
         [credential]\n\thelper = {credential}\n[gpg]\n\tprogram = {gpg}\n\
         [diff]\n\texternal = {external}\n[diff \"evil\"]\n\ttextconv = {textconv}\n\tcommand = {command}\n\
         [filter \"evil\"]\n\tclean = {clean}\n\tsmudge = {smudge}\n\trequired = true\n\
         [filter \"e=v.il\"]\n\tclean = {odd}\n[filter \"long\"]\n\tprocess = {process}\n\
         [alias]\n\tconfig = !{alias}\n\tstatus = !{alias}\n\tremote = !{alias}\n\
         [pager]\n\tconfig = {pager}\n\tstatus = {pager}\n\
         [extensions]\n\tpartialClone = evil\n[protocol]\n\tallow = always\n\
         [remote \"evil\"]\n\turl = ext::{server}\n\tpromisor = true\n\tuploadpack = {server}\n\
         \tpartialclonefilter = blob:none\n",
        fsmonitor = trap("fsmonitor"),
        hooks = sandbox.path("traps/hooks").display(),
        ssh = trap("ssh"),
        proxy = trap("proxy"),
        editor = trap("editor"),
        pager = trap("pager"),
        askpass = trap("askpass"),
        alternates = trap("alternates"),
        credential = trap("credential"),
        gpg = trap("gpg"),
        external = trap("external"),
        textconv = trap("textconv"),
        command = trap("command"),
        clean = trap("clean"),
        smudge = trap("smudge"),
        odd = trap("odd"),
        process = trap("process"),
        alias = trap("alias"),
        server = trap("server"),
    );
    let git = clone.join(".git");
    let was = sandbox.read(git.join("config"));
    sandbox.write(git.join("config"), was + &config);
    clear(sandbox);
    for hook in [
        "post-index-change",
        "post-checkout",
        "reference-transaction",
        "pre-commit",
        "fsmonitor-watchman",
    ] {
        let path = trap(hook);
        sandbox.mkdir("traps/hooks").copy(&path, sandbox.path("traps/hooks").join(hook));
        sandbox.copy(&path, git.join("hooks").join(hook));
    }
    let attributes = "* filter=evil diff=evil\n*.md filter=e=v.il\n*.toml filter=long\n";
    sandbox.write(git.join("info/attributes"), attributes);
    // Newer than the index, and so to be read again.
    for name in ["lakefile.lean", "README.md", "lakefile.toml"] {
        let path = clone.join(name);
        if path.exists() {
            let text = sandbox.read(&path);
            sandbox.write(&path, text);
        }
    }
}

/// The fixture with traps in both packages. That they work is seen first.
fn booby_trapped(sandbox: &mut Sandbox) {
    // Else git would refuse the server that is a program, whatever the shim says.
    sandbox.set_env("GIT_ALLOW_PROTOCOL", "ext:file");
    for package in ["mathlib", "batteries"] {
        booby_trap(sandbox, &sandbox.package(package));
    }
    let changed = sandbox.package("mathlib").join("lakefile.lean");
    let text = sandbox.read(&changed);
    sandbox.write(&changed, format!("{text}\n-- changed\n"));
    let git = |words: &str| sandbox.command("git", words).cwd(sandbox.package("mathlib")).run();
    git("status");
    git("diff HEAD");
    git("cat-file -e 0123456789012345678901234567890123456789").stderr_lacks("usage");
    let mut sprung = sprung(sandbox);
    sprung.sort();
    sandbox.write(&changed, text);
    for name in ["clean", "command", "fsmonitor", "post-index-change", "process", "server"] {
        assert!(sprung.iter().any(|sprung| sprung == name), "{name} is no trap: {sprung:?}");
    }
    clear(sandbox);
}

fn clear(sandbox: &Sandbox) {
    sandbox.remove("sprung").mkdir("sprung");
}

#[track_caller]
fn expect_untouched(sandbox: &Sandbox, command: &str) {
    assert_eq!(sprung(sandbox), Vec::<String>::new(), "by `{command}`");
}

/// Every command that looks at clones. Lake is one that does nothing: what the real one runs is its own affair.
#[test]
fn no_command_runs_what_a_clone_names() {
    let mut sandbox = Sandbox::mini_mathlib();
    get(&sandbox).run().expect_code(0);
    let baked = sandbox.path("baked");
    sandbox.lake_shim("bake --level 1 --store").arg(&baked).run().expect_code(0);
    booby_trapped(&mut sandbox);
    sandbox.set_env("LAKE_SHIM_LAKE", sandbox.path("tools/true"));
    sandbox.set_env("LAKE_SHIM_LEANTAR", sandbox.toolchain_bin().join("leantar"));
    let commands = [
        "doctor",
        "env",
        "names",
        "verify",
        "restore --force",
        "resolve --check",
        "normalize --check",
        "key packages",
        "link",
        "unlink",
    ];
    let manifest = sandbox.read("app/lake-manifest.json");
    // At the locked revisions; at others, which git is asked for; and without a lock, where everything is.
    let other =
        manifest.replace(&sandbox.locked("mathlib").1, "0123456789012345678901234567890123456789");
    for lock in [Some(&manifest), Some(&other), None] {
        match lock {
            Some(lock) => sandbox.write("app/lake-manifest.json", lock),
            None => sandbox.remove("app/lake-manifest.json"),
        };
        for command in commands {
            for store in [&sandbox.store(), &baked] {
                sandbox.lake_shim(command).env("LAKE_SHIM_STORE", store).run();
                expect_untouched(&sandbox, command);
            }
        }
        for command in ["build", "exe cache get", "update", "env true"] {
            sandbox.lake(command).env("LAKE_SHIM_NETWORK", "never").run();
            expect_untouched(&sandbox, command);
        }
    }
}

#[test]
fn a_bake_runs_nothing_of_a_clone() {
    let mut sandbox = Sandbox::mini_mathlib();
    get(&sandbox).run().expect_code(0);
    booby_trapped(&mut sandbox);
    // It would look for changes in every clone.
    sandbox.set_env("LAKE_SHIM_LAKE", sandbox.path("tools/true"));
    sandbox.set_env("LAKE_SHIM_LEANTAR", sandbox.toolchain_bin().join("leantar"));
    let baked = sandbox.path("baked");
    let run = sandbox.lake_shim("bake --level 1 --store").arg(&baked).run();
    run.expect_code(0);
    expect_untouched(&sandbox, "bake");
    // What a partial clone lacks is asked of nobody.
    let mathlib = sandbox.package("mathlib");
    let blob =
        sandbox.git(&mathlib, &["-c", "alias.rev-parse=", "rev-parse", "HEAD:lakefile.lean"]);
    clear(&sandbox);
    unpack_objects(&sandbox, &mathlib);
    sandbox.remove(mathlib.join(".git/objects").join(&blob[..2]).join(&blob[2..]));
    let run = sandbox.lake_shim("bake --level 1 --store").arg(sandbox.path("another")).run();
    run.expect_code(1);
    expect_untouched(&sandbox, "bake");
}

/// Makes every object of a clone a file of its own.
fn unpack_objects(sandbox: &Sandbox, clone: &Path) {
    let packs = clone.join(".git/objects/pack");
    sandbox.rename(&packs, "packs").mkdir(&packs);
    for entry in std::fs::read_dir(sandbox.path("packs")).expect("packs").flatten() {
        if entry.path().extension().is_some_and(|extension| extension == "pack") {
            let pack = std::fs::read(entry.path()).expect("a pack");
            sandbox.command("git", "unpack-objects -q").cwd(clone).stdin(pack).run().expect_code(0);
        }
    }
    clear(sandbox);
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs the fake lake")]
fn no_tool_is_taken_from_a_workspace() {
    let sandbox = baked_and_fresh();
    let planted = ["git", "lean", "leantar", "lake", "elan", "sh"];
    for place in ["app", "app/bin", "app/.lake/packages/mathlib", "app/.lake/packages/mathlib/bin"]
    {
        for tool in planted {
            let program = trap(&sandbox, tool);
            sandbox.copy(program, format!("{place}/{tool}"));
        }
    }
    sandbox.remove("app/.lake");
    // Lake's own look-ups are its own affair.
    sandbox.remove("toolchain/bin/lake").symlink(sandbox.path("tools/true"), "toolchain/bin/lake");
    sandbox.remove("toolchain/bin/leantar").mkdir("leantar").install_leantar("leantar/leantar");
    let folders = ["shim/bin", "toolchain/bin", "leantar", "tools"]
        .map(|f| sandbox.path(f).display().to_string());
    let path = format!(".:bin:../app::{}:", folders.join(":"));
    // A shell would take them.
    sandbox
        .command("/bin/sh", "-c")
        .arg("git --version </dev/null; leantar </dev/null")
        .env("PATH", &path)
        .run();
    assert_eq!(sprung(&sandbox).len(), 2, "they are no traps");
    clear(&sandbox);
    let shim = sandbox.shim_bin();
    for words in [
        "lake exe cache get",
        "lake build",
        "lake update",
        "lake-shim doctor",
        "lake-shim restore --force",
    ] {
        let (name, args) = words.split_once(' ').expect("a name and words");
        let call = sandbox.command(shim.join(name), args).env("PATH", &path);
        call.env("LAKE_SHIM_NETWORK", "never").run();
        expect_untouched(&sandbox, words);
        for tool in planted {
            // Clones that are there by now, and where git runs.
            for clone in ["app/.lake/packages/mathlib", "app/.lake/packages/batteries"] {
                if sandbox.path(clone).exists() && !sandbox.path(clone).join(tool).exists() {
                    sandbox.copy(sandbox.path("traps").join(tool), format!("{clone}/{tool}"));
                }
            }
        }
    }
    sandbox.expect_all_restored();
}

#[test]
fn no_toolchain_is_taken_from_a_workspace() {
    let sandbox = Sandbox::mini_mathlib();
    for tool in ["lean", "leantar", "lake"] {
        let program = trap(&sandbox, tool);
        for bin in ["app/evil/bin", "home/.elan/bin", "home/.elan/toolchains/bin"] {
            sandbox.copy(&program, format!("{bin}/{tool}"));
        }
    }
    let toolchain = sandbox.read("app/lean-toolchain");
    for name in ["../../../app/evil", "../../app/evil", "..", ".", "/app/evil", "evil", "./evil"] {
        sandbox.write("app/lean-toolchain", name);
        sandbox.write(sandbox.package("mathlib").join("lean-toolchain"), name);
        sandbox
            .lake_shim("restore --network never")
            .env("LAKE_SHIM_LAKE", sandbox.path("tools/true"))
            .run();
        sandbox.lake_shim("doctor").env("LAKE_SHIM_LAKE", sandbox.path("tools/true")).run();
        expect_untouched(&sandbox, name);
    }
    sandbox.write("app/lean-toolchain", toolchain);
}
