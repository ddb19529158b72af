//! The index: hosts by number, by name and by label.

pub mod host_id;
pub mod id_set;
pub mod label_index;
pub mod text_map;
