//! The feed of events, and what reads it.

mod browser;
mod feed;
mod losses;
mod nginx;
