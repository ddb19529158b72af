//! The wire: packets as bytes and as values.

pub mod envelope;
pub mod file_name;
pub(crate) mod instance_id;
pub mod limits;
pub mod packet_json;
