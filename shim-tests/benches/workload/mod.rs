//! What is restored: made of what a real Lean wrote, as large as is asked for, the same in every run.

mod hashed;
pub mod module;
mod olean;
pub mod project;
mod region;
