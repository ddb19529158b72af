use std::fmt::Write;
use std::time::Duration;

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RecordType};

use super::*;
use crate::clock;
use crate::liveness::initial_sync::InitialSync;
use crate::registry::host_registry::HostRegistry;
use crate::testsuite::fixtures::{driver, goodbye, hi, instance, packet, reception};

const KEEP_ALIVE: Duration = Duration::from_secs(5);
const TTL: Duration = Duration::from_secs(30);

/// An authority of lobby.internal for hosts that the test sets.
struct Fixture {
    registry: HostRegistry,
    authority: Authority,
    now: Instant,
}

fn zone() -> Zone {
    Zone {
        name: "lobby.internal".parse().unwrap(),
        ttl: 5,
        addresses: lobby_client::AddressLabels::default(),
        shows_drained: false,
        name_server: Some([127, 0, 0, 1].into()),
    }
}

impl Fixture {
    fn new(hosts: &[(&str, &[&str])]) -> Self {
        Self::of_zone(zone(), hosts)
    }

    fn of_zone(zone: Zone, hosts: &[(&str, &[&str])]) -> Self {
        let start = clock::now();
        let initial_sync = InitialSync::new(KEEP_ALIVE, 1, start);
        let mut registry = HostRegistry::new("i".into(), TTL, 200_000, initial_sync, start);
        registry.link_opened(driver(0), start);
        for second in 1..=KEEP_ALIVE.as_secs() {
            let now = start + Duration::from_secs(second);
            assert_eq!(registry.tick(now), None, "a jump would count as a standstill");
        }
        let authority = Authority::new(zone, Arc::new(registry.snapshot()));
        let mut fixture = Self { registry, authority, now: start + KEEP_ALIVE };
        hosts.iter().for_each(|(name, labels)| fixture.hear(name, labels));
        fixture.follow();
        fixture
    }

    fn hear(&mut self, name: &str, labels: &[&str]) {
        let payload = hi(&packet(name, labels), instance(1));
        self.registry.apply_payload(&payload, reception(self.now, 0)).unwrap();
    }

    fn follow(&mut self) {
        self.authority.follow(Arc::new(self.registry.snapshot()));
    }

    fn send(&self, query: &Message, transport: Transport) -> Message {
        let bytes = self.authority.answer(&query.to_vec().unwrap(), transport, self.now, 0);
        Message::from_vec(&bytes.unwrap()).unwrap()
    }

    fn ask(&self, name: &str, wanted: RecordType) -> Message {
        self.send(&question(name, wanted), Transport::Tcp)
    }

    /// Code and data of the answer, sorted.
    fn dig(&self, name: &str, wanted: RecordType) -> String {
        told(&self.ask(name, wanted))
    }
}

fn question(name: &str, wanted: RecordType) -> Message {
    let mut message = Message::query();
    let name = if name == "." { Name::root() } else { Name::from_ascii(name).unwrap() };
    let mut query = Query::query(name, wanted);
    query.name.set_fqdn(true);
    message.add_query(query);
    message
}

fn told(answer: &Message) -> String {
    let mut data: Vec<_> = answer.answers.iter().map(|record| record.data.to_string()).collect();
    data.sort();
    let mut text = answer.metadata.response_code.to_string();
    data.iter().for_each(|data| write!(text, " {data}").unwrap());
    text
}

const NOTHING: &str = "No Error";
const NO_NAME: &str = "Non-Existent Domain";
const REFUSED: &str = "Query Refused";

#[test]
fn hosts_are_found_by_value_before_key() {
    let dns = Fixture::new(&[
        ("alpha", &["service:web", "address:10.0.0.1", "address:2a03::1"]),
        ("beta", &["service:web", "private_ip4:10.0.0.2"]),
        ("gamma", &["service:web"]),
        ("delta", &["service:web", "address:10.0.0.1"]),
    ]);
    let name = "web.service.lobby.internal";
    assert_eq!(dns.dig(name, RecordType::A), "No Error 10.0.0.1 10.0.0.2");
    assert_eq!(dns.dig(name, RecordType::AAAA), "No Error 2a03::1");
    for other in [RecordType::MX, RecordType::SRV, RecordType::TXT, RecordType::Unknown(4711)] {
        assert_eq!(dns.dig(name, other), NOTHING, "{other}");
    }
}

#[test]
fn dots_belong_to_the_value_and_case_to_nobody() {
    let dns = Fixture::new(&[
        ("alpha", &["Site:a.B.example", "address:10.0.0.1"]),
        ("beta", &["site:A.b.example", "address:10.0.0.2"]),
    ]);
    assert_eq!(
        dns.dig("A.b.Example.sITE.LOBBY.internal", RecordType::A),
        "No Error 10.0.0.1 10.0.0.2"
    );
    for end in ["b.example.site", "example.site", "site"] {
        assert_eq!(dns.dig(&format!("{end}.lobby.internal"), RecordType::A), NOTHING, "{end}");
    }
    for missing in ["c.b.example.site", "a.b.example", "xample.site", "b.site", "sit"] {
        assert_eq!(dns.dig(&format!("{missing}.lobby.internal"), RecordType::A), NO_NAME);
    }
}

#[test]
fn what_is_not_legal_in_dns_is_asked_in_hexadecimal_digits() {
    let long = format!("note:{}", "ž ".repeat(25));
    let dns = Fixture::new(&[
        ("alpha", &["my key:a b", "node:x", "_tcp:y", "address:10.0.0.1"]),
        ("bet/a", &[long.trim(), "address:10.0.0.2"]),
    ]);
    let found = "No Error 10.0.0.1";
    assert_eq!(dns.dig("x-612062.x-6d79206b6579.lobby.internal", RecordType::A), found);
    assert_eq!(dns.dig("x.x-6e6f6465.lobby.internal", RecordType::A), found);
    assert_eq!(dns.dig("y.x-5f746370.lobby.internal", RecordType::A), found);
    assert_eq!(dns.dig("x.node.lobby.internal", RecordType::A), NO_NAME);
    assert_eq!(dns.dig("y._tcp.lobby.internal", RecordType::A), NO_NAME);
    assert_eq!(dns.dig("x-6265742f61.node.lobby.internal", RecordType::A), "No Error 10.0.0.2");
    let labels = text::to_labels(long.trim().strip_prefix("note:").unwrap());
    let labels: Vec<_> =
        labels.into_iter().map(|label| String::from_utf8(label).unwrap()).collect();
    let ask = |labels: &[String]| {
        dns.dig(&format!("{}.note.lobby.internal", labels.join(".")), RecordType::A)
    };
    assert_eq!((ask(&labels), ask(&labels[1..])), ("No Error 10.0.0.2".into(), NOTHING.into()));
}

#[test]
fn services_have_ports_and_the_addresses_of_their_hosts() {
    let dns = Fixture::new(&[
        ("alpha", &["service:web", "port:web:8080", "address:10.0.0.1", "address:2a03::1"]),
        ("beta", &["service:web", "port:WEB:81", "port:web:82", "address:10.0.0.2"]),
        ("gamma", &["service:web", "address:10.0.0.3", "port:web:0", "port:web:x"]),
        ("delta", &["service:web", "port:web:80"]),
        ("e", &["service:mail", "address:10.0.0.5"]),
    ]);
    let answer = dns.ask("_web._tcp.service.lobby.internal", RecordType::SRV);
    assert_eq!(
        told(&answer),
        "No Error 0 1 8080 alpha.node.lobby.internal. 0 1 81 beta.node.lobby.internal. \
         0 1 82 beta.node.lobby.internal."
    );
    let mut additionals: Vec<_> =
        answer.additionals.iter().map(|r| format!("{} {}", r.name, r.data)).collect();
    additionals.sort();
    let expected = ["alpha.node.lobby.internal. 10.0.0.1", "alpha.node.lobby.internal. 2a03::1"];
    assert_eq!(additionals[..2], expected);
    assert_eq!(dns.dig("_mail._tcp.service.lobby.internal", RecordType::SRV), NOTHING);
    assert_eq!(dns.dig("_web._tcp.service.lobby.internal", RecordType::A), NOTHING);
    assert_eq!(dns.dig("_tcp.service.lobby.internal", RecordType::SRV), NOTHING);
    assert_eq!(dns.dig("_ftp._tcp.service.lobby.internal", RecordType::SRV), NO_NAME);
    assert_eq!(dns.dig("_tcp.other.lobby.internal", RecordType::SRV), NO_NAME);
}

#[test]
fn a_host_has_its_name_its_labels_and_its_address_back() {
    let long = format!("note:{}", "x".repeat(300));
    let dns = Fixture::new(&[("alpha.example", &["a:1", &long, "address:10.0.0.1"])]);
    let name = "alpha.example.node.lobby.internal";
    assert_eq!(dns.dig(name, RecordType::A), "No Error 10.0.0.1");
    let texts = dns.dig(name, RecordType::TXT);
    assert!(texts.starts_with("No Error a:1 address:10.0.0.1 note:xx"), "{texts}");
    assert_eq!(dns.dig("1.0.0.10.in-addr.arpa", RecordType::PTR), format!("No Error {name}."));
    assert_eq!(dns.dig("1.0.0.10.in-addr.arpa", RecordType::A), NOTHING);
    assert_eq!(dns.dig("example.node.lobby.internal", RecordType::A), NOTHING);
    assert_eq!(dns.dig("node.lobby.internal", RecordType::A), NOTHING);
    assert_eq!(dns.dig("beta.node.lobby.internal", RecordType::A), NO_NAME);
}

#[test]
fn what_is_outside_the_zone_is_refused() {
    let dns = Fixture::new(&[("alpha", &["service:web", "address:10.0.0.1"])]);
    for name in
        ["example.com", ".", "internal", "web.service.lobby.internal.com", "xlobby.internal"]
    {
        assert_eq!(dns.dig(name, RecordType::A), REFUSED, "{name}");
    }
    for name in ["2.0.0.10.in-addr.arpa", "0.0.10.in-addr.arpa", "arpa", "b.a.ip6.arpa"] {
        assert_eq!(dns.dig(name, RecordType::PTR), REFUSED, "{name}");
    }
    let name = "web.service.lobby.internal";
    for wanted in [RecordType::AXFR, RecordType::IXFR] {
        assert_eq!(dns.dig(name, wanted), REFUSED);
    }
    let mut chaos = question(name, RecordType::A);
    chaos.queries[0].query_class = DNSClass::CH;
    assert_eq!(told(&dns.send(&chaos, Transport::Udp)), REFUSED);
}

#[test]
fn the_zone_has_its_records_and_negative_answers_its_soa() {
    let dns = Fixture::new(&[("alpha", &["service:web"])]);
    assert_eq!(dns.dig("lobby.internal", RecordType::NS), "No Error ns.lobby.internal.");
    assert_eq!(dns.dig("ns.lobby.internal", RecordType::A), "No Error 127.0.0.1");
    assert_eq!(dns.dig("ns.lobby.internal", RecordType::AAAA), NOTHING);
    let soa = "ns.lobby.internal. hostmaster.lobby.internal. 1 3600 600 86400 5";
    assert_eq!(dns.dig("Lobby.Internal", RecordType::SOA), format!("No Error {soa}"));
    for name in ["lobby.internal", "web.service.lobby.internal", "nothing.lobby.internal"] {
        let answer = dns.ask(name, RecordType::A);
        let [authority] = &answer.authorities[..] else { panic!("{answer}") };
        assert_eq!((authority.ttl, authority.data.to_string()), (5, soa.to_owned()));
        assert!(answer.metadata.authoritative && !answer.metadata.recursion_available);
    }
}

#[test]
fn a_known_address_is_a_zone_of_one_name() {
    let dns = Fixture::new(&[("a", &["address:10.0.0.1", "address:2a03::1"])]);
    let soa = "ns.lobby.internal. hostmaster.lobby.internal. 1 3600 600 86400 5";
    let long = format!("1.{}3.0.a.2.ip6.arpa", "0.".repeat(27));
    for name in ["1.0.0.10.in-addr.arpa", &long] {
        for other in [RecordType::A, RecordType::TXT] {
            let answer = dns.ask(name, other);
            assert_eq!(told(&answer), NOTHING);
            let [authority] = &answer.authorities[..] else { panic!("{answer}") };
            assert_eq!((authority.name.to_string(), authority.ttl), (format!("{name}."), 5));
            assert_eq!(authority.data.to_string(), soa);
        }
        assert_eq!(dns.dig(name, RecordType::SOA), format!("No Error {soa}"));
        assert_eq!(dns.dig(name, RecordType::NS), "No Error ns.lobby.internal.");
        let known = dns.ask(name, RecordType::PTR);
        assert_eq!(
            (told(&known).as_str(), known.authorities.len()),
            ("No Error a.node.lobby.internal.", 0)
        );
        assert_eq!(dns.dig(name, RecordType::ANY), "No Error a.node.lobby.internal.");
    }
}

#[test]
fn the_bit_that_asks_for_dnssec_is_copied() {
    let dns = Fixture::new(&[("a", &["address:10.0.0.1"])]);
    for name in ["a.node.lobby.internal", "b.node.lobby.internal", "example.com"] {
        for wants in [true, false] {
            let mut question = question(name, RecordType::A);
            question.set_edns(Edns::new().set_dnssec_ok(wants).clone());
            let edns = dns.send(&question, Transport::Udp).edns.unwrap();
            assert_eq!((edns.flags().dnssec_ok, edns.flags().z), (wants, 0), "{name}");
        }
    }
}

#[test]
fn any_gives_one_of_the_types_that_there_are() {
    let dns = Fixture::new(&[("a", &["s:w", "address:2a03::1"]), ("b", &[]), ("c", &["x"])]);
    assert_eq!(dns.dig("w.s.lobby.internal", RecordType::ANY), "No Error 2a03::1");
    assert_eq!(dns.dig("b.node.lobby.internal", RecordType::ANY), NOTHING);
    assert_eq!(dns.dig("c.node.lobby.internal", RecordType::ANY), "No Error x");
    assert!(dns.dig("lobby.internal", RecordType::ANY).contains("hostmaster"));
}

#[test]
fn drained_hosts_are_left_out_but_by_their_names() {
    let hosts: &[(&str, &[&str])] = &[
        ("a", &["s:w", "drain", "address:10.0.0.1", "port:w:1"]),
        ("b", &["s:w", "drain:reboot", "address:10.0.0.2", "port:w:1"]),
    ];
    let dns = Fixture::new(hosts);
    assert_eq!(dns.dig("w.s.lobby.internal", RecordType::A), NOTHING);
    assert_eq!(dns.dig("_w._tcp.s.lobby.internal", RecordType::SRV), NOTHING);
    assert_eq!(dns.dig("a.node.lobby.internal", RecordType::A), "No Error 10.0.0.1");
    assert_eq!(dns.dig("a.node.lobby.internal", RecordType::TXT).matches("drain").count(), 1);
    let dns = Fixture::of_zone(Zone { shows_drained: true, ..zone() }, hosts);
    assert_eq!(dns.dig("w.s.lobby.internal", RecordType::A), "No Error 10.0.0.1 10.0.0.2");
}

#[test]
fn nothing_is_said_before_the_daemon_is_warm() {
    let mut dns = Fixture::new(&[("a", &["s:w", "address:10.0.0.1"])]);
    dns.now -= Duration::from_secs(1);
    let failure = "Server Failure";
    for name in ["w.s.lobby.internal", "x.lobby.internal", "1.0.0.10.in-addr.arpa"] {
        assert_eq!(dns.dig(name, RecordType::A), failure, "{name}");
    }
    assert_eq!(dns.dig("example.com", RecordType::A), REFUSED);
}

#[test]
fn the_answer_is_frozen_while_the_links_are_down() {
    let mut dns = Fixture::new(&[("a", &["s:w", "address:10.0.0.1"])]);
    dns.registry.link_closed(driver(0), dns.now);
    dns.now += TTL * 100;
    dns.registry.sweep(dns.now);
    dns.follow();
    assert_eq!(dns.dig("w.s.lobby.internal", RecordType::A), "No Error 10.0.0.1");
}

#[test]
fn every_change_is_followed() {
    let mut dns = Fixture::new(&[("a", &["s:w", "address:10.0.0.1"])]);
    dns.hear("b", &["s:w", "address:10.0.0.2"]);
    dns.hear("a", &["s:w", "address:10.0.0.3"]);
    dns.follow();
    assert_eq!(dns.dig("w.s.lobby.internal", RecordType::A), "No Error 10.0.0.2 10.0.0.3");
    assert_eq!(dns.dig("1.0.0.10.in-addr.arpa", RecordType::PTR), REFUSED);
    let bye = goodbye(&packet("a", &[]), instance(1));
    dns.registry.apply_payload(&bye, reception(dns.now, 0)).unwrap();
    dns.hear("c", &["s:x", "address:10.0.0.3"]);
    dns.follow();
    assert_eq!(dns.dig("w.s.lobby.internal", RecordType::A), "No Error 10.0.0.2");
    assert_eq!(
        dns.dig("3.0.0.10.in-addr.arpa", RecordType::PTR),
        "No Error c.node.lobby.internal."
    );
    for number in 0..5000 {
        dns.hear("b", &[&format!("s:{number}"), "address:10.0.0.2"]);
    }
    dns.follow();
    assert_eq!(dns.dig("4999.s.lobby.internal", RecordType::A), "No Error 10.0.0.2");
    assert_eq!(dns.dig("w.s.lobby.internal", RecordType::A), NO_NAME);
}

#[test]
fn an_expired_host_is_left_out_before_it_is_swept() {
    let mut dns = Fixture::new(&[("a", &["s:w", "address:10.0.0.1"])]);
    for _ in 0..40 {
        dns.now += Duration::from_secs(1);
        dns.registry.tick(dns.now);
    }
    dns.follow();
    assert_eq!(dns.dig("w.s.lobby.internal", RecordType::A), NOTHING);
}

/// Hosts with one label in common.
fn many(count: usize) -> Fixture {
    let mut dns = Fixture::new(&[]);
    for number in 0..count {
        let address = format!("address:10.0.{}.{}", number / 256, number % 256);
        dns.hear(&format!("host{number}"), &["s:w", "port:w:80", &address]);
    }
    dns.follow();
    dns
}

#[test]
fn what_does_not_fit_a_datagram_is_cut_and_said_to_be() {
    let dns = many(1900);
    let question = question("w.s.lobby.internal", RecordType::A);
    let answer = dns.send(&question, Transport::Udp);
    assert_eq!((answer.answers.len(), answer.metadata.truncation), (29, true));
    for (size, expected) in [(100, 28), (1000, 59), (4096, 73)] {
        let mut question = question.clone();
        question.set_edns(Edns::new().set_max_payload(size).clone());
        let answer = dns.send(&question, Transport::Udp);
        assert_eq!((answer.answers.len(), answer.metadata.truncation), (expected, true));
        assert_eq!(answer.edns.unwrap().max_payload(), 1232);
    }
    let answer = dns.send(&question, Transport::Tcp);
    assert_eq!((answer.answers.len(), answer.metadata.truncation), (1900, false));
    let answer = many(5000).send(&question, Transport::Tcp);
    assert!(answer.answers.len() > 1900 && answer.metadata.truncation);
}

#[test]
fn additional_records_that_do_not_fit_are_left_out_in_silence() {
    let dns = many(8);
    let answer = dns.send(&question("_w._tcp.s.lobby.internal", RecordType::SRV), Transport::Udp);
    assert_eq!((answer.answers.len(), answer.metadata.truncation), (8, false));
    assert!(answer.additionals.len() < 8, "{answer}");
}

#[test]
fn answers_are_rotated() {
    let dns = many(3);
    let query = question("w.s.lobby.internal", RecordType::A).to_vec().unwrap();
    let first = |rotation| {
        let answer = dns.authority.answer(&query, Transport::Udp, dns.now, rotation).unwrap();
        Message::from_vec(&answer).unwrap().answers[0].data.to_string()
    };
    let firsts: std::collections::BTreeSet<_> = (5..8).map(first).collect();
    assert_eq!(firsts.len(), 3);
}

#[test]
fn messages_that_are_not_questions_get_their_code_or_silence() {
    let dns = Fixture::new(&[]);
    let answer = |bytes: &[u8]| dns.authority.answer(bytes, Transport::Udp, dns.now, 0);
    let code =
        |bytes: &[u8]| Message::from_vec(&answer(bytes).unwrap()).unwrap().metadata.response_code;
    let plain = question("a.lobby.internal", RecordType::A);
    let bytes = plain.to_vec().unwrap();
    assert_eq!((answer(b""), answer(&bytes[..11])), (None, None));
    let mut response = plain.clone();
    response.metadata.message_type = MessageType::Response;
    assert_eq!(answer(&response.to_vec().unwrap()), None);
    for op_code in [OpCode::Status, OpCode::Notify, OpCode::Unknown(9)] {
        let mut other = plain.clone();
        other.metadata.op_code = op_code;
        assert_eq!(code(&other.to_vec().unwrap()), ResponseCode::NotImp);
    }
    let mut none = bytes[..12].to_vec();
    none[5] = 0;
    let mut pointer = bytes[..12].to_vec();
    pointer.extend([0xc0, 12, 0, 1, 0, 1]);
    let many = [&bytes[..4], &[255; 8], &bytes[12..]].concat();
    for malformed in [&none, &pointer, &many, &bytes[..20].to_vec()] {
        assert_eq!(code(malformed), ResponseCode::FormErr, "{malformed:?}");
    }
    let mut future = plain.clone();
    future.set_edns(Edns::new().set_version(1).clone());
    let bad_version = u16::from(code(&future.to_vec().unwrap()));
    assert_eq!(bad_version, u16::from(ResponseCode::BADVERS));
}

#[test]
fn a_name_of_a_zone_is_one_of_host_names() {
    for good in ["lobby.internal", "LOBBY.internal.", "x", "a-b_c.example", "_lobby.x", "1.2"] {
        assert!(good.parse::<ZoneName>().is_ok(), "{good}");
    }
    let long = "a.".repeat(65);
    for bad in ["", ".", "a..b", ".a", "a b", "é", "a/b", "*.a", &"a".repeat(64), &long] {
        assert!(bad.parse::<ZoneName>().is_err(), "{bad}");
    }
    for bad in ["-bad.", "bad-", "a.-b", "a-.b", "-", "_", "a_", "a.b_."] {
        assert!(bad.parse::<ZoneName>().is_err(), "{bad}");
    }
    assert_eq!("Lobby.Internal.".parse::<ZoneName>().unwrap().to_string(), "lobby.internal");
}
