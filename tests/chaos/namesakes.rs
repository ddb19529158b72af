//! Namesakes: two daemons that go by one name are one server to all others, and do not flap.

use std::time::Duration;

use futures_util::future::join_all;
use lobby_tests::eventually::now;
use lobby_tests::{LIMIT, Lobbyd, Signal, ensure};

use crate::fleet::{Fleet, KEEP_ALIVE, NAMESAKE_LABEL, NOISE, TTL, get};
use crate::report::Report;

/// They are known to be two once each was heard twice by turns.
const KNOWN_AFTER: Duration = KEEP_ALIVE.saturating_mul(3);

/// Between two looks at what others say of them.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A second daemon starts under the name of a first one, and ends again in one way or the other.
pub(crate) async fn two_of_one_name(fleet: &mut Fleet, report: &mut Report) {
    let place = fleet.victims()[0];
    let began = now();
    let second = fleet.start_namesake(place).await;
    let known = join_all(fleet.who_hear(place).map(|other| become_two(other, fleet.name(place))));
    let unknown = known.await.into_iter().flatten().next();
    let agreed = unknown.map_or_else(|| Ok(began.elapsed()), Err);
    let stays = join_all(fleet.who_hear(place).map(|other| flaps(other, fleet.name(place))));
    let flapping = stays.await.into_iter().flatten().collect();
    report.enter("two of one name: known, without flapping", KNOWN_AFTER, agreed, flapping);
    let signal = if fleet.rng.bool() { Signal::TERM } else { Signal::KILL };
    let ended = now();
    second.signal(signal);
    second.wait(LIMIT).await;
    let alone = join_all(fleet.who_hear(place).map(|other| become_one(other, fleet.name(place))));
    let doubled = alone.await.into_iter().flatten().next();
    let agreed = doubled.map_or_else(|| Ok(ended.elapsed()), Err);
    report.enter("one of two of one name ended", TTL, agreed, Vec::new());
    fleet.settle("two of one name, afterwards", now(), KEEP_ALIVE, report).await;
}

/// Waits until a daemon knows that there are two, or says what it knows.
async fn become_two(daemon: &Lobbyd, name: &str) -> Option<String> {
    let knows_two = async || {
        let namesakes = get(daemon, "/v1/status").await?["namesakes"].take();
        let mut listed = namesakes.as_array().into_iter().flatten();
        ensure(listed.any(|namesake| namesake["hostname"] == name), namesakes)
    };
    until(KNOWN_AFTER, knows_two).await
}

/// Waits until a daemon has the labels of the first one alone, or says which it has.
async fn become_one(daemon: &Lobbyd, name: &str) -> Option<String> {
    let has_first = async || {
        let labels = labels(daemon, name).await?;
        ensure(!labels.contains(NAMESAKE_LABEL), labels)
    };
    until(TTL, has_first).await
}

/// Waits until something is so, or says what it is instead.
async fn until(promised: Duration, is_so: impl AsyncFn() -> Result<(), String>) -> Option<String> {
    let began = now();
    loop {
        match is_so().await {
            Ok(()) => return None,
            Err(seen) if began.elapsed() > promised + NOISE => return Some(seen),
            Err(_) => tokio::time::sleep(LOOK_EVERY).await,
        }
    }
}

/// Looks for a while whether a daemon says the same of the two all the time.
async fn flaps(daemon: &Lobbyd, name: &str) -> Option<String> {
    let (began, mut first) = (now(), None);
    while began.elapsed() < KNOWN_AFTER {
        let seen = labels(daemon, name).await.unwrap_or_else(|problem| problem);
        let before = first.get_or_insert_with(|| seen.clone());
        if *before != seen {
            return Some(format!("{name} had {before} at {}, then {seen}", daemon.address()));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    None
}

/// The labels of a host at a daemon, as text.
async fn labels(daemon: &Lobbyd, name: &str) -> Result<String, String> {
    let hosts = get(daemon, "/v1/discoveries").await?;
    let mut hosts = hosts.as_array().into_iter().flatten();
    let host = hosts.find(|host| host["hostname"] == name);
    host.map(|host| host["labels"].to_string()).ok_or_else(|| "no such host".to_owned())
}
