//! The page for everybody: dark and light, by keyboard, for screen readers.

use std::path::Path;

use lobby_tests::{Browser, Channel, Lobbyd};
use serde_json::json;

use super::{has_no_faults, open, row_holds};

/// What a checker finds that asks a browser what a screen reader would meet. It looks at the
/// colours of the moment, so those that are changing must have done so.
async fn violations(browser: &Browser) -> Vec<String> {
    let tools = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("tools");
    let file = tools.join("axe.min.js");
    let axe = std::fs::read_to_string(&file)
        .unwrap_or_else(|error| panic!("{}: {error}: run tests/install-servers", file.display()));
    browser.run(&axe).await;
    browser.becomes("document.getAnimations().length === 0").await;
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

/// The reader of the page wants it light or dark from now on.
async fn wants(browser: &Browser, look: &str) {
    let feature = json!([{"name": "prefers-color-scheme", "value": look}]);
    browser.devtools("Emulation.setEmulatedMedia", json!({ "features": feature })).await;
}

#[actix_rt::test]
async fn the_page_is_dark_for_those_who_want_it_dark() {
    let daemon = Lobbyd::named("a").start().await;
    let browser = open(&daemon, "").await;
    // Brightness of paper and ink: the sum of red, green and blue.
    let colours = "const brightness = (property) =>
            getComputedStyle(document.body)[property].match(/\\d+/g).slice(0, 3)
                .reduce((sum, part) => sum + Number(part), 0);
        return [brightness('backgroundColor'), brightness('color')]";
    for (look, is_dark) in [("light", false), ("dark", true), ("light", false)] {
        wants(&browser, look).await;
        let seen = browser.run(colours).await;
        let [paper, ink] = [0, 1].map(|index| seen[index].as_u64().unwrap());
        let (darker, brighter) = if is_dark { (paper, ink) } else { (ink, paper) };
        assert!(darker < 150 && brighter > 600, "{look}: paper {paper}, ink {ink}");
    }
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
        wants(&browser, look).await;
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

const TAB: &str = "\u{e004}";
const ENTER: &str = "\u{e007}";
const ESCAPE: &str = "\u{e00c}";
const DOWN: &str = "\u{e015}";

/// JavaScript: the name of the element that has the focus: what is on it, or else its id.
const FOCUSED: &str = "document.activeElement.matches('button')
    ? document.activeElement.innerText : document.activeElement.id";

/// Presses Tab so that the focus goes to this element, where it can be seen.
async fn tab_leads_to(browser: &Browser, element: &str) {
    browser.press(TAB).await;
    assert_eq!(browser.run(&format!("return {FOCUSED}")).await, element);
    let outline = "const style = getComputedStyle(document.activeElement);
        return `${style.outlineStyle} ${style.outlineWidth} ${style.outlineColor}`";
    let (seen, paper) = (browser.run(outline).await, "rgb(255, 255, 255)");
    let seen = seen.as_str().unwrap();
    assert!(seen.starts_with("solid 2px rgb(") && !seen.contains(paper), "{element}: {seen}");
}

#[actix_rt::test]
async fn everything_can_be_done_by_keyboard() {
    let channel = Channel::nats().await;
    let (daemon, _other) = fleet(&channel).await;
    let browser = open(&daemon, "").await;
    browser.becomes(&row_holds("b", "service:db")).await;
    for element in ["selector", "Ask", "search", "servers"] {
        tab_leads_to(&browser, element).await;
    }
    browser.press(DOWN).await;
    browser.press(DOWN).await;
    browser.becomes("document.querySelector('tr[aria-selected=true]').dataset.name === 'b'").await;
    browser.press(ENTER).await;
    browser.becomes("document.getElementById('details-name').innerText === 'b'").await;
    tab_leads_to(&browser, "Close").await;
    tab_leads_to(&browser, "service:db").await;
    daemon.add_labels("meanwhile:changed").await;
    browser.becomes(&row_holds("a", "meanwhile:changed")).await;
    assert_eq!(browser.run(&format!("return {FOCUSED}")).await, "service:db");
    browser.press(ENTER).await;
    browser.becomes("document.getElementById('selector').value === \"'service'='db'\"").await;
    browser.becomes("document.querySelectorAll('tr[data-name]').length === 1").await;
    browser.press(ESCAPE).await;
    browser.becomes("document.getElementById('details').hidden").await;
    browser.press("/").await;
    browser.becomes("document.activeElement.id === 'search'").await;
    has_no_faults(&browser, &[]).await;
}
