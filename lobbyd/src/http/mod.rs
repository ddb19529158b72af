//! What surrounds the handlers of the HTTP API: who is let in, how requests are read, how answers look.

pub mod admission;
pub mod auth;
pub mod browser;
pub mod errors;
pub mod json;
pub mod label_body;
pub mod query;
