//! Floods, broken requests and failing disks.

mod disk;
mod flood;
mod http;
mod lease_clock;
mod lease_disk;
mod lease_limits;
mod slow_disk;
