//! Everything a user can see, with real brokers and the real binaries.
//! One program, so that it is linked once and all of it runs in parallel.
#![expect(clippy::unwrap_used, reason = "a test ends by panicking")]

mod api_browser;
mod api_caching;
mod api_errors;
mod api_labels;
mod api_large;
mod api_queries;
mod api_token;
mod callback;
mod callback_failures;
mod client;
mod conformance;
mod disk;
mod drivers;
mod drivers_nats;
mod drivers_redis;
mod duplicate_name;
mod flood;
mod hostile_http;
mod label_files;
mod lifecycle;
mod lobbyctl;
mod nats_permissions;
mod outage_common;
mod outage_delay;
mod outage_freeze;
mod outage_recovery;
mod outages;
mod packets;
mod prometheus;
mod prometheus_server;
mod readme;
mod settings;
mod several_drivers;
mod shutdown;
mod signing;
mod status;
mod wire;
