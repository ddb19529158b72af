//! Redis: one connection that listens, and one that publishes and is renewed when the server closes
//! it.

mod dialer;
mod driver;
mod publisher;
mod settings;
mod watch;

use crate::link::driver::DriverSpec;

pub use driver::Redis;
pub use settings::RedisSettings;

/// Redis in the table of drivers.
pub(crate) const SPEC: DriverSpec = DriverSpec {
    name: "Redis",
    settings: &settings::BLOCK,
    configure: |values, timing| Ok(Box::new(Redis::new(RedisSettings::read(values, timing)?))),
};
