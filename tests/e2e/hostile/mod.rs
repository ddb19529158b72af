//! Floods, broken requests and failing disks.

mod disk;
mod flood;
mod http;
