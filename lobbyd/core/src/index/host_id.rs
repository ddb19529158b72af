//! Hosts by number, which takes less room than their names.

/// A host by its place in the table of hosts. Another one gets it when it has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostId(pub(crate) u32);

impl HostId {
    /// The place.
    pub(crate) fn place(self) -> usize {
        self.0 as usize
    }
}

/// Gives places in the table of hosts away.
#[derive(Debug, Default)]
pub(crate) struct FreePlaces {
    /// Those that somebody had before.
    left: Vec<HostId>,
    next: u32,
}

impl FreePlaces {
    /// A place that nobody has.
    pub(crate) fn take(&mut self) -> HostId {
        self.left.pop().unwrap_or_else(|| {
            self.next += 1;
            HostId(self.next - 1)
        })
    }

    /// The host of this place has left.
    pub(crate) fn give_back(&mut self, id: HostId) {
        self.left.push(id);
    }
}
