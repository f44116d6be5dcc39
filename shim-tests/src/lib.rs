//! The sandbox in which lake-shim's end-to-end tests run: a home, a toolchain, a workspace and a store of its own
//! for every test, a fake lake and a fake leantar that keep the real ones' contracts and write down how they
//! were called.
//!
//! A test prepares a [`Sandbox`], runs something in it and says what it expects:
//!
//! ```no_run
//! use shim_tests::{Sandbox, Tree};
//!
//! let sandbox = Sandbox::mini_mathlib();
//! let store = Tree::of(sandbox.store());
//! sandbox
//!     .lake("exe cache get Mathlib.Init")   // the shim, called as `lake`
//!     .env("LAKE_SHIM_NETWORK", "never")
//!     .without_network()
//!     .run()
//!     .expect_code(0)
//!     .expect_stdout("")
//!     .stderr_contains("restored 2 modules");
//! sandbox.expect_restored(&["Mathlib.Init", "Batteries.Data.N"]);
//! store.assert_unchanged();
//! assert!(sandbox.lake_calls().is_empty(), "the real lake is not needed");
//! ```
//!
//! The harness panics where it cannot do its part, naming the path, so that tests read as statements.
//! Which lake, leantar and shim are used is said in [`tools`]. A test that needs more than Rust and git says so by
//! `#[cfg_attr(not(has = "elan"), ignore = "needs elan")]` (`build.rs` has the list); one that needs a switch of a fake
//! is named `…_fake_lake_only`, one that asks what Lake does `…_real_lake_only`.

pub mod call;
pub mod call_log;
pub mod extra;
mod files;
mod findings;
mod internet;
pub mod lean_hash;
pub mod ltar;
pub mod mini_mathlib;
mod on_path;
mod or_panic;
pub mod oracle;
pub mod preload;
pub mod random;
pub mod run;
mod sandbox;
mod tmpfs;
pub mod tools;
pub mod tree;

pub use call::{Call, Running};
pub use call_log::{LakeCall, LeantarCall};
pub use mini_mathlib::{Module, modules};
pub use run::Run;
pub use sandbox::{NOBODY, Sandbox};
pub use tmpfs::Tmpfs;
pub use tree::Tree;
