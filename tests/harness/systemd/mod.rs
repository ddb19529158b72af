//! systemd: its socket for notices, played by the test, and all of it, in a box.

mod service_manager;
mod system_box;

pub use service_manager::ServiceManager;
pub use system_box::{Installed, SystemBox};
