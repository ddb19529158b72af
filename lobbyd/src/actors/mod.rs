//! Who does what. Actors own their state and talk by messages; they ask the logic what to do and decide nothing themselves.

pub mod callback_runner;
pub mod http_api;
pub mod label_source;
pub mod publisher;
pub mod registry;
pub mod subscriber;
