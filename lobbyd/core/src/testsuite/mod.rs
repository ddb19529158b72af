//! The test suite: laws that fuzz targets, property tests and their corpus share. Feature
//! `testsuite`.

mod acceptance;
mod dns;
pub mod fixtures;
pub mod laws;
pub(crate) mod servers;
mod sync;
mod text;
