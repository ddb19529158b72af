//! What is known of the lobby, so that it can be told what a new list changes.

use std::collections::BTreeMap;

use lobby_client::{Discovery, Event, HostName, Label};

/// The servers that were told of, with their labels.
#[derive(Debug, Default)]
pub(crate) struct KnownServers {
    hosts: Option<BTreeMap<HostName, Vec<Label>>>,
}

/// A change of what is known.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// A server that was there when it was first asked.
    Here(Discovery),
    /// A server has come.
    Join(Discovery),
    /// A server has labels that it did not have, and has lost others.
    Update { hostname: HostName, added: Vec<Label>, removed: Vec<Label> },
    /// A server has gone. Why is not known if that was while the connection was lost.
    Leave { hostname: HostName, labels: Vec<Label>, reason: Option<&'static str> },
}

impl KnownServers {
    /// The number of servers; none if nothing was told yet.
    pub(crate) fn count(&self) -> Option<usize> {
        self.hosts.as_ref().map(BTreeMap::len)
    }

    /// The servers with their labels, in order of the names.
    pub(crate) fn hosts(&self) -> impl Iterator<Item = (&HostName, &[Label])> {
        let hosts = self.hosts.iter().flatten();
        hosts.map(|(name, labels)| (name, labels.as_slice()))
    }

    /// Takes in an event. Returns what it changes, in order of the names.
    pub(crate) fn take_in(&mut self, event: Event) -> Vec<Change> {
        use lobby_client::LeaveReason::{Expired, Goodbye, Lost, Unmatched};
        match event {
            Event::Snapshot { hosts } => self.start_over(hosts),
            Event::Join { host } => {
                self.put(&host);
                vec![Change::Join(host)]
            }
            Event::Update { host, added, removed } => {
                self.put(&host);
                vec![Change::Update { hostname: host.hostname, added, removed }]
            }
            Event::Leave { hostname, labels, reason } => {
                self.hosts.get_or_insert_default().remove(&hostname);
                let reason = match reason {
                    Goodbye => Some("goodbye"),
                    Expired => Some("expired"),
                    Lost => Some("lost"),
                    Unmatched => Some("unmatched"),
                    _ => None,
                };
                vec![Change::Leave { hostname, labels, reason }]
            }
            _ => Vec::new(),
        }
    }

    fn put(&mut self, host: &Discovery) {
        self.hosts.get_or_insert_default().insert(host.hostname.clone(), host.labels.clone());
    }

    /// Another list than the first one comes where changes were missed.
    fn start_over(&mut self, hosts: Vec<Discovery>) -> Vec<Change> {
        let list = hosts.iter().map(|host| (host.hostname.clone(), host.labels.clone())).collect();
        let Some(mut before) = self.hosts.replace(list) else {
            return hosts.into_iter().map(Change::Here).collect();
        };
        let mut changes = Vec::new();
        for host in hosts {
            match before.remove(&host.hostname) {
                None => changes.push(Change::Join(host)),
                Some(labels) if labels != host.labels => changes.push(Change::Update {
                    added: without(&host.labels, &labels),
                    removed: without(&labels, &host.labels),
                    hostname: host.hostname,
                }),
                Some(_) => {}
            }
        }
        let gone = before.into_iter();
        changes.extend(gone.map(|(hostname, labels)| Change::Leave {
            hostname,
            labels,
            reason: None,
        }));
        changes
    }
}

fn without(labels: &[Label], others: &[Label]) -> Vec<Label> {
    labels.iter().filter(|label| !others.contains(label)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use lobby_client::LeaveReason;

    use super::*;

    fn labels(texts: &[&str]) -> Vec<Label> {
        texts.iter().map(|text| Label::parse(text).unwrap()).collect()
    }

    fn name(text: &str) -> HostName {
        HostName::parse(text).unwrap()
    }

    fn host(hostname: &str, texts: &[&str]) -> Discovery {
        Discovery::new(name(hostname), labels(texts))
    }

    #[test]
    fn the_first_list_tells_who_is_here() {
        let mut known = KnownServers::default();
        assert_eq!(known.count(), None);
        let hosts = vec![host("a", &[]), host("b", &["x"])];
        let here: Vec<_> = hosts.iter().cloned().map(Change::Here).collect();
        assert_eq!(known.take_in(Event::Snapshot { hosts }), here);
        assert_eq!(known.count(), Some(2));
    }

    #[test]
    fn a_later_list_tells_what_was_missed() {
        let mut known = KnownServers::default();
        let hosts = vec![host("a", &["x", "y"]), host("b", &["x"]), host("c", &[])];
        known.take_in(Event::Snapshot { hosts });
        let reason = LeaveReason::Goodbye;
        known.take_in(Event::Leave { hostname: name("c"), labels: vec![], reason });
        let hosts = vec![host("a", &["x", "z"]), host("d", &[])];
        let (added, removed) = (labels(&["z"]), labels(&["y"]));
        let missed = [
            Change::Update { hostname: name("a"), added, removed },
            Change::Join(host("d", &[])),
            Change::Leave { hostname: name("b"), labels: labels(&["x"]), reason: None },
        ];
        assert_eq!(known.take_in(Event::Snapshot { hosts }), missed);
    }
}
