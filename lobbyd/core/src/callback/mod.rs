//! The callback: when it may run.

pub mod cooldown;
