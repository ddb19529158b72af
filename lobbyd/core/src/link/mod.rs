//! Links: what goes through them, and how long to wait for it.

pub mod announcer;
pub mod backoff;
pub mod connection_name;
pub mod downtime;
pub mod hi_schedule;
pub mod loopback;
pub mod message;
pub mod stats;
