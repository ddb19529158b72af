use lobby_client::Label;
use tempfile::TempDir;

use super::*;
use crate::sys::clock;

const WALL: u64 = 1_795_424_503_123;

const SECOND: Duration = Duration::from_secs(1);

fn labels(texts: &[&str]) -> Vec<Label> {
    texts.iter().map(|text| Label::parse(text).unwrap()).collect()
}

/// A change that must be stored.
fn grant(text: &str) -> LeaseChange {
    LeaseChange::Grant { labels: labels(&[text]), ttl: SECOND * 60 }
}

fn end(text: &str) -> LeaseChange {
    LeaseChange::End(labels(&[text]))
}

fn failure() -> anyhow::Error {
    anyhow!("the disk is full")
}

/// A queue with its file, and the clock of its test.
struct Fixture {
    queue: LeaseQueue,
    leases: Leases,
    directory: TempDir,
    now: Instant,
}

impl Fixture {
    /// A queue whose file is still being read.
    fn unread() -> Self {
        let leases = Leases::default();
        let (queue, directory) = (LeaseQueue::new(leases.clone()), TempDir::new().unwrap());
        Self { queue, leases, directory, now: clock::now() }
    }

    /// A queue whose file was not there.
    fn new() -> Self {
        let mut fixture = Self::unread();
        let moment = fixture.moment();
        assert!(!fixture.queue.is_read(None, moment, |_| Ok(())));
        fixture
    }

    fn moment(&self) -> Moment {
        Moment { now: self.now, unix_millis: WALL }
    }

    fn file(&self) -> LeaseFile {
        LeaseFile::new(Some(self.directory.path().join("leases.json")))
    }

    /// The labels of the leases that the file holds.
    fn stored(&self) -> Vec<String> {
        let stored = self.file().read().unwrap();
        stored.map(|stored| texts(&stored.table(self.moment()))).unwrap_or_default()
    }

    /// The labels of the leases that count.
    fn counting(&self) -> Vec<String> {
        self.leases.labels().iter().map(ToString::to_string).collect()
    }

    fn add(&mut self, change: LeaseChange) -> ChangeOutcome {
        self.queue.add(change).unwrap()
    }

    fn next(&mut self) -> Option<LeaseBatch> {
        let moment = self.moment();
        self.queue.next(moment)
    }

    fn finish(&mut self, batch: LeaseBatch, written: Result<(), NotWritten>) -> bool {
        self.queue.finish(batch, written, self.now)
    }

    /// Writes the next batch. Returns whether there are other labels then.
    fn write(&mut self) -> bool {
        let batch = self.next().expect("something to write");
        let written = batch.store(&self.file());
        self.finish(batch, written)
    }
}

fn texts(table: &LeaseTable) -> Vec<String> {
    table.iter().map(|(label, _)| label.to_string()).collect()
}

#[actix_rt::test]
async fn nothing_is_written_before_the_file_was_read() {
    let mut fixture = Fixture::unread();
    let short = LeaseChange::Grant { labels: labels(&["short"]), ttl: SECOND };
    assert!(fixture.queue.must_wait(&short, fixture.now));
    let outcome = fixture.add(grant("new:1"));
    assert!(fixture.next().is_none());
    let table =
        [(labels(&["old:1"])[0].clone(), lobby_core::leases::Lease::new(SECOND * 60, fixture.now))];
    let stored = StoredLeases::of(&table.into_iter().collect(), fixture.moment());
    let moment = fixture.moment();
    assert!(fixture.queue.is_read(Some(&stored), moment, |_| Ok(())), "there are labels");
    assert!(!fixture.queue.must_wait(&short, fixture.now));
    assert!(fixture.write());
    assert!(outcome.wait().await.is_ok());
    assert_eq!(fixture.stored(), ["new:1", "old:1"]);
}

#[actix_rt::test]
async fn what_does_not_fit_in_with_the_file_is_refused() {
    let mut fixture = Fixture::unread();
    let (good, bad) = (fixture.add(grant("good:1")), fixture.add(grant("bad:1")));
    let moment = fixture.moment();
    let check = |change: &LeaseChange| {
        if *change == grant("bad:1") { Err(StoreError::TooMany) } else { Ok(()) }
    };
    fixture.queue.is_read(None, moment, check);
    assert!(matches!(bad.wait().await, Err(StoreError::TooMany)));
    assert_eq!(fixture.leases.labels_to_come(), labels(&["good:1"]));
    assert!(fixture.write() && good.wait().await.is_ok());
    assert_eq!(fixture.counting(), ["good:1"]);
}

#[actix_rt::test]
async fn what_waits_while_the_disk_is_busy_is_written_together() {
    let mut fixture = Fixture::new();
    let first = fixture.add(grant("a:1"));
    let batch = fixture.next().unwrap();
    let others = [fixture.add(grant("b:2")), fixture.add(end("a:1")), fixture.add(grant("c:3"))];
    assert!(fixture.next().is_none(), "one batch at a time");
    assert_eq!(fixture.counting(), [""; 0], "the disk has it first");
    assert_eq!(fixture.leases.labels_to_come(), labels(&["a:1", "b:2", "c:3"]));
    let written = batch.store(&fixture.file());
    assert!(fixture.finish(batch, written) && first.wait().await.is_ok());
    assert_eq!((fixture.counting(), fixture.stored()), (vec!["a:1".into()], vec!["a:1".into()]));
    assert!(fixture.write());
    for outcome in others {
        assert!(outcome.wait().await.is_ok());
    }
    assert_eq!(fixture.counting(), ["b:2", "c:3"], "in their order");
    assert_eq!(fixture.stored(), ["b:2", "c:3"]);
    assert!(fixture.next().is_none());
}

#[test]
fn no_more_changes_wait_than_are_allowed() {
    let mut fixture = Fixture::new();
    let outcomes: Vec<_> =
        (0..MAX_WAITING).map(|number| fixture.add(grant(&number.to_string()))).collect();
    assert!(matches!(fixture.queue.add(grant("more")), Err(StoreError::TooMany)));
    assert!(!fixture.leases.labels_to_come().contains(&labels(&["more"])[0]));
    assert!(outcomes[7].gate().give_up());
    assert!(fixture.queue.add(grant("more")).is_ok(), "one has left its place");
}

#[test]
fn what_was_given_up_before_its_turn_is_not_written() {
    let mut fixture = Fixture::new();
    let outcome = fixture.add(grant("a:1"));
    assert!(outcome.gate().give_up());
    assert!(fixture.next().is_none());
}

#[actix_rt::test]
async fn what_is_given_up_in_a_batch_is_left_out_of_the_next() {
    let mut fixture = Fixture::new();
    let (late, kept) = (fixture.add(grant("late:1")), fixture.add(grant("kept:1")));
    let batch = fixture.next().unwrap();
    let behind = fixture.add(end("kept:1"));
    assert!(late.gate().give_up());
    let written = batch.store(&fixture.file());
    assert!(matches!(written, Err(NotWritten::Outdated)), "{written:?}");
    assert!(fixture.stored().is_empty());
    assert!(!fixture.finish(batch, written));
    assert_eq!(fixture.leases.labels_to_come(), labels(&["kept:1"]));
    assert!(fixture.write(), "kept:1 comes and goes");
    assert!(kept.wait().await.is_ok() && behind.wait().await.is_ok());
    assert_eq!((fixture.counting(), fixture.stored()), (vec![], vec![]));
}

#[test]
fn renewals_go_first_when_a_batch_came_to_nothing() {
    let mut fixture = Fixture::new();
    let _outcome = fixture.add(grant("kept:1"));
    assert!(fixture.write());
    fixture.now += SECOND;
    fixture.leases.ledger().apply(&grant("kept:1"), fixture.now);
    let late = fixture.add(grant("late:1"));
    let batch = fixture.next().unwrap();
    assert!(late.gate().give_up());
    let written = batch.store(&fixture.file());
    assert!(!fixture.finish(batch, written));
    let _outcome = fixture.add(grant("next:1"));
    let renewals = fixture.next().unwrap();
    assert!(renewals.changes.is_empty(), "changes may be given up again and again");
    let written = renewals.store(&fixture.file());
    fixture.finish(renewals, written);
    assert_eq!(fixture.stored(), ["kept:1"]);
    assert!(fixture.write());
    assert_eq!(fixture.stored(), ["kept:1", "next:1"]);
}

#[actix_rt::test]
async fn all_who_asked_hear_why_the_disk_did_not_take_it() {
    let mut fixture = Fixture::new();
    let outcomes = [fixture.add(grant("a:1")), fixture.add(grant("b:2"))];
    let batch = fixture.next().unwrap();
    let behind = fixture.add(grant("c:3"));
    assert!(!fixture.finish(batch, Err(NotWritten::Failed(failure()))));
    for outcome in outcomes {
        let error = outcome.wait().await.unwrap_err().to_string();
        assert_eq!(error, "the disk is full");
    }
    assert_eq!(fixture.leases.labels_to_come(), labels(&["c:3"]), "their places are free");
    assert_eq!(fixture.queue.write_deadline(fixture.now), None, "the file is as it was");
    assert!(fixture.write() && behind.wait().await.is_ok());
    assert_eq!(fixture.stored(), ["c:3"]);
}

#[actix_rt::test]
async fn what_the_disk_may_have_after_a_refusal_is_written_away() {
    let mut fixture = Fixture::new();
    let outcome = fixture.add(grant("a:1"));
    let batch = fixture.next().unwrap();
    batch.store(&fixture.file()).unwrap();
    assert!(!fixture.finish(batch, Err(NotWritten::InDoubt(failure()))));
    assert!(outcome.wait().await.is_err());
    assert_eq!((fixture.counting(), fixture.stored()), (vec![], vec!["a:1".into()]));
    fixture.now = fixture.queue.write_deadline(fixture.now).expect("another writing");
    assert!(!fixture.write());
    assert!(fixture.stored().is_empty());
    assert!(fixture.next().is_none());
}

#[actix_rt::test]
async fn what_is_taken_back_while_it_is_put_in_place_goes_at_once() {
    let mut fixture = Fixture::new();
    let (late, kept) = (fixture.add(grant("late:1")), fixture.add(grant("kept:1")));
    let batch = fixture.next().unwrap();
    let written = batch.store(&fixture.file());
    assert!(late.gate().take_back());
    assert!(fixture.finish(batch, written) && kept.wait().await.is_ok());
    assert_eq!(fixture.counting(), ["kept:1"]);
    assert_eq!(fixture.stored(), ["kept:1", "late:1"]);
    assert!(!fixture.write(), "no second passes");
    assert_eq!(fixture.stored(), ["kept:1"]);
}

#[test]
fn a_lease_lasts_its_whole_time_from_when_it_was_confirmed() {
    for (taken, begins) in [(PROMPT, Duration::ZERO), (SECOND * 4, SECOND * 4)] {
        let mut fixture = Fixture::new();
        let (_outcome, asked) = (fixture.add(grant("a:1")), fixture.now);
        let batch = fixture.next().unwrap();
        let written = batch.store(&fixture.file());
        fixture.now += taken;
        assert!(fixture.finish(batch, written));
        let ends = fixture.leases.ledger().table().deadline();
        assert_eq!(ends, Some(asked + begins + SECOND * 60), "{taken:?}");
    }
}
