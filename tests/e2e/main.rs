//! Everything a user can see, with real brokers and the real binaries.
#![expect(clippy::unwrap_used, reason = "a test ends by panicking")]

mod drivers;
mod drivers_nats;
mod drivers_redis;
