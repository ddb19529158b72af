//! Packets of the own name: whose instance is a newcomer, and how often.

use super::*;
use crate::testsuite::fixtures::{goodbye, hi, instance, packet, reception};

/// A registry of the host `me`.
struct Me {
    registry: HostRegistry,
    now: Instant,
}

impl Me {
    /// The instance of this run.
    const OWN: u64 = 99;

    fn new() -> Self {
        let now = clock::now();
        let sync = InitialSync::new(SECOND * 5, 1, now);
        let own = instance(Self::OWN).to_string();
        let mut registry = HostRegistry::new(own, TTL, 100, sync, now);
        registry.link_opened(driver_id(0), now);
        registry.set_own(server("me", &[]), 1000);
        Self { registry, now }
    }

    fn hears_kept(&mut self, payload: &[u8], age: Duration) -> Option<SenderNews> {
        let reception = reception(self.now, 1_000_000).kept_for(age);
        self.registry.apply_payload(payload, reception).unwrap().news
    }

    fn hears(&mut self, payload: &[u8]) -> Option<SenderNews> {
        self.hears_kept(payload, Duration::ZERO)
    }

    fn pass(&mut self, time: Duration) {
        for _ in 0..time.as_secs() {
            self.now += SECOND;
            self.registry.tick(self.now);
            self.registry.sweep(self.now);
        }
    }
}

/// A hi of the host `me` from an instance.
fn hi_of(number: u64) -> Vec<u8> {
    hi(&packet("me", &[]), instance(number))
}

#[test]
fn another_instance_of_the_own_name_is_a_newcomer_once() {
    let mut me = Me::new();
    for number in [16, 32] {
        assert_eq!(me.hears(&hi_of(number)), Some(SenderNews::Newcomer));
        assert_eq!(me.hears(&hi_of(number)), None);
    }
    for _ in 0..10 {
        me.pass(TTL / 2);
        assert_eq!((me.hears(&hi_of(16)), me.hears(&hi_of(32))), (None, None));
    }
    me.pass(TTL);
    assert_eq!(me.hears(&hi_of(16)), Some(SenderNews::Newcomer), "it was gone");
    me.registry.set_own(server("other", &[]), 1000);
    me.registry.set_own(server("me", &[]), 1000);
    assert_eq!(me.hears(&hi_of(16)), Some(SenderNews::Newcomer), "it is met under another name");
}

#[test]
fn an_echo_or_what_names_no_instance_is_no_newcomer() {
    let mut me = Me::new();
    let nameless = br#"{"discovery":{"hostname":"me","labels":null},"message":"hi"}"#;
    let odd = br#"{"discovery":{"hostname":"me"},"message":"hi","instance":"other:1"}"#;
    let parting = goodbye(&packet("me", &[]), instance(16));
    for payload in [&hi_of(Me::OWN), &nameless[..], odd, &parting] {
        let text = String::from_utf8_lossy(payload);
        assert_eq!((me.hears(payload), me.hears(payload)), (None, None), "{text}");
    }
    me.pass(SECOND * 2);
    assert_eq!(me.hears_kept(&hi_of(16), SECOND), None, "a channel kept it");
}

#[test]
fn endless_instances_of_the_own_name_take_bounded_memory() {
    let mut me = Me::new();
    let newcomers = (100..10_000).filter(|number| me.hears(&hi_of(*number)).is_some()).count();
    assert_eq!(newcomers, 64);
    assert_eq!(me.hears(&hi_of(100)), None);
    me.pass(TTL);
    assert_eq!(me.hears(&hi_of(100)), Some(SenderNews::Newcomer));
}
