//! The application: builds the actors bottom-up, each with the addresses of those below it. At the
//! end those that owe something to others do it all at once; the rest ends with the process.

use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix::prelude::*;
use anyhow::Context as _;
use futures_util::future::{OptionFuture, join_all};
use lobby_client::HostName;
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::{info, warn};

use crate::callback::process::CallbackCommand;
use crate::callback::runner::{CallbackRunner, EndCallback, KillCallback};
use crate::config::{
    ActiveDriver, ApiSettings, CallbackSettings, Oddity, Secret, Timing, TlsIdentity,
};
use crate::dns;
use crate::dns::server::DnsServer;
use crate::healthz::HealthTargets;
use crate::http::response::frames::FrameCache;
use crate::http::response::render_pool::RenderPool;
use crate::http::server::{HttpApi, StopServing};
use crate::http::streams::StreamPlaces;
use crate::http::{AccessPolicy, AppState};
use crate::labels::leases::Leases;
use crate::labels::local_host::LocalHost;
use crate::labels::source::{GetLocalPacket, LabelSource, ReloadLabels, StartWithoutFiles};
use crate::link::driver::Driver;
use crate::link::own_packet::OwnPacket;
use crate::link::publisher::{Publisher, SayGoodbye};
use crate::link::subscriber::{Reconnect, Subscriber, SubscriberContext};
use crate::link::sync::SyncPeer;
use crate::registry::{BrokerChanged, KeysChanged, LobbyRules, LocalChanged, Registry};
use crate::service::Service;
use crate::settings::Settings;
use crate::sys::children::Children;
use crate::sys::clock;
use lobby_core::callback::schedule::{Pauses, RunSchedule};
use lobby_core::link::announcer::Announcer;
use lobby_core::link::connection_name::ConnectionName;
use lobby_core::link::hi_schedule::HiSchedule;
use lobby_core::liveness::connectivity::DriverId;
use lobby_core::liveness::initial_sync::InitialSync;
use lobby_core::liveness::pace::Pace;
use lobby_core::registry::host_registry::HostRegistry;
use lobby_core::registry::snapshot::Snapshot;
use lobby_core::render::Query;
use lobby_core::render::metrics::CallbackCounts;
use lobby_core::select::selection::Selection;
use lobby_core::signing::keys::{Keys, Signer};
use lobby_core::signing::verifier::{PacketVerifier, VerifyMode};
use lobby_core::wire::instance_id::InstanceId;
use lobby_core::wire::packet_ttl::PacketTtl;

/// Longest wait at the start for the first reading of the label files: a file system that hangs
/// must not hold up the start.
const FIRST_READ_LIMIT: Duration = Duration::from_secs(1);

/// Longest time that a secret file may take when it is read again.
const RELOAD_LIMIT: Duration = Duration::from_secs(5);

/// Longest wait at the end for the channels to take the goodbye.
const GOODBYE_LIMIT: Duration = Duration::from_millis(400);

/// All actors of the daemon. Which of them exist depends on the settings.
pub struct App {
    core: CoreActors,
    subscribers: Vec<(Vec<Secret>, Addr<Subscriber>)>,
    label_source: Addr<LabelSource>,
    callback_runner: Option<Addr<CallbackRunner>>,
    dns_server: Option<Addr<DnsServer>>,
    http_api: Option<Addr<HttpApi>>,
    tokens: Vec<Secret>,
    tls: Option<TlsIdentity>,
    packet_keys: Option<Secret>,
}

/// The actors that the others are given at their start.
struct CoreActors {
    registry: Addr<Registry>,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    publisher: Option<Addr<Publisher>>,
    /// The names of the active drivers.
    drivers: Vec<&'static str>,
    /// Random name of this run of the daemon, sent in its packets.
    instance: InstanceId,
    own: OwnPacket,
    /// Also without a callback: as process 1 the daemon has orphans to reap.
    children: Children,
    callback_counts: Arc<CallbackCounts>,
}

impl App {
    /// Starts every actor. The sockets are bound before, so nothing is announced when the port is
    /// in use.
    ///
    /// # Errors
    /// What keeps the daemon from starting.
    pub async fn start(
        mut settings: Settings,
        local_host: LocalHost,
        hostname: &HostName,
        listeners: Vec<TcpListener>,
        dns_sockets: Option<dns::Sockets>,
    ) -> anyhow::Result<Self> {
        let core = CoreActors::start(&settings)?;
        let leases = local_host.leases().clone();
        let label_source = core.label_source(local_host, settings.timing).await;
        let facts = label_source.clone().recipient();
        let verify = VerifyMode::word(rules(&settings).verify);
        let subscribers = core.subscribers(
            settings.drivers.drain(..),
            settings.timing,
            verify,
            hostname,
            &facts,
            settings.max_servers,
        )?;
        let callback_runner =
            settings.callback.as_ref().map(|callback| core.callback_runner(callback));
        let tokens = settings.api.as_ref().map(ApiSettings::tokens).unwrap_or_default();
        let dns = settings.dns.take().zip(dns_sockets);
        let dns_server =
            dns.map(|(dns, sockets)| DnsServer::serve(sockets, dns.zone, core.snapshots.clone()));
        let packet_keys = settings.signing.as_ref().map(|signing| signing.file.clone());
        let mut app = Self {
            core,
            subscribers,
            label_source,
            callback_runner,
            dns_server,
            http_api: None,
            tokens,
            tls: settings.api.as_ref().and_then(|api| api.tls.clone()),
            packet_keys,
        };
        if let Some(api) = &settings.api {
            let access = AccessPolicy::new(api, settings.local.hostname.as_ref());
            app.http_api = Some(app.serve(listeners, access, api, leases)?);
        }
        Ok(app)
    }

    fn serve(
        &self,
        listeners: Vec<TcpListener>,
        access: AccessPolicy,
        api: &ApiSettings,
        leases: Leases,
    ) -> anyhow::Result<Addr<HttpApi>> {
        let (stop, stopping) = watch::channel(false);
        let render_pool = RenderPool::default();
        let state = AppState {
            snapshots: self.core.snapshots.clone(),
            registry: self.core.registry.clone(),
            label_source: self.label_source.clone(),
            leases,
            health_targets: self.health_targets(),
            node_exporter_port: api.node_exporter_port,
            stopping,
            callback: Arc::clone(&self.core.callback_counts),
            cache: Arc::default(),
            selectors: Arc::default(),
            frames: Arc::new(FrameCache::new(self.core.drivers.clone(), render_pool.clone())),
            render_pool,
            streams: StreamPlaces::new(api.max_streams),
            noticed: Arc::default(),
            not_stored: AppState::not_stored_log(),
        };
        Ok(HttpApi::serve(listeners, state, access, self.tls.clone(), stop)?.start())
    }

    /// Tells the service manager, if there is one, that the daemon serves.
    pub fn serve_manager(&self) -> Service {
        let CoreActors { registry, snapshots, .. } = &self.core;
        Service::start(registry.clone(), snapshots.clone(), self.health_targets())
    }

    fn health_targets(&self) -> HealthTargets {
        let CoreActors { registry, publisher, .. } = &self.core;
        let mut health_targets: HealthTargets = vec![
            ("registry", registry.clone().into()),
            ("label source", self.label_source.clone().into()),
        ];
        health_targets
            .extend(publisher.iter().map(|publisher| ("publisher", publisher.clone().into())));
        health_targets.extend(
            self.callback_runner.iter().map(|runner| ("callback runner", runner.clone().into())),
        );
        health_targets
            .extend(self.dns_server.iter().map(|server| ("DNS server", server.clone().into())));
        health_targets.extend(
            self.subscribers
                .iter()
                .map(|(_, subscriber)| ("subscriber", subscriber.clone().into())),
        );
        health_targets
    }

    /// Reads label and secret files again and publishes. A secret that cannot be read keeps its
    /// value.
    pub async fn reload(&self) {
        info!(target: "lobby", "reading label files and secrets again");
        reload_secrets(&self.tokens).await;
        if let [token, read_token] = &self.tokens[..]
            && token == read_token
        {
            warn!(target: "lobby", "READ_TOKEN is the same as TOKEN now, its clients can change labels");
        }
        if let Some(tls) = &self.tls {
            reload_tls(tls).await;
        }
        if let Some(keys) = &self.packet_keys
            && reload_secret(keys).await
        {
            self.core.use_keys(&keys.expose());
        }
        for (secrets, subscriber) in &self.subscribers {
            if reload_secrets(secrets).await {
                subscriber.do_send(Reconnect);
            }
        }
        self.label_source.do_send(ReloadLabels);
    }

    /// Says goodbye, finishes the requests being served and ends a running callback, all at the
    /// same time.
    pub async fn end(&self) {
        let goodbye = self
            .core
            .publisher
            .as_ref()
            .map(|publisher| timeout(GOODBYE_LIMIT, publisher.send(SayGoodbye)));
        let served = self.http_api.as_ref().map(|http_api| http_api.send(StopServing));
        let ended =
            self.callback_runner.as_ref().map(|callback_runner| callback_runner.send(EndCallback));
        let (goodbye, _, _) = tokio::join!(
            OptionFuture::from(goodbye),
            OptionFuture::from(served),
            OptionFuture::from(ended)
        );
        if goodbye.is_some_and(|sent| sent.is_err()) {
            warn!(target: "lobby", "not every broker took the goodbye in time, peers will drop this server after TTL");
        }
    }

    /// Kills a running callback, when there is no time for more.
    pub async fn end_at_once(&self) {
        if let Some(callback_runner) = &self.callback_runner {
            // An actor that is gone has nothing left to kill.
            callback_runner.send(KillCallback).await.ok();
        }
    }
}

/// Reads a secret again, off this thread. Returns whether it changed.
async fn reload_secret(secret: &Secret) -> bool {
    let secret = secret.clone();
    let reload = tokio::task::spawn_blocking(move || secret.reload());
    // A file system that hangs must not keep the label files from being read again.
    let reloaded = timeout(RELOAD_LIMIT, reload).await;
    let reloaded = reloaded.map_err(anyhow::Error::from).and_then(|joined| joined?);
    reloaded.unwrap_or_else(|error| {
        warn!(target: "lobby", error = format!("{error:#}"), "cannot read a secret again, it keeps its value");
        false
    })
}

/// Reads the certificate of the API and its key again, off this thread.
async fn reload_tls(identity: &TlsIdentity) {
    let fresh = identity.clone();
    let reload = tokio::task::spawn_blocking(move || fresh.reload());
    let reloaded = timeout(RELOAD_LIMIT, reload).await;
    let reloaded = reloaded.map_err(anyhow::Error::from).and_then(|joined| Ok(joined??));
    if let Err(error) = reloaded {
        warn!(target: "lobby", error = format!("{error:#}"), "cannot read the certificate of the API again, it stays as it was");
    }
    identity.oddity().iter().for_each(Oddity::log);
}

/// Reads secrets again. Returns whether any of them changed.
async fn reload_secrets(secrets: &[Secret]) -> bool {
    join_all(secrets.iter().map(reload_secret)).await.contains(&true)
}

/// What this daemon shows of its settings.
fn rules(settings: &Settings) -> LobbyRules {
    let signing = settings.signing.as_ref();
    LobbyRules {
        register: settings.register,
        keep_alive: settings.timing.keep_alive,
        verify: signing.and_then(|signing| signing.verify),
        keys: signing.map(|signing| signing.keys.fingerprints()).unwrap_or_default(),
        places: settings.drivers.iter().map(|active| active.driver.place()).collect(),
    }
}

fn verifier(settings: &Settings) -> Option<PacketVerifier> {
    let signing = settings.signing.as_ref()?;
    Some(PacketVerifier::new(
        signing.verify?,
        signing.keys.clone(),
        settings.timing.ttl,
        settings.max_servers,
    ))
}

impl CoreActors {
    fn start(settings: &Settings) -> anyhow::Result<Self> {
        let (timing, now) = (settings.timing, clock::now());
        let instance = InstanceId::new(getrandom::u64()?);
        let drivers: Vec<_> = settings.drivers.iter().map(|active| active.name).collect();
        let initial_sync = InitialSync::new(timing.keep_alive, drivers.len(), now);
        let hosts = HostRegistry::new(
            instance.to_string(),
            timing.ttl,
            settings.max_servers,
            initial_sync,
            now,
        )
        .stretching_above(settings.max_packet_rate)
        .verified(verifier(settings));
        let registry = Registry::new(hosts, &drivers, timing.clean_every, timing.keep_alive)
            .with_rules(rules(settings));
        let (snapshots, newcomers, sizes) =
            (registry.snapshots(), registry.newcomers(), registry.sizes());
        let registry = registry.start();
        let signer =
            settings.signing.as_ref().map(|signing| Signer::new(signing.keys.clone(), timing.ttl));
        let max_rate = settings.max_packet_rate;
        let pace = Pace { keep_alive: timing.keep_alive, ttl: timing.ttl, max_rate };
        let ttl = PacketTtl::covering(timing.ttl);
        let announcer = settings.register.then(|| Announcer::new(instance, signer, ttl));
        let own = OwnPacket::default();
        let (on_sent, paced) = (registry.clone().recipient(), registry.clone().recipient());
        let publisher = announcer.map(|announcer| {
            let schedule = HiSchedule::new(pace, now);
            Publisher::new(announcer, schedule, newcomers, sizes, on_sent, paced, own.clone())
                .start()
        });
        let children = Children::new();
        let callback_counts = Arc::default();
        Ok(Self {
            registry,
            snapshots,
            publisher,
            drivers,
            instance,
            own,
            children,
            callback_counts,
        })
    }

    /// Signs and verifies with these keys from now on, if they are valid.
    fn use_keys(&self, text: &str) {
        let keys = match Keys::parse(text) {
            Ok(keys) => keys,
            Err(error) => {
                return warn!(target: "lobby", %error, "invalid PACKET_KEY_FILE, the keys stay as they were");
            }
        };
        info!(target: "lobby", keys = keys.count(), "packets are signed and verified with the new keys of PACKET_KEY_FILE");
        self.registry.do_send(KeysChanged(keys.clone()));
        if let Some(publisher) = &self.publisher {
            publisher.do_send(KeysChanged(keys));
        }
    }

    /// With REGISTER=false this server is announced to nobody and is not in its own list either.
    async fn label_source(&self, local_host: LocalHost, timing: Timing) -> Addr<LabelSource> {
        let listeners: Vec<Recipient<LocalChanged>> = match &self.publisher {
            Some(publisher) => {
                vec![self.registry.clone().recipient(), publisher.clone().recipient()]
            }
            None => Vec::new(),
        };
        let label_source = LabelSource::new(local_host, timing.keep_alive, listeners).start();
        let first_read =
            async { label_source.send(GetLocalPacket).await.ok()?.packet().await.ok() };
        if timeout(FIRST_READ_LIMIT, first_read).await.is_err() {
            warn!(target: "lobby::labels", "label files cannot be read in time, going on without them");
            label_source.do_send(StartWithoutFiles);
        }
        label_source
    }

    fn callback_runner(&self, settings: &CallbackSettings) -> Addr<CallbackRunner> {
        let command = CallbackCommand::new(settings, self.children);
        let pauses = Pauses {
            first: settings.first_run_delay,
            settle: settings.settle,
            cooldown: settings.cooldown,
        };
        let schedule = RunSchedule::new(pauses, clock::now());
        let selection = settings.selector.clone().map_or(Selection::All, Selection::Selector);
        let query = Query::packets(selection);
        let counts = Arc::clone(&self.callback_counts);
        CallbackRunner::new(command, schedule, query, self.snapshots.clone(), counts).start()
    }

    fn sync_peer(&self, timing: Timing, max_servers: usize) -> SyncPeer {
        SyncPeer {
            registry: self.registry.clone(),
            snapshots: self.snapshots.clone(),
            own: self.own.clone(),
            max_servers,
            keep_alive: timing.keep_alive,
            told: Mutex::default(),
        }
    }

    fn subscribers(
        &self,
        drivers: impl Iterator<Item = ActiveDriver<Box<dyn Driver>>>,
        timing: Timing,
        verify: &'static str,
        hostname: &HostName,
        facts: &Recipient<BrokerChanged>,
        max_servers: usize,
    ) -> anyhow::Result<Vec<(Vec<Secret>, Addr<Subscriber>)>> {
        let subscribers = drivers.enumerate().map(|(index, ActiveDriver { name, driver })| {
            let secrets = driver.secrets();
            let context = SubscriberContext {
                driver_id: DriverId::new(index).context("too many drivers are active")?,
                name,
                driver,
                client_name: ConnectionName { host: hostname.clone(), instance: self.instance }
                    .to_string(),
                registry: self.registry.clone(),
                facts: facts.clone(),
                publisher: self.publisher.clone(),
                instance: self.instance,
                keep_alive: timing.keep_alive,
                ttl: timing.ttl,
                verify,
                own: self.own.clone(),
                sync: self.sync_peer(timing, max_servers),
            };
            Ok((secrets, Subscriber::new(context).start()))
        });
        subscribers.collect()
    }
}
