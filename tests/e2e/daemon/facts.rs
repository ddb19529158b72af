//! What a server finds out about itself, and tells as labels.

use lobby_tests::{
    LIMIT, Lobbyd, NatsServer, Network, Process, RawPeer, Signal, ensure, eventually,
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The labels of a host that begin like this.
async fn labels(daemon: &Lobbyd, host: &str, beginning: &str) -> Vec<String> {
    let lobby = daemon.lobby().await;
    let labels = lobby[host].as_array().cloned().unwrap_or_default();
    let labels = labels.iter().filter_map(Value::as_str).filter(|l| l.starts_with(beginning));
    labels.map(str::to_owned).collect()
}

async fn becomes(daemon: &Lobbyd, host: &str, beginning: &str, expected: &[&str]) {
    eventually(LIMIT, async || {
        let found = labels(daemon, host, beginning).await;
        ensure(found == expected, format!("{found:?} instead of {expected:?}"))
    })
    .await;
}

#[actix_rt::test]
async fn facts_are_plain_labels_to_everyone() {
    let nats = NatsServer::start().await;
    let wire = RawPeer::nats(&nats).await;
    let daemon = Lobbyd::named("a").labels("x:1").set("FACTS", "address, version,os,arch");
    let daemon = daemon.set("ADDRESS", "10.0.0.7,2001:db8::7").nats(&nats).start().await;
    let packet = wire.hears(1, "a", "hi").await;
    let version = concat!("lobbyd:", env!("CARGO_PKG_VERSION"));
    let arch = format!("arch:{}", std::env::consts::ARCH);
    let told = format!("{packet:?}");
    for label in ["address:10.0.0.7", "address:2001:db8::7", version, &arch, "os:", "x:1"] {
        assert!(told.contains(label), "{label} in {told}");
    }
    assert!(!daemon.own_labels().await.to_string().contains("address:127"));
}

#[actix_rt::test]
async fn without_facts_nothing_is_added() {
    let daemon = Lobbyd::named("a").labels("x:1").start().await;
    assert_eq!(daemon.own_labels().await, json!(["x:1"]));
}

#[actix_rt::test]
async fn the_address_of_the_default_route_is_followed() {
    let (network, packets) = (Network::new().await, TempDir::new().unwrap());
    network.add_interface("lan");
    network.ip("addr add 10.99.0.1/24 dev lan");
    network.ip("link set lan up");
    network.ip("route add default via 10.99.0.254");
    let here = Lobbyd::named("here").local(packets.path()).start().await;
    let there = Lobbyd::named("there").local(packets.path()).set("FACTS", "address");
    let there = there.launched_by(network.launcher()).start().await;
    becomes(&here, "there", "address:", &["address:10.99.0.1"]).await;
    network.ip("addr add 10.98.0.5/24 dev lan");
    network.ip("route replace default via 10.98.0.254");
    becomes(&here, "there", "address:", &["address:10.98.0.5"]).await;
    // No way anywhere for a while: the address stays.
    network.ip("route del default");
    there.signal(Signal::HUP);
    there.logged("reading label files").await;
    becomes(&here, "there", "address:", &["address:10.98.0.5"]).await;
}

#[actix_rt::test]
async fn the_addresses_of_an_interface_are_followed() {
    let (network, packets) = (Network::new().await, TempDir::new().unwrap());
    network.add_interface("lan");
    let here = Lobbyd::named("here").local(packets.path()).start().await;
    let there = Lobbyd::named("there").local(packets.path()).set("FACTS", "address");
    let there = there.set("ADDRESS", "lan").launched_by(network.launcher()).start().await;
    here.meets("there").await;
    network.ip("addr add 10.99.0.2/24 dev lan");
    network.ip("addr add 10.99.0.1/24 dev lan");
    network.ip("link set lan up");
    becomes(&here, "there", "address:", &["address:10.99.0.1", "address:10.99.0.2"]).await;
    network.ip("addr del 10.99.0.1/24 dev lan");
    becomes(&here, "there", "address:", &["address:10.99.0.2"]).await;
    assert!(there.is_running());
}

#[actix_rt::test]
async fn the_own_end_of_the_link_is_told_and_kept_while_it_is_down() {
    let (network, packets) = (Network::new().await, TempDir::new().unwrap());
    network.add_interface("lan");
    network.add_interface("other");
    for arguments in [
        "addr add 10.99.0.1/24 dev lan",
        "link set lan up",
        "addr add 10.77.0.1/24 dev other",
        "link set other up",
        "route add default via 10.77.0.254",
    ] {
        network.ip(arguments);
    }
    // The way to an address of this machine begins at that address.
    let launcher = network.launcher();
    let mut command = std::process::Command::new(&launcher[0]);
    command.args(&launcher[1..]).args(["redis-server", "--bind", "10.99.0.1", "--port", "6379"]);
    command.args(["--save", "", "--protected-mode", "no"]).current_dir(packets.path());
    let redis = Process::start("redis", &mut command);
    let here = Lobbyd::named("here").local(packets.path()).start().await;
    let there = Lobbyd::named("there").local(packets.path()).redis_at(6379);
    let there = there.set("REDIS_HOST", "10.99.0.1").set("FACTS", "address");
    let there = there.launched_by(network.launcher()).start().await;
    becomes(&here, "there", "address:", &["address:10.99.0.1"]).await;
    redis.kill();
    there.logged("link is down").await;
    there.signal(Signal::HUP);
    there.logged("reading label files").await;
    becomes(&here, "there", "address:", &["address:10.99.0.1"]).await;
}

#[actix_rt::test]
async fn a_bad_fact_or_address_is_refused_in_a_line() {
    for (setting, value, expected) in [
        ("FACTS", "address,kernel", "address, version, os or arch"),
        (
            "ADDRESS",
            "10.0.0.300",
            "auto, IP addresses, comma separated, or the name of an interface",
        ),
    ] {
        let daemon = Lobbyd::named("a").set(setting, value).spawn();
        assert_eq!(daemon.wait(LIMIT).await.status.code(), Some(2));
        let line = daemon.logged(setting).await;
        assert!(line.contains(expected), "{line}");
    }
}
