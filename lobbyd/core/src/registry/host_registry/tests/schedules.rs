//! What holds whatever happens to a registry in whatever order.

use std::borrow::Cow;
use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::testsuite::fixtures;
use crate::wire::packet_ttl::PacketTtl;

/// What happens to a registry.
#[derive(Debug, Clone, Copy)]
enum Event {
    Hi { host: u8, labels: u8, driver: usize, age: u32, ttl: Option<u64> },
    Goodbye(u8),
    Own(u8, u8),
    Link(usize, bool),
    Pass(u32),
    Expire,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        6 => (0..12u8, 0..8u8, 0..2usize, prop_oneof![3 => Just(0), 1 => 0..29u32], ttls())
            .prop_map(|(host, labels, driver, age, ttl)| Event::Hi { host, labels, driver, age, ttl }),
        1 => (0..12u8).prop_map(Event::Goodbye),
        1 => (0..12u8, 0..8u8).prop_map(|(host, labels)| Event::Own(host, labels)),
        1 => (0..2usize, any::<bool>()).prop_map(|(driver, up)| Event::Link(driver, up)),
        3 => (1..20u32).prop_map(Event::Pass),
        3 => Just(Event::Expire),
    ];
    prop::collection::vec(event, 0..200)
}

/// The TTL of a packet: none, or one that is shorter or longer than that of the registry.
fn ttls() -> impl Strategy<Value = Option<u64>> {
    prop_oneof![Just(None), Just(Some(30)), (1..200u64).prop_map(Some)]
}

/// The labels of the bits.
fn labels(bits: u8) -> Vec<&'static str> {
    ["a", "b", "c"]
        .into_iter()
        .enumerate()
        .filter(|(bit, _)| bits & (1 << bit) != 0)
        .map(|(_, label)| label)
        .collect()
}

impl Fixture {
    fn happens(&mut self, event: Event) {
        let now = self.start + SECOND * self.second;
        match event {
            Event::Hi { driver, .. } if !self.registry.is_link_up(driver_id(driver)) => {}
            Event::Hi { host, labels: bits, driver, age, ttl } => {
                let packet = server(&format!("h{host}"), &labels(bits));
                let ttl = ttl.and_then(PacketTtl::from_seconds);
                let payload = fixtures::lasting_hi(&packet, fixtures::instance(0xa1), ttl);
                let reception = Reception { driver_id: driver_id(driver), ..received(now) };
                self.registry
                    .apply_payload(&payload, reception.kept_for(SECOND * age.min(self.second)))
                    .unwrap();
            }
            Event::Goodbye(host) => {
                self.hear_from(None, "goodbye", &format!("h{host}"), &[], self.second, 0).unwrap();
            }
            Event::Own(host, bits) => {
                drop(self.registry.set_own(server(&format!("h{host}"), &labels(bits)), 1000));
            }
            Event::Link(driver, true) => self.registry.link_opened(driver_id(driver), now),
            Event::Link(driver, false) => drop(self.registry.link_closed(driver_id(driver), now)),
            Event::Pass(seconds) => self.advance_to(self.second + seconds),
            Event::Expire => drop(self.registry.expire(now)),
        }
    }

    /// All hosts with their labels, the expired ones that were not removed yet included.
    fn list(&self) -> BTreeMap<String, Vec<String>> {
        let hosts = self.registry.hosts.iter();
        hosts
            .map(|host| (host.name().to_string(), host.labels().map(Cow::into_owned).collect()))
            .collect()
    }
}

/// Does to a list what a change tells.
fn follow(list: &mut BTreeMap<String, Vec<String>>, change: &Change) {
    let name = change.host.name().to_string();
    match &change.kind {
        ChangeKind::Joined => {
            let labels = change.host.labels().map(Cow::into_owned).collect();
            assert_eq!(list.insert(name, labels), None);
        }
        ChangeKind::Relabelled { added, removed } => {
            let labels = list.get_mut(&name).unwrap();
            let before = labels.len();
            labels.retain(|label| removed.binary_search(&label.as_str().into()).is_err());
            assert_eq!(before - labels.len(), removed.len());
            labels.extend(added.iter().map(ToString::to_string));
            labels.sort();
        }
        ChangeKind::Left | ChangeKind::Expired | ChangeKind::Lost => {
            assert!(list.remove(&name).is_some());
        }
    }
}

proptest! {
    #[test]
    fn a_reader_that_follows_the_changes_has_the_list(events in events(), started in 0..200usize) {
        let mut lobby = Fixture::new();
        let (mut reader, mut revision) = (lobby.list(), 0);
        for (number, event) in events.into_iter().enumerate() {
            if number == started {
                (reader, revision) = (lobby.list(), lobby.registry.snapshot().revision());
            }
            lobby.happens(event);
            let snapshot = lobby.registry.snapshot();
            if number > started && number % 3 == 0 {
                for change in snapshot.changes_since(revision).unwrap() {
                    revision += 1;
                    prop_assert_eq!(change.revision, revision);
                    follow(&mut reader, change);
                }
                prop_assert_eq!(revision, snapshot.revision());
                prop_assert_eq!(&reader, &lobby.list());
            }
            prop_assert!(snapshot.changes_since(snapshot.revision() + 1).is_none());
        }
    }

    #[test]
    fn at_each_deadline_those_go_who_have_expired(events in events()) {
        let mut lobby = Fixture::new();
        for event in events {
            lobby.happens(event);
            let now = lobby.start + SECOND * lobby.second;
            let mut living = lobby.registry.snapshot().find(&Selection::All, now).len();
            if lobby.registry.deadline(now).is_some_and(|deadline| deadline <= now) {
                lobby.registry.expire(now);
                prop_assert!(lobby.registry.deadline(now).is_none_or(|deadline| deadline > now));
                living = lobby.registry.snapshot().find(&Selection::All, now).len();
            }
            prop_assert_eq!(living, lobby.registry.hosts.len(), "all that are left are alive");
            prop_assert_eq!(living, lobby.registry.snapshot().count_living(now));
            let without_ttl = lobby.registry.hosts.iter().filter(|host| host.lacks_ttl()).count();
            prop_assert_eq!(lobby.registry.size(), LobbySize { hosts: living, without_ttl });
        }
    }
}
