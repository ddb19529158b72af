//! Hosts whose connection to the broker was closed.

use proptest::prelude::*;

use super::*;
use crate::link::connection_name::ConnectionName;

/// The instances of a host, as they are in packets.
const RUNS: [&str; 2] = ["00000000000000a1", "00000000000000a2"];

fn connection(host: &str, run: usize) -> ConnectionName {
    ConnectionName::parse(&format!("lobbyd/{host}/{}", RUNS[run])).unwrap()
}

fn lost(name: &str) -> Told {
    (ChangeKind::Lost, name.to_owned())
}

impl Fixture {
    fn run_says(&mut self, host: &str, run: usize, message: &str, second: u32, place: usize) {
        self.hear_from(Some(RUNS[run]), message, host, &[], second, place).unwrap();
    }

    fn closed(&mut self, host: &str, run: usize, second: u32) {
        self.advance_to(second);
        let at = self.start + SECOND * second;
        let reception = Reception::fresh(driver_id(0), at, 1_000_000);
        self.registry.connection_closed(&connection(host, run), reception);
    }

    fn expired(&mut self, second: u32) -> Vec<Told> {
        self.advance_to(second);
        told_all(&self.registry.expire(self.start + SECOND * second))
    }

    fn deadline_is_at(&self, second: u32) -> bool {
        let now = self.start + SECOND * self.second;
        self.registry.deadline(now) == Some(self.start + SECOND * second)
    }
}

#[test]
fn a_host_that_is_not_heard_after_its_end_leaves_as_lost() {
    let mut fixture = Fixture::new();
    fixture.run_says("a", 0, "hi", 1, 0);
    fixture.run_says("b", 0, "hi", 1, 0);
    fixture.closed("a", 0, 2);
    assert!(fixture.deadline_is_at(5));
    assert_eq!(fixture.expired(4), []);
    assert_eq!(fixture.living(4), ["a", "b"]);
    assert_eq!(fixture.expired(5), [lost("a")]);
    assert_eq!(fixture.living(5), ["b"]);
}

#[test]
fn a_host_that_is_heard_again_stays_and_may_be_lost_later() {
    let mut fixture = Fixture::new();
    fixture.run_says("a", 0, "hi", 1, 0);
    fixture.closed("a", 0, 2);
    fixture.run_says("a", 0, "hi", 3, 0);
    fixture.closed("a", 0, 4);
    assert_eq!(fixture.expired(6), []);
    assert_eq!(fixture.expired(7), [lost("a")]);
    fixture.run_says("a", 0, "hi", 8, 0);
    assert_eq!(fixture.living(8), ["a"]);
}

#[test]
fn whoever_repeats_it_changes_nothing() {
    let mut fixture = Fixture::new();
    fixture.run_says("a", 0, "hi", 1, 0);
    for second in [2, 3, 4] {
        fixture.closed("a", 0, second);
    }
    assert_eq!(fixture.expired(5), [lost("a")]);
}

#[test]
fn the_end_of_another_instance_or_of_a_stranger_does_nothing() {
    let mut fixture = Fixture::new();
    fixture.registry.set_own(server("own", &[]), 1);
    fixture.run_says("a", 1, "hi", 1, 0);
    fixture.closed("a", 0, 2);
    fixture.closed("stranger", 0, 2);
    fixture.closed("own", 0, 2);
    assert_eq!(fixture.expired(6), []);
}

#[test]
fn a_host_that_was_started_again_stays() {
    let mut fixture = Fixture::new();
    fixture.run_says("a", 0, "hi", 1, 0);
    fixture.closed("a", 0, 2);
    fixture.run_says("a", 1, "hi", 3, 0);
    assert_eq!(fixture.expired(9), []);
    fixture.closed("a", 1, 9);
    assert_eq!(fixture.expired(12), [lost("a")]);
}

#[test]
fn a_host_that_is_heard_through_another_driver_too_stays() {
    let mut fixture = Fixture::new();
    fixture.run_says("a", 0, "hi", 1, 0);
    fixture.run_says("a", 0, "hi", 1, 1);
    fixture.closed("a", 0, 2);
    assert_eq!(fixture.expired(6), []);
}

#[test]
fn nobody_is_lost_while_the_own_link_is_down() {
    let mut fixture = Fixture::new();
    fixture.run_says("a", 0, "hi", 1, 0);
    fixture.closed("a", 0, 2);
    drop(fixture.registry.link_closed(driver_id(0), fixture.start + SECOND * 3));
    assert_eq!(fixture.expired(6), []);
    fixture.registry.link_opened(driver_id(0), fixture.start + SECOND * 6);
    assert_eq!(fixture.expired(20), []);
}

#[test]
fn a_standstill_of_this_daemon_loses_nobody() {
    let mut fixture = Fixture::new();
    fixture.run_says("a", 0, "hi", 1, 0);
    fixture.closed("a", 0, 2);
    let back = fixture.start + SECOND * 60;
    assert!(fixture.registry.tick(back).is_some());
    assert_eq!(told_all(&fixture.registry.expire(back)), []);
}

#[test]
fn there_are_never_more_suspects_than_servers_are_held() {
    let mut fixture = Fixture::holding_at_most(2);
    for number in 0..10 {
        let host = format!("h{number}");
        fixture.run_says(&host, 0, "hi", 1, 0);
        fixture.closed(&host, 0, 1);
        fixture.run_says(&host, 0, "goodbye", 1, 0);
    }
    assert_eq!(fixture.registry.suspects.len(), 2);
    assert_eq!(fixture.expired(4), []);
    assert_eq!(fixture.registry.suspects.len(), 0);
}

/// What happens to a registry.
#[derive(Debug, Clone, Copy)]
enum Event {
    Hi { host: usize, run: usize, place: usize },
    Goodbye { host: usize, run: usize },
    Closed { host: usize, run: usize },
    Link(bool),
    Pass(u32),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let (host, run) = (0..4usize, 0..2usize);
    let event = prop_oneof![
        4 => (host.clone(), run.clone(), prop_oneof![5 => Just(0usize), 1 => Just(1)])
            .prop_map(|(host, run, place)| Event::Hi { host, run, place }),
        1 => (host.clone(), run.clone()).prop_map(|(host, run)| Event::Goodbye { host, run }),
        4 => (host, run).prop_map(|(host, run)| Event::Closed { host, run }),
        1 => any::<bool>().prop_map(Event::Link),
        3 => (1..5u32).prop_map(Event::Pass),
    ];
    prop::collection::vec(event, 0..120)
}

proptest! {
    #[test]
    fn only_those_are_lost_that_ended_and_were_silent_since(events in events()) {
        let mut fixture = Fixture::new();
        // When each run of each host was last heard, and first said to have ended since.
        let mut ended: std::collections::BTreeMap<(usize, usize), u32> = Default::default();
        let mut heard = [0; 4];
        for event in events {
            let second = fixture.second;
            match event {
                Event::Hi { host, run, place } => {
                    fixture.run_says(&format!("h{host}"), run, "hi", second, place);
                    heard[host] = second;
                }
                Event::Goodbye { host, run } => {
                    fixture.run_says(&format!("h{host}"), run, "goodbye", second, 0);
                }
                Event::Closed { host, run } => {
                    fixture.closed(&format!("h{host}"), run, second);
                    let first = ended.entry((host, run)).or_insert(second);
                    if *first <= heard[host] { *first = second; }
                }
                Event::Link(true) => fixture.registry.link_opened(driver_id(0), fixture.start + SECOND * second),
                Event::Link(false) => drop(fixture.registry.link_closed(driver_id(0), fixture.start + SECOND * second)),
                Event::Pass(seconds) => for second in second..=second + seconds {
                    for (kind, name) in fixture.expired(second) {
                        if kind != ChangeKind::Lost { continue; }
                        let host: usize = name[1..].parse().unwrap();
                        prop_assert!(heard[host] + 3 <= second, "{name} was heard");
                        let silent_since = |run| ended.get(&(host, run)).is_some_and(|at| *at + 3 <= second);
                        prop_assert!(silent_since(0) || silent_since(1), "{name} had not ended");
                    }
                }
            }
            prop_assert!(fixture.registry.suspects.len() <= 4);
        }
    }

    #[test]
    fn a_flood_of_forged_ends_of_strangers_takes_no_memory(
        names in prop::collection::vec("[a-z]{1,8}", 0..200),
    ) {
        let mut fixture = Fixture::new();
        for name in names {
            fixture.closed(&name, 0, 1);
        }
        prop_assert_eq!(fixture.registry.suspects.len(), 0);
    }
}
