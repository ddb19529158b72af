//! The announcer: the packets of this server.

use bytes::Bytes;
use lobby_client::{Discovery, HostName};

use super::message::OutboundPacket;
use crate::signing::keys::{Keys, Signer};
use crate::wire::envelope::{Message, MessageKind};
use crate::wire::instance_id::InstanceId;
use crate::wire::packet_ttl::PacketTtl;

/// The announcer: the last packet of this server and the next one.
#[derive(Debug)]
pub struct Announcer {
    instance: InstanceId,
    signer: Option<Signer>,
    ttl: Option<PacketTtl>,
    own: Option<Discovery>,
    left: bool,
}

impl Announcer {
    /// `instance` is this run of this daemon; packets are signed if there is a `signer`. For `ttl`
    /// they are good; none leaves that to those who hear them.
    pub fn new(instance: InstanceId, signer: Option<Signer>, ttl: Option<PacketTtl>) -> Self {
        Self { instance, signer, ttl, own: None, left: false }
    }

    /// Signs with other keys from now on, if it signs.
    pub fn use_keys(&mut self, keys: Keys) {
        if let Some(signer) = &mut self.signer {
            signer.use_keys(keys);
        }
    }

    /// From now on packets are good for so long.
    pub fn use_ttl(&mut self, ttl: Option<PacketTtl>) {
        self.ttl = ttl;
    }

    /// The packets that announce the server's name and labels: a hi, and a goodbye of a former
    /// name. `unix_millis` is the wall clock, here and below.
    pub fn local_changed(&mut self, fresh: Discovery, unix_millis: u64) -> Vec<OutboundPacket> {
        if self.left {
            return Vec::new();
        }
        let former =
            self.own.take().map(|own| own.hostname).filter(|former| *former != fresh.hostname);
        self.own = Some(fresh);
        let hi = self.hi(unix_millis);
        hi.into_iter().chain(former.map(|former| self.goodbye_of(former, unix_millis))).collect()
    }

    /// The keep-alive; nothing before the server knows its labels.
    pub fn hi(&mut self, unix_millis: u64) -> Option<OutboundPacket> {
        self.packet(MessageKind::Hi, unix_millis)
    }

    /// The goodbye of a server that leaves. No packet follows it, or the server would be back in
    /// all lists until its TTL.
    pub fn goodbye(&mut self, unix_millis: u64) -> Option<OutboundPacket> {
        let goodbye = self.packet(MessageKind::Goodbye, unix_millis);
        (self.left, self.own) = (true, None);
        goodbye
    }

    /// Whether the goodbye was asked for.
    pub fn has_left(&self) -> bool {
        self.left
    }

    fn packet(&mut self, kind: MessageKind, unix_millis: u64) -> Option<OutboundPacket> {
        let own = self.own.as_ref()?;
        // After a goodbye nothing is left that could be good for long.
        let ttl = self.ttl.filter(|_| kind == MessageKind::Hi);
        let message = Message::new(kind, own, self.instance).lasting(ttl);
        let payload = encoded(&message, self.signer.as_mut(), unix_millis);
        Some(OutboundPacket {
            host: own.hostname.clone(),
            payload,
            last: kind == MessageKind::Goodbye,
        })
    }

    fn goodbye_of(&mut self, former: HostName, unix_millis: u64) -> OutboundPacket {
        let (kind, instance) = (MessageKind::Goodbye, self.instance);
        let message = Message { kind, hostname: &former, labels: None, instance, ttl: None };
        let payload = encoded(&message, self.signer.as_mut(), unix_millis);
        OutboundPacket { host: former, payload, last: true }
    }
}

fn encoded(message: &Message<'_>, signer: Option<&mut Signer>, unix_millis: u64) -> Bytes {
    let signature = signer.map(|signer| signer.sign(message, unix_millis));
    message.encode(signature.as_ref()).into()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::testsuite::fixtures::{instance, name};
    use crate::wire::envelope::{self, Signature};

    fn announcer() -> Announcer {
        Announcer::new(instance(0xa1), None, None)
    }

    fn server(host: &str) -> Discovery {
        Discovery::new(name(host), vec![])
    }

    fn texts(packets: Vec<OutboundPacket>) -> Vec<String> {
        packets
            .into_iter()
            .map(|packet| String::from_utf8(packet.payload.into()).unwrap())
            .collect()
    }

    #[test]
    fn nothing_is_sent_before_the_server_knows_its_name() {
        assert_eq!((announcer().hi(1000), announcer().goodbye(1000)), (None, None));
    }

    #[test]
    fn a_new_name_is_announced_and_the_former_one_gets_a_goodbye() {
        let mut announcer = announcer();
        announcer.local_changed(server("old"), 1000);
        assert_eq!(
            texts(announcer.local_changed(server("new"), 1000)),
            [
                r#"{"discovery":{"hostname":"new","labels":[],"last_check":0},"message":"hi","instance":"00000000000000a1"}"#,
                r#"{"discovery":{"hostname":"old","labels":null,"last_check":0},"message":"goodbye","instance":"00000000000000a1"}"#
            ]
        );
    }

    #[test]
    fn a_hi_tells_its_ttl_and_a_goodbye_does_not() {
        let ttl = PacketTtl::from_seconds(30);
        let mut announcer = Announcer::new(instance(0xa1), None, ttl);
        let mut packets = announcer.local_changed(server("a"), 1000);
        packets.extend(announcer.local_changed(server("b"), 1000));
        packets.extend(announcer.hi(1000));
        packets.extend(announcer.goodbye(1000));
        let told = packets.iter().map(|packet| envelope::decode(&packet.payload).unwrap());
        let told: Vec<_> = told.map(|envelope| (envelope.kind, envelope.ttl.valid())).collect();
        let (hi, goodbye) = ((MessageKind::Hi, ttl), (MessageKind::Goodbye, None));
        assert_eq!(told, [hi, hi, goodbye, hi, goodbye]);
    }

    #[test]
    fn the_same_name_again_is_only_a_hi() {
        let mut announcer = announcer();
        announcer.local_changed(server("a"), 1000);
        assert_eq!(announcer.local_changed(server("a"), 1000).len(), 1);
    }

    #[test]
    fn nothing_is_sent_after_the_goodbye() {
        let mut announcer = announcer();
        announcer.local_changed(server("a"), 1000);
        assert!(!announcer.has_left() && announcer.goodbye(1000).is_some() && announcer.has_left());
        assert_eq!((announcer.hi(1000), announcer.goodbye(1000)), (None, None));
        assert_eq!(announcer.local_changed(server("b"), 1000), []);
        assert_eq!(announcer.hi(1000), None);
    }

    #[test]
    fn with_a_key_each_packet_is_signed_with_a_later_time() {
        let keys = Keys::parse("0123456789abcdef").unwrap();
        let signer = Signer::new(keys.clone(), Duration::from_secs(30));
        let mut announcer = Announcer::new(instance(0xa1), Some(signer), None);
        announcer.local_changed(server("old"), 1000);
        let mut packets = announcer.local_changed(server("new"), 1000);
        packets.extend(announcer.hi(1000));
        packets.extend(announcer.goodbye(1000));
        let envelopes = packets.iter().map(|packet| envelope::decode(&packet.payload).unwrap());
        let times: Vec<_> = envelopes
            .map(|envelope| {
                let verifies =
                    |signature: &Signature<'_>| keys.verify(envelope.signed_fields(), signature);
                envelope.signature.clone().filter(verifies).unwrap().timestamp
            })
            .collect();
        assert_eq!(times, [1001, 1002, 1003, 1004]);
    }
}
