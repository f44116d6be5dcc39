//! What is inside the one binary `lake-shim`.
//!
//! No API: nothing here is for other crates to use, and any release may change all of it. It is a
//! library so that fuzz targets can call what the binary is made of. The modules are private all the
//! same, so that the compiler goes on finding code that nobody calls; what `main` needs is below.

mod ask;
mod child;
mod cli;
mod confine;
mod demo;
mod doctor;
mod error;
mod fs;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod interrupt;
mod key;
mod lake;
mod mathlib;
mod programs;
mod proxy;
mod read;
mod report;
mod restore;
mod settings;
mod store;
mod threads;
mod workspace;

pub use cli::run as run_cli;
pub use error::Failure;
pub use interrupt::end_by;
pub use proxy::run as run_proxy;
pub use report::failure as report_failure;
