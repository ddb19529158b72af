use proptest::prelude::*;

use super::*;
use crate::clock;

const TTL: Duration = Duration::from_secs(30);
const SECOND: Duration = Duration::from_secs(1);

/// A daemon whose registry always works, with one host, at a second after its start.
struct Fixture {
    liveness: Liveness,
    host: LastHeard,
    start: Instant,
    second: u32,
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
        let reception = Reception { driver_id, at, unix_millis: 0, age: SECOND * age };
        if self.liveness.is_sign_of_life(reception) {
            self.liveness.renew(&self.host, reception);
        }
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

/// What a schedule has done to the host so far.
struct Model {
    daemon: Fixture,
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
    fn new(drivers: usize) -> Self {
        let mut daemon = Fixture::new(drivers);
        daemon.hear(0);
        let mut heard = vec![None; drivers];
        heard[0] = Some(0);
        Self {
            daemon,
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
        let carries = |heard: &Option<u32>| {
            heard.is_some_and(|at| self.last - at < if edge { 33 } else { 27 })
        };
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
        if age < 30 {
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
        drivers in 1..4usize, keep_alive in 1..29u32, steps in prop::collection::vec((0..3usize, any::<bool>(), 0..60u32), 0..60),
    ) {
        let mut model = Model::new(drivers);
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

    /// Law (b): a silent host is gone after two TTL of listening time at most, however the links flap; and not before one.
    #[test]
    fn a_silent_host_is_gone_after_two_ttl_of_listening(drivers in 1..4usize, steps in steps(3)) {
        let mut model = Model::new(drivers);
        for step in steps {
            // The registry removes a host that has expired before it takes in anything else.
            if !model.daemon.is_alive() {
                prop_assert!(model.silent_for >= 30, "{} seconds", model.silent_for);
                break;
            }
            prop_assert!(model.surely_silent_for <= 60, "{} seconds", model.surely_silent_for);
            match step {
                Step::Up(driver) | Step::Down(driver) | Step::Heard(driver) | Step::Kept(driver, _) if driver >= drivers => {}
                _ => model.step(step),
            }
        }
    }

    /// Law (c): nobody expires while none listens, and after an outage of any length everybody has a full TTL.
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
    fn the_bound_on_expiry_holds_whatever_is_heard(drivers in 1..4usize, steps in steps(3)) {
        let mut model = Model::new(drivers);
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

#[test]
fn a_sign_of_life_takes_no_more_than_24_bytes() {
    assert!(size_of::<LastHeard>() <= 24);
}
