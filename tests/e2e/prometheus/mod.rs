//! Prometheus: the documents it is given, and what a real one makes of them.

mod documents;
mod metrics;
mod server;
