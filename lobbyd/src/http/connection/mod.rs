//! Connections: what stands between a client's socket and the HTTP parser. Its targets may be raw,
//! its refusals say why, and idle connections give way to new ones.

pub(super) mod client_stream;
pub(super) mod pool;
mod refusal;
mod request_head;
mod transport;
