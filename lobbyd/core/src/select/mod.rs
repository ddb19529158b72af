//! Selection: which hosts are asked for.

pub mod prefix_set;
