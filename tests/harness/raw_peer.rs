//! The channel itself: what daemons say on it, and a voice that says anything.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::StreamExt;
use serde_json::{Value, json};

use crate::eventually::{LIMIT, eventually};
use crate::{NatsServer, RedisServer};

/// A participant of a channel that hears all and can say any bytes.
#[derive(Debug)]
pub struct RawPeer {
    voice: Voice,
    heard: Arc<Mutex<Vec<String>>>,
}

enum Voice {
    Nats(async_nats::Client),
    Redis(redis::aio::MultiplexedConnection),
}

impl RawPeer {
    /// Joins the subject `lobby.discovery` of a NATS server; nothing said from now on is missed.
    ///
    /// # Panics
    /// If the server cannot be reached.
    pub async fn nats(server: &NatsServer) -> Self {
        let client =
            async_nats::connect(server.url()).await.expect("the NATS server takes connections");
        let messages =
            client.subscribe("lobby.discovery").await.expect("the subject can be subscribed");
        // The server handles what one client sends in order: an echo says that it knows of the
        // subscription.
        let mut echo = client.subscribe("echo").await.expect("the subject can be subscribed");
        client.publish("echo", "".into()).await.expect("the server takes messages");
        tokio::time::timeout(LIMIT, echo.next()).await.expect("the server answers");
        Self::new(Voice::Nats(client), messages.map(|message| message.payload.to_vec()))
    }

    /// Joins the channel `lobby:discovery` of a Redis server; nothing said from now on is missed.
    ///
    /// # Panics
    /// If the server cannot be reached.
    pub async fn redis(server: &RedisServer) -> Self {
        let client = redis::Client::open(format!("redis://127.0.0.1:{}", server.port()))
            .expect("a Redis URL");
        let mut channel =
            client.get_async_pubsub().await.expect("the Redis server takes connections");
        channel.subscribe("lobby:discovery").await.expect("the channel can be subscribed");
        // The client's own limit is short for a batch on a busy machine.
        let patient = redis::AsyncConnectionConfig::new().set_response_timeout(Some(LIMIT));
        let voice = client
            .get_multiplexed_async_connection_with_config(&patient)
            .await
            .expect("the Redis server takes connections");
        Self::new(
            Voice::Redis(voice),
            channel.into_on_message().map(|message| message.get_payload_bytes().to_vec()),
        )
    }

    fn new(voice: Voice, messages: impl StreamExt<Item = Vec<u8>> + 'static) -> Self {
        let heard = Arc::<Mutex<Vec<String>>>::default();
        let ear = Arc::clone(&heard);
        actix_rt::spawn(messages.for_each(move |message| {
            let text = String::from_utf8_lossy(&message).into_owned();
            ear.lock().unwrap_or_else(PoisonError::into_inner).push(text);
            std::future::ready(())
        }));
        Self { voice, heard }
    }

    /// Says these bytes.
    ///
    /// # Panics
    /// If the server does not take them.
    pub async fn say(&self, payload: impl AsRef<[u8]>) {
        let payload = payload.as_ref().to_vec();
        match &self.voice {
            Voice::Nats(client) => {
                client
                    .publish("lobby.discovery", payload.into())
                    .await
                    .expect("NATS takes the message");
                client.flush().await.expect("NATS takes the message");
            }
            Voice::Redis(connection) => {
                let mut publish = redis::cmd("PUBLISH");
                publish.arg("lobby:discovery").arg(payload);
                publish.exec_async(&mut connection.clone()).await.expect("Redis takes the message");
            }
        }
    }

    /// Says all of these, as fast as it goes.
    ///
    /// # Panics
    /// If the server does not take them.
    pub async fn say_all(&self, payloads: Vec<Bytes>) {
        match &self.voice {
            Voice::Nats(client) => {
                for payload in payloads {
                    client.publish("lobby.discovery", payload).await.expect("NATS takes it");
                }
                client.flush().await.expect("NATS takes the messages");
            }
            Voice::Redis(connection) => {
                for part in payloads.chunks(100) {
                    let mut batch = redis::pipe();
                    for payload in part {
                        batch.publish("lobby:discovery", &payload[..]).ignore();
                    }
                    let sent = batch.exec_async(&mut connection.clone()).await;
                    sent.expect("Redis takes the messages");
                }
            }
        }
    }

    /// Says hi for a host with these labels, in the bytes of lobby 1.x.
    ///
    /// # Panics
    /// If the server does not take them.
    pub async fn say_hi(&self, hostname: &str, labels: &[&str]) {
        self.say(packet(hostname, &json!(labels), "hi")).await;
    }

    /// Says goodbye for a host, in the bytes of lobby 1.x.
    ///
    /// # Panics
    /// If the server does not take them.
    pub async fn say_goodbye(&self, hostname: &str) {
        self.say(packet(hostname, &Value::Null, "goodbye")).await;
    }

    /// All messages so far, own ones included.
    pub fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The messages so far that name this host, with the word they say.
    pub fn heard_from(&self, hostname: &str, word: &str) -> Vec<String> {
        let says = |text: &String| {
            let envelope: Value = serde_json::from_str(text).unwrap_or_default();
            envelope["discovery"]["hostname"] == hostname && envelope["message"] == word
        };
        self.heard().into_iter().filter(says).collect()
    }

    /// Waits until this many messages of a host with this word were heard, and returns all of them.
    ///
    /// # Panics
    /// If they do not come.
    #[track_caller]
    pub fn hears(
        &self,
        count: usize,
        hostname: &str,
        word: &str,
    ) -> impl Future<Output = Vec<String>> {
        eventually(LIMIT, async move || {
            let heard = self.heard_from(hostname, word);
            if heard.len() < count { Err(format!("{:?}", self.heard())) } else { Ok(heard) }
        })
    }
}

/// A message in the bytes of lobby 1.x.
fn packet(hostname: &str, labels: &Value, word: &str) -> String {
    let hostname = json!(hostname);
    format!(
        r#"{{"discovery":{{"hostname":{hostname},"labels":{labels},"last_check":0}},"message":"{word}"}}"#
    )
}

impl std::fmt::Debug for Voice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Nats(_) => "NATS",
            Self::Redis(_) => "Redis",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn hears_what_is_said(wire: RawPeer) {
        wire.say_hi("a", &["x:1"]).await;
        wire.say_goodbye("a").await;
        let hi = r#"{"discovery":{"hostname":"a","labels":["x:1"],"last_check":0},"message":"hi"}"#;
        assert_eq!(wire.hears(1, "a", "hi").await, [hi]);
        assert_eq!(wire.hears(1, "a", "goodbye").await.len(), 1);
    }

    #[actix_rt::test]
    async fn a_wire_hears_all_that_is_said_over_nats() {
        let server = NatsServer::start().await;
        hears_what_is_said(RawPeer::nats(&server).await).await;
    }

    #[actix_rt::test]
    async fn a_wire_hears_all_that_is_said_over_redis() {
        let server = RedisServer::start().await;
        hears_what_is_said(RawPeer::redis(&server).await).await;
    }
}
