//! The operating system: clock, files, signals, limits.

pub mod clock;
pub mod files;
pub mod limits;
pub mod signals;
pub mod watch;
