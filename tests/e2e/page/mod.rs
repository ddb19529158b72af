//! The page for people, in a real browser.

mod access;
mod files;
mod following;
mod looks;

use lobby_tests::{Browser, Lobbyd};

/// Opens the page of this daemon and waits until it follows the list.
pub(crate) async fn open(daemon: &Lobbyd, query: &str) -> Browser {
    let browser = Browser::start().await;
    browser.open(&format!("http://{}/ui{query}", daemon.address())).await;
    browser.becomes(&state_is("live")).await;
    browser
}

/// JavaScript: whether the page says that it is in this state.
pub(crate) fn state_is(state: &str) -> String {
    format!("document.getElementById('connection').dataset.state === '{state}'")
}

/// JavaScript: the row of a server, or undefined.
pub(crate) fn row(name: &str) -> String {
    format!(
        "[...document.querySelectorAll('tr[data-name]')].find(row => row.dataset.name === '{name}')"
    )
}

/// JavaScript: whether the row of a server holds this text.
pub(crate) fn row_holds(name: &str, text: &str) -> String {
    format!("{}?.innerText.includes({text:?}) === true", row(name))
}

/// Nothing on the page failed or was kept away by its policy, but for what a test expects.
pub(crate) async fn has_no_faults(browser: &Browser, expected: &[&str]) {
    let log = browser.log().await;
    let faults: Vec<_> =
        log.iter().filter(|line| !expected.iter().any(|known| line.contains(known))).collect();
    assert!(faults.is_empty(), "{faults:?}");
}
