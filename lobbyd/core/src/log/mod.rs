//! Logging: what is worth a line, and how often.

pub mod once;
pub mod rare_keep_alives;
pub mod similar_names;
pub mod throttle;
pub mod transitions;
