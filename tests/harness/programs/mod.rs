//! Programs that people put beside lobby, each real, started on free ports and ended on drop.

mod browser;
mod prometheus;

pub use browser::Browser;
pub use prometheus::Prometheus;
