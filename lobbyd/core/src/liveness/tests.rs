use proptest::prelude::*;

use super::*;
use crate::clock;
use crate::wire::packet_ttl::PacketTtl;

const TTL: Duration = Duration::from_secs(30);
const SECOND: Duration = Duration::from_secs(1);

/// A daemon whose registry always works, with one host, at a second after its start.
struct Fixture {
    liveness: Liveness,
    host: LastHeard,
    start: Instant,
    second: u32,
    /// What the packets of the host say.
    ttl: Option<PacketTtl>,
}

impl Fixture {
    /// All links are up from the start.
    fn new(drivers: usize) -> Self {
        let mut fixture = Self::down(drivers);
        (0..drivers).for_each(|index| fixture.up(index));
        fixture
    }

    /// All links are down.
    fn down(drivers: usize) -> Self {
        let start = clock::now();
        Self {
            liveness: Liveness::new(TTL, drivers, start),
            host: LastHeard::default(),
            start,
            second: 0,
            ttl: None,
        }
    }

    fn now(&self) -> Instant {
        self.start + SECOND * self.second
    }

    fn at(&mut self, second: u32) -> &mut Self {
        while self.second < second {
            self.second += 1;
            assert_eq!(self.liveness.tick(self.now()), None);
        }
        self
    }

    fn up(&mut self, index: usize) {
        self.liveness.link_up(driver_id(index), self.now());
    }

    fn down_link(&mut self, index: usize) {
        self.liveness.link_down(driver_id(index), self.now());
    }

    fn hear(&mut self, index: usize) {
        self.hear_kept(index, 0);
    }

    fn hear_kept(&mut self, index: usize, age: u32) {
        let (driver_id, at) = (driver_id(index), self.now());
        let reception =
            Reception::fresh(driver_id, at, 0).kept_for(SECOND * age).good_for(self.ttl);
        if self.liveness.is_sign_of_life(reception) {
            self.liveness.renew(&self.host, reception);
        }
    }

    /// From now on the packets of the host tell this TTL.
    fn tells(&mut self, seconds: u64) -> &mut Self {
        self.ttl = PacketTtl::from_seconds(seconds);
        self
    }

    /// The second at which the host expires, as things stand.
    fn expires(&self) -> Option<u32> {
        let deadline = self.liveness.moment(self.liveness.deadline(&self.host)?);
        Some(u32::try_from((deadline - self.start).as_secs()).unwrap())
    }

    fn is_alive(&self) -> bool {
        self.liveness.is_alive(&self.host, self.now())
    }
}

fn driver_id(index: usize) -> DriverId {
    DriverId::new(index).unwrap()
}

#[test]
fn a_host_expires_one_ttl_after_it_was_last_heard() {
    let mut daemon = Fixture::new(1);
    daemon.at(5).hear(0);
    assert_eq!(daemon.expires(), Some(35));
    assert!(daemon.at(34).is_alive());
    assert!(!daemon.at(35).is_alive());
}

#[test]
fn while_the_link_is_down_none_expires_and_then_all_have_a_ttl() {
    let mut daemon = Fixture::new(1);
    daemon.hear(0);
    daemon.at(29).down_link(0);
    assert_eq!(daemon.expires(), None);
    assert!(daemon.at(1000).is_alive());
    daemon.up(0);
    assert_eq!(daemon.expires(), Some(1030));
}

#[test]
fn before_the_first_link_came_up_nothing_was_frozen() {
    let mut daemon = Fixture::down(1);
    daemon.at(1).down_link(0);
    daemon.at(5).up(0);
    daemon.hear_kept(0, 10);
    assert_eq!(daemon.expires(), Some(25));
}

#[test]
fn however_the_link_flaps_a_silent_host_expires() {
    for uptime in [1, 5, 10, 29] {
        let mut daemon = Fixture::new(1);
        daemon.hear(0);
        let mut listened = 0;
        while daemon.is_alive() {
            assert!(listened < 60, "{listened} seconds were listened");
            daemon.down_link(0);
            daemon.at(daemon.second + 7).up(0);
            for _ in 0..uptime {
                if daemon.is_alive() {
                    daemon.at(daemon.second + 1);
                    listened += 1;
                }
            }
        }
        assert!(listened >= 30, "{listened}");
    }
}

#[test]
fn a_second_return_gives_no_second_grace() {
    let mut daemon = Fixture::new(1);
    daemon.hear(0);
    for outage in [20, 40, 60, 80] {
        daemon.at(outage).down_link(0);
        daemon.at(outage + 10).up(0);
    }
    assert_eq!(daemon.expires(), Some(100), "60 seconds were listened, 40 were not");
}

#[test]
fn one_of_two_links_is_enough_to_listen_by() {
    let mut daemon = Fixture::new(2);
    daemon.hear(0);
    daemon.hear(1);
    daemon.at(5).down_link(0);
    assert_eq!(daemon.expires(), Some(30));
    daemon.at(9).up(0);
    daemon.at(10).down_link(1);
    assert_eq!(daemon.expires(), Some(30));
}

#[test]
fn only_time_in_which_both_links_were_down_is_not_listened() {
    let mut daemon = Fixture::new(2);
    daemon.hear(0);
    daemon.hear(1);
    daemon.at(1).down_link(0);
    daemon.at(2).down_link(1);
    assert_eq!(daemon.expires(), None);
    daemon.at(60).up(1);
    daemon.at(70).up(0);
    assert_eq!(daemon.expires(), Some(90));
}

#[test]
fn a_link_that_no_longer_carries_a_host_says_nothing_of_it() {
    let mut daemon = Fixture::new(2);
    daemon.hear(1);
    daemon.at(25).hear(0);
    daemon.at(50).hear(0);
    daemon.down_link(0);
    assert_eq!(daemon.expires(), None);
}

#[test]
fn a_frozen_host_heard_through_another_link_has_a_ttl() {
    let mut daemon = Fixture::new(2);
    daemon.hear(0);
    daemon.at(29).down_link(0);
    let bound =
        daemon.liveness.no_expiry_before(&daemon.host, daemon.liveness.judged_at(daemon.now()));
    daemon.at(100).hear_kept(1, 20);
    assert_eq!(daemon.expires(), Some(130));
    assert!(bound <= daemon.liveness.deadline(&daemon.host).unwrap());
}

#[test]
fn what_was_kept_for_a_ttl_is_no_sign_of_life() {
    let mut daemon = Fixture::new(2);
    daemon.hear(0);
    daemon.at(10).hear_kept(1, 30);
    daemon.hear_kept(0, 25);
    assert_eq!(daemon.expires(), Some(30));
}

#[test]
fn a_host_that_tells_a_ttl_expires_after_that() {
    for ttl in [5, 300, 3600] {
        let mut daemon = Fixture::new(1);
        daemon.at(5).tells(ttl).hear(0);
        let expiry = 5 + u32::try_from(ttl).unwrap();
        assert_eq!(daemon.expires(), Some(expiry));
        assert!(daemon.at(expiry - 1).is_alive());
        assert!(!daemon.at(expiry).is_alive());
    }
}

#[test]
fn the_last_ttl_counts_and_none_is_the_receivers() {
    let mut daemon = Fixture::new(2);
    daemon.tells(300).hear(0);
    daemon.at(10).tells(60).hear(0);
    assert_eq!(daemon.expires(), Some(70));
    daemon.at(20).hear_kept(1, 15);
    daemon.tells(900).hear_kept(1, 15);
    assert_eq!(daemon.expires(), Some(70), "that was sent before");
    daemon.at(30).ttl = None;
    daemon.hear(1);
    assert_eq!(daemon.expires(), Some(60));
}

#[test]
fn outages_give_a_host_the_ttl_that_it_tells() {
    let mut daemon = Fixture::new(1);
    daemon.tells(100).hear(0);
    daemon.at(90).down_link(0);
    assert!(daemon.at(1000).is_alive());
    daemon.up(0);
    assert_eq!(daemon.expires(), Some(1100));
    daemon.at(1050).down_link(0);
    daemon.at(1060).up(0);
    assert_eq!(daemon.expires(), Some(1120), "two of them at most");
}

#[test]
fn after_an_outage_a_silent_host_is_gone_within_an_hour() {
    for (ttl, silence) in [(3600, 3600), (2000, 3600), (1800, 3600), (900, 1800)] {
        let mut daemon = Fixture::new(1);
        let nearly = u32::try_from(ttl).unwrap() - 60;
        daemon.tells(ttl).hear(0);
        daemon.at(nearly).down_link(0);
        daemon.at(nearly + 100).up(0);
        let gone = silence.min(2 * nearly + 60);
        assert_eq!(daemon.expires(), Some(gone + 100), "{ttl}");
    }
}

#[test]
fn a_packet_older_than_the_receivers_ttl_may_still_be_good() {
    let mut daemon = Fixture::new(1);
    daemon.tells(100).hear_kept(0, 99);
    assert_eq!(daemon.expires(), Some(1));
    let mut daemon = Fixture::new(1);
    daemon.tells(3600).hear_kept(0, 3599);
    assert_eq!(daemon.expires(), Some(1));
}

#[test]
fn with_another_ttl_links_of_late_stay_those_of_late() {
    let mut daemon = Fixture::new(2);
    daemon.tells(160).hear(1);
    daemon.at(50).hear(0);
    daemon.tells(20).hear(0);
    assert_eq!(daemon.host.drivers().bits(), 1, "through the other it is silent for long");
    daemon.at(52).tells(1600).hear(1);
    daemon.at(60).hear(0);
    daemon.tells(20).hear(0);
    assert_eq!(daemon.host.drivers().bits(), 3);
}

/// What happens in a second.
#[derive(Debug, Clone, Copy)]
enum Step {
    Up(usize),
    Down(usize),
    Heard(usize),
    Kept(usize, u32),
    Pass(u32),
}

fn steps(drivers: usize) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (0..drivers).prop_map(Step::Up),
        3 => (0..drivers).prop_map(Step::Down),
        2 => (0..drivers).prop_map(Step::Heard),
        1 => (0..drivers, 0..40u32).prop_map(|(driver, age)| Step::Kept(driver, age)),
        6 => prop_oneof![1..8u32, 20..90u32].prop_map(Step::Pass),
    ];
    prop::collection::vec(step, 0..80)
}

/// A TTL that packets tell, or none.
fn told() -> impl Strategy<Value = Option<u32>> {
    prop::sample::select(vec![None, Some(20), Some(30), Some(90)])
}

/// What a schedule has done to the host so far.
struct Model {
    daemon: Fixture,
    /// For how long the packets of the host are good.
    ttl: u32,
    up: Vec<bool>,
    /// For each driver when the host was last heard through it.
    heard: Vec<Option<u32>>,
    /// When the host was last heard.
    last: u32,
    /// For how long somebody has listened since the last sign of life, on a link that carries the
    /// host; with links at the edge of that, and without them.
    silent_for: u32,
    surely_silent_for: u32,
}

impl Model {
    fn new(drivers: usize, told: Option<u32>) -> Self {
        let mut daemon = Fixture::new(drivers);
        daemon.ttl = told.and_then(|ttl| PacketTtl::from_seconds(ttl.into()));
        daemon.hear(0);
        let ttl = told.unwrap_or(30);
        let mut heard = vec![None; drivers];
        heard[0] = Some(0);
        Self {
            daemon,
            ttl,
            up: vec![true; drivers],
            heard,
            last: 0,
            silent_for: 0,
            surely_silent_for: 0,
        }
    }

    /// Whether somebody listens on a link that has carried the host in the TTL before it was last
    /// heard. Links at the edge of that count as `edge` says.
    fn listens(&self, edge: bool) -> bool {
        let within = if edge { self.ttl + self.ttl / 10 } else { self.ttl - self.ttl / 10 };
        let carries = |heard: &Option<u32>| heard.is_some_and(|at| self.last - at < within);
        self.heard.iter().zip(&self.up).any(|(heard, up)| *up && carries(heard))
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Up(driver) => {
                self.up[driver] = true;
                self.daemon.up(driver);
            }
            Step::Down(driver) => {
                self.up[driver] = false;
                self.daemon.down_link(driver);
            }
            Step::Heard(driver) => self.hear(driver, 0),
            Step::Kept(driver, age) => self.hear(driver, age.min(self.daemon.second)),
            Step::Pass(seconds) => {
                for _ in 0..seconds {
                    self.pass();
                }
            }
        }
    }

    fn hear(&mut self, driver: usize, age: u32) {
        if !self.up[driver] || !self.daemon.is_alive() {
            return;
        }
        self.daemon.hear_kept(driver, age);
        if age < self.ttl {
            let at = self.daemon.second - age;
            self.heard[driver] = self.heard[driver].max(Some(at));
            self.last = self.last.max(at);
            self.silent_for = self.silent_for.min(age);
            self.surely_silent_for = self.surely_silent_for.min(age);
        }
    }

    fn pass(&mut self) {
        self.silent_for += u32::from(self.listens(true));
        self.surely_silent_for += u32::from(self.listens(false));
        self.daemon.at(self.daemon.second + 1);
    }
}

proptest! {
    /// Law (a): a host that is heard at least every KEEP_ALIVE while a link is up is never missing.
    #[test]
    fn a_host_that_is_heard_while_one_listens_is_never_missing(
        drivers in 1..4usize, told in told(), keep_alive in 1..29u32,
        steps in prop::collection::vec((0..3usize, any::<bool>(), 0..60u32), 0..60),
    ) {
        let mut model = Model::new(drivers, told);
        let keep_alive = keep_alive * model.ttl / 30;
        for (driver, up, seconds) in steps {
            model.step(if up { Step::Up(driver % drivers) } else { Step::Down(driver % drivers) });
            for _ in 0..seconds {
                // At the latest when it has been listened for a KEEP_ALIVE, through whatever is up.
                if model.silent_for + 1 >= keep_alive {
                    (0..drivers).for_each(|driver| model.hear(driver, 0));
                }
                model.pass();
                prop_assert!(model.daemon.is_alive());
            }
        }
    }

    /// Law (b): a silent host is gone after two TTL of listening time at most, however the links
    /// flap; and not before one.
    #[test]
    fn a_silent_host_is_gone_after_two_ttl_of_listening(drivers in 1..4usize, told in told(), steps in steps(3)) {
        let mut model = Model::new(drivers, told);
        for step in steps {
            // The registry removes a host that has expired before it takes in anything else.
            if !model.daemon.is_alive() {
                prop_assert!(model.silent_for >= model.ttl, "{} seconds", model.silent_for);
                break;
            }
            prop_assert!(model.surely_silent_for <= 2 * model.ttl, "{} seconds", model.surely_silent_for);
            match step {
                Step::Up(driver) | Step::Down(driver) | Step::Heard(driver) | Step::Kept(driver, _) if driver >= drivers => {}
                _ => model.step(step),
            }
        }
    }

    /// Law (c): nobody expires while none listens, and after an outage of any length everybody has
    /// a full TTL.
    #[test]
    fn an_outage_of_any_length_gives_everybody_a_full_ttl(
        drivers in 1..4usize, before in 0..30u32, outage in 1..5_000u32, through in 0..3usize,
    ) {
        let (mut daemon, through) = (Fixture::new(drivers), through % drivers);
        daemon.hear(through);
        daemon.at(before);
        (0..drivers).for_each(|driver| daemon.down_link(driver));
        daemon.at(before + outage);
        prop_assert!(daemon.is_alive());
        daemon.up(through);
        prop_assert_eq!(daemon.expires(), Some(before + outage + 30));
    }

    /// What is heard never makes a host expire sooner, nor before the bound that was told.
    #[test]
    fn the_bound_on_expiry_holds_whatever_is_heard(drivers in 1..4usize, told in told(), steps in steps(3)) {
        let mut model = Model::new(drivers, told);
        let mut bound = 0;
        for step in steps {
            match step {
                Step::Up(driver) | Step::Down(driver) => {
                    if driver < drivers { model.step(step) }
                    bound = 0;
                }
                Step::Heard(driver) | Step::Kept(driver, _) if driver >= drivers => {}
                _ => model.step(step),
            }
            let liveness = &model.daemon.liveness;
            if !model.daemon.is_alive() {
                break;
            }
            prop_assert!(liveness.deadline(&model.daemon.host).is_none_or(|deadline| deadline >= bound));
            let now = liveness.judged_at(model.daemon.now());
            bound = bound.max(liveness.no_expiry_before(&model.daemon.host, now));
        }
    }
}

proptest! {
    /// Law (d): a host that sends before the TTL of its last packet is over is never missing,
    /// whatever TTL it tells next; and when it is silent it is gone after the last one.
    #[test]
    fn a_host_lives_by_the_ttl_that_it_told_last(
        packets in prop::collection::vec((prop::option::of(2..600u64), 0.0..1.0_f64, 0..3usize), 1..40),
    ) {
        let mut daemon = Fixture::new(3);
        let mut ttl = 30;
        for (told, part, driver) in packets {
            daemon.ttl = told.and_then(PacketTtl::from_seconds);
            daemon.hear(driver);
            ttl = told.unwrap_or(30);
            let silence = ((ttl - 1) as f64 * part) as u32;
            daemon.at(daemon.second + silence);
            prop_assert!(daemon.is_alive());
        }
        daemon.at(daemon.second + u32::try_from(ttl).unwrap());
        prop_assert!(!daemon.is_alive());
    }
}

#[test]
fn a_sign_of_life_takes_no_more_than_24_bytes() {
    assert!(size_of::<LastHeard>() <= 24);
}
