//! What the page shows while the fleet changes.

use lobby_tests::{Channel, Lobbyd, Signal, eventually};

use super::{has_no_faults, open, row, row_holds, state_is};
use crate::outage::BACK;

/// What Chromium says of a connection that was cut or refused, which is no fault of the page.
const CUT: &[&str] = &["net::ERR_", "Failed to load resource"];

#[actix_rt::test]
async fn a_label_a_newcomer_and_a_goodbye_are_shown() {
    let channel = Channel::nats().await;
    let daemon = Lobbyd::named("a").labels("service:web").on(&channel).start().await;
    let browser = open(&daemon, "").await;
    browser.becomes(&row_holds("a", "service:web")).await;
    daemon.add_labels("drain:repair").await;
    browser.becomes(&row_holds("a", "drained")).await;
    browser.becomes(&row_holds("a", "changed")).await;
    let other = Lobbyd::named("b").on(&channel).start().await;
    browser.becomes(&row_holds("b", "new")).await;
    browser.becomes("document.getElementById('count').value === '2 servers'").await;
    other.signal(Signal::TERM);
    browser.becomes(&row_holds("b", "left: goodbye")).await;
    browser.becomes("document.getElementById('count').value === '1 server'").await;
    has_no_faults(&browser, &[]).await;
}

#[actix_rt::test]
async fn labels_of_strangers_stay_text() {
    let channel = Channel::nats().await;
    let daemon = Lobbyd::named("a").on(&channel).start().await;
    daemon.links_are("up", BACK).await;
    let wire = channel.wire().await;
    let label =
        "x:<img src=x onerror=\"window.forged = true\"><script>window.forged = true</script>";
    wire.say_hi("b", &[label]).await;
    let browser = open(&daemon, "").await;
    browser.becomes(&row_holds("b", "<img src=x")).await;
    browser.run(&format!("{}.click()", row("b"))).await;
    browser
        .becomes("document.querySelector('#details-labels button').innerText.includes('<img')")
        .await;
    assert_eq!(browser.run("return window.forged === undefined").await, true);
    assert_eq!(browser.run("return document.querySelectorAll('img').length").await, 0);
    has_no_faults(&browser, &[]).await;
}

#[actix_rt::test]
async fn a_selector_chooses_and_its_fault_is_shown() {
    let channel = Channel::nats().await;
    let daemon = Lobbyd::named("a").labels("service:web").on(&channel).start().await;
    let _other = Lobbyd::named("b").labels("service:db").on(&channel).start().await;
    daemon.meets("b").await;
    let browser = open(&daemon, "?selector=service%3Ddb").await;
    browser.becomes(&row_holds("b", "service:db")).await;
    browser.becomes(&format!("{} === undefined", row("a"))).await;
    browser.keys("#selector", " and (").await;
    browser.becomes("document.getElementById('selector-error').innerText.includes('^')").await;
    browser
        .becomes("document.getElementById('selector').getAttribute('aria-invalid') === 'true'")
        .await;
    browser.run("document.getElementById('selector').value = 'service=web'").await;
    browser.keys("#selector", "\u{e007}").await;
    browser.becomes(&row_holds("a", "service:web")).await;
    browser.becomes("document.getElementById('selector-error').hidden").await;
    browser.becomes("location.search === '?selector=service%3Dweb'").await;
    has_no_faults(&browser, CUT).await;
}

#[actix_rt::test]
async fn an_outage_of_the_broker_is_said_and_over_again() {
    let mut channel = Channel::nats().await;
    let daemon = Lobbyd::named("a").on(&channel).start().await;
    let other = Lobbyd::named("b").on(&channel).start().await;
    daemon.meets("b").await;
    let browser = open(&daemon, "").await;
    browser.becomes(&row_holds("b", "b")).await;
    channel.kill();
    browser.becomes(&state_is("lost")).await;
    assert!(browser.text().await.contains("no broker can be reached"));
    browser.becomes(&row_holds("b", "b")).await;
    channel.restart().await;
    browser.becomes(&state_is("live")).await;
    drop(other);
    has_no_faults(&browser, &[]).await;
}

#[actix_rt::test]
async fn a_restart_of_the_daemon_is_followed() {
    let port = lobby_tests::free_port().to_string();
    let channel = Channel::nats().await;
    let daemon = Lobbyd::named("a").set("PORT", port).on(&channel).start().await;
    let _other = Lobbyd::named("b").labels("service:web").on(&channel).start().await;
    daemon.meets("b").await;
    let browser = open(&daemon, "").await;
    browser.becomes(&row_holds("b", "service:web")).await;
    daemon.kill();
    browser.becomes(&state_is("lost")).await;
    browser.becomes(&row_holds("b", "service:web")).await;
    let again = daemon.start_again().await;
    browser.becomes(&state_is("live")).await;
    again.add_labels("after:restart").await;
    browser.becomes(&row_holds("a", "after:restart")).await;
    has_no_faults(&browser, CUT).await;
}

#[actix_rt::test]
async fn of_ten_thousand_servers_only_the_seen_are_kept() {
    let channel = Channel::nats().await;
    let daemon = Lobbyd::named("a").set("TTL", "3600").muted().on(&channel).start().await;
    daemon.links_are("up", BACK).await;
    let wire = channel.wire().await;
    for number in 0..10_000 {
        wire.say_hi(&format!("srv{number:05}"), &["service:web"]).await;
    }
    eventually(4 * BACK, async || {
        let known = daemon.discoveries().await.len();
        lobby_tests::ensure(known == 10_001, known)
    })
    .await;
    let browser = open(&daemon, "").await;
    browser.becomes("document.getElementById('count').value === '10,001 servers'").await;
    let drawn = browser
        .run(
            "return performance.getEntriesByName('first-rows')[0].startTime - \
              performance.getEntriesByName('first-answer')[0].startTime",
        )
        .await;
    assert!(drawn.as_f64().unwrap() < 1000.0, "{drawn} ms");
    let kept = browser.run("return document.querySelectorAll('tbody tr').length").await;
    assert!(kept.as_u64().unwrap() < 150, "{kept} rows");
    browser.keys("#servers", "\u{e010}").await;
    browser.becomes(&row_holds("srv09999", "service:web")).await;
    has_no_faults(&browser, &[]).await;
}
