//! Liveness: which links are up, and until when a host counts as alive.

pub mod connectivity;
pub mod initial_sync;
pub mod reception;
