use std::time::Instant;

use lobby_client::Label;
use proptest::prelude::*;

use super::*;
use crate::clock;

const WALL: u64 = 1_795_424_503_123;

fn labels(texts: &[&str]) -> Vec<Label> {
    texts.iter().map(|text| Label::parse(text).unwrap()).collect()
}

fn grant(text: &str, seconds: u64) -> LeaseChange {
    LeaseChange::Grant { labels: labels(&[text]), ttl: Duration::from_secs(seconds) }
}

fn end(text: &str) -> LeaseChange {
    LeaseChange::End(labels(&[text]))
}

fn after(now: Instant, seconds: u64) -> Instant {
    now + Duration::from_secs(seconds)
}

fn at(now: Instant, unix_millis: u64) -> Moment {
    Moment { now, unix_millis }
}

fn texts(table: &LeaseTable) -> Vec<&str> {
    table.iter().map(|(label, _)| label.as_str()).collect()
}

/// A ledger that has made these changes and has them on the disk.
fn stored(changes: &[LeaseChange], now: Instant) -> Ledger {
    let mut ledger = Ledger::default();
    let draft = ledger.draft(changes, now);
    changes.iter().for_each(|change| _ = ledger.apply(change, now));
    ledger.is_written(draft, at(now, WALL), now);
    ledger
}

#[test]
fn the_same_again_renews_and_the_end_takes_the_label() {
    let now = clock::now();
    let mut table = LeaseTable::default();
    assert!(table.apply(&grant("a:1", 60), now));
    assert!(!table.apply(&grant("a:1", 60), after(now, 30)), "no other labels");
    assert!(!table.sweep(after(now, 89)));
    assert_eq!(table.deadline(), Some(after(now, 90)));
    assert!(table.sweep(after(now, 90)) && table.is_empty());
    assert_eq!(table.deadline(), None);
    table.apply(&grant("a:1", 60), now);
    assert!(table.apply(&end("a:1"), now) && !table.apply(&end("a:1"), now));
}

#[test]
fn only_what_is_new_to_the_disk_waits_for_it() {
    let now = clock::now();
    let ledger = stored(&[grant("a:1", 60)], now);
    for (change, waits) in [
        (grant("a:1", 60), false),
        (grant("a:1", 61), true),
        (grant("a:1", 5), true),
        (grant("b:2", 10), true),
        (grant("b:2", 9), false),
        (end("a:1"), true),
        (end("b:2"), false),
    ] {
        assert_eq!(ledger.must_be_stored_first(&change, now), waits, "{change:?}");
    }
    let ended = after(now, 60);
    assert!(ledger.must_be_stored_first(&grant("a:1", 60), ended), "a restart would drop it");
}

#[test]
fn renewals_are_written_at_most_once_a_second() {
    let now = clock::now();
    let mut ledger = stored(&[grant("a:1", 60), grant("b:2", 60)], now);
    assert_eq!(ledger.write_deadline(now), None);
    for label in ["a:1", "b:2"] {
        ledger.apply(&grant(label, 60), now + Duration::from_millis(10));
        assert_eq!(ledger.write_deadline(now), Some(after(now, 1)));
    }
    let draft = ledger.draft([], after(now, 1));
    ledger.is_written(draft, at(after(now, 1), WALL + 1000), after(now, 1));
    assert_eq!(ledger.write_deadline(now), None);
    ledger.apply(&grant("short", 9), after(now, 1));
    assert_eq!(ledger.write_deadline(now), None, "it needs no disk");
}

#[test]
fn a_lease_that_ended_leaves_the_disk_too() {
    let now = clock::now();
    let mut ledger = stored(&[grant("a:1", 60)], now);
    assert!(ledger.sweep(after(now, 60)));
    assert_eq!(ledger.write_deadline(after(now, 60)), Some(after(now, 1)));
    assert!(ledger.draft([], after(now, 60)).is_empty());
}

#[test]
fn a_draft_that_the_disk_may_have_is_put_right() {
    let now = clock::now();
    let mut ledger = Ledger::default();
    let draft = ledger.draft([&grant("a:1", 60)], now);
    ledger.is_not_written(None, now);
    assert_eq!(ledger.write_deadline(now), None, "the disk has what it had");
    ledger.is_not_written(Some(&draft), now);
    assert_eq!(ledger.write_deadline(now), Some(after(now, 10)));
    assert!(ledger.must_be_stored_first(&end("a:1"), now));
    assert!(ledger.draft([], now).is_empty());
}

#[test]
fn what_the_disk_may_have_is_never_taken_for_stored() {
    let now = clock::now();
    let mut ledger = stored(&[grant("kept:1", 60), grant("other:1", 60)], now);
    let changes = [grant("new:1", 60), end("other:1")];
    let draft = ledger.draft(&changes, now);
    ledger.is_not_written(Some(&draft), now);
    for (change, waits) in [
        (grant("new:1", 60), true),
        (grant("new:1", 5), true),
        (end("new:1"), true),
        (grant("other:1", 60), true),
        (end("other:1"), true),
        (grant("kept:1", 60), false),
        (grant("else:1", 5), false),
    ] {
        assert_eq!(ledger.must_be_stored_first(&change, now), waits, "{change:?}");
    }
    let draft = ledger.draft([], now);
    ledger.is_written(draft, at(now, WALL), now);
    assert!(!ledger.must_be_stored_first(&end("new:1"), now), "the disk was put right");
    assert!(!ledger.must_be_stored_first(&grant("other:1", 60), now));
}

#[test]
fn a_disk_that_fails_again_and_again_takes_no_memory() {
    let now = clock::now();
    let mut ledger = Ledger::default();
    for number in 0..5000 {
        let draft = ledger.draft([&grant(&format!("n:{number}"), 60)], now);
        ledger.is_not_written(Some(&draft), now);
    }
    assert!(ledger.must_be_stored_first(&end("n:0"), now));
    assert!(ledger.must_be_stored_first(&end("n:4999"), now), "unknown, so it waits");
    let draft = ledger.draft([], now);
    ledger.is_written(draft, at(now, WALL), now);
    assert!(!ledger.must_be_stored_first(&end("n:0"), now));
}

#[test]
fn labels_that_wait_for_the_disk_have_their_place() {
    let now = clock::now();
    let mut ledger = stored(&[grant("a:1", 60)], now);
    ledger.promise(&grant("b:2", 60));
    ledger.promise(&end("a:1"));
    assert_eq!(ledger.labels_to_come(), labels(&["a:1", "b:2"]));
    assert!(ledger.must_be_stored_first(&end("b:2"), now), "it may be there any moment");
    ledger.promise_only(&[grant("c:3", 60)]);
    assert_eq!(ledger.labels_to_come(), labels(&["a:1", "c:3"]));
}

#[test]
fn what_was_given_up_meanwhile_leaves_the_disk() {
    let now = clock::now();
    let mut ledger = Ledger::default();
    let draft = ledger.draft([&grant("given:up", 60), &grant("kept:1", 60)], now);
    ledger.apply(&grant("kept:1", 60), now);
    ledger.is_written(draft, at(now, WALL), now);
    assert_eq!(ledger.write_deadline(now), Some(after(now, 1)));
    ledger.hurry();
    assert_eq!(ledger.write_deadline(now), Some(now), "a crash would bring it back");
    assert_eq!(texts(&ledger.draft([], now)), ["kept:1"]);
}

#[test]
fn ends_that_another_clock_has_set_are_written_anew() {
    let now = clock::now();
    let others = stored(&[grant("a:1", 60)], now);
    let read = StoredLeases::of(others.table(), at(now, WALL));
    for (wall, is_stale) in [(WALL, false), (WALL + 30_000, false), (WALL - 1, true)] {
        let mut ledger = Ledger::default();
        assert!(ledger.restore(&read, at(now, wall)));
        assert_eq!(ledger.write_deadline(now).is_some(), is_stale, "{wall}");
    }
}

#[test]
fn a_clock_that_is_set_is_followed_by_the_disk() {
    let now = clock::now();
    let read = StoredLeases::of(stored(&[grant("a:1", 60)], now).table(), at(now, WALL));
    for (wall, is_stale) in [(WALL + 7_000, false), (WALL + 6_100, false), (WALL, true), (0, true)]
    {
        let mut restored = Ledger::default();
        restored.restore(&read, at(now, WALL));
        for mut ledger in [stored(&[grant("a:1", 60)], now), restored] {
            ledger.clock_is(at(after(now, 7), wall));
            assert_eq!(ledger.write_deadline(now).is_some(), is_stale, "{wall}");
        }
    }
    let mut empty = stored(&[], now);
    empty.clock_is(at(now, 0));
    assert_eq!(empty.write_deadline(now), None, "there is nothing to write");
}

#[test]
fn a_clock_that_is_set_little_by_little_is_followed_too() {
    let now = clock::now();
    let mut ledger = stored(&[grant("a:1", 60)], now);
    for step in 0..20_u64 {
        assert_eq!(ledger.write_deadline(now), None, "{step}");
        ledger.clock_is(at(after(now, step), WALL + step * 1050));
    }
    ledger.clock_is(at(after(now, 20), WALL + 20 * 1050));
    assert!(ledger.write_deadline(now).is_some());
}

#[test]
fn torn_and_foreign_files_are_refused_with_the_reason() {
    let now = clock::now();
    let table = stored(&[grant("a:1", 60), grant("quote\"", 3600)], now);
    let contents = StoredLeases::of(table.table(), at(now, WALL)).encode().unwrap();
    for length in 0..contents.len() - 1 {
        assert!(StoredLeases::decode(&contents[..length]).is_err(), "{length}");
    }
    for foreign in ["{}", "[]", "null", "a:1\nb:2\n", r#"{"leases":[{"label":""}]}"#] {
        let error = StoredLeases::decode(foreign.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with("is not a file of leases: "), "{error}");
    }
}

fn millis(time: i64) -> Duration {
    Duration::from_millis(time.unsigned_abs())
}

#[test]
fn only_what_changes_nothing_else_is_a_renewal() {
    let now = clock::now();
    let changes = [grant("long", 60), grant("longer", 600), grant("short", 5)];
    for (texts, ttl, at, is_renewal) in [
        (&["long"][..], 60, 1, true),
        (&["short"], 5, 1, true),
        (&["short"], 6, 1, true),
        (&["long", "long"], 60, 1, true),
        (&[], 60, 1, true),
        // Another time: one that the disk does not have, and one that ends before the others.
        (&["long"], 600, 1, false),
        (&["longer"], 60, 1, false),
        (&["short"], 3, 1, false),
        (&["short"], 60, 1, false),
        (&["long"], 5, 1, false),
        // The disk has it for a second only.
        (&["long"], 60, 58, true),
        (&["long"], 60, 59, false),
        // Not all of them have a lease, or it is over.
        (&["long", "new"], 60, 1, false),
        (&["new"], 5, 1, false),
        (&["long"], 60, 61, false),
    ] {
        let mut ledger = stored(&changes, now);
        let (before, then) = (ledger.table().clone(), after(now, at));
        let ttl = Duration::from_secs(ttl);
        assert_eq!(ledger.renew(&labels(texts), ttl, then), is_renewal, "{texts:?} {ttl:?}");
        let renewed = |label: &Label| texts.contains(&label.as_str()) && is_renewal;
        for (label, lease) in before.iter() {
            let expected = if renewed(label) { Lease::new(ttl, then) } else { *lease };
            assert_eq!(ledger.table().get(label), Some(&expected), "{texts:?} {ttl:?}");
        }
        assert_eq!(ledger.table().len(), before.len());
        let must_be_written = is_renewal && texts.contains(&"long");
        assert_eq!(ledger.write_deadline(then).is_some(), must_be_written, "{texts:?} {ttl:?}");
    }
}

proptest! {
    /// A clock that is set between two runs loses no lease early by more than the jump, and keeps
    /// none beyond its time.
    #[test]
    fn a_clock_that_jumps_between_two_runs_moves_an_end_no_further(
        ttl in 10_u64..7200, ran in 0_u64..7_200_000, away in 0_u64..7_200_000,
        jump in -3_600_000_i64..3_600_000,
    ) {
        let granted = clock::now();
        let written = granted + Duration::from_millis(ran % (ttl * 1000));
        let mut table = LeaseTable::default();
        table.apply(&grant("a:1", ttl), granted);
        let contents = StoredLeases::of(&table, at(written, WALL)).encode().unwrap();
        let restarted = written + Duration::from_millis(away);
        let wall = WALL.saturating_add(away).saturating_add_signed(jump);
        let restored = StoredLeases::decode(&contents).unwrap().table(at(restarted, wall));
        let (true_end, longest) = (after(granted, ttl), after(restarted, ttl));
        let restored_end = restored.deadline();
        // A millisecond is what the file rounds to.
        let earliest = true_end - millis(1) - if jump > 0 { millis(jump) } else { Duration::ZERO };
        let latest = true_end + if jump < 0 { millis(jump) } else { Duration::ZERO };
        match restored_end {
            Some(end) => prop_assert!(end >= earliest && end <= latest.min(longest), "{end:?}"),
            None => prop_assert!(earliest <= restarted, "lost"),
        }
    }

    /// Whatever happens in whatever order: a crash at any moment gives back no lease that was ended
    /// and loses none that was granted.
    #[test]
    fn a_crash_keeps_what_was_confirmed(
        steps in prop::collection::vec(
            (0_usize..3, prop::sample::select(vec![0_u64, 5, 10, 60]), 0_u64..4000),
            1..40,
        ),
    ) {
        let (mut ledger, mut now) = (Ledger::default(), clock::now());
        let mut confirmed = LeaseTable::default();
        let mut on_disk = StoredLeases::of(&confirmed, at(now, WALL));
        let (begin, mut before) = (now, Vec::<(Instant, LeaseTable)>::new());
        let mut look = begin;
        let wall_at = |at: Instant| WALL + u64::try_from((at - begin).as_millis()).unwrap();
        for (number, ttl, pause) in steps {
            now += Duration::from_millis(pause);
            let wall = wall_at(now);
            ledger.sweep(now);
            let label = ["a:1", "b:2", "c:3"][number];
            let change = if ttl == 0 { end(label) } else { grant(label, ttl) };
            // Somebody looks each second what is to be written, and waits until it is due.
            while look <= now {
                let due = ledger.write_deadline(look).map(|due| due.max(look));
                if due.is_some_and(|due| due > now) {
                    break;
                }
                if let Some(due) = due {
                    let (draft, moment) = (ledger.draft([], due), at(due, wall_at(due)));
                    on_disk = StoredLeases::of(&draft, moment);
                    ledger.is_written(draft, moment, due);
                }
                look = after(look, 1);
            }
            let renews = match &change {
                LeaseChange::Grant { labels, ttl } => ledger.renew(labels, *ttl, now),
                LeaseChange::End(_) => false,
            };
            let waits = !renews && ledger.must_be_stored_first(&change, now);
            let draft = ledger.draft(waits.then_some(&change), now);
            ledger.apply(&change, now);
            if waits {
                on_disk = StoredLeases::of(&draft, at(now, wall));
                ledger.is_written(draft, at(now, wall), now);
            } else if !renews && ledger.write_deadline(now).is_some_and(|due| due <= now) {
                let draft = ledger.draft([], now);
                on_disk = StoredLeases::of(&draft, at(now, wall));
                ledger.is_written(draft, at(now, wall), now);
            }
            confirmed.apply(&change, now);
            confirmed.sweep(now);
            prop_assert_eq!(ledger.table(), &confirmed);
            let survived = on_disk.table(at(now, wall));
            let lasting = confirmed.lasting();
            for (label, lease) in lasting.iter() {
                // A renewal is written within a second; a millisecond is what the file rounds to.
                let renewed = before.iter().rfind(|(then, _)| after(*then, 1) <= now);
                let due = renewed.and_then(|(_, leases)| leases.get(label));
                let due = due.filter(|due| due.ttl == lease.ttl).map(|due| due.end - millis(1));
                match survived.get(label).map(|lease| lease.end) {
                    Some(end) => prop_assert!(
                        end <= lease.end && Some(end) >= due,
                        "{label} ends {end:?}, not {due:?}"
                    ),
                    // Its last renewal came in the second before its end.
                    None => prop_assert!(due.is_some_and(|due| due <= now), "{label} is lost"),
                }
            }
            let is_right = |(label, _): (&Label, &Lease)| lasting.get(label).is_some();
            prop_assert!(survived.iter().all(is_right), "one is back");
            before.push((now, lasting));
        }
    }
}
