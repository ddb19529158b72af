//! The answer to the question for everybody: the packets of all hosts, in pieces.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::liveness::connectivity::DriverId;
use crate::registry::host::Host;
use crate::registry::snapshot::Snapshot;
use crate::sync::piece::{self, END_LEN, MAX_PIECE_LEN};

/// An answer that is being made, piece by piece.
#[derive(Debug)]
pub struct Answer {
    snapshot: Arc<Snapshot>,
    now: Instant,
    hosts: std::vec::IntoIter<Arc<Host>>,
    /// The own packet and how old it is, then those that did not fit into the last piece.
    next: Option<(u64, Vec<u8>)>,
    max_len: usize,
    told: usize,
    left_out: usize,
    has_ended: bool,
}

impl Answer {
    /// The answer of a daemon that knows this, and has sent `own` so long ago, to a question that
    /// came through a driver: only hosts that were heard through it are told, as others belong to
    /// another lobby. Pieces have at most [`MAX_PIECE_LEN`] bytes, and at most `max_len`.
    pub fn new(
        snapshot: Arc<Snapshot>,
        driver_id: DriverId,
        own: Option<(Duration, &[u8])>,
        max_len: usize,
        now: Instant,
    ) -> Self {
        let next = own.map(|(age, payload)| {
            (u64::try_from(age.as_millis()).unwrap_or(u64::MAX), payload.to_vec())
        });
        let hosts: Vec<_> = snapshot.living_through(driver_id, now).map(Arc::clone).collect();
        let (hosts, max_len) = (hosts.into_iter(), max_len.min(MAX_PIECE_LEN));
        Self { snapshot, now, hosts, next, max_len, told: 0, left_out: 0, has_ended: false }
    }

    /// The next piece; none when all were made.
    pub fn next_piece(&mut self) -> Option<Vec<u8>> {
        if self.has_ended {
            return None;
        }
        let mut piece = Vec::new();
        while let Some((age, packet)) = self.next_packet() {
            let len = piece::packet_line_len(&packet);
            if len > self.max_len {
                self.left_out += 1;
            } else if piece.len() + len > self.max_len {
                self.next = Some((age, packet));
                return Some(piece);
            } else {
                piece::packet_line(age, &packet, &mut piece);
                self.told += 1;
            }
        }
        if piece.len() + END_LEN > self.max_len && !piece.is_empty() {
            return Some(piece);
        }
        self.has_ended = true;
        piece::end_line(self.told, self.left_out, &mut piece);
        Some(piece)
    }

    fn next_packet(&mut self) -> Option<(u64, Vec<u8>)> {
        if let Some(next) = self.next.take() {
            return Some(next);
        }
        for host in self.hosts.by_ref() {
            match host.retold() {
                Some(packet) => return Some((self.snapshot.age_of(&host, self.now), packet)),
                None => self.left_out += 1,
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
