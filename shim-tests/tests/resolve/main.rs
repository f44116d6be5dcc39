//! `lake-shim resolve`, and the proxy before a build without a manifest: the manifest that Lake itself would write,
//! without network; and nothing at all where that cannot be known.
//!
//! What Lake would write is in `fixtures/resolve` and `fixtures/resolve-more`, from a real one. With
//! `SHIM_TEST_REAL_LAKE` it is asked again, also about workspaces that nobody has thought of.

mod bad_input;
mod before_build;
mod case;
mod check;
mod differential_real_lake;
mod first_user;
mod first_user_clones;
mod golden;
mod hard;
mod other_locks;
mod world;
