//! systemd: its socket for notices, played by the test.

mod service_manager;

pub use service_manager::ServiceManager;
