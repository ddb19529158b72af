//! The HTTP API: the answers of its routes, and who gets them.

mod browser;
mod caching;
mod client;
mod description;
mod errors;
mod handle;
mod labels;
mod large;
pub(crate) mod leases;
mod lists;
mod queries;
mod selectors;
mod status;
mod streams;
mod tls;
mod token;
