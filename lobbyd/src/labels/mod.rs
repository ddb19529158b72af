//! The labels of this server: where they come from, and the actor that tells when they change.

pub mod files;
pub mod local_host;
mod problems;
mod runtime_file;
pub mod source;
