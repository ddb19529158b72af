//! What a packet says, in the form in which the registry keeps it.

use std::borrow::Cow;

use lobby_client::HostName;

use crate::signing::keys::SignedFields;
use crate::wire::envelope::{Envelope, MAX_ENVELOPE_LEN, MessageKind, Signature};
use crate::wire::instance::Instance;
use crate::wire::layout::Trailer;
use crate::wire::packet_json::PacketJson;
use crate::wire::packet_ttl::TtlField;
use crate::wire::plain_packet::PlainPacket;

/// What a message says, however it was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Said<'p> {
    /// The kind of the message.
    pub(super) kind: MessageKind,
    /// The host that it is about.
    pub(super) hostname: HostName,
    /// The host's name and its labels.
    pub(super) text: PacketJson,
    /// The run of the daemon that sent it, if it names one that is valid.
    pub(super) instance: Option<&'p str>,
    /// The signature, not verified yet.
    pub(super) signature: Option<Signature<'p>>,
    /// For how long it is good.
    pub(super) ttl: TtlField,
}

impl<'p> Said<'p> {
    /// What an envelope as lobbyd writes it says, read off its bytes. `None` for one that only a
    /// decoder understands.
    pub(super) fn plainly(payload: &'p [u8]) -> Option<Self> {
        // A decoder refuses a longer one, whatever is in it.
        let payload = Some(payload).filter(|payload| payload.len() <= MAX_ENVELOPE_LEN)?;
        let PlainPacket { hostname, text, rest } = PlainPacket::read(payload)?;
        let trailer = Trailer::read(rest)?;
        Some(Self {
            kind: MessageKind::of(trailer.message?)?,
            hostname,
            text,
            instance: trailer.instance.filter(|instance| Instance::is_valid(instance)),
            signature: trailer.signature(),
            ttl: trailer.ttl.into(),
        })
    }

    /// What its signature must cover.
    pub(super) fn signed_fields(&self) -> SignedFields<'_, impl Iterator<Item = Cow<'_, str>>> {
        SignedFields {
            kind: self.kind,
            hostname: &self.hostname,
            instance: self.instance.unwrap_or_default(),
            ttl: self.ttl.number(),
            labels: self.text.labels(),
        }
    }
}

impl<'p> From<&'p Envelope> for Said<'p> {
    fn from(envelope: &'p Envelope) -> Self {
        let Envelope { kind, discovery, instance, signature, ttl } = envelope;
        Self {
            kind: *kind,
            hostname: discovery.hostname.clone(),
            text: PacketJson::new(discovery),
            instance: instance.as_ref().map(Instance::as_str),
            signature: signature.clone(),
            ttl: *ttl,
        }
    }
}
