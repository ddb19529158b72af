//! The callback: when it runs, and what comes of it.

mod failures;
mod load_balancer;
mod processes;
mod runs;
mod settling;
