//! Hosts by number, which takes less room than their names.

/// A host by its place in the table of hosts. Another one gets it when it has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostId(pub(crate) u32);

impl HostId {
    /// The place.
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// Gives places in the table of hosts away.
#[derive(Debug, Default)]
pub(crate) struct HostIdAllocator {
    /// Those that somebody had before.
    left: Vec<HostId>,
    next: u32,
}

impl HostIdAllocator {
    /// A place that nobody has.
    pub(crate) fn allocate(&mut self) -> HostId {
        self.left.pop().unwrap_or_else(|| {
            self.next += 1;
            HostId(self.next - 1)
        })
    }

    /// The host of this place has left.
    pub(crate) fn free(&mut self, id: HostId) {
        self.left.push(id);
    }
}
