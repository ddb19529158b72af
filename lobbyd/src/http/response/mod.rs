//! Responses: made, kept, packed and sent.

mod body;
pub mod cache;
pub mod json;
pub mod render_pool;
pub mod respond;
