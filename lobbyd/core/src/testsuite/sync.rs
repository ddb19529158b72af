//! The law of pieces.

use std::time::{Duration, Instant};

use super::fixtures::{driver, packet, reception};
use crate::liveness::initial_sync::InitialSync;
use crate::registry::host_registry::HostRegistry;
use crate::sync::piece::{self, Line, MAX_PIECE_LEN};
use crate::wire::packet_ttl::PacketTtl;

/// Most hosts of the registry that is told.
const MAX_SERVERS: usize = 2;

/// Pieces of what another daemon tells: what is read is read back from what is written of it, and
/// whatever it is, it neither fills a registry beyond its bound, nor takes away its
/// own host, nor keeps anybody alive for longer than an hour.
///
/// # Panics
/// When that does not hold.
pub fn piece(bytes: &[u8]) {
    let Ok(lines) = piece::parse(bytes) else { return };
    assert!(bytes.len() <= MAX_PIECE_LEN && bytes.ends_with(b"\n"));
    let mut again = Vec::new();
    for line in &lines {
        match *line {
            Line::Packet { age, payload } => {
                let millis = u64::try_from(age.as_millis()).expect("an age of few digits");
                piece::packet_line(millis, payload, &mut again);
            }
            Line::End { told, left_out } => piece::end_line(told, left_out, &mut again),
            Line::Busy => again.extend(piece::BUSY),
        }
    }
    assert_eq!(piece::parse(&again).as_ref(), Ok(&lines));
    assert_a_registry_stands_it(&lines);
}

#[expect(clippy::disallowed_methods, reason = "a law begins at any moment")]
fn assert_a_registry_stands_it(lines: &[Line<'_>]) {
    let (start, ttl) = (Instant::now(), Duration::from_secs(30));
    let initial_sync = InitialSync::new(Duration::from_secs(5), 1, start);
    let mut registry = HostRegistry::new("i".to_owned(), ttl, MAX_SERVERS, initial_sync, start);
    registry.link_opened(driver(0), start);
    registry.set_own(packet("h", &["own"]), 0);
    for line in lines {
        if let Line::Packet { age, payload } = *line {
            // Whatever becomes of it.
            registry.apply_retold(payload, reception(start, 1_000_000).kept_for(age)).ok();
        }
    }
    assert!(registry.count_others() <= MAX_SERVERS && registry.is_known("h"));
    let longest = start + PacketTtl::MAX.duration();
    assert!(registry.deadline(start).is_none_or(|deadline| deadline <= longest));
}
