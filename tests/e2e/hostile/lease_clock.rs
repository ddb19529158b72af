//! The wall clock of labels that end: set between two runs or while the daemon runs, it takes none
//! away, and keeps none beyond its time.

use std::fs;
use std::path::Path;

use lobby_tests::{LIMIT, Lobbyd, LobbydBuilder, WallClock, ensure, eventually};
use serde_json::Value;

use crate::api::leases::leases;

const HOUR: i64 = 3600;

/// How far off the clock of a machine without a battery is when it boots: fifty years.
const BOOT: i64 = -50 * 365 * 24 * HOUR;

/// A daemon `me` with the clock that does nothing unless it is told to.
fn quiet(clock: &WallClock) -> LobbydBuilder {
    clock.of(Lobbyd::named("me").without_keep_alive())
}

async fn killed(daemon: &Lobbyd) {
    daemon.kill();
    daemon.wait(LIMIT).await;
}

/// When the lease in the file ends, in seconds since the Unix epoch.
fn until(state_path: &Path) -> i64 {
    let contents = fs::read(state_path.join("leases-me.json")).unwrap();
    let stored: Value = serde_json::from_slice(&contents).unwrap();
    stored["leases"][0]["until"].as_i64().unwrap() / 1000
}

#[actix_rt::test]
async fn a_clock_set_between_two_runs_keeps_no_lease_beyond_its_time() {
    for (off_by, remains) in [
        (-HOUR, Some(HOUR)),
        (-365 * 24 * HOUR, Some(HOUR)),
        (HOUR / 2, Some(HOUR / 2)),
        (2 * HOUR, None),
    ] {
        let clock = WallClock::off_by(0);
        let daemon = quiet(&clock).start().await;
        assert_eq!(daemon.lease_labels("a:1", "1h").await.status, 200);
        killed(&daemon).await;
        clock.set_off_by(off_by);
        let leases = leases(&daemon.start_again().await).await;
        let left = leases.first().map(|(_, seconds)| *seconds);
        let expected = remains.map(|remains| remains - 60..=remains + 1);
        let is_right = match (left, expected) {
            (Some(left), Some(expected)) => expected.contains(&left),
            (left, expected) => left.is_none() && expected.is_none(),
        };
        assert!(is_right, "{off_by}: {leases:?}");
    }
}

/// Waits until the lease in the file ends before or after the year 2001.
async fn is_stored(state_path: &Path, before_2001: bool) {
    eventually(LIMIT, async || {
        let until = until(state_path);
        ensure((until < 1_000_000_000) == before_2001, until)
    })
    .await;
}

async fn lasts_an_hour(daemon: &Lobbyd) {
    let leases = leases(daemon).await;
    assert!(matches!(leases[..], [(_, 3500..=3601)]), "{leases:?}");
}

#[actix_rt::test]
async fn a_clock_set_after_a_lease_was_stored_loses_none() {
    let clock = WallClock::off_by(BOOT);
    let daemon = quiet(&clock).start().await;
    assert_eq!(daemon.lease_labels("a:1", "1h").await.status, 200);
    is_stored(&daemon.state_path(), true).await;
    clock.set_off_by(0);
    is_stored(&daemon.state_path(), false).await;
    killed(&daemon).await;
    lasts_an_hour(&daemon.start_again().await).await;
}

#[actix_rt::test]
async fn a_clock_set_after_leases_were_read_loses_none() {
    let clock = WallClock::off_by(0);
    let daemon = quiet(&clock).start().await;
    assert_eq!(daemon.lease_labels("a:1", "1h").await.status, 200);
    killed(&daemon).await;
    clock.set_off_by(BOOT);
    let again = daemon.start_again().await;
    is_stored(&again.state_path(), true).await;
    lasts_an_hour(&again).await;
    clock.set_off_by(0);
    is_stored(&again.state_path(), false).await;
    killed(&again).await;
    lasts_an_hour(&again.start_again().await).await;
}
