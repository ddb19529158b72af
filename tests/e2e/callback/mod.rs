//! The callback: when it runs, and what comes of it.

mod failures;
mod load_balancer;
mod namesakes;
mod processes;
mod runs;
mod settling;
