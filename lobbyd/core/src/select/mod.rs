//! Selection: which hosts are asked for.

pub mod params;
pub mod prefix_set;
pub mod selection;
