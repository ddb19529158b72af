//! Clones: daemons that go by one name, in virtual time. They and all others know soon that they
//! are several, and they greet each other once.
#![expect(clippy::unwrap_used, reason = "a test ends by panicking")]

use std::borrow::Cow;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

use lobby_core::link::hi_schedule::HiSchedule;
use lobby_core::liveness::connectivity::DriverSet;
use lobby_core::liveness::initial_sync::InitialSync;
use lobby_core::liveness::pace::{LobbySize, Pace};
use lobby_core::registry::host_registry::{HostRegistry, SenderNews};
use lobby_core::select::selection::Selection;
use lobby_core::testsuite::fixtures::{driver, hi, instance, packet, reception};

const KEEP_ALIVE: Duration = Duration::from_secs(20);
const PACE: Pace = Pace { keep_alive: KEEP_ALIVE, ttl: Duration::from_secs(120), max_rate: 200 };

/// How long a packet is on its way.
const HOP: Duration = Duration::from_millis(1);

/// How often a registry shows that it works.
const TICK: Duration = Duration::from_millis(200);

/// Most of what a greeting takes in a lobby of three: 20 ms and 1 ms for each, and the way.
const GREETED: Duration = Duration::from_millis(25);

/// The third party and the daemons of one name, of which each has a label of its own.
const THIRD: &str = "third";
const CLONE: &str = "clone";

struct Daemon {
    registry: HostRegistry,
    schedule: HiSchedule,
    hi: Vec<u8>,
    packets: usize,
}

/// A lobby in which each packet reaches every daemon, its own sender too.
struct Lobby {
    now: Instant,
    daemons: Vec<Daemon>,
    on_the_way: VecDeque<(Instant, usize)>,
    random: u64,
}

impl Lobby {
    #[expect(clippy::disallowed_methods, reason = "a test begins at any moment")]
    fn with_third() -> Self {
        let (daemons, on_the_way) = (Vec::new(), VecDeque::new());
        let mut lobby = Self { now: Instant::now(), daemons, on_the_way, random: 1 };
        lobby.start(THIRD, 7);
        lobby
    }

    fn start(&mut self, name: &str, number: u64) {
        let (own, now) = (packet(name, &[&format!("run:{number}")]), self.now);
        let sync = InitialSync::new(KEEP_ALIVE, 1, now);
        let run = instance(number).to_string();
        let mut registry = HostRegistry::new(run, PACE.ttl, 1000, sync, now);
        registry.link_opened(driver(0), now);
        registry.set_own(own.clone(), 0);
        let mut schedule = HiSchedule::new(PACE, now);
        schedule.sent(up(), 0.0, now);
        let hi = hi(&own, instance(number));
        self.daemons.push(Daemon { registry, schedule, hi, packets: 0 });
        self.send(self.daemons.len() - 1);
    }

    fn send(&mut self, place: usize) {
        self.daemons[place].packets += 1;
        self.on_the_way.push_back((self.now + HOP, place));
    }

    /// A number from 0 to 1.
    fn random(&mut self) -> f64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.random >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while self.now < until {
            let next = self.next().clamp(self.now, self.now + TICK);
            self.now = next.min(until);
            while let Some((at, from)) = self.on_the_way.front().copied()
                && at <= self.now
            {
                self.on_the_way.pop_front();
                self.deliver(from);
            }
            for place in 0..self.daemons.len() {
                self.daemons[place].registry.tick(self.now);
                if self.daemons[place].schedule.is_due(up(), 0.0, self.now) {
                    self.send(place);
                }
            }
        }
    }

    fn next(&self) -> Instant {
        let deadlines = self.daemons.iter().map(|daemon| daemon.schedule.deadline());
        let arrival = self.on_the_way.front().map(|(at, _)| *at);
        deadlines.chain(arrival).min().unwrap_or(self.now)
    }

    fn deliver(&mut self, from: usize) {
        let (payload, received) = (self.daemons[from].hi.clone(), reception(self.now, 0));
        for place in 0..self.daemons.len() {
            let random = self.random();
            let Daemon { registry, schedule, .. } = &mut self.daemons[place];
            let news = registry.apply_payload(&payload, received).unwrap().news;
            let hosts = registry.size().hosts;
            schedule.resize(LobbySize { hosts, without_ttl: 0 }, self.now);
            if news == Some(SenderNews::Newcomer) {
                schedule.newcomer(hosts, random, self.now);
            }
        }
    }

    /// How many packets each daemon sends in a time.
    fn packets_in(&mut self, time: Duration) -> Vec<usize> {
        let before: Vec<_> = self.daemons.iter().map(|daemon| daemon.packets).collect();
        self.pass(time);
        self.daemons.iter().zip(before).map(|(daemon, before)| daemon.packets - before).collect()
    }

    /// What the third party takes for the label of the clones.
    fn shown(&self) -> Vec<String> {
        let snapshot = self.daemons[0].registry.snapshot();
        let hosts = snapshot.find(&Selection::All, self.now);
        let clone = hosts.into_iter().find(|host| host.name().as_str() == CLONE);
        clone.map(|host| host.labels().map(Cow::into_owned).collect()).unwrap()
    }

    fn namesakes(&self, place: usize) -> usize {
        self.daemons[place].registry.namesakes().map(|(_, instances)| instances.len()).sum()
    }
}

/// The only link is up.
fn up() -> DriverSet {
    std::iter::once(driver(0)).collect()
}

#[test]
fn two_of_one_name_are_known_long_before_a_keep_alive() {
    for order in [[16, 32], [32, 16]] {
        let mut lobby = Lobby::with_third();
        lobby.start(CLONE, order[0]);
        lobby.pass(KEEP_ALIVE / 2);
        lobby.start(CLONE, order[1]);
        let sent = lobby.packets_in(GREETED + HOP * 3);
        assert_eq!((lobby.namesakes(0), lobby.shown()), (2, vec!["run:16".to_owned()]));
        for (place, other) in [(1, order[1]), (2, order[0])] {
            let duplicate = lobby.daemons[place].registry.duplicate().unwrap();
            assert_eq!(duplicate.instance, Some(instance(other).to_string()));
        }
        assert!(sent.iter().all(|packets| *packets <= 1), "{sent:?}");
        let sent = lobby.packets_in(KEEP_ALIVE / 4);
        assert!(sent.iter().sum::<usize>() <= 1, "it greets those who have greeted it: {sent:?}");
        assert_eq!(lobby.packets_in(KEEP_ALIVE * 5), [5; 3]);
    }
}

#[test]
fn a_third_of_one_name_is_greeted_by_all() {
    let mut lobby = Lobby::with_third();
    for number in [16, 32] {
        lobby.start(CLONE, number);
        lobby.pass(KEEP_ALIVE);
    }
    lobby.start(CLONE, 48);
    let sent = lobby.packets_in(GREETED + HOP * 3);
    assert_eq!(sent[..3], [1; 3]);
    assert_eq!(lobby.daemons[3].registry.size().hosts, 2);
    assert_eq!(lobby.namesakes(0), 3);
}

#[test]
fn clones_of_any_number_greet_each_other_and_then_rest() {
    for clones in [2, 3, 8, 9, 20, 70] {
        let mut lobby = Lobby::with_third();
        for number in 1..=clones {
            lobby.start(CLONE, number * 16);
            lobby.pass(Duration::from_millis(number * 37 % 200));
        }
        let sent = lobby.packets_in(KEEP_ALIVE);
        assert!(sent.iter().all(|packets| *packets <= 5), "{clones}: {sent:?}");
        lobby.pass(KEEP_ALIVE);
        let sent = lobby.packets_in(KEEP_ALIVE * 4);
        assert!(sent.iter().all(|packets| *packets == 4), "{clones}: {sent:?}");
        assert_eq!(lobby.shown(), ["run:16"]);
    }
}
