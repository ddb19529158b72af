//! Small lobbies in which every host has its own view, and packets get lost.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use lobby_core::link::hi_schedule::HiSchedule;
use lobby_core::liveness::connectivity::DriverSet;
use lobby_core::liveness::pace::{LobbySize, Pace};
use proptest::prelude::*;

use super::{KEEP_ALIVE, MARGIN, Random, SECOND, TTL, link, now, up, usual};

/// Packets of a host within so long may be lost together.
const BURST: Duration = Duration::from_millis(500);

/// More hosts than a small lobby ever has.
const MOST_HOSTS: usize = 500;

/// A host of a small lobby: what it has heard of each of the others.
struct Host {
    pace: Pace,
    /// None where it is one of lobby 1.x, which sends each KEEP_ALIVE and tells no TTL.
    schedule: Option<HiSchedule>,
    next: Instant,
    has_sent: bool,
    /// When its own link comes up again; none while that is up.
    up_at: Option<Instant>,
    /// Until when each other host counts as alive, and whether it tells a TTL.
    known: BTreeMap<usize, (Instant, bool)>,
    /// Since when packets of these hosts are lost on the way to this one.
    lost: BTreeMap<usize, Instant>,
}

/// A small lobby in which every host has its own view, and packets get lost.
struct Lobby {
    now: Instant,
    random: Random,
    /// Part of the packets that get lost: all that a host sends within [`BURST`], and never those
    /// of two bursts in a row.
    losses: f64,
    hosts: Vec<Option<Host>>,
    packets: usize,
}

impl Lobby {
    fn new(losses: f64, seed: u64) -> Self {
        Self { now: now(), random: Random(seed), losses, hosts: Vec::new(), packets: 0 }
    }

    fn join(&mut self, pace: Pace, is_original: bool) {
        let schedule = (!is_original).then(|| {
            let mut schedule = HiSchedule::new(pace, self.now);
            schedule.set_clock(self.now, (self.random.next() * 1000.0) as u64);
            schedule
        });
        let (next, known, lost) = (self.now, BTreeMap::new(), BTreeMap::new());
        let (has_sent, up_at) = (false, None);
        self.hosts.push(Some(Host { pace, schedule, next, has_sent, up_at, known, lost }));
    }

    /// A host leaves; with a goodbye, which may get lost like any packet, or without.
    fn leave(&mut self, index: usize, says_goodbye: bool) {
        self.hosts[index] = None;
        for other in self.hosts.iter_mut().flatten() {
            if says_goodbye && self.random.next() >= self.losses {
                other.known.remove(&index);
            }
        }
    }

    fn living(&self) -> Vec<usize> {
        (0..self.hosts.len()).filter(|index| self.hosts[*index].is_some()).collect()
    }

    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        loop {
            let hosts = self.hosts.iter().enumerate();
            let due = hosts.filter_map(|(index, host)| Some((host.as_ref()?.due(), index))).min();
            let Some((at, index)) = due.filter(|(at, _)| *at <= until) else { break };
            self.now = self.now.max(at);
            self.link_up(index);
            self.send(index);
        }
        self.now = until;
        (0..self.hosts.len()).for_each(|index| self.look(index));
    }

    /// A host forgets those that have expired, and goes by what is left.
    fn look(&mut self, index: usize) {
        let now = self.now;
        let Some(host) = &mut self.hosts[index] else { return };
        host.known.retain(|_, (until, _)| *until > now);
        let without_ttl = host.known.values().filter(|(_, tells)| !tells).count();
        if let Some(schedule) = &mut host.schedule {
            schedule.resize(LobbySize { hosts: host.known.len() + 1, without_ttl }, now);
            if host.has_sent {
                host.next = schedule.deadline();
            }
        }
    }

    /// The own link of a host breaks for some time.
    fn break_link(&mut self, index: usize, time: Duration) {
        let now = self.now;
        if let Some(host) = self.hosts[index].as_mut().filter(|host| host.has_sent) {
            host.up_at.get_or_insert(now + time);
        }
    }

    /// A host whose link comes up now says hi on it at once.
    fn link_up(&mut self, index: usize) {
        let now = self.now;
        let Some(host) = self.hosts[index].as_mut() else { return };
        if host.up_at.take_if(|at| *at <= now).is_some() {
            if let Some(schedule) = &mut host.schedule {
                schedule.opened(link(), now);
                schedule.sent_through(link(), now);
                host.next = schedule.deadline();
            }
            self.deliver(index);
        }
    }

    /// The labels of a host change: its packet goes out at once.
    fn change(&mut self, index: usize) {
        self.look(index);
        let (now, random) = (self.now, self.random.next());
        let Some(host) = self.hosts[index].as_mut().filter(|host| host.has_sent) else { return };
        if let Some(schedule) = &mut host.schedule {
            schedule.sent(
                if host.up_at.is_some() { DriverSet::default() } else { up() },
                random,
                now,
            );
            host.next = schedule.deadline();
        }
        self.deliver(index);
    }

    fn send(&mut self, index: usize) {
        self.look(index);
        let (now, random) = (self.now, self.random.next());
        // What was due may be put off by then.
        let Some(host) = self.hosts[index].as_mut().filter(|host| host.next <= now) else { return };
        let links = if host.up_at.is_some() { DriverSet::default() } else { up() };
        match &mut host.schedule {
            None => host.next = now + host.pace.keep_alive,
            Some(schedule) => {
                if host.has_sent {
                    assert!(schedule.is_due(links, random, now));
                } else {
                    // The first packet is sent at once.
                    schedule.sent(links, random, now);
                }
                host.next = schedule.deadline();
            }
        }
        host.has_sent = true;
        self.deliver(index);
    }

    /// The others hear a packet, unless it is lost.
    fn deliver(&mut self, from: usize) {
        let Some(host) = self.hosts[from].as_ref().filter(|host| host.up_at.is_none()) else {
            return;
        };
        self.packets += 1;
        let told = host.schedule.as_ref().map(|schedule| schedule.ttl().unwrap().duration());
        for to in (0..self.hosts.len()).filter(|to| *to != from) {
            let (now, is_unlucky) = (self.now, self.random.next() < self.losses);
            let Some(host) = &mut self.hosts[to] else { continue };
            match host.lost.get(&from) {
                Some(since) if now - *since < BURST => continue,
                None if is_unlucky => {
                    host.lost.insert(from, now);
                    continue;
                }
                _ => host.lost.remove(&from),
            };
            let ttl = told.filter(|_| host.schedule.is_some()).unwrap_or(host.pace.ttl);
            host.known.insert(from, (now + ttl, told.is_some()));
            self.look(to);
        }
    }

    /// The first host that lives, was heard by another one, and is missing there.
    fn missing(&self, met: &mut [Vec<bool>]) -> Option<(usize, usize)> {
        for at in self.living() {
            for of in self.living() {
                let known = self.hosts[at].as_ref().unwrap().known.get(&of);
                let is_alive = known.is_some_and(|(until, _)| *until > self.now);
                met[at][of] |= is_alive;
                if met[at][of] && !is_alive {
                    return Some((at, of));
                }
            }
        }
        None
    }
}

impl Host {
    fn due(&self) -> Instant {
        self.up_at.map_or(self.next, |up_at| up_at.min(self.next))
    }
}

/// What happens to a lobby.
#[derive(Debug, Clone, Copy)]
enum Event {
    Join(usize, Pace),
    JoinOriginal(Pace),
    Leave(usize, bool),
    LeaveOriginals,
    /// The labels of a host change twice, 50 ms apart.
    Change(usize),
    /// The link of a host breaks for so many seconds.
    Outage(usize, u32),
    Pass(u32),
}

/// Events of a lobby whose hosts have these settings. Its links break where `outages` says so.
fn events(
    pace: impl Strategy<Value = Pace> + Clone,
    outages: u32,
) -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        6 => (1..7usize, pace).prop_map(|(hosts, pace)| Event::Join(hosts, pace)),
        2 => Just(Event::JoinOriginal(usual(0))),
        4 => (any::<usize>(), any::<bool>()).prop_map(|(which, bye)| Event::Leave(which, bye)),
        4 => Just(Event::LeaveOriginals),
        4 => any::<usize>().prop_map(Event::Change),
        outages => (any::<usize>(), 1..11u32).prop_map(|(which, time)| Event::Outage(which, time)),
        12 => (1..40u32).prop_map(Event::Pass),
        6 => (1..6u32).prop_map(Event::Pass),
    ];
    prop::collection::vec(event, 1..30)
}

/// The usual settings, of which the rate is low.
fn low_rates() -> impl Strategy<Value = Pace> + Clone {
    (1..4u32).prop_map(usual)
}

/// Which part of the packets gets lost: few of them, or every other one.
fn losses() -> impl Strategy<Value = f64> {
    prop::sample::select(vec![0.1, 0.5, 1.0])
}

/// Settings of all kinds.
fn any_settings() -> impl Strategy<Value = Pace> + Clone {
    let settings = (1..9u32, 3..7u32, 0..5u32);
    settings.prop_map(|(keep_alive, times, max_rate)| Pace {
        keep_alive: SECOND * keep_alive,
        ttl: SECOND * keep_alive * times,
        max_rate,
    })
}

impl Lobby {
    fn happens(&mut self, event: Event) {
        match event {
            Event::Join(hosts, pace) => (0..hosts).for_each(|_| self.join(pace, false)),
            Event::JoinOriginal(pace) => self.join(pace, true),
            Event::Leave(which, says_goodbye) => {
                if let Some(index) = self.one_of_all(which) {
                    self.leave(index, says_goodbye);
                }
            }
            Event::Change(which) => {
                if let Some(index) = self.one_of_all(which) {
                    self.change(index);
                    self.pass(SECOND / 20);
                    self.change(index);
                }
            }
            Event::Outage(which, seconds) => {
                if let Some(index) = self.one_of_all(which) {
                    self.break_link(index, SECOND * seconds);
                }
            }
            Event::LeaveOriginals => {
                for index in self.originals() {
                    self.leave(index, true);
                }
            }
            Event::Pass(seconds) => self.pass(SECOND * seconds),
        }
    }

    fn one_of_all(&self, which: usize) -> Option<usize> {
        let living = self.living();
        living.get(which % living.len().max(1)).copied()
    }

    /// Law (a): the first host that is missing at another one, however the events go.
    fn first_missing(&mut self, events: &[Event]) -> Option<(usize, usize)> {
        let mut met = vec![vec![false; MOST_HOSTS]; MOST_HOSTS];
        for event in events {
            let Event::Pass(seconds) = event else {
                self.happens(*event);
                continue;
            };
            for _ in 0..*seconds {
                self.pass(SECOND);
                if let Some(missing) = self.missing(&mut met) {
                    return Some(missing);
                }
            }
        }
        None
    }

    fn originals(&self) -> Vec<usize> {
        let is_original = |index: &usize| self.hosts[*index].as_ref().unwrap().schedule.is_none();
        self.living().into_iter().filter(is_original).collect()
    }

    /// The intervals of all hosts, without repetition.
    fn intervals(&self) -> Vec<Duration> {
        let hosts = self.hosts.iter().flatten();
        let mut intervals: Vec<_> =
            hosts.filter_map(|host| Some(host.schedule.as_ref()?.interval())).collect();
        intervals.sort_unstable();
        intervals.dedup();
        intervals
    }

    fn size(&self) -> LobbySize {
        LobbySize { hosts: self.living().len(), without_ttl: self.originals().len() }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Law (a): nobody who is alive is ever missing anywhere, whoever comes and goes, although
    /// packets get lost, labels change and links break.
    #[test]
    fn nobody_who_is_alive_is_ever_missing(
        losses in losses(), seed: u64, events in events(low_rates(), 4),
    ) {
        let mut lobby = Lobby::new(losses, seed);
        let missing = lobby.first_missing(&events);
        prop_assert_eq!(missing, None, "{:?}", lobby.intervals());
    }

    /// Law (a) where each host has another KEEP_ALIVE, TTL and MAX_PACKET_RATE. An original there
    /// may well be missing: of that one is warned.
    #[test]
    fn hosts_of_different_settings_are_never_missing(
        losses in losses(), seed: u64, events in events(any_settings(), 0),
    ) {
        let mut lobby = Lobby::new(losses, seed);
        let events: Vec<_> =
            events.into_iter().filter(|event| !matches!(event, Event::JoinOriginal(_))).collect();
        let missing = lobby.first_missing(&events);
        prop_assert_eq!(missing, None, "{:?}", lobby.intervals());
    }

    /// Law (a) in a lobby that has just grown from a few hosts to many, where those who were there
    /// change their labels, or lose their links, while their intervals grow.
    #[test]
    fn none_that_changes_or_is_cut_off_is_missing_meanwhile(
        losses in losses(), seed: u64, after in 1..20u32, outage in prop::option::of(1..11u32),
    ) {
        let mut lobby = Lobby::new(losses, seed);
        let few = Event::Join(3, usual(1));
        let busy = |host| match outage {
            Some(time) => Event::Outage(host, time),
            None => Event::Change(host),
        };
        let mut events = vec![few, Event::Pass(20), Event::Join(45, usual(1)), Event::Pass(after)];
        events.extend((0..3).map(busy));
        events.push(Event::Pass(100));
        let missing = lobby.first_missing(&events);
        prop_assert_eq!(missing, None, "{:?}", lobby.intervals());
    }

    /// Laws (b) and (c): two intervals after the last event all send at the right interval, and at
    /// no more than the rate.
    #[test]
    fn soon_after_an_event_all_send_at_the_right_interval(
        max_rate in 1..4u32, seed: u64, events in events(Just(usual(3)), 4),
    ) {
        let (mut lobby, pace) = (Lobby::new(0.0, seed), usual(max_rate));
        for event in events {
            let Event::Join(hosts, _) = event else {
                lobby.happens(event);
                continue;
            };
            lobby.happens(Event::Join(hosts, pace));
        }
        let longest = lobby.intervals().last().copied().unwrap_or_default();
        // Those that left without a goodbye are dead only after their TTL.
        lobby.pass(longest * 6 + TTL);
        let expected = pace.interval(lobby.size());
        lobby.pass(lobby.intervals().last().copied().unwrap_or_default().max(expected) * 2);
        let stretched = lobby.hosts.iter().flatten().any(|host| host.schedule.is_some());
        prop_assert_eq!(lobby.intervals(), if stretched { vec![expected] } else { vec![] });
        let before = lobby.packets;
        lobby.pass(expected * 10);
        let rate = (lobby.packets - before) as f64 / (expected.as_secs_f64() * 10.0);
        let hosts = lobby.living().len() as f64;
        let allowed = if lobby.originals().is_empty() { f64::from(max_rate) } else { 0.0 };
        let loud = f64::from(u8::from(expected == KEEP_ALIVE));
        let allowed = allowed.max(hosts / KEEP_ALIVE.as_secs_f64() * loud);
        prop_assert!(rate <= allowed * MARGIN, "{rate} of {allowed}");
    }
}
