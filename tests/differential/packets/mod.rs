//! Mixed packets from a seeded generator: joins, changes, keep-alives, goodbyes, odd and refused
//! ones, signed ones.

mod draft;
mod odd;
pub(crate) mod signing;

use std::collections::HashMap;

use fastrand::Rng;

use crate::waiting::unix_millis;
use draft::Draft;
use signing::Signed;

/// The keys of the daemons that check signatures, and one that they do not know.
pub(crate) const KEYS: [&str; 2] = ["5f0c1a7e9b3d4826-first", "0badc0de0badc0de-second"];
const FOREIGN_KEY: &str = "feedfacefeedface-foreign";

/// TTL of the daemons that check signatures, in milliseconds.
const TTL: u64 = 600_000;

/// A packet.
#[derive(Debug, Clone)]
pub(crate) struct Packet {
    /// What it is an example of.
    pub(crate) kind: String,
    /// The number of the host that it is about, as far as it is about any.
    pub(crate) host: usize,
    pub(crate) payload: Vec<u8>,
    /// Whether it says goodbye, in a usual form.
    pub(crate) is_goodbye: bool,
}

/// Makes packets; the same seed makes the same ones, times and signatures aside.
#[derive(Debug)]
pub(crate) struct Generator {
    rng: Rng,
    hosts: usize,
    /// Whether packets are signed, most of them.
    signed: bool,
    /// What each host last said in a usual form, and what of it was said.
    last: HashMap<usize, (Vec<u8>, Draft)>,
    /// The time of the last signed packet, in milliseconds since the Unix epoch.
    time: u64,
}

impl Generator {
    /// About this many hosts.
    pub(crate) fn new(seed: u64, hosts: usize, signed: bool) -> Self {
        let time = unix_millis() - 120_000;
        Self { rng: Rng::with_seed(seed), hosts, signed, last: HashMap::new(), time }
    }

    /// The next packet.
    pub(crate) fn next(&mut self) -> Packet {
        let host = self.rng.usize(..self.hosts);
        match self.rng.u8(..100) {
            0..30 => self.usual("hi", host, "hi"),
            30..38 => self.original(host),
            38..50 => self.repeated(host),
            50..60 => self.usual("goodbye", host, "goodbye"),
            60..63 => self.goodbye_without_labels(host),
            63..78 => self.odd(host),
            78..88 => self.wrong(host),
            88..91 => self.junk(host),
            _ => self.mutated(host),
        }
    }

    /// What every host last said, once more and in a usual form: a list of packets that brings all
    /// daemons to the same times.
    pub(crate) fn everybody_again(&mut self) -> Vec<Packet> {
        let mut hosts: Vec<usize> = self.last.keys().copied().collect();
        hosts.sort_unstable();
        hosts.into_iter().map(|host| self.repeated(host)).collect()
    }

    fn usual(&mut self, kind: &str, host: usize, message: &str) -> Packet {
        let (name, labels) = (host_name(host), self.labels());
        let mut draft = Draft::new(&name, &labels, message);
        let instance = instance(host);
        draft.set("instance", draft::text(&instance));
        let kind = if self.signed {
            let how = self.sign(&mut draft, message, &name, &instance, &labels);
            format!("{kind}, {how}")
        } else {
            kind.to_owned()
        };
        let payload = draft.render(&mut self.rng);
        if message == "hi" {
            self.last.insert(host, (payload.clone(), draft));
        }
        Packet { kind, host, payload, is_goodbye: message == "goodbye" }
    }

    /// A packet as lobby 1.x writes it.
    fn original(&mut self, host: usize) -> Packet {
        let draft = Draft::new(&host_name(host), &self.labels(), "hi");
        let payload = draft.render(&mut self.rng);
        self.last.insert(host, (payload.clone(), draft));
        Packet { kind: "as lobby 1.x writes it".into(), host, payload, is_goodbye: false }
    }

    /// What the host said last, once more: a keep-alive, or a replay where it is signed.
    fn repeated(&mut self, host: usize) -> Packet {
        let payload = self.last.get(&host).map(|(payload, _)| payload.clone());
        match payload {
            Some(payload) => Packet { kind: "said again".into(), host, payload, is_goodbye: false },
            None => self.usual("hi", host, "hi"),
        }
    }

    fn goodbye_without_labels(&mut self, host: usize) -> Packet {
        let mut draft = Draft::new(&host_name(host), &[], "goodbye");
        draft.set_inner("labels", "null");
        if self.rng.bool() {
            draft.set("instance", draft::text(&instance(host)));
        }
        let payload = draft.render(&mut self.rng);
        Packet { kind: "goodbye with labels null".into(), host, payload, is_goodbye: true }
    }

    fn odd(&mut self, host: usize) -> Packet {
        let (mut draft, mut kinds) = (self.basis(host), Vec::new());
        for _ in 0..self.rng.usize(1..4) {
            let (kind, oddity) = odd::FORMS[self.rng.usize(..odd::FORMS.len())];
            oddity(&mut self.rng, &mut draft);
            kinds.push(kind);
        }
        let payload = draft.render(&mut self.rng);
        Packet { kind: kinds.join(" + "), host, payload, is_goodbye: false }
    }

    fn wrong(&mut self, host: usize) -> Packet {
        let mut draft = self.basis(host);
        let (kind, oddity) = odd::WRONGS[self.rng.usize(..odd::WRONGS.len())];
        oddity(&mut self.rng, &mut draft);
        let payload = draft.render(&mut self.rng);
        Packet { kind: kind.into(), host, payload, is_goodbye: false }
    }

    fn junk(&mut self, host: usize) -> Packet {
        let payload = odd::JUNK[self.rng.usize(..odd::JUNK.len())].to_vec();
        Packet { kind: "junk".into(), host, payload, is_goodbye: false }
    }

    /// A usual packet with a few bytes changed, put in or left out.
    fn mutated(&mut self, host: usize) -> Packet {
        let mut payload = self.usual("hi", host, "hi").payload;
        for _ in 0..self.rng.usize(1..4) {
            let at = self.rng.usize(..payload.len());
            match self.rng.u8(..4) {
                0 => payload[at] = self.rng.u8(..),
                1 => payload[at] ^= 1 << self.rng.u8(..8),
                2 => payload.insert(at, self.rng.u8(..)),
                _ => drop(payload.remove(at)),
            }
        }
        Packet { kind: "mutated".into(), host, payload, is_goodbye: false }
    }

    /// What an odd packet is made of: what the host said last, or something new.
    fn basis(&mut self, host: usize) -> Draft {
        match self.last.get(&host) {
            Some((_, draft)) if self.rng.bool() => draft.clone(),
            _ => {
                let labels = self.labels();
                let mut draft = Draft::new(&host_name(host), &labels, "hi");
                draft.set("instance", draft::text(&instance(host)));
                if self.signed {
                    self.sign(&mut draft, "hi", &host_name(host), &instance(host), &labels);
                }
                draft
            }
        }
    }

    /// Signs a draft, right or wrong; tells how.
    fn sign(
        &mut self,
        draft: &mut Draft,
        message: &str,
        host: &str,
        instance: &str,
        labels: &[String],
    ) -> &'static str {
        self.time += 1 + self.rng.u64(..3);
        let (how, key, timestamp) = match self.rng.u8(..20) {
            0 => return "not signed",
            1 => ("signed with a foreign key", FOREIGN_KEY, self.time),
            2 => ("stale", KEYS[0], self.time - TTL),
            3 => ("far ahead", KEYS[0], self.time + 2 * TTL),
            4 => ("older than the last", KEYS[0], self.time - 30_000),
            5 => ("signed with the second key", KEYS[1], self.time),
            _ => ("signed", KEYS[0], self.time),
        };
        let signed = Signed { message, hostname: host, instance, timestamp, labels };
        let mut signature = signing::sign(key, signed);
        draft.set("timestamp", timestamp.to_string());
        let how = match self.rng.u8(..24) {
            0 => {
                signature.make_ascii_uppercase();
                "signature in capitals"
            }
            1 => {
                signature.truncate(62);
                "short signature"
            }
            2 => {
                draft.set("timestamp", (timestamp + 1).to_string());
                "other time than signed"
            }
            3 => {
                draft.remove("timestamp");
                "signature without time"
            }
            _ => how,
        };
        draft.set("signature", draft::text(&signature));
        how
    }

    /// Labels, sorted and without repetitions.
    fn labels(&mut self) -> Vec<String> {
        let count = match self.rng.u8(..20) {
            0 => 0,
            1 => self.rng.usize(10..40),
            _ => self.rng.usize(1..6),
        };
        let mut labels: Vec<String> = (0..count).map(|_| self.label()).collect();
        labels.sort_unstable();
        labels.dedup();
        labels
    }

    fn label(&mut self) -> String {
        let number = self.rng.u32(..30);
        match self.rng.u8(..10) {
            0..4 => {
                format!("service:{}", odd::choose(&mut self.rng, &["web", "smtp", "dns", "db"]))
            }
            4..6 => format!("rack:{number}"),
            6..9 => odd::choose(&mut self.rng, PROMETHEUS).to_owned(),
            _ => odd::choose(&mut self.rng, ODD_LABELS).to_owned(),
        }
    }
}

/// The name of a host: most are usual, some are odd.
fn host_name(host: usize) -> String {
    match host % 16 {
        0 => format!("srv-{host}.example.com"),
        1 => format!("ž-{host}"),
        2 => format!("UPPER_{host}"),
        3 => format!("quote\"{host}\\back"),
        4 => format!("long-{host}-{}", "x".repeat(200)),
        5 => format!("../../{host}"),
        6 => format!("<{host}>&amp;'"),
        // Another daemon of the same name, as it seems.
        7 if host == 7 => "me".to_owned(),
        _ => format!("host-{host}"),
    }
}

/// Most hosts keep their instance, as a daemon does while it runs.
fn instance(host: usize) -> String {
    format!("{:016x}", 0x00c0_ffee_0000_0000_u64 + host as u64)
}

const PROMETHEUS: &[&str] = &[
    "prometheus:node",
    "prometheus:node:",
    "prometheus:node:host:10.0.0.2",
    "prometheus:node:host:10.0.0.3:9200",
    "prometheus:node:host:fe80::1",
    "prometheus:node:host:[fe80::2]",
    "prometheus:node:host:[fe80::3]:77",
    "prometheus:node:host:",
    "prometheus:node:host::9100",
    "prometheus:node:host:a/b",
    "prometheus:node:host:a b",
    "prometheus:node:port:9200",
    "prometheus:node:port:-",
    "prometheus:node:port:0",
    "prometheus:node:port:+1",
    "prometheus:node:port:65536",
    "prometheus:node:port:",
    "prometheus:node:env:prod",
    "prometheus:node:env:test",
    "prometheus:node:1st:digit",
    "prometheus:node:with-dash:x",
    "prometheus:node:with_dash:y",
    "prometheus:node::no name",
    "prometheus:node:__address__:evil",
    "prometheus:node:__meta:x",
    "prometheus:node:ž:unicode",
    "prometheus:node:value:with:colons",
    "prometheus:node:quote:\"\\",
    "prometheus:nodes:host:elsewhere",
    "prometheus:db:port:5432",
    "prometheus:db:host:db.example.com",
    "prometheus:db",
    "prometheus:a/b:host:slash",
    "prometheus:with space:host:x",
    "prometheus:",
    "prometheus::host:nobody",
    "prometheus",
];

const ODD_LABELS: &[&str] = &[
    "a",
    ":",
    "a:",
    ":b",
    "with space",
    "comma,in,it",
    "quote\"back\\slash",
    "žluťoučký:kůň",
    "😀",
    "<script>&amp;",
    "a:b:c:d",
    "percent%20plus+",
    "\u{2028}",
    "#hash?query",
    "-dash",
    "'single'",
    "null",
    "0",
];
