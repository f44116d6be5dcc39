//! leantar held to its files: what a crafted archive and a leantar that was tampered with get done, which is nothing.
//!
//! Every attack is made twice, the second time with `LAKE_SHIM_CONFINE=never`. There it has to succeed, or the first
//! time would prove nothing.

mod crafted;
mod hostile;
mod kernels;
mod programs;

use shim_tests::{Call, Sandbox};

/// `lake exe cache get`, and no network wanted.
fn get(sandbox: &Sandbox) -> Call<'_> {
    sandbox.lake("exe cache get").env("LAKE_SHIM_NETWORK", "never")
}

/// The same with leantar let loose.
fn get_unconfined(sandbox: &Sandbox) -> Call<'_> {
    get(sandbox).env("LAKE_SHIM_CONFINE", "never")
}

/// That leantar ran, and how it was held.
#[track_caller]
fn expect_held(run: &shim_tests::Run, how: &str) {
    run.stderr_contains(&format!("leantar runs {how}"));
}
