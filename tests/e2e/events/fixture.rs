use lobby_tests::{LIMIT, Lobbyd, NatsServer, RawPeer};

/// A daemon over NATS, and a peer that says what a test wants it to say.
pub(crate) struct Fixture {
    pub(crate) daemon: Lobbyd,
    pub(crate) peer: RawPeer,
    pub(crate) nats: NatsServer,
}

impl Fixture {
    /// The daemon `me`.
    pub(crate) async fn new() -> Self {
        Self::with(&[]).await
    }

    /// The daemon `me` with these settings. It hears the peer, and the peer has heard it.
    pub(crate) async fn with(settings: &[(&str, &str)]) -> Self {
        let nats = NatsServer::start().await;
        let peer = RawPeer::nats(&nats).await;
        let daemon = Lobbyd::named("me").nats(&nats);
        let daemon = settings.iter().fold(daemon, |daemon, (name, value)| daemon.set(name, *value));
        let daemon = daemon.start().await;
        daemon.links_are("up", LIMIT).await;
        peer.hears(1, "me", "hi").await;
        Self { daemon, peer, nats }
    }
}
