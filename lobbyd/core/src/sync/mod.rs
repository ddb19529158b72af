//! Sync: what a newcomer is told of all hosts, so that it need not wait until it has heard each.

pub mod answer;
pub mod answer_limit;
pub mod piece;
