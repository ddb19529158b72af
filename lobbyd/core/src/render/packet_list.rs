//! The list of everybody as the API shows it, written piece by piece: of a large fleet it is too long to be made for each reader.

use std::sync::Arc;
use std::time::Instant;

use crate::index::host_id::HostId;
use crate::registry::snapshot::Snapshot;

/// About how long a piece is, in bytes: it fits into a processor's cache.
const PIECE_LEN: usize = 256 << 10;

/// Everybody who is alive at one moment, sorted by host name, as a JSON list of known length.
#[derive(Debug)]
pub struct PacketListWriter {
    snapshot: Arc<Snapshot>,
    /// Hosts with their `last_check`, which goes on in their records.
    hosts: Vec<(HostId, i64)>,
    written: usize,
    ended: bool,
    len: usize,
}

impl PacketListWriter {
    /// Those who are alive now.
    pub fn new(snapshot: Arc<Snapshot>, now: Instant) -> Self {
        let (mut hosts, mut len) = (Vec::with_capacity(snapshot.len()), "[".len());
        for record in snapshot.living(now) {
            let last_check = record.last_check();
            hosts.push((record.id(), last_check));
            len += record.json_len(last_check) + ",".len();
        }
        // The last one is followed by the closing bracket in the comma's place.
        len += usize::from(hosts.is_empty());
        Self { snapshot, hosts, written: 0, ended: false, len }
    }

    /// How many bytes all pieces have together.
    pub fn text_len(&self) -> usize {
        self.len
    }

    /// All pieces in one.
    pub fn whole(mut self) -> String {
        let mut json = String::with_capacity(self.len);
        self.write(&mut json, usize::MAX);
        json
    }

    /// Goes on with the list until a text is so long or the list ends.
    fn write(&mut self, json: &mut String, len: usize) {
        if self.hosts.is_empty() {
            return json.push_str("[]");
        }
        if self.written == 0 {
            json.push('[');
        }
        for (id, last_check) in &self.hosts[self.written..] {
            if json.len() >= len {
                return;
            }
            if let Some(record) = self.snapshot.record(*id) {
                record.write_json(*last_check, json);
            }
            self.written += 1;
            json.push(if self.written == self.hosts.len() { ']' } else { ',' });
        }
    }
}

impl Iterator for PacketListWriter {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        if self.ended {
            return None;
        }
        let mut json = String::with_capacity(self.len.min(PIECE_LEN + PIECE_LEN / 8));
        self.write(&mut json, PIECE_LEN);
        self.ended = self.written == self.hosts.len();
        Some(json)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use lobby_client::{Discovery, HostName, Label};
    use proptest::prelude::*;

    use super::*;
    use crate::clock;
    use crate::liveness::initial_sync::InitialSync;
    use crate::registry::host_registry::HostRegistry;
    use crate::testsuite::fixtures;

    /// A snapshot of hosts with a label of this length, and their last times.
    fn snapshot(label_len: usize, times: &[i64], now: Instant) -> (Arc<Snapshot>, Vec<Discovery>) {
        let ttl = Duration::from_secs(30);
        let mut records = HostRegistry::new("i".to_owned(), ttl, 1000, InitialSync::new(ttl, 1, now), now);
        let mut packets = Vec::new();
        for (number, time) in times.iter().enumerate() {
            let name = HostName::parse(&format!("h{number:05}")).unwrap();
            let packet = Discovery::new(name, vec![Label::parse(&"x".repeat(label_len)).unwrap()]);
            let reception = fixtures::reception(now, time.unsigned_abs() * 1000);
            records.apply_payload(&fixtures::hi(&packet, fixtures::instance(1)), reception).unwrap();
            packets.push(Discovery { last_check: *time, ..packet });
        }
        (Arc::new(records.snapshot()), packets)
    }

    proptest! {
        #[test]
        fn pieces_make_a_list_of_the_length_that_was_foretold(
            label_len in 1..1000usize, times in prop::collection::vec(prop_oneof![0..1_i64 << 50, 0..=10i64, Just(1_795_000_000)], 0..200),
        ) {
            let now = clock::now();
            let (snapshot, packets) = snapshot(label_len, &times, now);
            let listing = PacketListWriter::new(Arc::clone(&snapshot), now);
            let len = listing.text_len();
            let pieces: Vec<_> = listing.collect();
            prop_assert!(pieces.iter().rev().skip(1).all(|piece| piece.len() >= PIECE_LEN));
            prop_assert_eq!(&pieces.concat(), &serde_json::to_string(&packets).unwrap());
            prop_assert_eq!(pieces.concat().len(), len);
            prop_assert_eq!(PacketListWriter::new(snapshot, now).whole(), pieces.concat());
        }
    }
}
