//! Signing: who may speak, and how that is proved.

pub mod keys;
pub mod replay_window;
pub mod verifier;
