//! The names that a lobby has in the DNS.

use std::collections::BTreeSet;

use lobby_tests::{Lobbyd, dig, dig_short, dig_status, ensure, eventually};

use super::Scene;

const FLEET: &[(&str, &[&str])] = &[
    ("alpha", &["service:web", "port:web:8080", "address:10.0.0.1", "public_ip6:2a03::1"]),
    ("beta.example", &["service:Web", "port:web:81", "private_ip4:10.0.0.2", "address:no"]),
    ("ga/mma", &["service:web", "Site:a.b", "rack:A 1", "address:10.0.0.3"]),
    ("delta", &["service:web", "service:mail"]),
];

#[actix_rt::test]
async fn dig_finds_addresses_by_value_before_key() {
    let scene = Scene::set(FLEET).await;
    let server = scene.server;
    let web = "web.service.lobby.internal";
    assert_eq!(dig_short(server, web).await, ["10.0.0.1", "10.0.0.2", "10.0.0.3"]);
    assert_eq!(dig_short(server, &format!("{web} AAAA")).await, ["2a03::1"]);
    assert_eq!(dig_short(server, "A.B.sITE.Lobby.INTERNAL").await, ["10.0.0.3"]);
    assert_eq!(dig_short(server, "x-412031.rack.lobby.internal").await, ["10.0.0.3"]);
    assert_eq!(dig_short(server, "ga/mma.node.lobby.internal").await, ["10.0.0.3"]);
    assert_eq!(dig_short(server, "x-67612f6d6d61.node.lobby.internal").await, ["10.0.0.3"]);
}

#[actix_rt::test]
async fn dig_finds_services_with_ports_and_addresses() {
    let scene = Scene::set(FLEET).await;
    let server = scene.server;
    let srv = "_web._tcp.service.lobby.internal SRV";
    assert_eq!(
        dig_short(server, srv).await,
        ["0 1 8080 alpha.node.lobby.internal.", "0 1 81 beta.example.node.lobby.internal."]
    );
    let additional = dig(server, &format!("+noall +additional {srv}")).await;
    for expected in ["10.0.0.1", "10.0.0.2", "2a03::1"] {
        assert!(additional.contains(expected), "{additional}");
    }
    let without_port = dig(server, "_mail._tcp.service.lobby.internal SRV").await;
    assert!(without_port.contains("status: NOERROR") && without_port.contains("ANSWER: 0"));
}

#[actix_rt::test]
async fn dig_finds_names_texts_and_addresses_of_servers() {
    let scene = Scene::set(FLEET).await;
    let server = scene.server;
    assert_eq!(dig_short(server, "alpha.node.lobby.internal").await, ["10.0.0.1"]);
    assert_eq!(
        dig_short(server, "delta.node.lobby.internal TXT").await,
        [r#""service:mail""#, r#""service:web""#]
    );
    assert_eq!(dig_short(server, "-x 10.0.0.2").await, ["beta.example.node.lobby.internal."]);
    assert_eq!(dig_short(server, "-x 2a03::1").await, ["alpha.node.lobby.internal."]);
    assert_eq!(dig_short(server, "lobby.internal NS").await, ["ns.lobby.internal."]);
    assert_eq!(dig_short(server, "ns.lobby.internal").await, ["127.0.0.1"]);
    let soa = dig_short(server, "lobby.internal SOA").await.concat();
    assert!(soa.starts_with("ns.lobby.internal. hostmaster.lobby.internal. "), "{soa}");
}

#[actix_rt::test]
async fn nothing_here_no_such_name_and_not_mine_are_told_apart() {
    let scene = Scene::set(FLEET).await;
    let server = scene.server;
    for (words, expected) in [
        ("web.service.lobby.internal MX", "NOERROR"),
        ("mail.service.lobby.internal", "NOERROR"),
        ("service.lobby.internal", "NOERROR"),
        ("b.site.lobby.internal", "NOERROR"),
        ("1.0.0.10.in-addr.arpa A", "NOERROR"),
        ("_tcp.service.lobby.internal", "NOERROR"),
        ("ftp.service.lobby.internal", "NXDOMAIN"),
        ("omega.node.lobby.internal", "NXDOMAIN"),
        ("nothing.lobby.internal", "NXDOMAIN"),
        ("example.com", "REFUSED"),
        ("-x 10.9.9.9", "REFUSED"),
        ("lobby.internal AXFR +time=1", "REFUSED"),
        ("version.bind TXT CH", "REFUSED"),
    ] {
        let printed = dig(server, words).await;
        if words.contains("AXFR") {
            assert!(printed.contains("Transfer failed"), "{printed}");
            continue;
        }
        assert!(printed.contains(&format!("status: {expected}")), "{words}: {printed}");
        let has_soa = printed.contains("AUTHORITY: 1");
        assert_eq!(has_soa, expected != "REFUSED", "{words}: {printed}");
        assert_eq!(printed.contains(" aa"), expected != "REFUSED", "{words}: {printed}");
    }
    let negative = dig(server, "+noall +authority nothing.lobby.internal").await;
    let words: Vec<_> = negative.split_whitespace().collect();
    assert_eq!((words[1], words.last().copied()), ("5", Some("5")), "{negative}");
}

#[actix_rt::test]
async fn dig_gets_back_the_bit_that_asks_for_dnssec() {
    let scene = Scene::set(FLEET).await;
    for (words, expected) in [("+dnssec", "flags: do;"), ("+nodnssec", "flags:;")] {
        let printed = dig(scene.server, &format!("{words} alpha.node.lobby.internal")).await;
        assert!(printed.contains(&format!("EDNS: version: 0, {expected}")), "{printed}");
    }
}

#[actix_rt::test]
async fn zone_and_time_to_live_are_as_set() {
    let settings = |daemon: lobby_tests::LobbydBuilder| {
        let daemon = daemon.set("DNS_ZONE", "Corp.Example.").set("DNS_TTL", "60");
        daemon.set("ADDRESS_LABELS", "lan").labels("service:web,lan:10.0.0.9,address:10.0.0.1")
    };
    let nats = lobby_tests::NatsServer::start().await;
    let daemon = settings(super::answering(&nats)).start().await;
    let server = super::address_of(&daemon).await;
    eventually(lobby_tests::LIMIT, async move || {
        let answer = dig(server, "+noall +answer web.service.corp.example").await;
        let words: Vec<_> = answer.split_whitespace().collect();
        ensure(matches!(words[..], [_, "60", "IN", "A", "10.0.0.9"]), answer)
    })
    .await;
    assert_eq!(dig_status(server, "web.service.lobby.internal").await, "REFUSED");
}

#[actix_rt::test]
async fn drained_servers_are_left_out_unless_they_are_wanted() {
    let hosts: &[(&str, &[&str])] = &[
        ("a", &["service:web", "drain:reboot", "port:web:1", "address:10.0.0.1"]),
        ("b", &["service:web", "service:db", "port:web:1", "address:10.0.0.2"]),
    ];
    let scene = Scene::set(hosts).await;
    let server = scene.server;
    assert_eq!(dig_short(server, "web.service.lobby.internal").await, ["10.0.0.2"]);
    assert_eq!(dig_short(server, "a.node.lobby.internal").await, ["10.0.0.1"]);
    scene.wire.say_hi("b", &["service:web", "drain", "port:web:1", "address:10.0.0.2"]).await;
    eventually(lobby_tests::LIMIT, async move || {
        let left = dig_short(server, "web.service.lobby.internal").await;
        ensure(left.is_empty(), left)
    })
    .await;
    assert_eq!(dig_status(server, "web.service.lobby.internal").await, "NOERROR");
    assert_eq!(dig_status(server, "_web._tcp.service.lobby.internal SRV").await, "NOERROR");
    let shown = Scene::with(|daemon| daemon.set("DNS_DRAINED", "true"), hosts).await;
    let all = dig_short(shown.server, "web.service.lobby.internal").await;
    assert_eq!(all, ["10.0.0.1", "10.0.0.2"]);
}

#[actix_rt::test]
async fn long_answers_are_cut_over_udp_and_whole_over_tcp() {
    let scene = Scene::set(&[]).await;
    for number in 1..=200 {
        let address = format!("address:10.0.0.{number}");
        scene.wire.say_hi(&format!("host{number}"), &["service:web", &address]).await;
    }
    scene.daemon.meets("host200").await;
    let server = scene.server;
    for (options, most) in [("+noedns", 512), ("+bufsize=4096", 1232), ("+bufsize=700", 700)] {
        let cut = dig(server, &format!("+ignore {options} web.service.lobby.internal")).await;
        let size = cut.split_once("rcvd: ").and_then(|(_, size)| size.trim().parse().ok());
        assert!(size.is_some_and(|size: usize| size <= most && size + 64 > most), "{cut}");
        assert!(cut.contains(" tc"), "{cut}");
    }
    let whole = dig_short(server, "web.service.lobby.internal").await;
    assert_eq!(whole.len(), 200);
    let mut firsts = BTreeSet::new();
    for _ in 0..20 {
        let printed = dig(server, "+short +tcp web.service.lobby.internal").await;
        firsts.extend(printed.lines().next().map(str::to_owned));
    }
    assert!(firsts.len() > 1, "{firsts:?}");
}

#[actix_rt::test]
async fn a_change_is_in_the_answers_as_soon_as_in_the_list() {
    let Scene { daemon, server, nats: _nats, .. } =
        Scene::with(|daemon| daemon.labels("address:10.0.0.9"), &[]).await;
    for number in 0..20 {
        let label = format!("step:{number}");
        assert_eq!(daemon.add_labels(&label).await.status, 200);
        eventually(lobby_tests::LIMIT, async || {
            let lobby = daemon.lobby().await;
            ensure(lobby["me"].to_string().contains(&format!("\"{label}\"")), lobby)
        })
        .await;
        let name = format!("{number}.step.lobby.internal");
        assert_eq!(dig_short(server, &name).await, ["10.0.0.9"], "{label}");
    }
}

#[actix_rt::test]
async fn without_dns_listen_nothing_is_answered() {
    let daemon = Lobbyd::named("me").start().await;
    daemon.meets("me").await;
    assert!(daemon.logs_with("answering DNS").is_empty());
}

#[actix_rt::test]
async fn an_address_in_use_is_one_line_and_nothing_was_announced() {
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let nats = lobby_tests::NatsServer::start().await;
    let wire = lobby_tests::RawPeer::nats(&nats).await;
    let address = taken.local_addr().unwrap().to_string();
    let daemon = super::answering(&nats).set("DNS_LISTEN", &address).spawn();
    let exit = daemon.wait(lobby_tests::LIMIT).await;
    assert_eq!(exit.status.code(), Some(1));
    let told = daemon.logged("DNS_LISTEN").await;
    assert!(told.contains(&format!("cannot answer DNS on DNS_LISTEN {address}")), "{told}");
    assert!(wire.heard_from("me", "hi").is_empty());
}
