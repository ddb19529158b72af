//! DNS: the servers of a snapshot as names of a zone. Questions in, answers out, both as the bytes
//! of messages.

mod directory;
mod message;
mod postings;
mod reply;
mod text;
mod zone;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Instant;

use crate::registry::snapshot::Snapshot;
use directory::Directory;
use message::Request;
use reply::Inquiry;

pub use message::Transport;
pub use zone::{InvalidZone, Zone, ZoneName};

/// The authority of a zone: answers with the hosts of the latest snapshot that it was shown.
#[derive(Debug)]
pub struct Authority {
    zone: Zone,
    directory: Directory,
    snapshot: Arc<Snapshot>,
}

impl Authority {
    /// An authority of this zone for the hosts of a snapshot.
    pub fn new(zone: Zone, snapshot: Arc<Snapshot>) -> Self {
        let mut authority = Self { zone, directory: Directory::default(), snapshot };
        authority.directory.follow(&authority.snapshot, &authority.zone);
        authority
    }

    /// Answers with the hosts of this snapshot from now on. Costs what has changed since the last
    /// one, or as much as all hosts if that is no longer known.
    pub fn follow(&mut self, snapshot: Arc<Snapshot>) {
        self.directory.follow(&snapshot, &self.zone);
        self.snapshot = snapshot;
    }

    /// The answer to a message; none if it deserves none: it is an answer itself, or too short to
    /// be a message. `rotation` is any number: it says which of several hosts comes first.
    pub fn answer(
        &self,
        message: &[u8],
        transport: Transport,
        now: Instant,
        rotation: usize,
    ) -> Option<Vec<u8>> {
        let question = match message::read(message, transport) {
            Request::Question(question) => question,
            Request::Refused(answer) => return Some(answer),
            Request::Ignored => return None,
        };
        let inquiry = Inquiry {
            zone: &self.zone,
            directory: &self.directory,
            snapshot: &self.snapshot,
            now,
            rotation,
            max_records: question.max_records(),
        };
        let reply = inquiry.reply(&question.query);
        question.answer(reply)
    }
}
