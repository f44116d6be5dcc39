//! Carrying out workflows without GitHub: jobs in the order of their needs, conditions as GitHub reads them, `run:`
//! steps in a real shell, on a machine of the sandbox or in a container of the image.
//!
//! Modelled are the rules that the examples rest on, those that bite among them: a job without a status function is
//! skipped when anything it needs, however indirectly, was skipped; the token has what `permissions` say, and on a
//! fork's pull request can write nothing; a cache is found by key, path and the compression that the machine has; an
//! artifact loses modes. Actions of others are stand-ins (`stand_ins`), and one that is not known is an error.

pub mod expression;
pub mod github;
pub mod job;
pub mod stand_ins;
pub mod workflow;
pub mod yaml;

pub use github::{Event, GitHub};
pub use workflow::Outcome;
