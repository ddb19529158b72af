//! NATS: one connection for both directions, which is never re-made by the client.

mod closings;
mod connection;
mod driver;
mod events;
mod options;
mod own_login;
mod settings;
mod sync;
pub mod url;

use crate::link::driver::DriverSpec;

pub use driver::Nats;
pub use settings::NatsSettings;

/// NATS in the table of drivers.
pub(crate) const SPEC: DriverSpec = DriverSpec {
    name: "NATS",
    settings: &settings::BLOCK,
    configure: |values, timing| Ok(Box::new(Nats::new(NatsSettings::read(values, timing)?))),
};
