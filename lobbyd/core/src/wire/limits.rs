//! Limits: how many labels a server may have.

use lobby_client::{Discovery, HostName, Label};

use super::envelope::{MAX_ENVELOPE_LEN, MAX_LABELS, Message, MessageKind};
use super::instance_id::InstanceId;

/// Room kept free in the envelope, in bytes, for what is added to it beside the labels.
const ENVELOPE_RESERVE: usize = 1024;

/// The limit that a server's labels exceed. Its peers would refuse the packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum LimitExceeded {
    /// Their number, which exceeds [`MAX_LABELS`].
    #[error("{0} labels are too many for one server: at most {MAX_LABELS} are allowed")]
    Labels(usize),
    /// The bytes of their envelope, which exceed [`MAX_ENVELOPE_LEN`].
    #[error(
        "labels that make a packet of {0} bytes are too long in sum: at most {MAX_ENVELOPE_LEN} bytes are allowed"
    )]
    Bytes(usize),
}

/// Checks that peers will accept a server's packet.
///
/// # Errors
/// The limit that it exceeds.
pub fn check(packet: &Discovery) -> Result<(), LimitExceeded> {
    let message = Message::new(MessageKind::Hi, packet, InstanceId::UNNAMED);
    let bytes = message.encode(None).len() + ENVELOPE_RESERVE;
    if packet.labels.len() > MAX_LABELS {
        Err(LimitExceeded::Labels(packet.labels.len()))
    } else if bytes > MAX_ENVELOPE_LEN {
        Err(LimitExceeded::Bytes(bytes))
    } else {
        Ok(())
    }
}

/// A server's packet with as many of its labels as peers accept, the first ones in order, and the
/// limit that keeps out the others.
pub fn truncate_to_limits(
    hostname: HostName,
    labels: Vec<Label>,
) -> (Discovery, Option<LimitExceeded>) {
    let mut packet = Discovery::new(hostname, labels);
    let excess = check(&packet).err();
    packet.labels.truncate(MAX_LABELS);
    while check(&packet).is_err() && !packet.labels.is_empty() {
        let kept = packet.labels.len() * 7 / 8;
        packet.labels.truncate(kept);
    }
    (packet, excess)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(count: usize, len: usize) -> Vec<Label> {
        (0..count).map(|n| Label::parse(&format!("{n:0len$}")).unwrap()).collect()
    }

    fn host() -> HostName {
        HostName::parse("h").unwrap()
    }

    #[test]
    fn labels_that_fit_all_stay() {
        let (packet, excess) = truncate_to_limits(host(), labels(MAX_LABELS, 30));
        assert_eq!((packet.labels.len(), excess), (MAX_LABELS, None));
    }

    #[test]
    fn of_too_many_labels_the_first_stay() {
        let (packet, excess) = truncate_to_limits(host(), labels(1030, 30));
        assert_eq!(
            (packet.labels, excess),
            (labels(MAX_LABELS, 30), Some(LimitExceeded::Labels(1030)))
        );
    }

    #[test]
    fn labels_too_long_in_sum_are_cut_until_peers_accept_them() {
        let (packet, excess) = truncate_to_limits(host(), labels(500, 1000));
        assert!(matches!(excess, Some(LimitExceeded::Bytes(_))));
        assert!(check(&packet).is_ok() && packet.labels.len() > 200);
    }
}
