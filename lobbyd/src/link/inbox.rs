//! The inbox of a connection: a bounded queue of what its broker sends. A flood costs packets and
//! not memory, and every packet lost that way is counted.

use std::collections::VecDeque;
use std::fmt;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use anyhow::anyhow;
use bytes::Bytes;
use futures_util::task::AtomicWaker;
use futures_util::{Stream, StreamExt};
use tokio::task::JoinSet;
use tokio::task::coop::unconstrained;

use super::driver::LARGEST_BATCH;
use lobby_core::link::connection_name::ConnectionName;
use lobby_core::link::message::InboundEvent;

/// Most packets that wait for a reader that has fallen behind.
pub(super) const MOST_PACKETS: usize = 16_384;
/// Most bytes that wait: a few huge packets must not cost more than many small ones.
pub(super) const MOST_BYTES: usize = 16 << 20;

/// Most closed connections of daemons that wait. One that is not told is found out by TTL.
const MOST_CLOSED: usize = 4096;

/// A new inbox, and its sending half.
pub(super) fn inbox() -> (InboxSender, Inbox) {
    let shared = Arc::new(Shared::default());
    (InboxSender(Arc::clone(&shared)), Inbox { shared, tasks: JoinSet::new() })
}

/// The sending half of an inbox, shared by all that have something to report.
#[derive(Clone)]
pub(super) struct InboxSender(Arc<Shared>);

impl InboxSender {
    /// Adds packets, and counts as dropped those for which the inbox has no room.
    pub(super) fn put(&self, payloads: impl IntoIterator<Item = Bytes>) {
        self.change(|waiting| payloads.into_iter().for_each(|payload| waiting.put(payload)));
    }

    /// Adds connections of daemons that the broker has closed, as far as there is room.
    pub(super) fn closed(&self, names: impl IntoIterator<Item = ConnectionName>) {
        self.change(|waiting| names.into_iter().for_each(|name| waiting.closed(name)));
    }

    /// Counts packets that the broker's client dropped before.
    pub(super) fn lost(&self, packets: u64) {
        self.change(|waiting| waiting.dropped += packets);
    }

    /// Ends the inbox because the link is down. Only the first end counts: it is the cause, later
    /// ones are consequences.
    pub(super) fn fail(&self, reason: anyhow::Error) {
        self.change(|waiting| waiting.end(Some(reason)));
    }

    /// Ends the inbox because we closed the link.
    pub(super) fn finish(&self) {
        self.change(|waiting| waiting.end(None));
    }

    /// Whether the link is down, or closed by us.
    pub(super) fn has_ended(&self) -> bool {
        matches!(self.0.waiting().end, End::Reached(_))
    }

    fn change(&self, change: impl FnOnce(&mut Waiting)) {
        change(&mut self.0.waiting());
        self.0.reader.wake();
    }
}

impl fmt::Debug for InboxSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InboxSender")
    }
}

/// The receiving half: packets in order, then the reason why the link is down, then nothing.
pub(super) struct Inbox {
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
}

impl Inbox {
    /// Runs a task until this inbox is dropped.
    pub(super) fn run(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(task);
    }

    /// Moves a client's messages here until they end, which they do when the server closes the
    /// connection.
    ///
    /// tokio makes a task pause after 128 messages, while the client gets thousands into its own
    /// queue in one turn; that queue would grow under a flood. So this task is exempt: it
    /// empties the queue each time.
    pub(super) fn pump(
        &mut self,
        sender: InboxSender,
        messages: impl Stream<Item = Bytes> + Send + 'static,
    ) {
        self.run(unconstrained(async move {
            let mut messages = pin!(messages.ready_chunks(LARGEST_BATCH));
            while let Some(payloads) = messages.next().await {
                sender.put(payloads);
            }
            sender.fail(anyhow!("the server closed the connection"));
        }));
    }

    /// Checks that the link is still up.
    ///
    /// # Errors
    /// Why it is down.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        match &mut self.shared.waiting().end {
            End::Reached(reason) => reason.take().map_or(Ok(()), Err),
            End::NotYet => Ok(()),
        }
    }
}

impl Stream for Inbox {
    type Item = anyhow::Result<Vec<InboundEvent>>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.shared.reader.register(context.waker());
        self.shared.waiting().next()
    }
}

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    reader: AtomicWaker,
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Default)]
struct Waiting {
    events: VecDeque<InboundEvent>,
    packets: usize,
    bytes: usize,
    dropped: u64,
    end: End,
}

#[derive(Default)]
enum End {
    #[default]
    NotYet,
    /// With the reason, until it has been told.
    Reached(Option<anyhow::Error>),
}

impl Waiting {
    fn put(&mut self, payload: Bytes) {
        if self.packets == MOST_PACKETS || self.bytes + payload.len() > MOST_BYTES {
            self.dropped += 1;
        } else {
            self.packets += 1;
            self.bytes += payload.len();
            self.events.push_back(InboundEvent::fresh(payload));
        }
    }

    fn closed(&mut self, name: ConnectionName) {
        if self.events.len() - self.packets < MOST_CLOSED {
            self.events.push_back(InboundEvent::ConnectionClosed(name));
        }
    }

    fn taken(&mut self, event: &InboundEvent) {
        if let InboundEvent::Packet { payload, .. } = event {
            self.packets -= 1;
            self.bytes -= payload.len();
        }
    }

    fn end(&mut self, reason: Option<anyhow::Error>) {
        if matches!(self.end, End::NotYet) {
            self.end = End::Reached(reason);
        }
    }

    fn next(&mut self) -> Poll<Option<anyhow::Result<Vec<InboundEvent>>>> {
        let batch = self.next_batch();
        if !batch.is_empty() {
            return Poll::Ready(Some(Ok(batch)));
        }
        match &mut self.end {
            End::NotYet => Poll::Pending,
            End::Reached(reason) => Poll::Ready(reason.take().map(Err)),
        }
    }

    fn next_batch(&mut self) -> Vec<InboundEvent> {
        let dropped = Some(std::mem::take(&mut self.dropped))
            .filter(|dropped| *dropped > 0)
            .map(InboundEvent::Dropped);
        let many = self.events.len().min(LARGEST_BATCH - usize::from(dropped.is_some()));
        let mut batch = Vec::with_capacity(many + usize::from(dropped.is_some()));
        batch.extend(dropped);
        batch.extend(self.events.drain(..many));
        batch.iter().for_each(|event| self.taken(event));
        batch
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    type Batch = Result<Vec<InboundEvent>, String>;

    fn read(inbox: &mut Inbox) -> Option<Option<Batch>> {
        inbox
            .next()
            .now_or_never()
            .map(|item| item.map(|item| item.map_err(|error| error.to_string())))
    }

    fn batch(packets: &[&Bytes]) -> Option<Option<Batch>> {
        Some(Some(Ok(packets
            .iter()
            .map(|payload| InboundEvent::fresh(Bytes::clone(payload)))
            .collect())))
    }

    #[test]
    fn packets_come_in_order_and_then_the_first_reason_for_the_end() {
        let (sender, mut inbox) = inbox();
        let [one, two] = [&b"one"[..], b"two"].map(Bytes::from_static);
        sender.put([one.clone()]);
        sender.put([two.clone()]);
        sender.fail(anyhow!("cause"));
        sender.fail(anyhow!("consequence"));
        assert_eq!(read(&mut inbox), batch(&[&one, &two]));
        assert_eq!(read(&mut inbox), Some(Some(Err("cause".to_owned()))));
        assert_eq!(read(&mut inbox), Some(None));
    }

    #[test]
    fn closed_connections_keep_their_order_and_are_bounded() {
        let (sender, mut inbox) = inbox();
        let name = ConnectionName::parse("lobbyd/a/00000000000000ff").unwrap();
        let packet = Bytes::from_static(b"packet");
        sender.put([packet.clone()]);
        sender.closed(vec![name.clone(); MOST_CLOSED + 9]);
        sender.put([packet.clone()]);
        let (mut events, mut batches) = (Vec::new(), 0);
        while let Some(Some(Ok(batch))) = read(&mut inbox) {
            batches += 1;
            events.extend(batch);
        }
        let mut expected = vec![InboundEvent::ConnectionClosed(name.clone()); MOST_CLOSED];
        expected.insert(0, InboundEvent::fresh(packet.clone()));
        expected.push(InboundEvent::fresh(packet));
        assert_eq!((events, batches), (expected, MOST_CLOSED.div_ceil(LARGEST_BATCH) + 1));
        sender.closed([name]);
        assert!(read(&mut inbox).is_some(), "there is room again");
    }

    #[test]
    fn a_link_that_we_closed_ends_without_an_error() {
        let (sender, mut inbox) = inbox();
        sender.finish();
        sender.fail(anyhow!("the server closed the connection"));
        assert!(inbox.check().is_ok());
        assert_eq!(read(&mut inbox), Some(None));
    }

    #[test]
    fn a_full_inbox_drops_and_counts_and_is_read_in_batches() {
        let (sender, mut inbox) = inbox();
        sender.put(vec![Bytes::from_static(b"x"); MOST_PACKETS + 5]);
        sender.lost(2);
        let (mut dropped, mut kept) = (0, 0);
        while let Some(Some(Ok(batch))) = read(&mut inbox) {
            assert!(!batch.is_empty() && batch.len() <= LARGEST_BATCH);
            for incoming in batch {
                match incoming {
                    InboundEvent::Dropped(packets) => dropped += packets,
                    _ => kept += 1,
                }
            }
        }
        assert_eq!((dropped, kept), (7, MOST_PACKETS));
    }

    #[test]
    fn huge_packets_fill_it_by_bytes_and_reading_makes_room() {
        let (sender, mut inbox) = inbox();
        let half = Bytes::from(vec![0; MOST_BYTES / 2]);
        sender.put(vec![half.clone(); 3]);
        let both = [InboundEvent::fresh(half.clone()), InboundEvent::fresh(half.clone())];
        assert_eq!(
            read(&mut inbox),
            Some(Some(Ok([&[InboundEvent::Dropped(1)][..], &both].concat())))
        );
        sender.put(vec![half.clone(); 2]);
        assert_eq!(read(&mut inbox), batch(&[&half, &half]));
        assert_eq!(read(&mut inbox), None);
    }
}
