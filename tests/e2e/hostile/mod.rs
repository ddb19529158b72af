//! Floods, broken requests and failing disks.

mod disk;
mod flood;
mod http;
mod lease_disk;
mod slow_disk;
