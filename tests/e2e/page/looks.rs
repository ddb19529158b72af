//! The page for everybody: dark and light, by keyboard, for screen readers.

use std::path::Path;

use lobby_tests::{Browser, Channel, Lobbyd};
use serde_json::json;

use super::{has_no_faults, open, row_holds};

/// What a checker finds that asks a browser what a screen reader would meet.
async fn violations(browser: &Browser) -> Vec<String> {
    let tools = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("tools");
    let file = tools.join("axe.min.js");
    let axe = std::fs::read_to_string(&file)
        .unwrap_or_else(|error| panic!("{}: {error}: run tests/install-servers", file.display()));
    browser.run(&axe).await;
    let found = browser.run("return axe.run().then(result => result.violations)").await;
    let tell = |rule: &serde_json::Value| format!("{}: {}", rule["id"], rule["nodes"][0]["html"]);
    found.as_array().unwrap().iter().map(tell).collect()
}

async fn fleet(channel: &Channel) -> (Lobbyd, Lobbyd) {
    let daemon = Lobbyd::named("a").labels("service:web,drain:repair").on(channel).start().await;
    let other = Lobbyd::named("b").labels("service:db").on(channel).start().await;
    daemon.meets("b").await;
    (daemon, other)
}

#[actix_rt::test]
async fn axe_finds_no_violation_in_light_or_dark() {
    let channel = Channel::nats().await;
    let (daemon, _other) = fleet(&channel).await;
    let browser = open(&daemon, "").await;
    browser.becomes(&row_holds("b", "service:db")).await;
    daemon.add_labels("lately:changed").await;
    browser.becomes(&row_holds("a", "changed")).await;
    browser.keys("#servers", "\u{e015}\u{e007}").await;
    browser.becomes("!document.getElementById('details').hidden").await;
    for look in ["light", "dark"] {
        let feature = json!([{"name": "prefers-color-scheme", "value": look}]);
        browser.devtools("Emulation.setEmulatedMedia", json!({ "features": feature })).await;
        assert_eq!(violations(&browser).await, Vec::<String>::new(), "{look}");
    }
    browser.keys("#selector", "service and (\u{e007}").await;
    browser.becomes("!document.getElementById('selector-error').hidden").await;
    assert_eq!(violations(&browser).await, Vec::<String>::new(), "with an error");
}

#[actix_rt::test]
async fn axe_would_find_a_picture_without_words() {
    let daemon = Lobbyd::named("a").start().await;
    let browser = open(&daemon, "").await;
    browser.run("document.querySelector('main').append(document.createElement('img'))").await;
    let found = violations(&browser).await;
    assert!(found.iter().any(|rule| rule.contains("image-alt")), "{found:?}");
}

#[actix_rt::test]
async fn everything_can_be_done_by_keyboard() {
    let channel = Channel::nats().await;
    let (daemon, _other) = fleet(&channel).await;
    let browser = open(&daemon, "").await;
    browser.becomes(&row_holds("b", "service:db")).await;
    browser.keys("#servers", "\u{e015}\u{e015}").await;
    browser.becomes("document.querySelector('tr[aria-selected=true]').dataset.name === 'b'").await;
    browser.keys("#servers", "\u{e007}").await;
    browser.becomes("document.getElementById('details-name').innerText === 'b'").await;
    browser.run("document.querySelector('#details-labels button').focus()").await;
    daemon.add_labels("meanwhile:changed").await;
    browser.becomes(&row_holds("a", "meanwhile:changed")).await;
    browser.becomes("document.activeElement.innerText === 'service:db'").await;
    browser.keys("#details-labels button", "\u{e007}").await;
    browser.becomes("document.getElementById('selector').value === \"'service'='db'\"").await;
    browser.becomes("document.querySelectorAll('tr[data-name]').length === 1").await;
    browser.keys("body", "\u{e00c}").await;
    browser.becomes("document.getElementById('details').hidden").await;
    browser.keys("body", "/").await;
    browser.becomes("document.activeElement.id === 'search'").await;
    has_no_faults(&browser, &[]).await;
}
