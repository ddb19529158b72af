use lobby_client::HostName;
use lobby_core::liveness::initial_sync::InitialSync;
use lobby_core::registry::change::ChangeKind;
use lobby_core::wire::envelope::{Message, MessageKind};
use lobby_core::wire::instance_id::InstanceId;

use super::*;

const TTL: Duration = Duration::from_secs(30);

fn opened() -> LinkOpened {
    LinkOpened { driver_id: driver_id(), note: None, server: None }
}

/// A running registry with one driver, NATS, and what it shows its readers.
struct Fixture {
    registry: Addr<Registry>,
    snapshots: watch::Receiver<Arc<Snapshot>>,
}

impl Fixture {
    /// Sweeps only once an hour, so that a test sees what deadlines do.
    fn start() -> Self {
        tokio::time::pause();
        let (now, keep_alive) = (clock::now(), Duration::from_secs(5));
        let hosts =
            HostRegistry::new("i1".to_owned(), TTL, 100, InitialSync::new(keep_alive, 1, now), now);
        let registry = Registry::new(hosts, &["NATS"], Duration::from_secs(3600), keep_alive);
        let snapshots = registry.snapshots();
        Self { registry: registry.start(), snapshots }
    }

    async fn hear(&self, hostname: &str) {
        let packet = Discovery::new(HostName::parse(hostname).unwrap(), vec![]);
        let payload =
            Message::new(MessageKind::Hi, &packet, InstanceId::new(0xa1)).encode(None).into();
        let batch = vec![InboundEvent::Packet { payload, age: Duration::ZERO }];
        self.registry.send(PacketsReceived { driver_id: driver_id(), batch }).await.unwrap();
    }

    async fn close(&self, reason: &str) {
        let reason = reason.to_owned();
        self.registry.send(LinkClosed { driver_id: driver_id(), reason }).await.unwrap();
    }

    /// Whether there is a new snapshot since this was last asked.
    fn is_new(&mut self) -> bool {
        let changed = self.snapshots.has_changed().unwrap();
        self.snapshots.mark_unchanged();
        changed
    }
}

fn driver_id() -> DriverId {
    DriverId::new(0).unwrap()
}

#[actix_rt::test]
async fn a_host_expires_for_all_within_milliseconds() {
    let mut lobby = Fixture::start();
    lobby.registry.send(opened()).await.unwrap();
    lobby.hear("a").await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    lobby.hear("a").await;
    let heard = clock::now();
    let revision = lobby.snapshots.borrow_and_update().revision();
    lobby.snapshots.changed().await.unwrap();
    let late = clock::now().duration_since(heard + TTL);
    assert!(late < Duration::from_millis(20), "{late:?}");
    let snapshot = Arc::clone(&lobby.snapshots.borrow());
    let changes: Vec<_> =
        snapshot.changes_since(revision).unwrap().map(|change| change.kind.clone()).collect();
    assert_eq!(changes, [ChangeKind::Expired]);
    assert_eq!(lobby.registry.send(GetStatus).await.unwrap().records, 0);
}

#[actix_rt::test]
async fn a_failed_attempt_of_a_link_is_no_news_for_readers() {
    let mut lobby = Fixture::start();
    lobby.is_new();
    lobby.close("connection refused").await;
    lobby.close("connection refused").await;
    assert!(!lobby.is_new());
    lobby.registry.send(opened()).await.unwrap();
    assert!(lobby.is_new());
    lobby.close("connection reset").await;
    assert!(lobby.is_new());
    let status = lobby.registry.send(GetStatus).await.unwrap();
    assert_eq!(status.drivers[0].reason.as_deref(), Some("connection reset"));
}

#[actix_rt::test]
async fn a_host_that_becomes_the_own_one_stays_for_readers() {
    let mut lobby = Fixture::start();
    lobby.registry.send(opened()).await.unwrap();
    lobby.hear("me").await;
    let own = Discovery::new(HostName::parse("me").unwrap(), vec![]);
    lobby.registry.send(LocalChanged(own)).await.unwrap();
    tokio::time::sleep(TTL * 2).await;
    let snapshot = Arc::clone(&lobby.snapshots.borrow_and_update());
    assert_eq!(snapshot.count_living(clock::now()), 1);
}

#[actix_rt::test]
async fn facts_after_a_standstill_are_dated_without_it() {
    let lobby = Fixture::start();
    lobby.registry.send(opened()).await.unwrap();
    lobby.hear("a").await;
    // The registry gets no turn meanwhile.
    tokio::time::advance(TTL * 3).await;
    lobby.close("connection reset").await;
    assert_eq!(lobby.registry.send(GetStatus).await.unwrap().records, 1);
    tokio::time::advance(TTL * 3).await;
    lobby.registry.send(opened()).await.unwrap();
    tokio::time::advance(TTL * 3).await;
    lobby.hear("b").await;
    // Readers see it soon.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(lobby.registry.send(GetStatus).await.unwrap().records, 2);
}
