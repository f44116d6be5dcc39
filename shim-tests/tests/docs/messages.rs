//! The table of messages in `docs/when-it-fails.md`: each is brought about, and reads as the table says.

use std::path::Path;

use shim_tests::{Running, Sandbox, modules};

/// Makes something fail, and returns what is printed.
type BringAbout = fn() -> String;

/// The table's first column, in its order, and what brings each about.
const ROWS: [(&str, BringAbout); 7] = [
    ("no real lake: …", nothing_but_the_shim),
    ("3 modules in no store", an_incomplete_store),
    ("these files of the store are damaged", a_damaged_store),
    ("`….lake/packages` is not linked: `…` has another `mathlib`", two_of_one_package),
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
    let shared = sandbox.path("shared");
    sandbox.write(shared.join("mathlib/lakefile.toml"), "name = \"mathlib\"\n");
    sandbox.lake("build").env("LAKE_PKG_DIR", shared).run().stderr.clone()
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
