//! A flood of packets, made before it is sent.

use std::sync::Arc;

use memchr::memmem;

use crate::environment::Lobby;

/// Packets of a burst, about 60 MB.
const PACKETS: usize = 100_000;
/// The label that stands for a server's generation, and how many digits follow.
const GENERATION: &[u8] = b"\"deployed:";
const DIGITS: usize = 8;

/// Packets of all other hosts of a lobby in turn, as a publisher sends them.
pub(super) struct Burst(Arc<Vec<u8>>);

impl Burst {
    /// The packets by which the daemon knows the hosts already.
    pub(super) fn of(lobby: &Lobby) -> Self {
        let frames = lobby.frames(0);
        let frames: Vec<_> =
            frames.iter().cycle().take(PACKETS).map(AsRef::<[u8]>::as_ref).collect();
        Self(Arc::new(frames.concat()))
    }

    /// The same to another subject.
    pub(super) fn readdressed(&self, from: &str, to: &str) -> Self {
        let (from, to) = (format!("PUB {from} "), format!("PUB {to} "));
        let mut frames = Vec::with_capacity(self.0.len());
        let mut copied = 0;
        for place in memmem::find_iter(&self.0, &from) {
            frames.extend(&self.0[copied..place]);
            frames.extend(to.as_bytes());
            copied = place + from.len();
        }
        frames.extend(&self.0[copied..]);
        Self(Arc::new(frames))
    }

    /// Gives each packet a label that it had in no burst before, of which there were `earlier`.
    pub(super) fn change_labels(&mut self, earlier: usize) {
        let places: Vec<_> = memmem::find_iter(&self.0[..], GENERATION)
            .map(|place| place + GENERATION.len())
            .collect();
        let frames = Arc::make_mut(&mut self.0);
        for (number, place) in places.into_iter().enumerate() {
            let generation = format!("{:0DIGITS$}", earlier * PACKETS + number + 1);
            frames[place..place + DIGITS].copy_from_slice(generation.as_bytes());
        }
    }

    /// All of them, ready to be written.
    pub(super) fn frames(&self) -> Arc<Vec<u8>> {
        Arc::clone(&self.0)
    }

    /// How many there are.
    #[expect(
        clippy::unused_self,
        reason = "all bursts are equally large, but that is nobody else's business"
    )]
    pub(super) fn packets(&self) -> u64 {
        PACKETS as u64
    }
}
