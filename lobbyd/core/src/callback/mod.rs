//! The callback: its schedule.

pub mod cooldown;
