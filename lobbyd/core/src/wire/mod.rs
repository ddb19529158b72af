//! The wire: packets as bytes and as values.

pub mod envelope;
pub mod file_name;
pub mod instance;
pub mod instance_id;
pub(crate) mod layout;
pub mod limits;
pub(crate) mod packet_json;
pub mod packet_ttl;
pub(crate) mod plain_packet;
