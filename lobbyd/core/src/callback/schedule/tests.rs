use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;
use crate::clock;
use crate::liveness::initial_sync::InitialSync;
use crate::registry::host_registry::HostRegistry;
use crate::registry::snapshot::Snapshot;
use crate::select::selection::Selection;
use crate::testsuite::fixtures::{driver, goodbye, hi, instance, packet, reception};

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const PAUSES: Pauses =
    Pauses { first: Duration::ZERO, settle: SECOND, cooldown: SECOND.saturating_mul(15) };

/// A run that has begun.
#[derive(Debug, Clone, PartialEq)]
struct Run {
    reason: RunReason,
    began: Duration,
    /// How long the list had not changed by then.
    calm: Duration,
    takes: Duration,
    succeeds: bool,
    is_over: bool,
    list: Vec<String>,
}

/// A daemon with a callback, in a time of its own.
struct Daemon {
    registry: HostRegistry,
    schedule: RunSchedule,
    start: Instant,
    now: Instant,
    changed: Instant,
    /// What becomes of the next runs: how long each takes, and whether it succeeds.
    fates: VecDeque<(Duration, bool)>,
    runs: Vec<Run>,
}

impl Daemon {
    fn new(pauses: Pauses) -> Self {
        let start = clock::now();
        let sync = InitialSync::new(SECOND * 5, 1, start);
        let mut registry = HostRegistry::new("i".to_owned(), SECOND * 7200, 100, sync, start);
        registry.link_opened(driver(0), start);
        let mut schedule = RunSchedule::new(pauses, start);
        schedule.follow(&registry.snapshot(), &Selection::All, start);
        let (fates, runs) = (VecDeque::new(), Vec::new());
        Self { registry, schedule, start, now: start, changed: start, fates, runs }
    }

    /// The first run of it is over.
    fn after_its_first_run(pauses: Pauses) -> Self {
        let mut daemon = Self::new(pauses);
        daemon.hear(&hi(&packet("a", &["x:1"]), instance(16)));
        daemon.pass(SECOND * 60);
        assert_eq!(daemon.reasons(), [RunReason::First]);
        daemon.runs.clear();
        daemon
    }

    fn is_there(&mut self, host: &str, label: &str) {
        self.hear(&hi(&packet(host, &[label]), instance(16)));
    }

    fn leaves(&mut self, host: &str) {
        self.hear(&goodbye(&packet(host, &[]), instance(16)));
    }

    fn hear(&mut self, payload: &[u8]) {
        self.registry.apply_payload(payload, reception(self.now, 0)).unwrap();
        self.look();
    }

    fn look(&mut self) {
        if self.schedule.follow(&self.registry.snapshot(), &Selection::All, self.now) {
            self.changed = self.now;
        }
    }

    /// Lets time pass, with the runs that begin and end in it.
    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(next) = self.next().filter(|next| *next <= until) {
            self.now = self.now.max(next);
            match self.running() {
                Some(run) => {
                    run.is_over = true;
                    let succeeds = run.succeeds;
                    self.schedule.end(succeeds, self.now);
                }
                None => self.run(),
            }
        }
        self.now = until;
    }

    fn next(&mut self) -> Option<Instant> {
        let start = self.start;
        self.running().map(|run| start + run.began + run.takes).or(self.schedule.deadline())
    }

    fn running(&mut self) -> Option<&mut Run> {
        self.runs.last_mut().filter(|run| !run.is_over)
    }

    fn run(&mut self) {
        let reason = self.schedule.start(self.now).expect("its deadline has come");
        let snapshot = self.registry.snapshot();
        if self.schedule.prepared(HostList::new(&snapshot, &Selection::All, self.now)) {
            let (takes, succeeds) = self.fates.pop_front().unwrap_or((MILLISECOND, true));
            self.runs.push(Run {
                reason,
                began: self.now - self.start,
                calm: self.now - self.changed,
                takes,
                succeeds,
                is_over: false,
                list: texts(&snapshot, self.now),
            });
        }
    }

    fn reasons(&self) -> Vec<RunReason> {
        self.runs.iter().map(|run| run.reason).collect()
    }

    fn list(&self) -> Vec<String> {
        texts(&self.registry.snapshot(), self.now)
    }
}

fn texts(snapshot: &Snapshot, now: Instant) -> Vec<String> {
    let hosts = snapshot.find(&Selection::All, now).into_iter();
    hosts.map(|host| host.text().as_str().to_owned()).collect()
}

#[test]
fn the_first_run_comes_after_the_delay_even_if_nothing_changed() {
    let mut daemon = Daemon::new(Pauses { first: SECOND * 30, ..PAUSES });
    daemon.pass(SECOND * 30 - MILLISECOND);
    assert_eq!(daemon.runs, []);
    daemon.pass(MILLISECOND);
    assert_eq!(daemon.reasons(), [RunReason::First]);
    daemon.pass(SECOND * 3600);
    assert_eq!(daemon.runs.len(), 1);
}

#[test]
fn a_run_waits_until_nothing_has_changed_for_a_while() {
    let mut daemon = Daemon::after_its_first_run(PAUSES);
    for host in ["b", "c", "d"] {
        daemon.is_there(host, "x:1");
        daemon.pass(SECOND * 9 / 10);
        assert_eq!(daemon.runs, []);
    }
    daemon.pass(SECOND / 10);
    assert_eq!(daemon.reasons(), [RunReason::Change]);
    assert_eq!((daemon.runs[0].calm, daemon.runs[0].list.len()), (SECOND, 4));
}

#[test]
fn a_run_waits_ten_times_as_long_at_most() {
    let mut daemon = Daemon::after_its_first_run(PAUSES);
    let begin = daemon.now - daemon.start;
    for number in 0..30 {
        daemon.is_there("b", &format!("x:{number}"));
        daemon.pass(SECOND / 2);
    }
    assert_eq!(daemon.runs[0].began, begin + SECOND * 10);
}

#[test]
fn restarts_one_after_another_run_nothing() {
    let mut daemon = Daemon::after_its_first_run(PAUSES);
    for _ in 0..100 {
        daemon.leaves("a");
        daemon.pass(SECOND * 9 / 10);
        daemon.is_there("a", "x:1");
        daemon.pass(SECOND / 10);
    }
    daemon.pass(SECOND * 60);
    assert_eq!(daemon.runs, []);
}

#[test]
fn a_host_that_stays_away_is_told_once_the_list_has_settled() {
    let mut daemon = Daemon::after_its_first_run(PAUSES);
    daemon.leaves("a");
    daemon.pass(SECOND);
    assert_eq!((daemon.reasons(), daemon.list().len()), (vec![RunReason::Change], 0));
}

#[test]
fn a_change_during_a_run_is_served_after_the_cooldown() {
    let mut daemon = Daemon::after_its_first_run(PAUSES);
    daemon.fates = VecDeque::from([(SECOND * 60, true)]);
    daemon.is_there("b", "x:1");
    daemon.pass(SECOND * 2);
    daemon.is_there("c", "x:1");
    daemon.pass(SECOND * 200);
    let began: Vec<_> = daemon.runs.iter().map(|run| run.began).collect();
    assert_eq!(began[1] - began[0], SECOND * (60 + 15));
}

#[test]
fn a_failed_run_is_tried_again_ever_more_rarely() {
    let mut daemon = Daemon::after_its_first_run(PAUSES);
    daemon.fates = (0..12).map(|_| (Duration::ZERO, false)).collect();
    daemon.is_there("b", "x:1");
    daemon.pass(SECOND * 10_000);
    let pauses = daemon.runs.windows(2).map(|pair| (pair[1].began - pair[0].began).as_secs());
    let expected = [15, 30, 60, 120, 240, 480, 600, 600, 600, 600, 600, 600];
    assert_eq!(pauses.collect::<Vec<_>>(), expected);
    assert!(daemon.runs[1..].iter().all(|run| run.reason == RunReason::Retry));
}

#[test]
fn a_change_after_failures_is_told_soon_and_begins_anew() {
    let pauses = Pauses { cooldown: Duration::ZERO, ..PAUSES };
    let mut daemon = Daemon::after_its_first_run(pauses);
    daemon.fates = (0..10).map(|_| (Duration::ZERO, false)).collect();
    daemon.is_there("b", "x:1");
    daemon.pass(SECOND * 100);
    let failed = daemon.runs.len();
    daemon.is_there("b", "x:2");
    daemon.pass(SECOND * 2);
    let fresh: Vec<_> = daemon.reasons()[failed..].to_vec();
    assert_eq!(fresh, [RunReason::Change, RunReason::Retry]);
}

#[test]
fn after_a_failure_the_same_list_as_before_is_told_again() {
    let mut daemon = Daemon::after_its_first_run(PAUSES);
    daemon.fates = VecDeque::from([(MILLISECOND, false)]);
    daemon.leaves("a");
    daemon.pass(SECOND);
    daemon.is_there("a", "x:1");
    daemon.pass(SECOND * 60);
    assert_eq!(daemon.reasons(), [RunReason::Change, RunReason::Change]);
}

#[test]
fn changes_that_are_forgotten_run_it_if_the_list_differs() {
    let mut daemon = Daemon::after_its_first_run(PAUSES);
    for (last, runs) in [("x:1", 0), ("x:2", 1)] {
        for number in 0..3000 {
            daemon
                .registry
                .apply_payload(
                    &hi(&packet("a", &[&format!("y:{number}")]), instance(16)),
                    reception(daemon.now, 0),
                )
                .unwrap();
            let back = hi(&packet("a", &[last]), instance(16));
            daemon.registry.apply_payload(&back, reception(daemon.now, 0)).unwrap();
        }
        daemon.look();
        daemon.pass(SECOND * 60);
        assert_eq!((daemon.schedule.deadline(), daemon.runs.len()), (None, runs));
    }
}

#[test]
fn once_retired_it_starts_nothing_more() {
    let mut daemon = Daemon::new(PAUSES);
    daemon.schedule.retire();
    daemon.pass(SECOND * 60);
    assert_eq!((daemon.schedule.start(daemon.now), daemon.runs.len()), (None, 0));
}

/// What happens to a lobby of three hosts.
#[derive(Debug, Clone)]
enum Step {
    IsThere(usize, u8),
    Leaves(usize),
    Pass(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0..3_usize, 0..2_u8).prop_map(|(host, label)| Step::IsThere(host, label)),
        (0..3_usize).prop_map(Step::Leaves),
        (0..4000_u64).prop_map(Step::Pass),
    ];
    prop::collection::vec(step, 0..60)
}

fn fates() -> impl Strategy<Value = VecDeque<(Duration, bool)>> {
    let fate = (0..9000_u64, any::<bool>());
    let fates = prop::collection::vec(fate, 0..10);
    fates.prop_map(|fates| {
        fates
            .into_iter()
            .map(|(millis, succeeds)| (MILLISECOND * millis as u32, succeeds))
            .collect()
    })
}

proptest! {
    #[test]
    fn whatever_happens_the_last_list_is_told_and_none_twice(
        steps in steps(),
        fates in fates(),
        settle in 0..3_u32,
        cooldown in 0..3_u32,
    ) {
        let pauses = Pauses { first: SECOND, settle: SECOND * settle, cooldown: SECOND * cooldown };
        let mut daemon = Daemon::new(pauses);
        daemon.fates = fates;
        for step in steps {
            match step {
                Step::IsThere(host, label) => {
                    daemon.is_there(["a", "b", "c"][host], &format!("x:{label}"));
                }
                Step::Leaves(host) => daemon.leaves(["a", "b", "c"][host]),
                Step::Pass(millis) => daemon.pass(MILLISECOND * millis as u32),
            }
        }
        daemon.pass(SECOND * 3600);
        let last = daemon.runs.last().unwrap();
        prop_assert!(last.succeeds && last.is_over && last.list == daemon.list());
        for pair in daemon.runs.windows(2) {
            let apart = pair[1].began - pair[0].began;
            let pause = apart - pair[0].takes;
            prop_assert!(pause >= pauses.cooldown, "never two at once, and a pause: {pair:?}");
            prop_assert!(!pair[0].succeeds || pair[0].list != pair[1].list, "{pair:?}");
            // What it has not settled for so long may have begun to change during the run before.
            let waited = pair[1].calm >= pauses.settle || apart >= pauses.settle * 10;
            prop_assert!(waited || !pair[0].succeeds, "it has not settled: {pair:?}");
        }
    }
}
