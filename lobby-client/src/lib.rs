//! Types and asynchronous HTTP client of lobby, the labelling and discovery service for servers.
//!
//! The types are what travels between servers and what the API answers: a [`Discovery`] is one server with its
//! [`HostName`] and its [`Label`]s, a [`Filter`] chooses among them.

mod discovery;
mod filter;
mod hostname;
mod label;

pub use discovery::Discovery;
pub use filter::Filter;
pub use hostname::{HostName, InvalidHostName};
pub use label::{InvalidLabel, Label};
