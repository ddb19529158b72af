//! The directory: hosts by the names that they have in a zone. It follows the changes of the
//! registry, so that a change costs as much as it changes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use lobby_client::Addresses;

use super::postings::{Aspect, Aspects, Postings};
use super::zone::{Path, Zone};
use crate::index::host_id::HostId;
use crate::index::text_map::TextMap;
use crate::registry::change::ChangeKind;
use crate::registry::host::Host;
use crate::registry::snapshot::Snapshot;

/// The key of the label by which a host is drained.
const DRAIN: &str = "drain";

/// The key of labels `port:VALUE:PORT`.
const PORT: &str = "port";

/// All hosts by name and by address.
#[derive(Debug, Default)]
pub(super) struct Directory {
    /// The revision that it shows; none before the first one.
    revision: Option<u64>,
    nodes: Vec<Option<Node>>,
    hosts: TextMap<Postings>,
    by_address: BTreeMap<IpAddr, Vec<HostId>>,
}

/// A host with what its labels say.
#[derive(Debug)]
pub(super) struct Node {
    /// The host.
    pub(super) host: Arc<Host>,
    /// Its addresses.
    pub(super) addresses: Addresses,
    /// Its ports, each with the value part of the path that it belongs to.
    ports: Box<[(Box<str>, u16)]>,
    /// Whether it is found by its labels.
    is_shown: bool,
}

impl Directory {
    /// Shows the hosts of a snapshot that is not older than the last one.
    pub(super) fn follow(&mut self, snapshot: &Snapshot, zone: &Zone) {
        let changes = self.revision.and_then(|revision| snapshot.changes_since(revision));
        match changes {
            Some(changes) => changes.for_each(|change| {
                self.remove(change.host.id());
                if matches!(change.kind, ChangeKind::Joined | ChangeKind::Relabelled { .. }) {
                    self.insert(&change.host, zone);
                }
            }),
            None => {
                *self = Self::default();
                snapshot.hosts().for_each(|host| self.insert(host, zone));
            }
        }
        self.revision = Some(snapshot.revision());
    }

    /// The revision that it shows.
    pub(super) fn revision(&self) -> u64 {
        self.revision.unwrap_or_default()
    }

    /// Whether a name has hosts.
    pub(super) fn has(&self, path: &Path) -> bool {
        self.hosts.get(path.as_str()).is_some()
    }

    /// Whether there are names that end in this one and are longer.
    pub(super) fn has_below(&self, path: &Path) -> bool {
        let below = path.below();
        self.hosts.iter_from(&below).next().is_some_and(|(first, _)| first.starts_with(&below))
    }

    /// The hosts of a name that have an aspect, whether alive or not.
    pub(super) fn with(
        &self,
        path: &Path,
        aspect: Aspect,
        rotation: usize,
    ) -> impl Iterator<Item = (HostId, &Node)> {
        let postings = self.hosts.get(path.as_str()).into_iter();
        postings
            .flat_map(move |postings| postings.with(aspect, rotation))
            .filter_map(|id| Some((id, self.node(id)?)))
    }

    /// The hosts that have an address, whether alive or not.
    pub(super) fn at(&self, address: IpAddr) -> impl Iterator<Item = (HostId, &Node)> {
        let ids = self.by_address.get(&address).into_iter().flatten();
        ids.filter_map(|id| Some((*id, self.node(*id)?)))
    }

    fn node(&self, id: HostId) -> Option<&Node> {
        self.nodes.get(id.index())?.as_ref()
    }

    fn insert(&mut self, host: &Arc<Host>, zone: &Zone) {
        let (id, node) = (host.id(), Node::new(host, zone));
        for path in node.paths() {
            let aspects = node.aspects(&path);
            match self.hosts.get_mut(path.as_str()) {
                Some(postings) => postings.insert(id, aspects),
                None => drop(self.hosts.insert(path.as_str(), Postings::One(id, aspects))),
            }
        }
        for address in node.all_addresses() {
            let hosts = self.by_address.entry(address).or_default();
            if !hosts.contains(&id) {
                hosts.push(id);
            }
        }
        if self.nodes.len() <= id.index() {
            self.nodes.resize_with(id.index() + 1, || None);
        }
        self.nodes[id.index()] = Some(node);
    }

    fn remove(&mut self, id: HostId) {
        let Some(node) = self.nodes.get_mut(id.index()).and_then(Option::take) else { return };
        for path in node.paths() {
            if self.hosts.get_mut(path.as_str()).is_some_and(|postings| postings.remove(id)) {
                self.hosts.remove(path.as_str());
            }
        }
        for address in node.all_addresses() {
            if let Some(hosts) = self.by_address.get_mut(&address) {
                hosts.retain(|other| *other != id);
                if hosts.is_empty() {
                    self.by_address.remove(&address);
                }
            }
        }
    }
}

impl Node {
    fn new(host: &Arc<Host>, zone: &Zone) -> Self {
        let is_drained = host.labels().any(|label| key(&label) == DRAIN);
        let ports = host.labels().filter_map(|label| port(&label)).collect();
        Self {
            host: Arc::clone(host),
            addresses: zone.addresses.addresses(host.labels()),
            ports,
            is_shown: zone.shows_drained || !is_drained,
        }
    }

    /// The ports of the service of a name.
    pub(super) fn ports(&self, path: &Path) -> impl Iterator<Item = u16> {
        self.ports.iter().filter(|(value, _)| **value == *path.value()).map(|(_, port)| *port)
    }

    /// All names of the host, each once.
    fn paths(&self) -> BTreeSet<Path> {
        let labels = self.host.labels();
        let labels = labels.filter_map(|label| {
            label.split_once(':').map(|(key, value)| Path::of_label(key, value))
        });
        labels.chain([Path::of_node(self.host.name().as_str())]).collect()
    }

    /// What is said of the host under one of its names. A host without an address is of no use as
    /// a service.
    fn aspects(&self, path: &Path) -> Aspects {
        let Addresses { v4, v6 } = &self.addresses;
        let is_shown = self.is_shown || path.is_node();
        let is_service = !(v4.is_empty() && v6.is_empty()) && self.ports(path).next().is_some();
        [!v4.is_empty(), !v6.is_empty(), is_service, path.is_node()]
            .map(|has_it| has_it && is_shown)
    }

    fn all_addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.addresses.v4.iter().chain(&self.addresses.v6).copied()
    }
}

fn key(label: &str) -> &str {
    label.split_once(':').map_or(label, |(key, _)| key)
}

/// The value part of a path and the port that a label `port:VALUE:PORT` tells.
fn port(label: &str) -> Option<(Box<str>, u16)> {
    let (value, port) = label.strip_prefix(PORT)?.strip_prefix(':')?.rsplit_once(':')?;
    let port = port.parse().ok().filter(|port| *port > 0)?;
    Some((Path::of_label(PORT, value).value().into(), port))
}
