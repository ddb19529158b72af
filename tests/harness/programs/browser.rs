//! A real browser: Chromium without a window, driven by WebDriver
//! (<https://www.w3.org/TR/webdriver2/>).

use std::net::SocketAddr;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::eventually::{LIMIT, ensure, eventually, now};
use crate::{Process, free_port, process_one};

/// The longest answer of a driver, in bytes: a picture of the page.
const LONGEST_ANSWER: usize = 1 << 24;

/// Browsers at once, in all tests of this process. Each would take both cores of a small machine:
/// more of them take longer together, and starve the tests beside them.
static TURNS: Semaphore = Semaphore::const_new(2);

/// A browser with one window, ended when this value is dropped. A test has one at a time.
pub struct Browser {
    /// Process 1 of a namespace, so that no part of the browser outlives it.
    driver: Process,
    /// A driver keeps its connections open, whatever it is asked for.
    client: awc::Client,
    address: SocketAddr,
    session: String,
    profile: TempDir,
    /// Is given back when all of the browser has gone.
    _turn: SemaphorePermit<'static>,
}

impl Browser {
    /// Starts a browser with an empty profile, in which a page may ask for a dark or light look,
    /// when it has its turn.
    ///
    /// # Panics
    /// If it is not installed (Debian packages `chromium` and `chromium-driver`).
    pub async fn start() -> Self {
        let turn = TURNS.acquire().await.expect("turns that are never over");
        let profile = TempDir::new().expect("a temporary directory can be made");
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let words = process_one();
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).arg("chromedriver").arg(format!("--port={}", address.port()));
        command.env("TMPDIR", profile.path());
        let driver = Process::start_muted("chromedriver", &mut command);
        let client = awc::Client::builder().timeout(LIMIT).finish();
        eventually(LIMIT, async || {
            let status = ask(&client, "GET", &format!("http://{address}/status"), "").await?;
            ensure(status["ready"] == true, status)
        })
        .await;
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "goog:loggingPrefs": {"browser": "ALL"},
            "goog:chromeOptions": {"args": arguments(&profile)},
        }}});
        let sessions = format!("http://{address}/session");
        let answer = ask(&client, "POST", &sessions, &wanted.to_string()).await;
        let answer = answer.unwrap_or_else(|fault| panic!("no session: {fault}"));
        let session = answer["sessionId"].as_str().expect("a session").to_owned();
        Self { driver, client, address, session, profile, _turn: turn }
    }

    /// Opens a page and waits until it is loaded.
    ///
    /// # Panics
    /// If it cannot be opened.
    pub async fn open(&self, url: &str) {
        self.order("POST", "url", json!({ "url": url })).await;
    }

    /// Runs JavaScript in the page, as the body of a function, and gives what it returns. A promise
    /// is waited for.
    ///
    /// # Panics
    /// If it throws.
    pub async fn run(&self, script: &str) -> Value {
        self.tried(script).await.unwrap_or_else(|fault| panic!("a script in the page: {fault}"))
    }

    async fn tried(&self, script: &str) -> Result<Value, String> {
        let body = json!({"script": script, "args": []});
        self.asked("POST", "execute/sync", body).await
    }

    /// Waits until this expression is true in the page. It may throw before: what it asks for may
    /// not be there yet.
    ///
    /// # Panics
    /// If it does not become true; with what it was at last.
    #[track_caller]
    pub fn becomes<'a>(&'a self, expression: &'a str) -> impl Future<Output = ()> + 'a {
        eventually(LIMIT, async move || {
            let seen = self.tried(&format!("return {expression}")).await?;
            ensure(seen == true, format!("{expression}: {seen}; {}", self.text().await))
        })
    }

    /// What is to be read on the page.
    ///
    /// # Panics
    /// If the browser is gone.
    pub async fn text(&self) -> String {
        self.run("return document.body.innerText").await.as_str().unwrap_or_default().to_owned()
    }

    /// Types text, or presses keys, into the element that has this CSS selector.
    ///
    /// # Panics
    /// If there is no such element.
    pub async fn keys(&self, css: &str, text: &str) {
        let found =
            self.order("POST", "element", json!({"using": "css selector", "value": css})).await;
        let id = found.as_object().and_then(|found| found.values().next()?.as_str());
        let id = id.unwrap_or_else(|| panic!("{css}: {found}"));
        self.order("POST", &format!("element/{id}/value"), json!({ "text": text })).await;
    }

    /// Presses and releases keys one after the other, wherever the focus is.
    ///
    /// # Panics
    /// If the browser is gone.
    pub async fn press(&self, keys: &str) {
        let press = |key: char| ["keyDown", "keyUp"].map(|way| json!({"type": way, "value": key}));
        let presses: Vec<_> = keys.chars().flat_map(press).collect();
        let keyboard = json!({"type": "key", "id": "keyboard", "actions": presses});
        self.order("POST", "actions", json!({ "actions": [keyboard] })).await;
    }

    /// What the browser wrote into its log since it was last asked: faults of scripts, and what a
    /// content security policy kept away.
    ///
    /// # Panics
    /// If the browser is gone.
    pub async fn log(&self) -> Vec<String> {
        let entries = self.order("POST", "se/log", json!({"type": "browser"})).await;
        let message = |entry: &Value| entry["message"].as_str().unwrap_or_default().to_owned();
        entries.as_array().expect("a list of entries").iter().map(message).collect()
    }

    /// Sends an order of Chromium's own protocol, such as `Emulation.setEmulatedMedia`.
    ///
    /// # Panics
    /// If it is refused.
    pub async fn devtools(&self, order: &str, parameters: Value) -> Value {
        let body = json!({"cmd": order, "params": parameters});
        self.order("POST", "goog/cdp/execute", body).await
    }

    /// A picture of the page, as PNG.
    ///
    /// # Panics
    /// If the browser is gone.
    pub async fn picture(&self) -> Vec<u8> {
        let picture = self.order("GET", "screenshot", Value::Null).await;
        STANDARD.decode(picture.as_str().expect("a picture")).expect("base64")
    }

    async fn order(&self, method: &str, path: &str, body: Value) -> Value {
        let answer = self.asked(method, path, body).await;
        answer.unwrap_or_else(|fault| panic!("{method} {path}: {fault}"))
    }

    async fn asked(&self, method: &str, path: &str, body: Value) -> Result<Value, String> {
        let url = format!("http://{}/session/{}/{path}", self.address, self.session);
        let body = if body.is_null() { String::new() } else { body.to_string() };
        ask(&self.client, method, &url, &body).await
    }
}

impl Drop for Browser {
    /// A browser that is being killed may still write into its profile.
    fn drop(&mut self) {
        self.driver.kill();
        let end = now() + LIMIT;
        while std::fs::remove_dir_all(self.profile.path()).is_err()
            && self.profile.path().exists()
            && now() < end
        {
            std::thread::yield_now();
        }
    }
}

/// The value that a driver answers.
async fn ask(client: &awc::Client, method: &str, url: &str, body: &str) -> Result<Value, String> {
    let request = if method == "GET" { client.get(url) } else { client.post(url) };
    let mut answer = request.send_body(body.to_owned()).await.map_err(|error| error.to_string())?;
    let text = answer.body().limit(LONGEST_ANSWER).await.map_err(|error| error.to_string())?;
    let mut value: Value = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
    let value = value["value"].take();
    if answer.status().is_success() { Ok(value) } else { Err(value.to_string()) }
}

/// Without the flags about the network Chromium asks for Google's hosts at its start.
fn arguments(profile: &TempDir) -> Vec<String> {
    let mut arguments: Vec<String> = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--window-size=1200,800",
    ]
    .map(str::to_owned)
    .to_vec();
    arguments.push(format!("--user-data-dir={}", profile.path().join("profile").display()));
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[actix_rt::test]
    async fn it_opens_a_page_and_tells_of_its_faults() {
        let browser = Browser::start().await;
        let page = "<title>t</title><input id=i><script>console.error('a fault')</script>";
        browser.open(&format!("data:text/html,{page}")).await;
        browser.keys("#i", "typed").await;
        browser.becomes("document.getElementById('i').value === 'typed'").await;
        browser.press("so").await;
        browser.becomes("document.getElementById('i').value === 'typedso'").await;
        let log = browser.log().await;
        assert!(log.iter().any(|line| line.contains("a fault")), "{log:?}");
        assert!(browser.picture().await.starts_with(b"\x89PNG"));
    }
}
