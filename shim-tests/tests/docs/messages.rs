//! The table of messages in `docs/when-it-fails.md`: each is brought about, and reads as the table says.

use std::path::Path;

use shim_tests::{Running, Sandbox, Tree, modules};

/// Makes something fail, and returns what is printed.
type BringAbout = fn() -> String;

/// The table's first column, in its order, and what brings each about.
const ROWS: [(&str, BringAbout); 17] = [
    ("no real lake: …", nothing_but_the_shim),
    ("3 modules in no store", an_incomplete_store),
    ("these files of the store are damaged", a_damaged_store),
    ("`….lake/packages` is not linked to `…`: `…` has another `mathlib`", two_of_one_package),
    (
        "`….lake/packages` is not linked to `…`: `batteries` has local work (…)",
        local_work_in_the_way,
    ),
    ("`LAKE_PKG_DIR` is `…`, inside the workspace `…`", a_shared_directory_inside),
    ("the packages directory `…` is outside of the workspace `…`", packages_outside),
    (
        "… has local work, and Lake would check out another revision. Lost would be: …",
        a_commit_of_ones_own,
    ),
    (
        "… has local work, and Lake would delete it if it comes to want another URL. Lost would be: …",
        a_program_that_decides,
    ),
    ("… has no `.git` of its own: Lake would delete it", a_copied_package),
    ("… cannot be read by git, and Lake may delete what git cannot read: …", a_broken_checkout),
    ("… is a checkout of `…`, and this workspace wants `…`: Lake would delete it", a_shared_fork),
    (
        "… is at the revision that `…` needs, and Lake would check out another one",
        two_locks_in_one_directory,
    ),
    (
        "`lake clean` would remove the builds in `…`, which is outside of this workspace",
        a_clean_of_shared_packages,
    ),
    ("waiting for `…` (process …), which restores these packages", two_restores),
    ("another `lake` comes before the shim", another_lake_first),
    ("URL has changed; deleting …", no_shim_at_all),
];

#[test]
#[cfg_attr(
    not(all(has = "fake-lake", has = "fake-leantar")),
    ignore = "needs the fake lake, the fake leantar"
)]
fn every_message_of_the_table() {
    let page = super::repository().join("docs/when-it-fails.md");
    let page = fs_err::read_to_string(page).expect("the page");
    let table = page.split("| message |").nth(1).expect("the table");
    let rows: Vec<_> = table.lines().skip(2).take_while(|line| line.starts_with("| ")).collect();
    assert_eq!(rows.len(), ROWS.len(), "each row has somebody to bring it about");
    for (row, (message, bring_about)) in rows.iter().zip(ROWS) {
        let written = row.trim_start_matches("| ").split(" | ").next().unwrap_or_default();
        let written = written.trim_end_matches(" (from Lake)").trim_matches('`').trim();
        assert_eq!(written, message);
        let printed = bring_about();
        assert!(says(&printed, message), "{message}\n---\n{printed}");
    }
}

/// Whether a line has the words in their order, `…` standing for any others.
fn says(printed: &str, message: &str) -> bool {
    printed.lines().any(|line| {
        let mut rest = Some(line);
        message.split('…').all(|words| {
            rest = rest.and_then(|rest| Some(rest.split_once(words)?.1));
            rest.is_some()
        })
    })
}

fn get(sandbox: &Sandbox) -> String {
    sandbox
        .lake("exe cache get")
        .env("LAKE_SHIM_NETWORK", "never")
        .run()
        .expect_code(1)
        .stderr
        .clone()
}

fn nothing_but_the_shim() -> String {
    let sandbox = Sandbox::mini_mathlib();
    let path = std::env::join_paths([sandbox.shim_bin(), sandbox.path("tools")]).expect("a PATH");
    sandbox.lake("build").env("PATH", path).run().expect_code(127).stderr.clone()
}

fn an_incomplete_store() -> String {
    let sandbox = Sandbox::mini_mathlib();
    for module in modules().iter().take(3) {
        sandbox.remove(sandbox.ltar(&module.name));
    }
    get(&sandbox)
}

fn a_damaged_store() -> String {
    let sandbox = Sandbox::mini_mathlib();
    let ltar = sandbox.ltar("Mathlib.Init");
    let whole = fs_err::read(&ltar).expect("a cache file");
    fs_err::write(&ltar, &whole[..whole.len() / 2]).expect("half of it");
    get(&sandbox)
}

fn two_of_one_package() -> String {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.write("shared/mathlib/lakefile.toml", "name = \"mathlib\"\n");
    build_linked(&sandbox)
}

fn local_work_in_the_way() -> String {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.write(sandbox.package("batteries").join("Mine.lean"), "");
    build_linked(&sandbox)
}

/// The warning of a build that goes on.
fn build_linked(sandbox: &Sandbox) -> String {
    let run = sandbox.lake("build").env("LAKE_PKG_DIR", sandbox.path("shared")).run();
    run.expect_code(0).stderr.clone()
}

fn a_shared_directory_inside() -> String {
    let sandbox = Sandbox::mini_mathlib();
    let run = sandbox.lake("build").env("LAKE_PKG_DIR", sandbox.path("app/packages")).run();
    run.expect_code(0).stderr.clone()
}

fn packages_outside() -> String {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.edit_json("app/lake-manifest.json", |manifest| {
        manifest["packagesDir"] = "../packages".into();
    });
    sandbox.rename("app/.lake/packages", "packages");
    sandbox.lake("build").env("LAKE_SHIM_RESTORE", "always").run().expect_code(0).stderr.clone()
}

fn a_commit_of_ones_own() -> String {
    let sandbox = Sandbox::mini_mathlib();
    let package = sandbox.package("mathlib");
    sandbox.write(package.join("Mine.lean"), "");
    sandbox.commit(&package);
    refused(&sandbox, "build")
}

fn a_program_that_decides() -> String {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.remove("app/lakefile.toml");
    sandbox.write("app/lakefile.lean", "import Lake\npackage app\nrequire \"o\" / \"mathlib\"\n");
    sandbox.write(sandbox.package("mathlib").join("Mine.lean"), "");
    refused(&sandbox, "update")
}

fn a_copied_package() -> String {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.remove(sandbox.package("mathlib").join(".git"));
    refused(&sandbox, "build")
}

fn a_broken_checkout() -> String {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.write(sandbox.package("mathlib").join(".git/HEAD"), "nonsense");
    refused(&sandbox, "build")
}

/// A workspace that is linked to a shared directory, whose `mathlib` is at another revision than its lock says.
fn linked_and_moved() -> Sandbox {
    let mut sandbox = Sandbox::mini_mathlib();
    sandbox.set_env("LAKE_PKG_DIR", sandbox.path("shared"));
    sandbox.lake_shim("link").run().expect_code(0);
    sandbox.copy("app", "other");
    sandbox.edit_json("app/lake-manifest.json", |manifest| {
        let packages = manifest["packages"].as_array_mut().into_iter().flatten();
        packages.for_each(|package| package["rev"] = "0".repeat(40).into());
    });
    sandbox
}

fn a_shared_fork() -> String {
    let sandbox = linked_and_moved();
    let fork = "https://github.com/another/mathlib4";
    sandbox.git(&sandbox.path("shared/mathlib"), &["remote", "set-url", "origin", fork]);
    refused(&sandbox, "build")
}

fn two_locks_in_one_directory() -> String {
    let sandbox = linked_and_moved();
    sandbox.lake_shim("link").cwd("other").run().expect_code(0);
    refused(&sandbox, "build")
}

fn a_clean_of_shared_packages() -> String {
    refused(&linked_and_moved(), "clean")
}

/// The error of a command before which nothing happens.
fn refused(sandbox: &Sandbox, words: &str) -> String {
    let packages = Tree::of(sandbox.packages());
    let run = sandbox.lake(words).run();
    run.expect_code(1).expect_stdout("").stderr_contains("hint: ");
    packages.assert_unchanged();
    assert!(sandbox.lake_calls().is_empty(), "{run}");
    run.stderr.clone()
}

fn two_restores() -> String {
    let sandbox = Sandbox::mini_mathlib();
    let gate = sandbox.path("gate");
    let restore = || sandbox.lake("exe cache get").env("FAKE_LEANTAR_WAIT_FOR", &gate).spawn();
    let first: Running = restore();
    first.wait_until(|| !sandbox.leantar_calls().is_empty());
    let second = restore();
    second.wait_until_it_says("waiting for");
    sandbox.write(&gate, "");
    first.wait().expect_code(0);
    second.wait().expect_code(0).stderr.clone()
}

fn another_lake_first() -> String {
    let sandbox = Sandbox::mini_mathlib();
    let folders = [sandbox.toolchain_bin(), sandbox.shim_bin(), sandbox.path("tools")];
    let path = std::env::join_paths(folders).expect("a PATH");
    let doctor = sandbox.command(sandbox.shim_bin().join("lake-shim"), "doctor").env("PATH", path);
    doctor.run().expect_code(1).stdout.clone()
}

fn no_shim_at_all() -> String {
    let sandbox = Sandbox::mini_mathlib();
    let (url, rev) = sandbox.locked("mathlib");
    let manifest = sandbox.read(Path::new("app/lake-manifest.json"));
    let manifest = manifest.replace(&url, &format!("{url}.git")).replace(&rev, &"0".repeat(40));
    sandbox.write("app/lake-manifest.json", manifest);
    sandbox.real_lake("resolve-deps").run().expect_code(1).stderr.clone()
}
