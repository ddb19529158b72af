//! Events of async-nats, translated into the state of the link.

use anyhow::anyhow;
use async_nats::Event;
use tokio::sync::Notify;

use super::closings::ClosingAccess;
use super::sync::SyncAccess;
use crate::link::drivers::refusal::RefusalFlag;
use crate::link::inbox::InboxSender;

/// How the server begins to refuse a packet.
const MAY_NOT_PUBLISH: &str = "Permissions Violation for Publish";

/// The state of one connection, as its events tell.
#[derive(Debug)]
pub(super) struct Events {
    inbox: InboxSender,
    /// A subject that only this connection uses.
    pub(super) probe: String,
    /// Notified when no echo of a probe is to be expected any more: the server refused it, or the
    /// link is down.
    pub(super) settled: Notify,
    /// Notified when the connection is gone.
    pub(super) closed: Notify,
    refusal: RefusalFlag,
    sync: SyncAccess,
    closings: ClosingAccess,
}

impl Events {
    pub(super) fn new(
        inbox: InboxSender,
        refusal: RefusalFlag,
        sync: SyncAccess,
        closings: ClosingAccess,
    ) -> Self {
        // _INBOX is the prefix that permissions usually leave to clients for themselves.
        let probe = format!("_INBOX.lobbyd.{:016x}", fastrand::u64(..));
        Self {
            inbox,
            probe,
            settled: Notify::new(),
            closed: Notify::new(),
            refusal,
            sync,
            closings,
        }
    }

    /// Takes one event. Any error that the server reports means that something on this connection
    /// does not work; where it is sync or the news of closed
    /// connections alone, the link stays up.
    pub(super) fn happened(&self, event: Event) {
        match event {
            Event::Connected | Event::ClientError(_) => {}
            Event::SlowConsumer(_) => self.inbox.lost(1),
            Event::Draining => self.inbox.finish(),
            Event::Closed => self.closed.notify_one(),
            Event::ServerError(error) => {
                self.refused(error.to_string().trim_start_matches("nats: "));
            }
            Event::LameDuckMode => self.down("the NATS server is shutting down (lame duck mode)"),
            Event::Disconnected => {
                self.down("lost the connection to the NATS server");
                self.closed.notify_one();
            }
        }
    }

    fn refused(&self, text: &str) {
        if text.contains(&self.probe) {
            self.settled.notify_one();
        } else if !self.sync.takes(text) && !self.closings.takes(text) {
            if text.starts_with(MAY_NOT_PUBLISH) {
                self.refusal.set(true);
            }
            self.down(&format!("the NATS server refused: {text}"));
        }
    }

    fn down(&self, reason: &str) {
        self.inbox.fail(anyhow!("{reason}"));
        self.settled.notify_one();
    }
}
