//! Fixtures: hosts, packets and receptions as tests need them. What a test writes wrong ends it.

use std::time::Instant;

use lobby_client::{Discovery, HostName, Label};

use crate::liveness::connectivity::DriverId;
use crate::liveness::reception::Reception;
use crate::wire::envelope::{Message, MessageKind};
use crate::wire::instance_id::InstanceId;
use crate::wire::packet_ttl::PacketTtl;

/// An instance as lobbyd has one.
#[must_use]
pub fn instance(number: u64) -> InstanceId {
    InstanceId::new(number)
}

/// A host name.
///
/// # Panics
/// When the text is not a valid one.
#[must_use]
pub fn name(text: &str) -> HostName {
    HostName::parse(text).expect("a valid host name")
}

/// Labels, in their order.
///
/// # Panics
/// When a text is not a valid label.
#[must_use]
pub fn labels(texts: &[&str]) -> Vec<Label> {
    texts.iter().map(|text| Label::parse(text).expect("a valid label")).collect()
}

/// A packet.
///
/// # Panics
/// When the host name or a label is not valid.
#[must_use]
pub fn packet(hostname: &str, texts: &[&str]) -> Discovery {
    Discovery::new(name(hostname), labels(texts))
}

/// An encoded hi, not signed.
#[must_use]
pub fn hi(packet: &Discovery, instance: InstanceId) -> Vec<u8> {
    Message::new(MessageKind::Hi, packet, instance).encode(None)
}

/// An encoded hi that tells a TTL, not signed.
#[must_use]
pub fn lasting_hi(packet: &Discovery, instance: InstanceId, ttl: Option<PacketTtl>) -> Vec<u8> {
    Message::new(MessageKind::Hi, packet, instance).lasting(ttl).encode(None)
}

/// An encoded goodbye, not signed.
#[must_use]
pub fn goodbye(packet: &Discovery, instance: InstanceId) -> Vec<u8> {
    Message::new(MessageKind::Goodbye, packet, instance).encode(None)
}

/// A driver by its index.
///
/// # Panics
/// When there are not so many.
#[must_use]
pub fn driver(index: usize) -> DriverId {
    DriverId::new(index).expect("a driver's index")
}

/// The reception of a packet that was sent just now, through the first driver.
#[must_use]
pub fn reception(at: Instant, unix_millis: u64) -> Reception {
    Reception::fresh(driver(0), at, unix_millis)
}
