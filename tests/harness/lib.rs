//! What the end-to-end tests stand on: real brokers and real binaries, started on free ports and
//! ended on drop.

mod binaries;
mod brokers;
mod certificates;
mod channel;
mod continuity;
pub mod eventually;
mod fake_host;
mod feed;
pub mod http;
mod link_states;
mod lobbyctl;
mod lobbyd;
mod machine;
mod network;
mod old_daemon;
#[cfg(test)]
mod own_tmpdir;
mod ports;
mod process;
mod programs;
mod proxy;
mod raw_peer;
mod script;
mod silent_resolver;
mod systemd;
mod web_load;

pub use binaries::program;
pub use brokers::{NatsAccounts, NatsServer, RedisServer, app_is_refused};
pub use certificates::Certificates;
pub use channel::Channel;
pub use continuity::ContinuityCheck;
pub use eventually::{LIMIT, ensure, eventually, now};
pub use fake_host::{HostNames, RenamableHost};
pub use feed::{Feed, FeedEvent};
pub use http::Answer;
pub use lobbyctl::{Outcome, lobbyctl, lobbyctl_by, lobbyctl_with};
pub use lobbyd::{Lobbyd, LobbydBuilder};
pub use machine::{SmallDisk, Tracer, WallClock, enter, process_one, unshare};
pub use network::Network;
pub use old_daemon::OldDaemon;
pub use ports::free_port;
pub use process::{Exit, Process};
pub use programs::{Browser, Nginx, Prometheus, dig, dig_short, dig_status};
pub use proxy::Proxy;
pub use raw_peer::RawPeer;
pub use rustix::process::Signal;
pub use script::{Run, Script};

pub use silent_resolver::SilentResolver;
pub use systemd::{Installed, ServiceManager, SystemBox};
pub use web_load::{WebLoad, WebServer};
