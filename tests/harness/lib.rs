//! What the end-to-end tests stand on: real brokers and real binaries, started on free ports and ended on drop.

mod binaries;
mod brokers;
mod certificates;
mod channel;
pub mod eventually;
pub mod http;
mod lobbyctl;
mod lobbyd;
mod namespace;
mod nats_accounts;
mod ports;
mod process;
mod prometheus;
mod script;
mod small_disk;
mod wire;

pub use binaries::program;
pub use brokers::{NatsServer, RedisServer};
pub use certificates::Certificates;
pub use channel::Channel;
pub use eventually::{LIMIT, ensure, eventually};
pub use http::Answer;
pub use lobbyctl::{Outcome, lobbyctl, lobbyctl_with};
pub use lobbyd::{Lobbyd, LobbydBuilder};
pub use namespace::RenamableHost;
pub use nats_accounts::NatsAccounts;
pub use ports::free_port;
pub use process::{Exit, Process};
pub use prometheus::Prometheus;
pub use rustix::process::Signal;
pub use script::{Run, Script};
pub use small_disk::SmallDisk;
pub use wire::Wire;
