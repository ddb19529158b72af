//! Floods, broken requests and failing disks.

mod disk;
mod flood;
mod http;
mod slow_disk;
