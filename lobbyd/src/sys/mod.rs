//! The operating system: clock, files, signals, limits.

pub mod addresses;
pub mod certificate;
pub mod children;
pub mod clock;
pub mod file_work;
pub mod files;
pub mod limits;
pub mod notifier;
pub mod process_usage;
pub mod replacement;
pub mod signals;
pub mod watch;
