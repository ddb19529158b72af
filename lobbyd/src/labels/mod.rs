//! The labels of this host: where they come from, how they are changed, and the actor that tells of
//! them.

pub mod agenda;
mod commit_gate;
mod facts;
mod files;
pub mod leases;
pub mod local_host;
mod pending;
mod problems;
mod runtime_file;
pub mod source;
pub mod store;
