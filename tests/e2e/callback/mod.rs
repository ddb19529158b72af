//! The callback: when it runs, and what comes of it.

mod failures;
mod processes;
mod runs;
