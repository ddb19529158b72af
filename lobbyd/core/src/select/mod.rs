//! Selection: which hosts are asked for.

pub mod params;
pub(crate) mod plan;
pub mod prefix_set;
pub mod selection;
