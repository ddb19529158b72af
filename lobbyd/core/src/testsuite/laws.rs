//! Laws: what must hold whatever strangers send, one for each fuzz target. A law that is broken
//! panics.
//!
//! `tests/fuzz_corpus.rs` of this crate tries every law on its corpus, too, so that none goes stale
//! unnoticed.

use std::collections::{BTreeMap, HashMap};
use std::path::{Component, Path};

use crate::lines;
use crate::render::prometheus;
use crate::select::params::QueryParams;
use crate::signing::keys::Keys;
use crate::wire::envelope::{self, Envelope, MAX_ENVELOPE_LEN, MAX_LABELS, Message, MessageKind};
use crate::wire::file_name;
use crate::wire::instance::Instance;
use crate::wire::instance_id::InstanceId;
use crate::wire::layout::{GOODBYE, HI, Trailer};
use crate::wire::packet_json::{PacketJson, hostname_in};
use crate::wire::packet_ttl::{PacketTtl, TtlField};
use lobby_client::{Discovery, Filter, HostName, Label, Selector};

pub use super::dns::dns;
pub use super::sync::piece;

use super::acceptance::assert_prometheus_takes;
use super::servers::Servers;
use super::text::{assert_is_host_name, assert_is_instance, assert_is_label, assert_one_line};

/// Payloads from a channel: what is accepted is a packet as the contract allows it, and is read
/// back from what is written of it.
pub fn envelope(payload: &[u8]) {
    let envelope = match envelope::decode(payload) {
        Ok(envelope) => envelope,
        Err(refusal) => return assert_one_line(&refusal.to_string()),
    };
    let Discovery { hostname, labels, last_check } = &envelope.discovery;
    assert!(payload.len() <= MAX_ENVELOPE_LEN);
    assert_is_host_name(hostname.as_str());
    labels.iter().for_each(|label| assert_is_label(label.as_str()));
    assert!(
        labels.is_sorted_by(|a, b| a.as_str().as_bytes() < b.as_str().as_bytes()),
        "{labels:?}"
    );
    assert!(labels.len() <= MAX_LABELS && *last_check == 0);
    assert_eq!(envelope::told_ttl(payload), envelope.ttl.valid());
    envelope.instance.iter().for_each(|instance| assert_is_instance(instance.as_str()));
    assert_packet_json_holds(&envelope.discovery);
    assert_messages_come_back(&envelope);
}

/// Nobody guesses a signature. Whatever is encoded is decoded to the same, signed or not; if
/// signed, it is verified; and the fast path accepts it.
fn assert_messages_come_back(envelope: &Envelope) {
    let keys = Keys::parse("a key that no input has").expect("a key");
    let verifies = |envelope: &Envelope| {
        envelope
            .signature
            .as_ref()
            .is_some_and(|signature| keys.verify(envelope.signed_fields(), signature))
    };
    assert!(!verifies(envelope), "{envelope:?}");
    let told = InstanceId::of(envelope.instance.as_ref().map(Instance::as_str));
    for instance in [told.unwrap_or(InstanceId::UNNAMED), InstanceId::new(7)] {
        let ttl = envelope.ttl.valid();
        let message = Message::new(envelope.kind, &envelope.discovery, instance).lasting(ttl);
        for signature in [None, Some(keys.sign(&message, u64::MAX))] {
            let encoded = message.encode(signature.as_ref());
            let again = envelope::decode(&encoded).expect("own packets are decoded");
            assert!(signature.is_none() || verifies(&again), "{again:?}");
            let Envelope { kind, discovery, .. } = envelope.clone();
            assert_eq!(
                again,
                Envelope {
                    kind,
                    discovery,
                    instance: instance.text().and_then(|text| Instance::parse(&text)),
                    signature,
                    ttl: ttl.map(PacketTtl::seconds).into(),
                }
            );
            assert!(is_recognised(&again, &encoded), "{again:?}");
        }
    }
}

/// Whether the fast path finds all of a message without decoding it.
fn is_recognised(message: &Envelope, encoded: &[u8]) -> bool {
    let json = PacketJson::new(&message.discovery);
    let trailer = json
        .suffix_if_same(encoded)
        .and_then(Trailer::read)
        .expect("what is encoded is recognised");
    let instance = InstanceId::of(message.instance.as_ref().map(Instance::as_str));
    let (kind, sender) = match message.kind {
        MessageKind::Hi => (HI, instance),
        MessageKind::Goodbye => (GOODBYE, None),
    };
    trailer.message == Some(kind)
        && trailer.sender_of_hi() == sender
        && trailer.signature() == message.signature
        && TtlField::from(trailer.ttl) == message.ttl
}

/// The JSON that the registry keeps of a packet gives the packet back.
fn assert_packet_json_holds(packet: &Discovery) {
    let json = PacketJson::new(packet);
    assert!(json.labels().eq(packet.labels.iter().map(Label::as_str)), "{json:?}");
    let whole: Discovery =
        serde_json::from_str(&format!("{}7}}", json.as_str())).expect("a packet in JSON");
    assert_eq!(whole, Discovery { last_check: 7, ..packet.clone() });
    let envelope = Message::new(MessageKind::Hi, packet, InstanceId::new(7)).encode(None);
    let name = hostname_in(&envelope);
    assert!(
        name.is_none_or(|name| name == packet.hostname.as_str() || name.contains('\\')),
        "{json:?}"
    );
}

/// Label files and bodies of requests: a line is blank, a label that is read back from what is
/// written of it, or invalid for a reason.
pub fn labels(text: &[u8]) {
    let mut labels = Vec::new();
    for line in lines::parse(text) {
        assert_eq!(
            text.split(|byte| *byte == b'\n').nth(line.number - 1),
            Some(line.text),
            "{line:?}"
        );
        match line.label {
            Ok(label) => labels.push(label),
            Err(reason) => assert_one_line(&reason.to_string()),
        }
    }
    labels.iter().for_each(|label| assert_is_label(label.as_str()));
    let written: String = labels.iter().map(|label| format!("{label}\n")).collect();
    let again: Result<Vec<_>, _> =
        lines::parse(written.as_bytes()).map(|line| line.label).collect();
    assert_eq!(again, Ok(labels));
}

/// Query strings: what is not refused is read as browsers write forms.
pub fn query(text: &[u8]) {
    let raw = String::from_utf8_lossy(text);
    let query = match QueryParams::parse(&raw) {
        Ok(query) => query,
        Err(refusal) => return assert_one_line(&refusal.to_string()),
    };
    let form: Vec<_> = url::form_urlencoded::parse(raw.as_bytes()).collect();
    let all =
        |wanted| form.iter().filter(move |(name, _)| name == wanted).map(|(_, value)| &**value);
    let other = ["labels", "prefixes", "label"]
        .into_iter()
        .any(|name| all(name).next().is_some_and(|v| !v.is_empty()));
    match query.selector() {
        Ok(selector) => assert_eq!(
            selector.into_iter().collect::<Vec<_>>(),
            all("selector").collect::<Vec<_>>()
        ),
        Err(_) => assert!(other || all("selector").count() > 1),
    }
    let first =
        |wanted| form.iter().find(|(name, _)| name == wanted).map_or("", |(_, value)| &**value);
    let list = |text: &str| text.split(',').map(str::to_owned).collect::<Vec<_>>();
    let expected = match (first("labels"), first("prefixes")) {
        ("", "") => Filter::All,
        ("", prefixes) => Filter::Prefixes(list(prefixes)),
        (labels, _) => Filter::Labels(list(labels)),
    };
    assert_eq!((query.filter(), query.label()), (expected, first("label")));
    assert_eq!(
        query.pretty(),
        form.iter().any(|(name, value)| name == "pretty" && value != "0" && value != "false")
    );
}

/// Selectors: read back from their canonical form, which means the same; or refused at a place of
/// the text.
pub fn selector(text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    let selector = match Selector::parse(&text) {
        Ok(selector) => selector,
        Err(refusal) => {
            assert!((1..=text.chars().count() + 1).contains(&refusal.column()), "{refusal:?}");
            assert!(!refusal.to_string().replace('\n', " ").contains(char::is_control));
            return assert_one_line(&refusal.one_line());
        }
    };
    let canonical = selector.as_str();
    assert!(!canonical.is_empty() && canonical.len() <= Selector::MAX_LEN, "{canonical}");
    let again = Selector::parse(canonical).expect("a canonical form is a selector");
    assert_eq!((again.as_str(), again.condition()), (canonical, selector.condition()));
    let opposite = Selector::parse(&format!("not ({canonical})"));
    let labels = text.split_whitespace().filter_map(|word| Label::parse(word).ok()).collect();
    let host = Discovery::new(HostName::parse("host").expect("a name"), labels);
    assert!(opposite.is_err() || opposite.is_ok_and(|o| o.matches(&host) != again.matches(&host)));
}

/// Plans: the hosts that are found for a selector are those that it chooses one by one.
///
/// The first line is the selector; then one host a line, its labels behind tabs.
pub fn plan(text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    let (selector, hosts) = text.split_once('\n').unwrap_or((&text, ""));
    let Ok(selector) = Selector::parse(selector) else { return };
    let fleet: BTreeMap<_, _> =
        hosts.lines().filter_map(host).map(|host| (host.hostname.clone(), host)).collect();
    let servers = Servers::new(fleet.into_values().collect());
    assert_eq!(servers.find(&selector), servers.scan(&selector), "{selector}");
}

/// Prometheus documents of any fleet: always acceptable.
///
/// The first line is the group's name; then one host a line, its labels behind tabs.
pub fn prometheus(text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    let (name, hosts) = text.split_once('\n').unwrap_or((&text, ""));
    let fleet: BTreeMap<_, _> =
        hosts.lines().filter_map(host).map(|host| (host.hostname.clone(), host)).collect();
    let groups = fleet
        .values()
        .filter_map(|host| prometheus::target_group(name, &host.hostname, &host.labels, 9100));
    let groups: Vec<_> = groups.map(|(group, _)| group).collect();
    assert_prometheus_takes(&serde_json::to_vec(&groups).expect("a document is JSON"));
}

fn host(line: &str) -> Option<Discovery> {
    let mut parts = line.split('\t');
    let hostname = HostName::parse(parts.next()?).ok()?;
    Some(Discovery::new(hostname, parts.filter_map(|label| Label::parse(label).ok()).collect()))
}

/// File names of the Local driver, for one host name a line: bare, safe, short enough, and another
/// one for each host.
pub fn local_names(text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    let mut hosts = HashMap::new();
    for host in text.split('\n').filter_map(|host| HostName::parse(host).ok()) {
        let name = file_name::of(&host);
        assert!(name.len() <= 255 && !name.starts_with('.'), "{name}");
        assert!(
            name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-%=".contains(&byte)),
            "{name}"
        );
        assert!(Path::new(&name).components().eq([Component::Normal(name.as_ref())]), "{name}");
        assert!(file_name::is_of_host(name.as_ref()), "{name}");
        let other = hosts.insert(name, host.clone()).filter(|other| *other != host);
        assert_eq!(other, None, "has the file name of {host}");
    }
}
