//! The HTTP API: what each route answers, to whom.

mod browser;
mod caching;
mod client;
mod errors;
mod labels;
mod large;
mod queries;
mod status;
mod token;
