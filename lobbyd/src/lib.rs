//! The daemon of lobby as a library, so that its parts can be tested alone.

pub mod clock;
pub mod config;
pub mod drivers;
pub mod files;
pub mod http;
pub mod label_files;
pub mod logging;
pub mod logic;
pub mod watch;
