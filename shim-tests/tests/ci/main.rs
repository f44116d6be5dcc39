//! The examples under `ci/`: linted, and carried out as far as a machine without GitHub and Docker can.

mod action;
mod actions;
mod ci_workflow;
mod docker;
mod image;
mod image_workflow;
mod lint;
mod mirror;
mod world;
