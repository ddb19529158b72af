//! The registry: all hosts of the lobby, what changes about them, and snapshots for readers.

pub mod change;
pub(crate) mod changes;
pub mod debounce;
mod duplicates;
pub(crate) mod expiry_schedule;
pub mod host;
pub mod host_registry;
pub mod host_table;
pub(crate) mod name_table;
mod namesakes;
pub mod recent_refusals;
pub mod snapshot;
mod suspects;
