//! Everything a user can see, with real brokers and the real binaries.
//! One program, so that it is linked once and all of it runs in parallel.
#![expect(clippy::unwrap_used, reason = "a test ends by panicking")]

mod api;
mod callback;
mod cli;
mod daemon;
mod dns;
mod docs;
mod drivers;
mod events;
mod hostile;
mod outage;
mod page;
mod prometheus;
mod render;
mod wire;
