//! The feed of events, and what reads it.

mod browser;
mod feed;
mod fixture;
mod losses;
mod nginx;

pub(crate) use fixture::Fixture;
