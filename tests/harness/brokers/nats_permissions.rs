//! NATS permissions: what a server with those of `config` lets an ordinary user do.

use async_nats::ConnectOptions;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::{LIMIT, NatsServer};

/// Publishes as the user `app` of `config`, and waits until the server has refused it.
///
/// # Panics
/// If the server does not.
pub async fn app_is_refused(nats: &NatsServer, subject: &'static str, payload: String) {
    let (refusal, mut refusals) = mpsc::unbounded_channel();
    let app = ConnectOptions::with_user_and_password("app".into(), "CHANGE-ME-2".into());
    let app = app.event_callback(move |event| {
        refusal.send(event.to_string()).ok();
        std::future::ready(())
    });
    let app = app.connect(nats.url()).await.expect("the server lets its user in");
    app.publish(subject, payload.into()).await.expect("the connection is there");
    app.flush().await.expect("the connection is there");
    let expected = format!("Permissions Violation for Publish to {subject:?}");
    let refused = async {
        while let Some(event) = refusals.recv().await {
            if event.contains(&expected) {
                return;
            }
        }
        panic!("the server said nothing");
    };
    timeout(LIMIT, refused).await.expect("the server refuses");
}
