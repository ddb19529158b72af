//! The callback: when a run starts, and whether its list is worth one.

mod differences;
pub mod host_list;
pub mod schedule;
