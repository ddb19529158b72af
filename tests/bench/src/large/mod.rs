//! A large fleet: real daemons among thousands of simulated hosts, on a real cluster of NATS
//! servers.

pub mod cluster;
pub mod crowd;
pub mod daemons;
pub mod measure;
pub mod report;
