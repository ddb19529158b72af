//! Makes the picture of the page that the README shows: a small fleet in a real browser.

use anyhow::Context as _;
use lobby_tests::{Browser, Lobbyd, LobbydBuilder};
use serde_json::json;
use tempfile::TempDir;

/// Servers of the fleet that is shown, with their labels.
const FLEET: [(&str, &str); 6] = [
    ("db1", "service:postgres,location:prague,address:10.0.0.11"),
    ("db2", "service:postgres,location:brno,address:10.0.1.11,drain:new disk"),
    ("mail", "service:smtp,service:imap,location:prague,address:10.0.0.5"),
    ("web1", "service:web,port:web:8080,location:prague,address:10.0.0.21"),
    ("web2", "service:web,port:web:8080,location:brno,address:10.0.1.21"),
    ("web3", "service:web,port:web:8080,location:brno,address:10.0.1.22"),
];

#[actix_rt::main]
async fn main() -> anyhow::Result<()> {
    let path = std::env::args().nth(1).context("name the file that the picture goes into")?;
    let channel = TempDir::new()?;
    let member = |(name, labels): (&str, &str)| -> LobbydBuilder {
        Lobbyd::named(name).labels(labels).muted().local(channel.path())
    };
    let first = member(FLEET[0]).start().await;
    let mut others = Vec::new();
    for host in &FLEET[1..5] {
        others.push(member(*host).start().await);
        first.meets(host.0).await;
    }
    let browser = Browser::start().await;
    browser.open(&format!("http://{}/ui", first.address())).await;
    browser.becomes("document.querySelectorAll('tr[data-name]').length === 5").await;
    // What is seen of changes: a newcomer, and a label.
    others.push(member(FLEET[5]).start().await);
    browser.becomes("document.querySelectorAll('tr[data-name]').length === 6").await;
    others[2].add_labels("version:2.4").await;
    browser.becomes("document.body.innerText.includes('version:2.4')").await;
    let size = json!({"width": 1000, "height": 420, "deviceScaleFactor": 1.5, "mobile": false});
    browser.devtools("Emulation.setDeviceMetricsOverride", size).await;
    std::fs::write(&path, browser.picture().await).with_context(|| format!("cannot write {path}"))
}
