//! What this server says of itself on the channels.

use bytes::Bytes;
use lobby_client::{Discovery, HostName};

use super::message::OutboundPacket;
use crate::signing::keys::{Keys, Signer};
use crate::wire::envelope::{self, Message, MessageKind};

/// Knows what was said last and what is to be said next.
#[derive(Debug)]
pub struct Announcer {
    instance: String,
    signer: Option<Signer>,
    own: Option<Discovery>,
    left: bool,
}

impl Announcer {
    /// `instance` names this run of this daemon; what is said is signed if there is a `signer`.
    pub fn new(instance: String, signer: Option<Signer>) -> Self {
        Self { instance, signer, own: None, left: false }
    }

    /// Signs with other keys from now on, if it signs.
    pub fn use_keys(&mut self, keys: Keys) {
        if let Some(signer) = &mut self.signer {
            signer.use_keys(keys);
        }
    }

    /// The server's name or labels are these now: a hi, and a goodbye to a former name. `unix_millis` is the wall clock, here and below.
    pub fn local_changed(&mut self, fresh: Discovery, unix_millis: u64) -> Vec<OutboundPacket> {
        if self.left {
            return Vec::new();
        }
        let former = self.own.take().map(|own| own.hostname).filter(|former| *former != fresh.hostname);
        self.own = Some(fresh);
        let hi = self.hi(unix_millis);
        hi.into_iter().chain(former.map(|former| self.farewell(former, unix_millis))).collect()
    }

    /// The keep-alive; nothing before the server knows its labels.
    pub fn hi(&mut self, unix_millis: u64) -> Option<OutboundPacket> {
        self.announcement(MessageKind::Hi, unix_millis)
    }

    /// The goodbye of a server that leaves. It is final: nothing is said after it, or the server would be back in all lists until its TTL.
    pub fn goodbye(&mut self, unix_millis: u64) -> Option<OutboundPacket> {
        let goodbye = self.announcement(MessageKind::Goodbye, unix_millis);
        (self.left, self.own) = (true, None);
        goodbye
    }

    /// Whether the goodbye was asked for.
    pub fn has_left(&self) -> bool {
        self.left
    }

    fn announcement(&mut self, verb: MessageKind, unix_millis: u64) -> Option<OutboundPacket> {
        let Discovery { hostname, labels, .. } = self.own.as_ref()?;
        let message = Message { verb, hostname, labels: Some(labels), instance: &self.instance };
        let payload = encoded(&message, self.signer.as_mut(), unix_millis);
        Some(OutboundPacket { host: hostname.clone(), payload, last: verb == MessageKind::Goodbye })
    }

    fn farewell(&mut self, former: HostName, unix_millis: u64) -> OutboundPacket {
        let message = Message { verb: MessageKind::Goodbye, hostname: &former, labels: None, instance: &self.instance };
        let payload = encoded(&message, self.signer.as_mut(), unix_millis);
        OutboundPacket { host: former, payload, last: true }
    }
}

fn encoded(message: &Message<'_>, signer: Option<&mut Signer>, unix_millis: u64) -> Bytes {
    let signature = signer.map(|signer| signer.sign(message, unix_millis));
    envelope::write(message, signature.as_ref()).into()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn announcer() -> Announcer {
        Announcer::new("i1".to_owned(), None)
    }

    fn server(name: &str) -> Discovery {
        Discovery::new(HostName::parse(name).unwrap(), vec![])
    }

    fn texts(packets: Vec<OutboundPacket>) -> Vec<String> {
        packets.into_iter().map(|packet| String::from_utf8(packet.payload.into()).unwrap()).collect()
    }

    #[test]
    fn nothing_is_said_before_the_server_knows_itself() {
        assert_eq!((announcer().hi(1000), announcer().goodbye(1000)), (None, None));
    }

    #[test]
    fn a_new_name_is_announced_and_the_former_one_said_goodbye_to() {
        let mut announcer = announcer();
        announcer.local_changed(server("old"), 1000);
        assert_eq!(
            texts(announcer.local_changed(server("new"), 1000)),
            [
                r#"{"discovery":{"hostname":"new","labels":[],"last_check":0},"message":"hi","instance":"i1"}"#,
                r#"{"discovery":{"hostname":"old","labels":null,"last_check":0},"message":"goodbye","instance":"i1"}"#
            ]
        );
    }

    #[test]
    fn the_same_name_again_is_only_a_hi() {
        let mut announcer = announcer();
        announcer.local_changed(server("a"), 1000);
        assert_eq!(announcer.local_changed(server("a"), 1000).len(), 1);
    }

    #[test]
    fn nothing_is_said_after_the_goodbye() {
        let mut announcer = announcer();
        announcer.local_changed(server("a"), 1000);
        assert!(!announcer.has_left() && announcer.goodbye(1000).is_some() && announcer.has_left());
        assert_eq!((announcer.hi(1000), announcer.goodbye(1000)), (None, None));
        assert_eq!(announcer.local_changed(server("b"), 1000), []);
        assert_eq!(announcer.hi(1000), None);
    }

    #[test]
    fn with_a_key_all_that_is_said_is_signed_each_with_a_later_time() {
        let keys = Keys::parse("0123456789abcdef").unwrap();
        let signer = Signer::new(keys.clone(), Duration::from_secs(30));
        let mut announcer = Announcer::new("i1".to_owned(), Some(signer));
        announcer.local_changed(server("old"), 1000);
        let mut said = announcer.local_changed(server("new"), 1000);
        said.extend(announcer.hi(1000));
        said.extend(announcer.goodbye(1000));
        let said = said.iter().map(|announcement| envelope::decode(&announcement.payload).unwrap());
        let times: Vec<_> = said
            .map(|envelope| envelope.seal.clone().filter(|seal| keys.verify(&envelope, seal)).unwrap().timestamp)
            .collect();
        assert_eq!(times, [1001, 1002, 1003, 1004]);
    }
}
