//! A flood of packets, made before it is sent.

use std::sync::Arc;

use memchr::memmem;

use crate::environment::Lobby;

/// Packets of a burst, about 60 MB.
const PACKETS: usize = 100_000;
/// Packets of a burst that are signed, as many MB.
const SIGNED_PACKETS: usize = 80_000;
/// The label that stands for a server's generation, and how many digits follow.
const GENERATION: &[u8] = b"\"deployed:";
const DIGITS: usize = 8;

/// Packets of all other hosts of a lobby in turn, as a publisher sends them.
pub(super) struct Burst {
    frames: Arc<Vec<u8>>,
    packets: usize,
}

impl Burst {
    /// The packets by which the daemon knows the hosts already.
    pub(super) fn of(lobby: &Lobby) -> Self {
        let frames = lobby.frames(0);
        let frames: Vec<_> =
            frames.iter().cycle().take(PACKETS).map(AsRef::<[u8]>::as_ref).collect();
        Self { frames: Arc::new(frames.concat()), packets: PACKETS }
    }

    /// Keep-alives that are signed, after as many `earlier` bursts of them.
    pub(super) fn signed(lobby: &Lobby, earlier: usize) -> Self {
        let frames = lobby.signed_frames(earlier * SIGNED_PACKETS, SIGNED_PACKETS);
        Self { frames: Arc::new(frames), packets: SIGNED_PACKETS }
    }

    /// The same to another subject.
    pub(super) fn readdressed(&self, from: &str, to: &str) -> Self {
        let (from, to) = (format!("PUB {from} "), format!("PUB {to} "));
        let mut frames = Vec::with_capacity(self.frames.len());
        let mut copied = 0;
        for place in memmem::find_iter(&self.frames[..], &from) {
            frames.extend(&self.frames[copied..place]);
            frames.extend(to.as_bytes());
            copied = place + from.len();
        }
        frames.extend(&self.frames[copied..]);
        Self { frames: Arc::new(frames), packets: self.packets }
    }

    /// Gives each packet a label that it had in no burst before, of which there were `earlier`.
    pub(super) fn change_labels(&mut self, earlier: usize) {
        let places: Vec<_> = memmem::find_iter(&self.frames[..], GENERATION)
            .map(|place| place + GENERATION.len())
            .collect();
        let frames = Arc::make_mut(&mut self.frames);
        for (number, place) in places.into_iter().enumerate() {
            let generation = format!("{:0DIGITS$}", earlier * PACKETS + number + 1);
            frames[place..place + DIGITS].copy_from_slice(generation.as_bytes());
        }
    }

    /// All of them, ready to be written.
    pub(super) fn frames(&self) -> Arc<Vec<u8>> {
        Arc::clone(&self.frames)
    }

    /// How many there are.
    pub(super) fn packets(&self) -> u64 {
        self.packets as u64
    }
}
