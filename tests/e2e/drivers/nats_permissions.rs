//! The permissions that the README recommends for NATS do what it says.

use async_nats::ConnectOptions;
use futures_util::StreamExt;
use lobby_tests::{LIMIT, Lobbyd, NatsServer, Signal, app_is_refused};
use serde_json::json;

const RECOMMENDED: &str = include_str!("../../../config/nats-permissions.conf");

#[actix_rt::test]
async fn daemons_lack_nothing_and_others_cannot_speak_in_the_lobby() {
    let nats = NatsServer::with_config(RECOMMENDED).await;
    let url = format!("nats://lobbyd:CHANGE-ME-1@127.0.0.1:{}", nats.port());
    let a = Lobbyd::named("a").nats_at(&url).start().await;
    let b = Lobbyd::named("b").nats_at(&url).start().await;
    a.meets("b").await;
    b.meets("a").await;

    let round_trip = async {
        let daemon = ConnectOptions::with_user_and_password("lobbyd".into(), "CHANGE-ME-1".into());
        let daemon = daemon.connect(nats.url()).await.unwrap();
        let mut inbox = daemon.subscribe("_INBOX.lobbyd.test").await.unwrap();
        daemon.publish("_INBOX.lobbyd.test", "".into()).await.unwrap();
        inbox.next().await.unwrap();
    };
    tokio::time::timeout(LIMIT, round_trip)
        .await
        .expect("daemons may use inbox subjects of their own");

    let forged =
        r#"{"discovery":{"hostname":"b","labels":null,"last_check":0},"message":"goodbye"}"#;
    app_is_refused(&nats, "lobby.discovery", forged.to_owned()).await;
    assert_eq!(a.lobby().await, json!({"a": [], "b": []}));

    b.signal(Signal::TERM);
    assert!(b.wait(LIMIT).await.status.success());
    a.knows(json!({"a": []})).await;
    for daemon in [&a, &b] {
        assert!(
            daemon.logs().iter().all(|line| !line.to_lowercase().contains("permission")),
            "{:?}",
            daemon.logs()
        );
    }
}
