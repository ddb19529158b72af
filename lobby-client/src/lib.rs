#![cfg_attr(feature = "http", doc = include_str!("../README.md"))]
#![cfg_attr(
    not(feature = "http"),
    doc = "Types of lobby, the labelling and discovery service for servers."
)]

mod address;
#[cfg(feature = "race")]
pub mod attempts;
#[cfg(feature = "http")]
mod client;
mod discovery;
#[cfg(feature = "http")]
mod error;
mod event;
#[cfg(feature = "files")]
pub mod files;
mod filter;
#[cfg(feature = "http")]
mod handle;
mod hostname;
mod label;
mod local_label;
pub mod object;
mod paths;
mod query;
pub mod selector;
mod status;
mod target_group;
pub mod text;
#[cfg(feature = "tls")]
pub mod tls;
pub mod ttl;

pub use address::{AddressLabels, Addresses, InvalidAddressLabels};
#[cfg(feature = "http")]
pub use client::{Client, ClientBuilder, Events, Protocol};
pub use discovery::Discovery;
#[cfg(feature = "http")]
pub use error::Error;
pub use event::{DriverState, Event, FeedStatus, LeaveReason};
pub use filter::Filter;
#[cfg(feature = "http")]
pub use handle::{BlockingEvents, BlockingHandle, EventReceiver, Handle};
pub use hostname::{HostName, InvalidHostName};
pub use label::{InvalidLabel, Label};
pub use local_label::{LabelOrigin, LocalLabel};
pub use query::{Query, Unsendable};
pub use selector::{InvalidSelector, Selector};
pub use status::{DriverStatus, DuplicateName, LinkState, Namesakes, RefusedHost, Status};
pub use target_group::TargetGroup;
