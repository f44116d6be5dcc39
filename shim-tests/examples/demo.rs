//! The main job on the embedded example: `cargo run -p shim-tests --example demo`.
//!
//! A project on a small mathlib, a store with its build files, no network. The lake and the leantar
//! are the tests' fakes unless `SHIM_TEST_REAL_LAKE` and `SHIM_TEST_REAL_LEANTAR` name real ones.

#![expect(clippy::print_stdout, reason = "an example shows something")]

use shim_tests::Sandbox;

fn main() {
    let sandbox = Sandbox::mini_mathlib();
    println!("a project on mathlib: {}", sandbox.workspace().display());
    println!("its build files:      {}", sandbox.store().display());
    show(&sandbox, "lake exe cache get", "exe cache get");
    show(&sandbox, "lake exe cache get", "exe cache get");
    show(&sandbox, "lake build", "build");
    sandbox.expect_all_restored();
    println!("\nevery build file of mathlib is there and is what it should be");
}

fn show(sandbox: &Sandbox, shown: &str, words: &str) {
    println!("\n$ {shown}");
    let run = sandbox.lake(words).run();
    run.expect_code(0);
    print!("{}{}", run.stderr, run.stdout);
}
