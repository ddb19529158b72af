//! Events: what a reader who follows the fleet is told, and in what form.

pub mod event_id;
pub mod frame;
pub mod reader;
pub mod status;
