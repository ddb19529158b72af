//! Measures lobbyd beside the limits that the machine sets it.

pub mod baseline;
pub mod benchmarks;
pub mod clock;
pub mod counter;
pub mod dns;
pub mod environment;
pub mod figures;
pub mod fleet;
pub mod http;
pub mod large;
pub mod lobbyd;
pub mod machine;
pub mod process;
pub mod readers;
pub mod report;
pub mod tls;
pub mod wire;
