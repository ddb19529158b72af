//! The page where a token is asked for, and behind a proxy.

use std::process::Command;

use lobby_tests::{Browser, Lobbyd, Process, eventually, free_port, http};
use tempfile::TempDir;

use super::{has_no_faults, open, row_holds, state_is};

/// What Chromium says of an answer that was a refusal.
const REFUSED: &[&str] = &["Failed to load resource"];

async fn with_token() -> Lobbyd {
    Lobbyd::named("a").labels("service:web").set("TOKEN", "s3cret").start().await
}

#[actix_rt::test]
async fn a_token_is_asked_for_and_a_wrong_one_refused() {
    let daemon = with_token().await;
    let browser = Browser::start().await;
    browser.open(&format!("http://{}/ui", daemon.address())).await;
    browser.becomes("!document.getElementById('token-form').hidden").await;
    assert!(browser.text().await.contains("lobbyd asks for a token"));
    browser.keys("#token", "wrong\u{e007}").await;
    browser.becomes("document.body.innerText.includes('does not take this token')").await;
    browser.keys("#token", "s3cret\u{e007}").await;
    browser.becomes(&row_holds("a", "service:web")).await;
    browser.becomes("document.getElementById('token-form').hidden").await;
    has_no_faults(&browser, REFUSED).await;
}

#[actix_rt::test]
async fn a_token_in_the_address_does_not_stay_there() {
    let daemon = Lobbyd::named("a").labels("service:web").set("TOKEN", "s3+cr/et==").start().await;
    let browser = open(&daemon, "?selector=service#token=s3+cr/et==").await;
    browser.becomes(&row_holds("a", "service:web")).await;
    assert_eq!(browser.run("return location.hash").await, "");
    assert_eq!(browser.run("return location.search").await, "?selector=service");
    has_no_faults(&browser, &[]).await;
}

#[actix_rt::test]
async fn a_token_that_counts_no_more_is_said_in_words() {
    let home = TempDir::new().unwrap();
    let file = home.path().join("token");
    std::fs::write(&file, "s3cret\n").unwrap();
    let port = free_port().to_string();
    let daemon = Lobbyd::named("a").set("PORT", port).set("TOKEN_FILE", &file).start().await;
    let browser = open(&daemon, "#token=s3cret").await;
    browser.becomes(&row_holds("a", "a")).await;
    std::fs::write(&file, "another\n").unwrap();
    daemon.kill();
    let _again = daemon.start_again().await;
    browser.becomes("document.body.innerText.includes('does not take this token')").await;
    browser.becomes("document.querySelectorAll('tr[data-name]').length === 0").await;
}

#[actix_rt::test]
async fn it_works_behind_nginx_beneath_a_path() {
    let daemon = Lobbyd::named("a").labels("service:web").start().await;
    let (home, port) = (TempDir::new().unwrap(), free_port());
    let configuration = format!(
        "daemon off; pid {home}/pid; error_log stderr;\n\
         events {{}}\n\
         http {{ access_log off; client_body_temp_path {home}/b; proxy_temp_path {home}/p;\n\
         fastcgi_temp_path {home}/f; uwsgi_temp_path {home}/u; scgi_temp_path {home}/s;\n\
         server {{ listen 127.0.0.1:{port}; location /fleet/ {{ proxy_pass http://{}/; }} }} }}\n",
        daemon.address(),
        home = home.path().display(),
    );
    let file = home.path().join("nginx.conf");
    std::fs::write(&file, configuration).unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", "PATH=$PATH:/usr/sbin exec nginx -c \"$0\""]).arg(&file);
    let nginx = Process::start("nginx", &mut command);
    let address = ([127, 0, 0, 1], port).into();
    eventually(lobby_tests::LIMIT, async || {
        http::try_send(address, "GET", "/fleet/healthz", &[], "").await.map(drop)
    })
    .await;
    let browser = Browser::start().await;
    for page in ["/fleet/ui", "/fleet/ui/"] {
        browser.open(&format!("http://{address}{page}")).await;
        browser.becomes(&state_is("live")).await;
        browser.becomes(&row_holds("a", "service:web")).await;
    }
    daemon.add_labels("seen:at-once").await;
    browser.becomes(&row_holds("a", "seen:at-once")).await;
    has_no_faults(&browser, &[]).await;
    nginx.end();
}
