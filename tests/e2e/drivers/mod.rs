//! Drivers over real brokers: what both of them promise.

mod candidates;
mod conformance;
mod misfits;
mod nats;
mod nats_permissions;
mod publishing;
mod redis;
mod several;
mod sync;

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use lobby_core::link::message::{InboundEvent, OutboundPacket};
use lobby_tests::{LIMIT, Lobbyd, NatsServer, RedisServer, ensure, eventually};
use lobbyd::config::Secret;
use lobbyd::link::driver::{Connection, Driver};
use lobbyd::link::drivers::nats::{Nats, NatsSettings};
use lobbyd::link::drivers::redis::{Redis, RedisSettings};
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::time::timeout;

/// Time to notice that a connection was closed. It is too short for a PING that gets no answer to
/// be what found out.
const AT_ONCE: Duration = Duration::from_secs(4);
/// Time for PINGs without an answer to find out that a server is frozen: at most 15 s on an idle
/// machine.
const FROZEN_LIMIT: Duration = Duration::from_secs(30);

/// What TTL=30 and KEEP_ALIVE=5 allow.
const SILENCE_LIMIT: Duration = Duration::from_secs(25);

/// A broker and its driver.
trait Broker {
    async fn start() -> Self;
    fn driver(&self) -> Box<dyn Driver>;
    fn pause(&self);
    fn kill(&mut self);
    async fn restart(&mut self);
    /// Sends so many packets of 600 bytes as fast as it goes and returns when the server has them
    /// all.
    async fn flood(&self, packets: u64);
}

impl Broker for NatsServer {
    async fn start() -> Self {
        Self::start().await
    }
    fn driver(&self) -> Box<dyn Driver> {
        Box::new(Nats::new(nats_settings(&self.url())))
    }
    fn pause(&self) {
        self.pause();
    }
    fn kill(&mut self) {
        self.kill();
    }
    async fn restart(&mut self) {
        self.restart().await;
    }
    async fn flood(&self, packets: u64) {
        let client = async_nats::connect(self.url()).await.unwrap();
        for _ in 0..packets {
            client.publish("lobby.discovery", Bytes::from_static(&[b'x'; 600])).await.unwrap();
        }
        client.flush().await.unwrap();
    }
}

impl Broker for RedisServer {
    async fn start() -> Self {
        Self::start().await
    }
    fn driver(&self) -> Box<dyn Driver> {
        Box::new(Redis::new(redis_settings(self.port())))
    }
    fn pause(&self) {
        self.pause();
    }
    fn kill(&mut self) {
        self.kill();
    }
    async fn restart(&mut self) {
        self.restart().await;
    }
    async fn flood(&self, packets: u64) {
        let client = ::redis::Client::open(self.url()).unwrap();
        // The client's own limit is short for a batch on a busy machine.
        let patient = ::redis::AsyncConnectionConfig::new().set_response_timeout(Some(LIMIT));
        let mut connection =
            client.get_multiplexed_async_connection_with_config(&patient).await.unwrap();
        let mut batch = ::redis::pipe();
        for _ in 0..100 {
            batch.publish("lobby:discovery", &[b'x'; 600][..]).ignore();
        }
        for _ in 0..packets / 100 {
            batch.exec_async(&mut connection).await.unwrap();
        }
    }
}

/// Runs each of these once per broker.
macro_rules! on_both_brokers {
    ($($case:ident),* $(,)?) => {
        mod on_nats { $(#[actix_rt::test] async fn $case() { super::$case::<lobby_tests::NatsServer>().await; })* }
        mod on_redis { $(#[actix_rt::test] async fn $case() { super::$case::<lobby_tests::RedisServer>().await; })* }
    };
}

on_both_brokers! {
    what_one_publishes_all_hear_and_so_does_the_sender,
    an_absent_server_is_an_error_at_once_that_names_it,
    a_frozen_server_cannot_be_opened_and_says_so,
    a_killed_server_ends_the_link_and_leaves_no_task_behind,
    a_link_that_is_down_sends_nothing_and_keeps_nothing,
    a_frozen_server_ends_the_link_with_a_reason,
    what_was_published_before_the_close_arrives,
    a_link_that_we_close_ends_without_an_error,
    a_flood_is_bounded_and_every_packet_dropped_is_counted,
}

async fn what_one_publishes_all_hear_and_so_does_the_sender<B: Broker>() {
    let broker = B::start().await;
    let (mut one, mut other) = (opened(&*broker.driver()).await, opened(&*broker.driver()).await);
    one.outgoing.publish(packet("hello")).await.unwrap();
    assert_eq!(heard(&mut one).await, "hello");
    assert_eq!(heard(&mut other).await, "hello");
}

async fn an_absent_server_is_an_error_at_once_that_names_it<B: Broker>() {
    let mut broker = B::start().await;
    let driver = broker.driver();
    broker.kill();
    let error = refused(&*driver).await;
    assert!(error.contains("127.0.0.1:") && error.contains("refused"), "{error}");
}

async fn a_frozen_server_cannot_be_opened_and_says_so<B: Broker>() {
    let broker = B::start().await;
    broker.pause();
    let error = attempt(&*broker.driver()).await.err().expect("it was opened");
    assert!(is_late(&error), "{error}");
}

async fn a_killed_server_ends_the_link_and_leaves_no_task_behind<B: Broker>() {
    let mut broker = B::start().await;
    let before = tasks();
    let mut channel = opened(&*broker.driver()).await;
    assert!(tasks() > before);
    broker.kill();
    let reason = ended(&mut channel, AT_ONCE).await;
    assert!(reason.contains("connection"), "{reason}");
    assert!(channel.incoming.next().await.is_none());
    broker.restart().await;
    drop(channel);
    eventually(LIMIT, async || {
        ensure(tasks() <= before, format!("{} tasks instead of {before}", tasks()))
    })
    .await;
}

async fn a_link_that_is_down_sends_nothing_and_keeps_nothing<B: Broker>() {
    let mut broker = B::start().await;
    let mut channel = opened(&*broker.driver()).await;
    broker.kill();
    ended(&mut channel, AT_ONCE).await;
    assert!(timeout(LIMIT, channel.outgoing.publish(packet("stale"))).await.unwrap().is_err());
    broker.restart().await;
    assert!(timeout(LIMIT, channel.outgoing.publish(packet("stale"))).await.unwrap().is_err());
    let mut again = opened(&*broker.driver()).await;
    again.outgoing.publish(packet("fresh")).await.unwrap();
    assert_eq!(heard(&mut again).await, "fresh");
}

async fn a_frozen_server_ends_the_link_with_a_reason<B: Broker>() {
    let broker = B::start().await;
    let mut channel = opened(&*broker.driver()).await;
    broker.pause();
    let reason = ended(&mut channel, FROZEN_LIMIT).await;
    assert!(
        reason.contains("lost the connection") || reason.contains("did not answer"),
        "{reason}"
    );
}

async fn what_was_published_before_the_close_arrives<B: Broker>() {
    let broker = B::start().await;
    let mut listener = opened(&*broker.driver()).await;
    for round in 0..20 {
        let channel = opened(&*broker.driver()).await;
        channel.outgoing.publish(packet(&format!("goodbye {round}"))).await.unwrap();
        timeout(LIMIT, channel.outgoing.close()).await.unwrap();
        drop(channel);
        assert_eq!(heard(&mut listener).await, format!("goodbye {round}"));
    }
}

async fn a_link_that_we_close_ends_without_an_error<B: Broker>() {
    let broker = B::start().await;
    let mut channel = opened(&*broker.driver()).await;
    timeout(LIMIT, channel.outgoing.close()).await.unwrap();
    assert!(timeout(LIMIT, channel.incoming.next()).await.unwrap().is_none());
}

async fn a_flood_is_bounded_and_every_packet_dropped_is_counted<B: Broker>() {
    const FLOOD: u64 = 60_000;
    let broker = B::start().await;
    let mut channel = opened(&*broker.driver()).await;
    broker.flood(FLOOD).await;
    let (mut kept, mut dropped, mut most) = (0, 0, 0);
    while kept + dropped < FLOOD {
        let batch = next_batch(&mut channel).await;
        most = most.max(batch.len() as u64);
        for incoming in batch {
            match incoming {
                InboundEvent::Packet { .. } => kept += 1,
                InboundEvent::Dropped(packets) => dropped += packets,
                InboundEvent::Withdrawn { .. } | InboundEvent::ConnectionClosed(_) => {
                    panic!("a broker keeps no packets, and tells of no connections unasked")
                }
            }
        }
    }
    assert_eq!(kept + dropped, FLOOD);
    // A busy broker still delivers while it is read here.
    assert!(dropped > 0 && most < FLOOD / 2, "{dropped} dropped, {kept} kept, {most} at once");
    channel.outgoing.publish(packet("after the flood")).await.unwrap();
    assert_eq!(heard(&mut channel).await, "after the flood");
}

/// Tasks of this test: each has a runtime of its own.
/// What the status says of a daemon's only link.
pub(crate) async fn link(daemon: &Lobbyd) -> Value {
    daemon.get_json("/v1/status").await["drivers"][0].clone()
}

fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

pub(crate) fn nats_settings(url: &str) -> NatsSettings {
    NatsSettings {
        url: Secret::fixed(url),
        subject: "lobby.discovery".to_owned(),
        events: None,
        nkey_seed: None,
        creds_file: None,
        ca_file: None,
        client_certificate: None,
        silence_limit: SILENCE_LIMIT,
    }
}

pub(crate) fn redis_settings(port: u16) -> RedisSettings {
    RedisSettings {
        host: "127.0.0.1".to_owned(),
        port,
        db: 0,
        channel: "lobby:discovery".to_owned(),
        username: None,
        password: None,
        tls: false,
        ca_file: None,
        silence_limit: SILENCE_LIMIT,
    }
}

pub(crate) fn packet(payload: &str) -> OutboundPacket {
    OutboundPacket {
        host: "test".parse().unwrap(),
        payload: Bytes::copy_from_slice(payload.as_bytes()),
        last: false,
    }
}

pub(crate) async fn opened(driver: &dyn Driver) -> Connection {
    first_in_time(driver).await.unwrap_or_else(|error| panic!("{error}"))
}

/// Why it cannot be opened.
pub(crate) async fn refused(driver: &dyn Driver) -> String {
    first_in_time(driver).await.err().expect("it was opened")
}

/// The outcome of the first attempt that was not cut short by the driver's own limits, which are
/// for machines that are less busy than one that runs tests. The daemon tries again just so.
async fn first_in_time(driver: &dyn Driver) -> Result<Connection, String> {
    let outcome = timeout(LIMIT, async {
        loop {
            match attempt(driver).await {
                Err(error) if is_late(&error) => {}
                outcome => return outcome,
            }
        }
    });
    outcome.await.expect("no attempt was in time")
}

async fn attempt(driver: &dyn Driver) -> Result<Connection, String> {
    let own = Some(packet("hi").payload);
    let opened = timeout(LIMIT, driver.open("lobbyd/test", own)).await;
    opened.map_err(|_| format!("no answer within {LIMIT:?}"))?.map_err(|error| format!("{error:#}"))
}

fn is_late(error: &str) -> bool {
    error.contains("timed out") || error.contains("no answer")
}

/// Opens it and hears its own packet.
pub(crate) async fn works(driver: &dyn Driver) {
    let mut channel = opened(driver).await;
    channel.outgoing.publish(packet("hi")).await.unwrap();
    assert_eq!(heard(&mut channel).await, "hi");
}

/// The only packet that is there to be heard.
pub(crate) async fn heard(channel: &mut Connection) -> String {
    match &next_batch(channel).await[..] {
        [InboundEvent::Packet { payload, age }] if age.is_zero() => {
            String::from_utf8(payload.to_vec()).unwrap()
        }
        other => panic!("{other:?}"),
    }
}

async fn next_batch(channel: &mut Connection) -> Vec<InboundEvent> {
    timeout(LIMIT, channel.incoming.next()).await.unwrap().unwrap().unwrap()
}

/// Waits for the end of the link and returns the reason.
pub(crate) async fn ended(channel: &mut Connection, limit: Duration) -> String {
    let end = timeout(limit, async {
        loop {
            if let Err(error) = channel.incoming.next().await.expect("the link ends with a reason")
            {
                return format!("{error:#}");
            }
        }
    });
    end.await.expect("the link ends in time")
}
