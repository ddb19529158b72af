//! The HTTP API: who is let in, how requests are read, what is answered.

pub mod admission;
pub mod answer;
pub mod answers;
pub mod auth;
pub mod browser;
pub mod errors;
pub mod handlers;
pub mod health;
pub mod json;
pub mod label_body;
pub mod query;
pub mod server;
pub mod service;
mod text;

pub use admission::Admission;
pub use server::{bind, serve};
pub use service::Service;
