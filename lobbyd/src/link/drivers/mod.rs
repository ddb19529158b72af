//! The table of drivers.

pub mod local;
pub mod nats;
mod redis;
mod tls;

use lobby_client::HostName;

use super::driver::Driver;
use crate::config::{DriverSettings, Secret};

pub use self::local::Local;
pub use self::nats::Nats;
pub use self::redis::Redis;

/// The table of drivers: makes the one that the settings are for. `hostname` is what brokers are told of who connects.
pub fn make(settings: &DriverSettings, hostname: &HostName) -> Box<dyn Driver> {
    match settings.clone() {
        DriverSettings::Nats(settings) => Box::new(Nats::new(settings, format!("lobbyd/{hostname}"))),
        DriverSettings::Redis(settings) => Box::new(Redis::new(settings)),
        DriverSettings::Local(settings) => Box::new(Local::new(settings)),
    }
}

/// The secrets that a driver logs in with.
pub fn secrets(settings: &DriverSettings) -> Vec<Secret> {
    match settings {
        DriverSettings::Nats(settings) => std::iter::once(&settings.url).chain(&settings.nkey_seed).cloned().collect(),
        DriverSettings::Redis(settings) => settings.password.iter().cloned().collect(),
        DriverSettings::Local(_) => Vec::new(),
    }
}
