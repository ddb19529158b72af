//! Servers: some hosts, in which plans look hosts up.

use std::cell::Cell;
use std::collections::BTreeSet;

use lobby_client::selector::Condition;
use lobby_client::{Discovery, Selector};

use crate::index::host_id::HostId;
use crate::index::label_index::LabelIndex;
use crate::select::plan::{self, Fleet};
use crate::wire::packet_json::PacketJson;

/// Some hosts, each by its place. Counts how often one of them is asked.
pub(crate) struct Servers {
    packets: Vec<Discovery>,
    labels: LabelIndex,
    asked: Cell<usize>,
}

impl Servers {
    /// These hosts, each with another name.
    pub(crate) fn new(packets: Vec<Discovery>) -> Self {
        let mut labels = LabelIndex::default();
        for (place, packet) in packets.iter().enumerate() {
            labels.change(id(place), None, Some(&PacketJson::new(packet)));
        }
        Self { packets, labels, asked: Cell::default() }
    }

    /// The places of the hosts that a plan finds.
    pub(crate) fn find(&self, selector: &Selector) -> BTreeSet<usize> {
        plan::find(selector.condition(), self).into_iter().map(HostId::index).collect()
    }

    /// The places of the hosts that a look at every host finds.
    pub(crate) fn scan(&self, selector: &Selector) -> BTreeSet<usize> {
        let packets = self.packets.iter().enumerate();
        packets.filter(|(_, packet)| selector.matches(packet)).map(|(place, _)| place).collect()
    }

    /// The number of hosts that a plan asks.
    #[cfg(test)]
    pub(crate) fn asked_for(&self, selector: &Selector) -> usize {
        self.asked.set(0);
        self.find(selector);
        self.asked.get()
    }

    /// The number of hosts that a plan looks at, if it is known to be `most` or less.
    #[cfg(test)]
    pub(crate) fn looked_at(&self, selector: &Selector, most: usize) -> Option<usize> {
        plan::looked_at(selector.condition(), self, most).map(|hosts| hosts.len())
    }
}

fn id(place: usize) -> HostId {
    HostId(u32::try_from(place).expect("few hosts"))
}

impl Fleet for Servers {
    fn labels(&self) -> &LabelIndex {
        &self.labels
    }

    fn count(&self) -> usize {
        self.packets.len()
    }

    fn all(&self) -> Vec<HostId> {
        (0..self.packets.len()).map(id).collect()
    }

    fn named(&self, name: &str) -> Option<HostId> {
        self.packets.iter().position(|packet| packet.hostname.as_str() == name).map(id)
    }

    fn holds(&self, id: HostId, condition: &Condition) -> bool {
        self.asked.set(self.asked.get() + 1);
        let packet = &self.packets[id.index()];
        condition.holds(packet.hostname.as_str(), packet.labels.iter())
    }
}
