//! Logging: what is worth a line, and how often.

pub mod once;
pub mod throttle;
pub mod transitions;
