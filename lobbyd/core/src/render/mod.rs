//! Rendering: values in, text out.

pub(crate) mod json_array;
pub mod packet_list;
pub mod prometheus;
