//! Responses: made, kept, packed and sent.

mod body;
pub mod cache;
mod conditional;
pub mod frames;
pub mod json;
pub mod render_pool;
pub mod respond;
pub mod waiting;
