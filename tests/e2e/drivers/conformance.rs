//! The conformance suite of drivers: each case runs once per driver.

use lobby_tests::{Channel, LIMIT, Lobbyd, RenamableHost, Signal};
use serde_json::json;

/// Runs every case over one driver.
macro_rules! conformance {
    ($driver:ident) => {
        conformance!(
            $driver: a_host_that_joins_is_seen_by_all,
            a_late_joiner_learns_of_all_who_are_there,
            a_label_added_at_run_time_is_seen_elsewhere_at_once,
            labels_arrive_as_they_are_whatever_their_script,
            a_host_that_is_terminated_is_gone_at_once,
            a_host_that_is_killed_is_gone_after_its_ttl,
            a_host_that_was_silent_for_a_ttl_is_back_with_its_next_hi,
            a_host_that_does_not_register_sees_all_and_is_seen_by_none,
            a_renamed_host_is_known_by_its_new_name_only,
            a_host_that_comes_back_shows_its_new_labels
        );
    };
    ($driver:ident: $($case:ident),+) => {
        mod $driver {
            $(
                #[actix_rt::test]
                async fn $case() {
                    super::$case(super::Channel::$driver().await).await;
                }
            )+
        }
    };
}

conformance!(nats);
conformance!(redis);
conformance!(local);

async fn a_host_that_joins_is_seen_by_all(channel: Channel) {
    let a = Lobbyd::named("a").labels("service:web").on(&channel).start().await;
    let b = Lobbyd::named("b").on(&channel).start().await;
    let both = json!({"a": ["service:web"], "b": []});
    a.knows(both.clone()).await;
    b.knows(both).await;
}

async fn a_late_joiner_learns_of_all_who_are_there(channel: Channel) {
    let a = Lobbyd::named("a").labels("x:1").on(&channel).start().await;
    let b = Lobbyd::named("b").labels("x:2").on(&channel).start().await;
    a.knows(json!({"a": ["x:1"], "b": ["x:2"]})).await;
    b.knows(json!({"a": ["x:1"], "b": ["x:2"]})).await;
    let late = Lobbyd::named("late").on(&channel).start().await;
    late.knows(json!({"a": ["x:1"], "b": ["x:2"], "late": []})).await;
}

/// A daemon that certainly hears the channel already, and never forgets; it knows of `herald` too,
/// which must be kept.
async fn listener(channel: &Channel) -> (Lobbyd, Lobbyd) {
    let herald = Lobbyd::named("herald").on(channel).start().await;
    let listener = Lobbyd::named("listener").set("TTL", "7200").on(channel).start().await;
    listener.meets("herald").await;
    (listener, herald)
}

async fn a_label_added_at_run_time_is_seen_elsewhere_at_once(channel: Channel) {
    let (listener, _herald) = listener(&channel).await;
    let a = Lobbyd::named("a").without_keep_alive().on(&channel).start().await;
    listener.knows(json!({"a": [], "herald": [], "listener": []})).await;
    assert_eq!(a.add_labels("service:web").await.status, 200);
    listener.knows(json!({"a": ["service:web"], "herald": [], "listener": []})).await;
    assert_eq!(a.delete_labels("service:web").await.status, 200);
    listener.knows(json!({"a": [], "herald": [], "listener": []})).await;
}

async fn labels_arrive_as_they_are_whatever_their_script(channel: Channel) {
    let labels = ["<&>\"\\/", "name", "note:mañana 北京 🙂", "public_ip6:2a03::1", "zürich:ja"];
    let _a = Lobbyd::named("a").labels(&labels.join(",")).on(&channel).start().await;
    let b = Lobbyd::named("b").on(&channel).start().await;
    b.knows(json!({"a": labels, "b": []})).await;
}

async fn a_host_that_is_terminated_is_gone_at_once(channel: Channel) {
    let (listener, _herald) = listener(&channel).await;
    let a = Lobbyd::named("a").on(&channel).start().await;
    listener.meets("a").await;
    a.signal(Signal::TERM);
    listener.knows(json!({"herald": [], "listener": []})).await;
    assert!(a.wait(LIMIT).await.status.success());
}

async fn a_host_that_is_killed_is_gone_after_its_ttl(channel: Channel) {
    let a = Lobbyd::named("a").set("TTL", "3").on(&channel).start().await;
    let b = Lobbyd::named("b").on(&channel).start().await;
    b.meets("a").await;
    a.kill();
    b.knows(json!({"b": []})).await;
}

async fn a_host_that_was_silent_for_a_ttl_is_back_with_its_next_hi(channel: Channel) {
    let a = Lobbyd::named("a").set("TTL", "3").on(&channel).start().await;
    let b = Lobbyd::named("b").on(&channel).start().await;
    b.meets("a").await;
    a.pause();
    b.knows(json!({"b": []})).await;
    a.signal(Signal::CONT);
    b.knows(json!({"a": [], "b": []})).await;
}

async fn a_host_that_does_not_register_sees_all_and_is_seen_by_none(channel: Channel) {
    let hidden =
        Lobbyd::named("hidden").set("REGISTER", "false").labels("x:1").on(&channel).start().await;
    let a = Lobbyd::named("a").on(&channel).start().await;
    hidden.knows(json!({"a": []})).await;
    assert_eq!(hidden.add_labels("x:2").await.status, 200);
    assert_eq!(hidden.own_labels().await, json!(["x:1", "x:2"]));
    // Whatever the hidden one had said was said before this one joined.
    let _b = Lobbyd::named("b").on(&channel).start().await;
    hidden.knows(json!({"a": [], "b": []})).await;
    a.knows(json!({"a": [], "b": []})).await;
}

async fn a_renamed_host_is_known_by_its_new_name_only(channel: Channel) {
    let (listener, _herald) = listener(&channel).await;
    let machine = RenamableHost::new("old");
    let a =
        Lobbyd::named("machine").unset("HOSTNAME").labels("x:1").launched_by(machine.launcher());
    let a = a.on(&channel).start().await;
    listener.knows(json!({"old": ["x:1"], "herald": [], "listener": []})).await;
    machine.rename("new").await;
    listener.knows(json!({"new": ["x:1"], "herald": [], "listener": []})).await;
    a.knows(json!({"new": ["x:1"], "herald": [], "listener": []})).await;
}

async fn a_host_that_comes_back_shows_its_new_labels(channel: Channel) {
    let b = Lobbyd::named("b").on(&channel).start().await;
    let a = Lobbyd::named("a").labels("version:1").on(&channel).start().await;
    b.knows(json!({"a": ["version:1"], "b": []})).await;
    a.signal(Signal::TERM);
    a.wait(LIMIT).await;
    let _a = Lobbyd::named("a").labels("version:2").on(&channel).start().await;
    b.knows(json!({"a": ["version:2"], "b": []})).await;
}

#[actix_rt::test]
async fn over_the_local_driver_a_late_joiner_waits_for_no_keep_alive() {
    let channel = Channel::local().await;
    let a = Lobbyd::named("a").without_keep_alive().on(&channel).start().await;
    a.knows(json!({"a": []})).await;
    let b = Lobbyd::named("b").without_keep_alive().on(&channel).start().await;
    b.knows(json!({"a": [], "b": []})).await;
    a.knows(json!({"a": [], "b": []})).await;
}

#[actix_rt::test]
async fn the_death_of_a_host_is_not_served_even_before_the_sweep() {
    let channel = Channel::nats().await;
    let a = Lobbyd::named("a").set("TTL", "2").on(&channel).start().await;
    let b = Lobbyd::named("b").set("CLEAN_EVERY", "3600").on(&channel).start().await;
    b.meets("a").await;
    a.kill();
    b.knows(json!({"b": []})).await;
    assert_eq!(b.get("/v1/prometheus/any").await.json(), json!([]));
}
