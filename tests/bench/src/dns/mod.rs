//! DNS over UDP: the load, and the limit.

pub mod load;
pub mod plain;
