//! Floods of packets: those who were there stay, the API answers meanwhile, memory and log stay
//! bounded.
//!
//! LOBBY_FLOOD sets the number of packets, 100,000 by default.

use std::time::Duration;

use lobby_tests::{LIMIT, Lobbyd, NatsServer, RawPeer, ensure, eventually};
use serde_json::{Value, json};

/// Long enough for a million packets on a busy machine.
const ENDURANCE: Duration = Duration::from_secs(300);

/// In seconds: a flood of a busy machine lasts longer than the usual one, in which nobody may
/// happen to hear the honest one among a thousand times as many others.
const TTL: &str = "600";

/// Far fewer than the packets of a flood. The log is limited by time, a hundred lines of a kind in
/// ten seconds, of which a busy machine needs many.
const MOST_LOG_LINES: usize = 5000;

#[expect(clippy::disallowed_methods, reason = "a test may be asked for more")]
fn packets() -> usize {
    std::env::var("LOBBY_FLOOD")
        .map_or(100_000, |count| count.parse().expect("LOBBY_FLOOD is a number"))
}

#[actix_rt::test]
async fn who_asks_for_the_same_thousands_of_times_gets_it_once() {
    let nats = NatsServer::start().await;
    let wire = RawPeer::nats(&nats).await;
    let daemon = Lobbyd::named("me").set("TTL", "7200").nats(&nats).start().await;
    wire.hears(1, "me", "hi").await;
    let labels: Vec<_> = (10..30).map(|number| format!("label:{number}")).collect();
    let labels: Vec<_> = labels.iter().map(String::as_str).collect();
    for number in 10..40 {
        wire.say_hi(&format!("host-{number}"), &labels).await;
    }
    daemon.meets("host-39").await;
    for repeated in [",", "l,la,", "label:10,"] {
        let list = repeated.repeat(60_000 / repeated.len());
        for filter in ["labels", "prefixes"] {
            let answer = daemon.get(&format!("/?{filter}={list}")).await;
            assert_eq!(answer.status, 200, "{filter}={repeated}…");
            let hosts = answer.json().as_array().unwrap().len();
            assert_eq!(
                hosts,
                if filter == "prefixes" || repeated.contains("10") { 30 } else { 0 },
                "{filter}={repeated}…"
            );
        }
    }
    assert!(daemon.peak_memory() < 100, "{} MB", daemon.peak_memory());
}

/// Two daemons that know each other, the first of them about to be flooded.
struct Scene {
    nats: NatsServer,
    victim: Lobbyd,
    honest: Lobbyd,
    most_servers: usize,
}

impl Scene {
    async fn new(most_servers: usize) -> Self {
        let nats = NatsServer::start().await;
        let victim = Lobbyd::named("victim")
            .set("MAX_SERVERS", most_servers.to_string())
            .set("TTL", TTL)
            .nats(&nats)
            .start()
            .await;
        let honest = Lobbyd::named("honest").set("TTL", TTL).labels("some:label").nats(&nats);
        let honest = honest.start().await;
        victim.knows(json!({"honest": ["some:label"], "victim": []})).await;
        Self { nats, victim, honest, most_servers }
    }

    /// Says all of these while the API is asked again and again; ends when the victim hears what is
    /// said after them.
    async fn flood(&self, packet: impl Fn(usize) -> String) {
        let flood = async {
            let client = async_nats::connect(self.nats.url()).await.unwrap();
            for number in 0..packets() {
                client.publish("lobby.discovery", packet(number).into()).await.unwrap();
            }
            client.flush().await.unwrap();
            self.honest.add_labels("the:last").await;
        };
        tokio::join!(flood, self.stays_well_until(json!(["some:label", "the:last"])));
    }

    async fn stays_well_until(&self, labels: Value) {
        eventually(ENDURANCE, async || {
            let lobby = self.victim.lobby().await;
            assert_eq!(lobby["victim"], json!([]));
            assert_ne!(lobby["honest"], Value::Null);
            let strangers = lobby.as_object().map_or(0, serde_json::Map::len) - 2;
            assert!(strangers < self.most_servers, "{strangers} strangers and the honest one");
            ensure(lobby["honest"] == labels, &lobby["honest"])
        })
        .await;
    }

    /// What the flood has cost, for the test's output; the number of lines in the log is bounded.
    #[expect(
        clippy::print_stdout,
        reason = "these are the figures that one runs a greater flood for"
    )]
    async fn cost(&self) {
        let status = self.victim.get_json("/v1/status").await;
        let (lines, memory) = (self.victim.logs().len(), self.victim.peak_memory());
        println!(
            "{} packets: {memory} MB at most, {lines} lines logged, {}",
            packets(),
            status["drivers"][0]
        );
        assert!(lines < MOST_LOG_LINES, "{lines} lines for {} packets", packets());
        assert!(memory < 150, "{memory} MB");
    }

    /// Every packet of the flood was refused for this reason or dropped from a full queue, but for
    /// so many that were taken.
    async fn counts_all(&self, reason: &str, taken: usize) {
        let sent = packets() - taken;
        eventually(LIMIT, async || {
            let link = self.victim.get_json("/v1/status").await["drivers"][0].clone();
            let counted = [&link["refused"][reason], &link["dropped"]].map(Value::as_u64);
            let counted: u64 = counted.into_iter().flatten().sum();
            ensure(counted >= sent as u64, format!("{counted} of {sent}: {link}"))
        })
        .await;
    }
}

#[actix_rt::test]
async fn a_flood_of_malformed_packets_changes_nothing() {
    let scene = Scene::new(100).await;
    scene
        .flood(|number| {
            format!(r#"{{"discovery":{{"hostname":"stranger {number}"}},"message":"hi"#)
        })
        .await;
    scene.cost().await;
    scene.counts_all("not_json", 0).await;
    assert_eq!(
        scene.victim.lobby().await,
        json!({"honest": ["some:label", "the:last"], "victim": []})
    );
}

#[actix_rt::test]
async fn a_flood_of_new_hosts_ends_at_the_most_servers_allowed() {
    let scene = Scene::new(1000).await;
    let packet = |number| json!({"discovery": {"hostname": format!("stranger-{number}"), "labels": ["a:1"]}, "message": "hi"});
    scene.flood(|number| packet(number).to_string()).await;
    scene.cost().await;
    // Beside the honest one; itself does not count.
    scene.counts_all("registry_full", scene.most_servers - 1).await;
}
