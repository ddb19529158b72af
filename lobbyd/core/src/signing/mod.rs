//! Signing: packets are proved to come from a member of the lobby, and only once.

pub mod keys;
pub(crate) mod proof;
pub(crate) mod replay_window;
pub mod verifier;
