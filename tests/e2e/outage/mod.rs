//! What the tests of outages have in common.

mod brokers;
mod crashes;
mod delay;
mod flapping;
mod freeze;
mod nats_cluster;
mod recovery;

use std::time::Duration;

use lobby_tests::{Channel, Lobbyd, eventually};

/// A link is up again this long after its broker is back.
pub(crate) const BACK: Duration = Duration::from_secs(5);

/// What a busy machine may add to a promise: two cores, on which dozens of tests run at once.
pub(crate) const NOISE: Duration = Duration::from_secs(3);

/// No answer of the API takes longer than this; it takes a millisecond where nothing else runs.
pub(crate) const SLOWEST_ANSWER: Duration = Duration::from_secs(2);

/// Runs each of these once over every broker.
macro_rules! on_brokers {
    ($($case:ident),+ $(,)?) => {
        mod nats { $(#[actix_rt::test] async fn $case() { super::$case(lobby_tests::Channel::nats().await).await; })+ }
        mod redis { $(#[actix_rt::test] async fn $case() { super::$case(lobby_tests::Channel::redis().await).await; })+ }
    };
}
pub(crate) use on_brokers;

/// Two daemons that know each other.
pub(crate) async fn acquainted(channel: &Channel) -> (Lobbyd, Lobbyd) {
    let a = Lobbyd::named("a").on(channel).start().await;
    let b = Lobbyd::named("b").on(channel).start().await;
    a.meets("b").await;
    b.meets("a").await;
    (a, b)
}

/// Sees to it that a label of one daemon reaches the other in the time that a link has to come
/// back.
pub(crate) async fn is_heard_again(
    speaker: &Lobbyd,
    hostname: &str,
    listener: &Lobbyd,
    label: &str,
) {
    assert_eq!(speaker.add_labels(label).await.status, 200);
    eventually(BACK + NOISE, async || {
        let lobby = listener.lobby().await;
        let labels = lobby[hostname].as_array().cloned().unwrap_or_default();
        if labels.iter().any(|known| known == label) {
            Ok(())
        } else {
            Err(format!("no {label} in {lobby}"))
        }
    })
    .await;
}

/// Sees to it that the links of both are up again in time, and that each hears the other.
pub(crate) async fn are_in_touch_again(a: &Lobbyd, b: &Lobbyd, label: &str) {
    for daemon in [a, b] {
        daemon.links_are("up", BACK + NOISE).await;
    }
    is_heard_again(a, "a", b, label).await;
    is_heard_again(b, "b", a, label).await;
}
