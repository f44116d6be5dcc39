//! Input of a size, a depth or a kind that nobody's is: refused with its name and the limit, in little memory and at once,
//! and never why a build that worked stops working.
//!
//! What holds of small inputs, whatever they say, is in the library's `fuzz`.

mod packs;
mod texts;

use shim_tests::{Call, Sandbox};

/// All that a run may use of its address space, in KiB; a run that reads a gigabyte dies of it. It is little for a
/// program whose every thread reserves 64 MiB that it never uses.
const ADDRESS_SPACE: u64 = 900 << 10;

/// Runs `line`, `lake …` or `lake-shim …`, with little memory.
fn with_little_memory<'a>(sandbox: &'a Sandbox, line: &str) -> Call<'a> {
    with_memory(sandbox, ADDRESS_SPACE, line)
}

fn with_memory<'a>(sandbox: &'a Sandbox, kib: u64, line: &str) -> Call<'a> {
    let limited = format!("ulimit -v {kib} && exec {line}");
    sandbox.command("sh", "-c").arg(limited).path_first(sandbox.shim_bin())
}

/// A file that says it has `bytes`, and takes no room.
fn sparse(sandbox: &Sandbox, path: &str, bytes: u64) {
    let file = fs_err::File::create(sandbox.path(path)).expect("a file");
    file.set_len(bytes).expect("a file system with sparse files");
}

#[test]
fn a_restore_needs_no_more_memory_than_these_tests_allow() {
    let sandbox = Sandbox::mini_mathlib();
    let restored = with_little_memory(&sandbox, "lake-shim restore --network never").run();
    restored.expect_code(0).expect_stdout("");
    sandbox.expect_all_restored();
    // The limit is one: with next to nothing even this fails.
    let starved = with_memory(&sandbox, 16 << 10, "lake-shim --version").run();
    assert_ne!(starved.code, Some(0), "{starved}");
}
