//! What the end-to-end tests stand on: real brokers and real binaries, started on free ports and ended on drop.

mod brokers;
mod certificates;
mod nats_accounts;
mod ports;

pub use brokers::{NatsServer, RedisServer};
pub use certificates::Certificates;
pub use nats_accounts::NatsAccounts;
pub use ports::free_port;
