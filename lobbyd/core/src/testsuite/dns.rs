//! The law of DNS: what is made of any message.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use hickory_proto::op::{Message, MessageType, ResponseCode};
use lobby_client::AddressLabels;

use super::fixtures::{driver, hi, instance, packet, reception};
use crate::dns::{Authority, Transport, Zone};
use crate::liveness::initial_sync::InitialSync;
use crate::registry::host_registry::HostRegistry;

const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// A fleet of which the inputs ask: one service with too many hosts for a datagram.
struct Fleet {
    authority: Authority,
    now: Instant,
}

impl Fleet {
    #[expect(clippy::disallowed_methods, reason = "the law holds at any moment")]
    fn new() -> Self {
        let start = Instant::now();
        let initial_sync = InitialSync::new(KEEP_ALIVE, 1, start);
        let mut hosts =
            HostRegistry::new("i".to_owned(), KEEP_ALIVE * 6, 1000, initial_sync, start);
        hosts.link_opened(driver(0), start);
        let now = start + KEEP_ALIVE;
        for number in 0..100 {
            let address = format!("address:10.0.0.{number}");
            let labels = ["service:web", "port:web:80", &address, "odd key:a\u{e9} b", "drain"];
            let shown = if number % 10 == 0 { labels.len() } else { labels.len() - 1 };
            let host = packet(&format!("host{number}"), &labels[..shown]);
            let heard = hosts.apply_payload(&hi(&host, instance(1)), reception(now, 0));
            assert!(heard.is_ok(), "{heard:?}");
        }
        let zone = Zone {
            name: "lobby.internal".parse().expect("the name of a zone"),
            ttl: 5,
            addresses: AddressLabels::default(),
            shows_drained: false,
            name_server: None,
        };
        Self { authority: Authority::new(zone, Arc::new(hosts.snapshot())), now }
    }
}

/// Messages to the DNS: what is answered at all is answered with a message that others can read, to
/// the same question, no longer than its way allows, and with the same code on both ways.
pub fn dns(message: &[u8]) {
    static FLEET: OnceLock<Fleet> = OnceLock::new();
    let fleet = FLEET.get_or_init(Fleet::new);
    let answer = |transport| fleet.authority.answer(message, transport, fleet.now, message.len());
    match (answer(Transport::Udp), answer(Transport::Tcp)) {
        (None, None) => assert!(message.len() < 12 || message[2] & 0x80 != 0, "{message:?}"),
        (Some(datagram), Some(streamed)) => {
            assert!(datagram.len() <= 1232 && streamed.len() <= usize::from(u16::MAX));
            let [short, long] =
                [&datagram, &streamed].map(|answer| assert_answers(message, answer));
            assert_eq!(short.metadata.response_code, long.metadata.response_code);
            assert!(short.answers.len() == long.answers.len() || short.metadata.truncation);
        }
        different => panic!("{message:?} is answered on one way only: {different:?}"),
    }
}

fn assert_answers(question: &[u8], answer: &[u8]) -> Message {
    let answer = Message::from_vec(answer).expect("an answer can be read");
    assert_eq!(answer.metadata.message_type, MessageType::Response);
    assert_eq!(answer.metadata.id.to_be_bytes(), question[..2]);
    if answer.metadata.response_code == ResponseCode::NoError {
        let [query] = &answer.queries[..] else { panic!("{answer}") };
        assert!(answer.answers.iter().all(|record| record.name == query.name), "{answer}");
    } else {
        assert!(answer.answers.is_empty(), "{answer}");
    }
    answer
}
