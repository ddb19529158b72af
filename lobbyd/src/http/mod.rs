//! The HTTP API: who is let in, how requests are read, what is answered.

pub mod access;
pub mod actor;
pub mod errors;
pub mod handlers;
pub mod health;
pub mod request;
pub mod response;
pub mod server;
pub mod state;

pub use access::AccessPolicy;
pub use server::{bind, serve};
pub use state::AppState;
