//! Facts: labels that a server finds out about itself.

pub mod fact;
pub mod own_address;
