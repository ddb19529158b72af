//! Packets as other writers send them, and packets that are refused.

use lobby_tests::{Channel, LIMIT, Lobbyd, LobbydBuilder, NatsServer, RawPeer, ensure, eventually};
use serde_json::{Value, json};

/// A daemon that certainly receives what the raw peer sends, and never forgets.
struct Fixture {
    wire: RawPeer,
    daemon: Lobbyd,
    _nats: NatsServer,
}

impl Fixture {
    async fn new() -> Self {
        Self::with(|daemon| daemon).await
    }

    async fn with(settings: impl FnOnce(LobbydBuilder) -> LobbydBuilder) -> Self {
        let nats = NatsServer::start().await;
        let wire = RawPeer::nats(&nats).await;
        let daemon = settings(Lobbyd::named("me").set("TTL", "7200").nats(&nats)).start().await;
        let fixture = Self { wire, daemon, _nats: nats };
        fixture.settle().await;
        fixture
    }

    /// Waits until all that was sent before has been received, by a host that comes and goes.
    async fn settle(&self) {
        eventually(LIMIT, async || {
            self.wire.say_hi("marker", &[]).await;
            let lobby = self.daemon.lobby().await;
            lobby.get("marker").map(drop).ok_or_else(|| lobby.to_string())
        })
        .await;
        self.wire.say_goodbye("marker").await;
        eventually(LIMIT, async || {
            let lobby = self.daemon.lobby().await;
            ensure(lobby.get("marker").is_none(), lobby)
        })
        .await;
    }

    async fn lobby_after(&self, payload: impl AsRef<[u8]>) -> Value {
        self.wire.say(payload).await;
        self.settle().await;
        self.daemon.lobby().await
    }
}

fn hi(packet: &Value) -> String {
    json!({"discovery": packet, "message": "hi"}).to_string()
}

#[actix_rt::test]
async fn labels_null_are_no_labels() {
    let fixture = Fixture::new().await;
    let lobby = fixture
        .lobby_after(
            r#"{"discovery":{"hostname":"x","labels":null,"last_check":0},"message":"hi"}"#,
        )
        .await;
    assert_eq!(lobby, json!({"me": [], "x": []}));
}

#[actix_rt::test]
async fn a_goodbye_with_labels_null_removes_the_host() {
    let fixture = Fixture::new().await;
    fixture.wire.say_hi("x", &["a:1"]).await;
    fixture.daemon.knows(json!({"me": [], "x": ["a:1"]})).await;
    let goodbye =
        r#"{"discovery":{"hostname":"x","labels":null,"last_check":0},"message":"goodbye"}"#;
    assert_eq!(fixture.lobby_after(goodbye).await, json!({"me": []}));
}

#[actix_rt::test]
async fn unknown_fields_are_ignored_wherever_they_are() {
    let fixture = Fixture::new().await;
    let packet = r#"{"v":2,"discovery":{"id":[1,{}],"hostname":"x","labels":["a:1"],"extra":null},"message":"hi","z":"z"}"#;
    assert_eq!(fixture.lobby_after(packet).await, json!({"me": [], "x": ["a:1"]}));
}

#[actix_rt::test]
async fn labels_in_any_order_are_served_sorted_and_unique() {
    let fixture = Fixture::new().await;
    let packet =
        r#"{"message":"hi","discovery":{"labels":["b","a:2"," a:10 ","b"],"hostname":"x"}}"#;
    assert_eq!(fixture.lobby_after(packet).await, json!({"me": [], "x": ["a:10", "a:2", "b"]}));
}

#[actix_rt::test]
async fn last_check_is_the_receivers_clock_whatever_the_sender_says() {
    let fixture = Fixture::new().await;
    fixture
        .wire
        .say(r#"{"discovery":{"hostname":"x","labels":[],"last_check":7},"message":"hi"}"#)
        .await;
    fixture.daemon.meets("x").await;
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let packets = fixture.daemon.discoveries().await;
    let heard = packets.iter().find(|packet| packet["hostname"] == "x").unwrap()["last_check"]
        .as_u64()
        .unwrap();
    assert!((now - 60..=now).contains(&heard), "{heard} is not a moment ago, at {now}");
}

#[actix_rt::test]
async fn a_goodbye_of_an_unknown_host_is_harmless() {
    let fixture = Fixture::new().await;
    fixture.wire.say_hi("x", &[]).await;
    let goodbye =
        r#"{"discovery":{"hostname":"y","labels":[],"last_check":0},"message":"goodbye"}"#;
    assert_eq!(fixture.lobby_after(goodbye).await, json!({"me": [], "x": []}));
}

#[actix_rt::test]
async fn the_greatest_packets_allowed_are_accepted() {
    let fixture = Fixture::new().await;
    let (name, label) = ("h".repeat(253), "l".repeat(1024));
    let many: Vec<String> =
        (0..1024).map(|number| format!("{number:04}{}", "m".repeat(200))).collect();
    fixture.wire.say(hi(&json!({"hostname": name, "labels": [label]}))).await;
    fixture.wire.say(hi(&json!({"hostname": "many", "labels": many}))).await;
    fixture.daemon.knows(json!({"me": [], "many": many, name: [label]})).await;
}

/// Payloads of which each is refused, with what is wrong.
fn refused() -> Vec<(&'static str, Vec<u8>)> {
    let text = |text: &str| text.as_bytes().to_vec();
    let packet = |packet: Value| hi(&packet).into_bytes();
    let labels: Vec<String> = (0..1025).map(|number| number.to_string()).collect();
    vec![
        ("nothing", text("")),
        ("not JSON", text("garbage")),
        ("cut off", text(r#"{"discovery":{"hostname":"x","labels":["bad"#)),
        (
            "text behind",
            text(r#"{"discovery":{"hostname":"x","labels":["bad"]},"message":"hi"} more"#),
        ),
        (
            "not UTF-8",
            [
                br#"{"discovery":{"hostname":"x","labels":[""#,
                &[0xff][..],
                br#""]},"message":"hi"}"#,
            ]
            .concat(),
        ),
        ("binary", vec![0, 159, 146, 150]),
        ("too deep", "[".repeat(100_000).into_bytes()),
        ("a list", text("[]")),
        ("a list in place of the envelope", text(r#"[["x",["bad"]],"hi"]"#)),
        ("a list in place of the packet", text(r#"{"discovery":["x",["bad"]],"message":"hi"}"#)),
        (
            "packet twice",
            text(r#"{"discovery":{"hostname":"x"},"discovery":{"hostname":"x"},"message":"hi"}"#),
        ),
        (
            "word twice",
            text(
                r#"{"discovery":{"hostname":"x","labels":["bad"]},"message":"goodbye","message":"hi"}"#,
            ),
        ),
        (
            "host name twice",
            text(
                r#"{"discovery":{"hostname":"y","hostname":"x","labels":["bad"]},"message":"hi"}"#,
            ),
        ),
        (
            "labels twice",
            text(r#"{"discovery":{"hostname":"x","labels":[],"labels":["bad"]},"message":"hi"}"#),
        ),
        ("null", text("null")),
        ("empty", text("{}")),
        ("no packet", text(r#"{"message":"hi"}"#)),
        ("no word", text(r#"{"discovery":{"hostname":"x","labels":["bad"]}}"#)),
        ("unknown word", text(r#"{"discovery":{"hostname":"x","labels":["bad"]},"message":"HI"}"#)),
        ("no host name", packet(json!({"labels": ["bad"]}))),
        ("empty host name", packet(json!({"hostname": "", "labels": ["bad"]}))),
        ("host name not text", packet(json!({"hostname": 5, "labels": ["bad"]}))),
        ("host name too long", packet(json!({"hostname": "x".repeat(254), "labels": ["bad"]}))),
        ("host name with space", packet(json!({"hostname": "x y", "labels": ["bad"]}))),
        ("host name with line break", packet(json!({"hostname": "x\ny", "labels": ["bad"]}))),
        ("host name with NUL", packet(json!({"hostname": "x\0", "labels": ["bad"]}))),
        ("labels not a list", packet(json!({"hostname": "x", "labels": "bad"}))),
        ("label not text", packet(json!({"hostname": "x", "labels": ["bad", 5]}))),
        ("label empty", packet(json!({"hostname": "x", "labels": ["bad", " "]}))),
        ("label too long", packet(json!({"hostname": "x", "labels": ["b".repeat(1025)]}))),
        (
            "label with control character",
            packet(json!({"hostname": "x", "labels": ["bad\u{1b}[31m"]})),
        ),
        ("too many labels", packet(json!({"hostname": "x", "labels": labels}))),
        (
            "too large",
            packet(json!({"hostname": "x", "labels": ["bad"], "padding": "p".repeat(256 * 1024)})),
        ),
    ]
}

#[actix_rt::test]
async fn a_refused_packet_changes_nothing() {
    let fixture = Fixture::new().await;
    fixture.wire.say_hi("x", &["good"]).await;
    fixture.daemon.knows(json!({"me": [], "x": ["good"]})).await;
    for (wrong, payload) in refused() {
        assert_eq!(fixture.lobby_after(payload).await, json!({"me": [], "x": ["good"]}), "{wrong}");
    }
}

#[actix_rt::test]
async fn a_refused_goodbye_removes_no_host() {
    let fixture = Fixture::new().await;
    fixture.wire.say_hi("x", &["good"]).await;
    fixture.daemon.knows(json!({"me": [], "x": ["good"]})).await;
    let goodbye = r#"{"discovery":{"hostname":"x","labels":"bad"},"message":"goodbye"}"#;
    assert_eq!(fixture.lobby_after(goodbye).await, json!({"me": [], "x": ["good"]}));
}

#[actix_rt::test]
async fn refused_packets_are_logged_but_not_each_of_them() {
    let fixture = Fixture::new().await;
    let before = fixture.daemon.logs().len();
    for number in 0..5000 {
        fixture.wire.say(format!("garbage {number}")).await;
    }
    fixture.settle().await;
    fixture.daemon.logged("packet refused").await;
    let logged = fixture.daemon.logs().len() - before;
    assert!(logged < 1000, "{logged} lines for 5000 refused packets");
}

#[actix_rt::test]
async fn a_full_registry_refuses_new_hosts_and_refreshes_those_it_has() {
    let fixture = Fixture::with(|daemon| daemon.set("MAX_SERVERS", "3")).await;
    for host in ["x", "h1", "h2", "h3", "h4", "h5"] {
        fixture.wire.say_hi(host, &["a:1"]).await;
    }
    fixture.wire.say_hi("x", &["a:2"]).await;
    eventually(LIMIT, async || {
        let lobby = fixture.daemon.lobby().await;
        ensure(lobby["x"] == json!(["a:2"]), lobby)
    })
    .await;
    // Whether the own host takes a place is its own affair.
    let others = fixture.daemon.discoveries().await.len() - 1;
    assert!((2..=3).contains(&others), "{others} other hosts");
}

#[actix_rt::test]
async fn packets_over_redis_are_judged_alike() {
    let Channel::Redis(redis) = Channel::redis().await else { unreachable!("a Redis channel") };
    let wire = RawPeer::redis(&redis).await;
    let daemon = Lobbyd::named("me").set("TTL", "7200").redis(&redis).start().await;
    eventually(LIMIT, async || {
        wire.say_hi("x", &["b", "a", "b"]).await;
        wire.say(r#"{"discovery":{"hostname":"x","labels":["bad",5]},"message":"hi"}"#).await;
        let lobby = daemon.lobby().await;
        ensure(lobby == json!({"me": [], "x": ["a", "b"]}), lobby)
    })
    .await;
}
