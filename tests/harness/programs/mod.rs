//! Programs that people put beside lobby, each real, started on free ports and ended on drop.

mod browser;
mod dig;
mod nginx;
mod prometheus;

pub use browser::Browser;
pub use dig::{dig, dig_short, dig_status};
pub use nginx::Nginx;
pub use prometheus::Prometheus;
