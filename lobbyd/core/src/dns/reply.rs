//! Replies: what there is to say to a question, as records.

use std::collections::HashSet;
use std::net::IpAddr;
use std::time::Instant;

use hickory_proto::op::{Query, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, NS, PTR, SOA, SRV, TXT};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

use super::directory::{Directory, Node};
use super::postings::Aspect;
use super::zone::{Path, Place, Zone};
use crate::index::host_id::HostId;
use crate::registry::snapshot::Snapshot;

/// Most bytes of a text in a TXT record; a longer one is cut into several of them.
const MAX_TEXT: usize = 255;

/// How often others ask for the zone's serial number, how soon again, and how long they go on
/// without an answer, in seconds. There are no others, as the zone is not transferred.
const SOA_TIMES: (i32, i32, i32) = (3600, 600, 86_400);

/// What a question is asked about.
pub(super) struct Inquiry<'a> {
    pub(super) zone: &'a Zone,
    pub(super) directory: &'a Directory,
    pub(super) snapshot: &'a Snapshot,
    pub(super) now: Instant,
    pub(super) rotation: usize,
    /// More records than this fit in no answer.
    pub(super) max_records: usize,
}

/// What there is to say.
#[derive(Debug, Default)]
pub(super) struct Reply {
    pub(super) code: ResponseCode,
    pub(super) is_authoritative: bool,
    pub(super) answers: Vec<Record>,
    pub(super) authorities: Vec<Record>,
    pub(super) additionals: Vec<Record>,
}

impl Reply {
    /// No records, for this reason.
    pub(super) fn refusal(code: ResponseCode) -> Self {
        Self { code, ..Self::default() }
    }
}

impl Inquiry<'_> {
    /// The reply to a question.
    pub(super) fn reply(&self, query: &Query) -> Reply {
        let (name, wanted) = (&query.name, query.query_type);
        let place = self.zone.locate(name);
        let is_transfer = matches!(wanted, RecordType::AXFR | RecordType::IXFR);
        if !matches!(query.query_class, DNSClass::IN | DNSClass::ANY)
            || is_transfer
            || place == Place::Outside
        {
            return Reply::refusal(ResponseCode::Refused);
        }
        if !self.snapshot.is_warm(self.now) {
            return Reply::refusal(ResponseCode::ServFail);
        }
        if let Place::Reverse(address) = place {
            return self.reverse(name, address, wanted);
        }
        let (answers, additionals) = self.records(name, &place, wanted);
        let exists = !answers.is_empty() || self.exists(&place);
        Reply {
            code: if exists { ResponseCode::NoError } else { ResponseCode::NXDomain },
            is_authoritative: true,
            authorities: if answers.is_empty() { vec![self.soa(self.zone.apex())] } else { vec![] },
            answers,
            additionals,
        }
    }

    /// Whether there is a name, or one that ends in it.
    fn exists(&self, place: &Place) -> bool {
        match place {
            Place::Apex | Place::NameServer | Place::Nodes => true,
            Place::Key(path) | Place::ServiceEnd(path) => self.directory.has_below(path),
            Place::Hosts { path, may_continue } => {
                *may_continue || self.directory.has(path) || self.directory.has_below(path)
            }
            Place::Service(path) => self.directory.has(path),
            Place::Outside | Place::Reverse(_) | Place::Nowhere => false,
        }
    }

    /// The records of a name, and the additional ones. Of a name with several types of records that
    /// is asked for any, one.
    fn records(
        &self,
        name: &Name,
        place: &Place,
        wanted: RecordType,
    ) -> (Vec<Record>, Vec<Record>) {
        let mut additionals = Vec::new();
        let types: &[RecordType] = match place {
            Place::Apex => &[RecordType::SOA, RecordType::NS],
            Place::NameServer => &[RecordType::A, RecordType::AAAA],
            Place::Hosts { .. } => &[RecordType::A, RecordType::AAAA, RecordType::TXT],
            Place::Service(_) => &[RecordType::SRV],
            _ => &[],
        };
        let types = types.iter().filter(|of| **of == wanted || wanted == RecordType::ANY);
        for record_type in types {
            let answers = match (place, record_type) {
                (Place::Apex, RecordType::SOA) => vec![self.soa(self.zone.apex())],
                (Place::Apex, _) => {
                    let (servers, addresses) = self.name_servers(name);
                    additionals = addresses;
                    servers
                }
                (Place::NameServer, wanted) => self.name_server(name, Some(*wanted)),
                (Place::Hosts { path, .. }, RecordType::TXT) => self.texts(name, path),
                (Place::Hosts { path, .. }, RecordType::AAAA) => {
                    self.addresses(name, path, Aspect::V6)
                }
                (Place::Hosts { path, .. }, _) => self.addresses(name, path, Aspect::V4),
                (Place::Service(path), _) => {
                    let (services, addresses) = self.services(name, path);
                    additionals = addresses;
                    services
                }
                _ => vec![],
            };
            if !answers.is_empty() {
                return (answers, additionals);
            }
        }
        (vec![], vec![])
    }

    /// The living hosts of a name that have an aspect.
    fn living(&self, path: &Path, aspect: Aspect) -> impl Iterator<Item = &Node> {
        self.directory
            .with(path, aspect, self.rotation)
            .filter(|(id, _)| self.is_alive(*id))
            .map(|(_, node)| node)
    }

    fn is_alive(&self, id: HostId) -> bool {
        self.snapshot.is_alive(id, self.now)
    }

    fn addresses(&self, name: &Name, path: &Path, family: Aspect) -> Vec<Record> {
        let mut seen = HashSet::new();
        self.living(path, family)
            .flat_map(|node| addresses_of(node, family))
            .filter(|address| seen.insert(**address))
            .take(self.max_records)
            .map(|address| self.record(name, address_data(*address)))
            .collect()
    }

    /// The labels of hosts, a record each.
    fn texts(&self, name: &Name, path: &Path) -> Vec<Record> {
        let mut records = Vec::new();
        for label in self.living(path, Aspect::Labels).flat_map(|node| node.host.labels()) {
            let strings = label.as_bytes().chunks(MAX_TEXT).collect();
            records.push(self.record(name, RData::TXT(TXT::from_bytes(strings))));
            if records.len() == self.max_records {
                break;
            }
        }
        records
    }

    /// The ports of hosts, and the addresses of these hosts.
    fn services(&self, name: &Name, path: &Path) -> (Vec<Record>, Vec<Record>) {
        let (mut services, mut addresses) = (Vec::new(), Vec::new());
        for node in self.living(path, Aspect::Service) {
            let Some(target) = self.zone.node_name(node.host.name()) else { continue };
            for port in node.ports(path) {
                let service = SRV::new(0, 1, port, target.clone());
                services.push(self.record(name, RData::SRV(service)));
            }
            let all = [Aspect::V4, Aspect::V6].map(|family| addresses_of(node, family));
            let all = all.into_iter().flatten();
            addresses.extend(all.map(|address| self.record(&target, address_data(*address))));
            if services.len() + addresses.len() >= self.max_records {
                break;
            }
        }
        (services, addresses)
    }

    /// The addresses of the name server, of one type or of all.
    fn name_server(&self, name: &Name, wanted: Option<RecordType>) -> Vec<Record> {
        let data = self.zone.name_server.map(address_data);
        let data = data.filter(|data| wanted.is_none_or(|wanted| data.record_type() == wanted));
        data.into_iter().map(|data| self.record(name, data)).collect()
    }

    /// The names of the hosts that have an address. Nothing else is known of it.
    ///
    /// The zone above belongs to somebody else, and an SOA counts for the names below its own only.
    /// So each known address is a zone of one name, whose SOA says how long there is nothing else.
    fn reverse(&self, name: &Name, address: IpAddr, wanted: RecordType) -> Reply {
        let living = self.directory.at(address).filter(|(id, _)| self.is_alive(*id));
        let names = living.filter_map(|(_, node)| self.zone.node_name(node.host.name()));
        let names = names.take(self.max_records);
        let pointers: Vec<_> =
            names.map(|target| self.record(name, RData::PTR(PTR(target)))).collect();
        if pointers.is_empty() {
            return Reply::refusal(ResponseCode::Refused);
        }
        let mut reply = Reply { is_authoritative: true, ..Reply::default() };
        match wanted {
            RecordType::PTR | RecordType::ANY => reply.answers = pointers,
            RecordType::SOA => reply.answers = vec![self.soa(name)],
            RecordType::NS => (reply.answers, reply.additionals) = self.name_servers(name),
            _ => reply.authorities = vec![self.soa(name)],
        }
        reply
    }

    /// The name server of a zone, and its address.
    fn name_servers(&self, zone: &Name) -> (Vec<Record>, Vec<Record>) {
        let server = self.zone.name_server_name();
        let addresses = self.name_server(&server, None);
        (vec![self.record(zone, RData::NS(NS(server)))], addresses)
    }

    /// The SOA record of a zone that we answer for.
    fn soa(&self, zone: &Name) -> Record {
        let (server, contact) = (self.zone.name_server_name(), self.zone.contact());
        let [_, _, _, _, serial @ ..] = self.directory.revision().to_be_bytes();
        let (refresh, retry, expire) = SOA_TIMES;
        let soa = SOA::new(
            server,
            contact,
            u32::from_be_bytes(serial),
            refresh,
            retry,
            expire,
            self.zone.ttl,
        );
        self.record(zone, RData::SOA(soa))
    }

    fn record(&self, name: &Name, data: RData) -> Record {
        Record::from_rdata(name.clone(), self.zone.ttl, data)
    }
}

fn addresses_of(node: &Node, family: Aspect) -> &[IpAddr] {
    if family == Aspect::V6 { &node.addresses.v6 } else { &node.addresses.v4 }
}

fn address_data(address: IpAddr) -> RData {
    match address {
        IpAddr::V4(address) => RData::A(A(address)),
        IpAddr::V6(address) => RData::AAAA(AAAA(address)),
    }
}
