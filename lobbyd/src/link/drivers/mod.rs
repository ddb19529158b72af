//! The table of drivers.

mod diagnosis;
pub mod local;
pub mod nats;
mod race;
pub mod redis;
mod refusal;
mod tls;

use lobby_core::liveness::connectivity::DriverId;

use super::driver::DriverSpec;

/// Every driver, in the order of the help; the first is the default of DRIVER.
pub(crate) const TABLE: &[DriverSpec] = &[nats::SPEC, redis::SPEC, local::SPEC];

const _: () = assert!(TABLE.len() <= DriverId::MAX, "all drivers can be active at once");
