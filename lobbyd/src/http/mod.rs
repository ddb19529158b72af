//! The HTTP API: access, requests, responses and the server.

pub mod access;
mod connection;
pub mod description;
pub mod errors;
pub mod events;
pub mod handlers;
pub mod health;
mod listen;
mod metrics;
pub mod request;
pub mod response;
mod routes;
pub mod server;
pub mod state;
pub mod streams;
mod ui;

pub use access::AccessPolicy;
pub use listen::bind;
pub use state::AppState;
