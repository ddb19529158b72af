//! Local: packets kept in a directory, for daemons on the same machine or in containers that share
//! a volume: one file for each host.
//!
//! The daemons have to be allowed to write to the directory and to remove each other's files, so
//! they run as the same user or share a group with a setgid directory made for them; a directory
//! made by the driver has mode 0755 less the umask. No other user should have that right: it allows
//! to publish for any host. They also share one TTL, since each sweeps what is dead by its own.

mod driver;
mod packet_directory;
mod reader;
mod settings;
#[cfg(test)]
mod tests;
mod writer;

use crate::link::driver::DriverSpec;

pub use driver::Local;
pub use settings::LocalSettings;

/// Local in the table of drivers.
pub(crate) const SPEC: DriverSpec = DriverSpec {
    name: "Local",
    settings: &settings::BLOCK,
    configure: |values, timing| Ok(Box::new(Local::new(LocalSettings::read(values, timing)?))),
};
