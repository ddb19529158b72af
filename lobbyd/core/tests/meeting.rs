//! The cost of meeting: lobbies of many daemons in virtual time, and what they send when daemons
//! join. The table is part of docs/operations.md.
#![expect(clippy::unwrap_used, reason = "a test ends by panicking")]

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use lobby_core::link::hi_schedule::HiSchedule;
use lobby_core::liveness::connectivity::{DriverId, DriverSet};
use lobby_core::liveness::pace::{LobbySize, Pace};

const KEEP_ALIVE: Duration = Duration::from_secs(5);

const PACE: Pace = Pace { keep_alive: KEEP_ALIVE, ttl: Duration::from_secs(30), max_rate: 200 };

/// How long a packet is on its way.
const HOP: Duration = Duration::from_millis(1);

const SECOND: Duration = Duration::from_secs(1);

/// The only link is up.
fn link() -> DriverSet {
    DriverId::new(0).into_iter().collect()
}

/// A daemon, while it runs.
struct Daemon {
    schedule: HiSchedule,
    run: u32,
    /// The latest run of each daemon that was heard.
    known: Vec<u32>,
    packets: usize,
}

/// A lobby in virtual time: every packet reaches every daemon that runs.
struct Lobby {
    now: Instant,
    daemons: Vec<Option<Daemon>>,
    runs: Vec<u32>,
    /// The packets on their way: when each arrives, whose it is, and of which run.
    on_the_way: BTreeSet<(Instant, usize, u32)>,
    random: u64,
    packets: usize,
}

impl Lobby {
    #[expect(clippy::disallowed_methods, reason = "a test begins at any moment")]
    fn new(places: usize) -> Self {
        Self {
            now: Instant::now(),
            daemons: (0..places).map(|_| None).collect(),
            runs: vec![0; places],
            on_the_way: BTreeSet::new(),
            random: 1,
            packets: 0,
        }
    }

    /// A lobby of this many daemons that have known each other for long, and room for one more.
    fn at_rest(daemons: usize) -> Self {
        let mut lobby = Self::new(daemons + 1);
        for place in 0..daemons {
            lobby.start(place);
            let pause = KEEP_ALIVE.div_f64(daemons as f64);
            lobby.pass(pause);
        }
        lobby.pass(KEEP_ALIVE * 3);
        lobby
    }

    /// A number from 0 to 1.
    fn random(&mut self) -> f64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.random >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn start(&mut self, place: usize) {
        self.runs[place] += 1;
        let (run, known) = (self.runs[place], vec![0; self.runs.len()]);
        let mut schedule = HiSchedule::new(PACE, self.now);
        schedule.sent(link(), 0.0, self.now);
        self.daemons[place] = Some(Daemon { schedule, run, known, packets: 0 });
        self.send(place);
    }

    /// Says goodbye, which reaches everybody at once.
    fn end(&mut self, place: usize) {
        self.daemons[place] = None;
        self.packets += 1;
        for daemon in self.daemons.iter_mut().flatten() {
            daemon.known[place] = 0;
        }
    }

    fn send(&mut self, place: usize) {
        let Some(daemon) = &mut self.daemons[place] else { return };
        daemon.packets += 1;
        self.packets += 1;
        self.on_the_way.insert((self.now + HOP, place, daemon.run));
    }

    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(next) = self.next().filter(|next| *next <= until) {
            self.now = self.now.max(next);
            while let Some(packet) =
                self.on_the_way.first().copied().filter(|(at, ..)| *at <= self.now)
            {
                self.on_the_way.remove(&packet);
                self.deliver(packet.1, packet.2);
            }
            for place in 0..self.daemons.len() {
                let now = self.now;
                let is_due = |daemon: &mut Daemon| daemon.schedule.is_due(link(), 0.0, now);
                if self.daemons[place].as_mut().is_some_and(is_due) {
                    self.send(place);
                }
            }
        }
        self.now = until;
    }

    fn next(&self) -> Option<Instant> {
        let deadlines = self.daemons.iter().flatten().map(|daemon| daemon.schedule.deadline());
        deadlines.chain(self.on_the_way.first().map(|(at, ..)| *at)).min()
    }

    fn deliver(&mut self, from: usize, run: u32) {
        for place in (0..self.daemons.len()).filter(|place| *place != from) {
            let (random, now) = (self.random(), self.now);
            let Some(daemon) = &mut self.daemons[place] else { continue };
            if std::mem::replace(&mut daemon.known[from], run) != run {
                let hosts = daemon.known.iter().filter(|run| **run > 0).count() + 1;
                daemon.schedule.resize(LobbySize { hosts, without_ttl: 0 }, now);
                daemon.schedule.newcomer(hosts, random, now);
            }
        }
    }

    /// Whether a daemon knows all others that run.
    fn knows_all(&self, place: usize) -> bool {
        let Some(daemon) = &self.daemons[place] else { return true };
        let mut others = self.daemons.iter().enumerate().filter(|(other, _)| *other != place);
        others.all(|(other, there)| {
            there.as_ref().is_none_or(|there| daemon.known[other] == there.run)
        })
    }

    fn all_know_all(&self) -> bool {
        (0..self.daemons.len()).all(|place| self.knows_all(place))
    }

    /// Lets time pass until a condition holds. Returns how long that took.
    fn pass_until(&mut self, condition: impl Fn(&Self) -> bool) -> Duration {
        let (step, mut passed) = (Duration::from_millis(10), Duration::ZERO);
        while !condition(self) {
            self.pass(step);
            passed += step;
            assert!(passed < KEEP_ALIVE * 10, "it does not come true");
        }
        passed
    }

    fn running(&self) -> usize {
        self.daemons.iter().flatten().count()
    }
}

/// A row: what happens, how long until all know all, packets a host and second over a time, and at
/// rest.
fn row(what: &str, known: Duration, rate: f64) -> String {
    format!("| {what} | {:.2} s | {rate:.2} |", known.as_secs_f64())
}

fn rest(daemons: usize) -> String {
    let mut lobby = Lobby::at_rest(daemons);
    let before = lobby.packets;
    lobby.pass(KEEP_ALIVE * 4);
    let rate = (lobby.packets - before) as f64 / lobby.running() as f64 / 20.0;
    assert!(rate <= 0.2001, "at rest nothing is sent more often than once in KEEP_ALIVE: {rate}");
    format!("| nothing happens | | {rate:.2} |")
}

fn join(daemons: usize, limit: Duration) -> String {
    let mut lobby = Lobby::at_rest(daemons);
    let before = lobby.packets;
    lobby.start(daemons);
    let known = lobby.pass_until(|lobby| lobby.knows_all(daemons));
    assert!(known <= limit, "{known:?}");
    lobby.pass(KEEP_ALIVE - known);
    let rate = (lobby.packets - before) as f64 / lobby.running() as f64 / 5.0;
    row(&format!("a server joins {daemons} others"), known, rate)
}

fn rolling_restart(daemons: usize) -> String {
    let mut lobby = Lobby::at_rest(daemons);
    let before = lobby.packets;
    for place in 0..daemons {
        lobby.end(place);
        lobby.pass(SECOND / 2);
        lobby.start(place);
        lobby.pass(SECOND / 2);
    }
    let rate = (lobby.packets - before) as f64 / daemons as f64 / daemons as f64;
    assert!(rate <= 0.2 + 3.0 / 5.0, "{rate}");
    let known = SECOND / 2 + lobby.pass_until(Lobby::all_know_all);
    row(&format!("{daemons} servers restart, one each second"), known, rate)
}

fn all_at_once(daemons: usize) -> String {
    let mut lobby = Lobby::new(daemons);
    // No machine is as quick as the other.
    for place in 0..daemons {
        lobby.start(place);
        lobby.pass(SECOND.div_f64(daemons as f64));
    }
    let known = lobby.pass_until(Lobby::all_know_all);
    assert!(SECOND + known <= KEEP_ALIVE + SECOND, "no later than without greetings: {known:?}");
    lobby.pass(KEEP_ALIVE * 2 - SECOND - known);
    let most = lobby.daemons.iter().flatten().map(|daemon| daemon.packets).max().unwrap();
    assert!(most <= 9, "three greetings in each KEEP_ALIVE, a hi and keep-alives: {most}");
    let rate = lobby.packets as f64 / daemons as f64 / 10.0;
    row(&format!("{daemons} servers start within a second"), known, rate)
}

#[test]
fn a_join_and_restarts_cost_what_the_page_says() {
    let rows = [
        rest(200),
        join(60, Duration::from_millis(250)),
        join(200, SECOND),
        join(999, SECOND * 3),
        rolling_restart(200),
        all_at_once(200),
    ];
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operations.md");
    let page = std::fs::read_to_string(page).unwrap();
    for row in &rows {
        assert!(page.contains(row), "docs/operations.md lacks rows of:\n{}", rows.join("\n"));
    }
}
