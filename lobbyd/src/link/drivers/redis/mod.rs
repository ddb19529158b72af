//! Redis: one connection that listens and one that publishes.

mod connection;
mod driver;
mod ping;
mod settings;

use crate::link::driver::DriverSpec;

pub use driver::Redis;
pub use settings::RedisSettings;

/// Redis in the table of drivers.
pub(crate) const SPEC: DriverSpec = DriverSpec {
    name: "Redis",
    settings: &settings::BLOCK,
    configure: |values, timing| Ok(Box::new(Redis::new(RedisSettings::read(values, timing)?))),
};
