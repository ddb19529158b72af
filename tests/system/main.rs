//! What needs root, a systemd or packages: run by `make test-system`. Each test that changes a
//! machine has one of its own, which is gone with it.
#![expect(clippy::unwrap_used, reason = "a test ends by panicking")]

mod ansible;
mod completion;
mod dist;
mod leases;
mod machine;
mod nginx;
mod package;
mod pages;
mod render;
mod resolved;
mod unit;
mod zabbix;
