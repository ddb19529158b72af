//! Requests: how their query and body are read.

pub mod label_body;
pub mod selectors;
