//! The agenda of label files: what to read and store next, once for all who ask for the same.

use std::collections::VecDeque;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::Shared;
use lobby_client::{Discovery, Label};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;
use tracing::warn;

use super::files::LabelsRead;
use super::pending::{ChangeOutcome, DISK_LIMIT, PendingChange};
use super::runtime_file::LabelChange;
use super::store::{LabelStore, StoreError};

/// Most changes that wait for the disk; further ones are refused.
const MAX_WAITING: usize = 64;

/// Most requests that wait for a reading; further ones are refused.
const MAX_READERS: usize = 4096;

/// This host's packet as the next reading gives it. When it is dropped, nothing of it is left.
#[derive(Debug)]
pub struct NextReading {
    reading: SharedReading,
    /// One of the places for those who wait; `None` if they are all taken, or waiting is of no
    /// use.
    place: Option<OwnedSemaphorePermit>,
}

type SharedReading = Shared<oneshot::Receiver<Packet>>;

/// `None` while the host has no valid name.
type Packet = Option<Arc<Discovery>>;

/// The disk with the label files takes too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the disk with the label files does not answer: try again")]
pub struct NoAnswer;

impl NextReading {
    /// Waits for the reading.
    ///
    /// # Errors
    /// After [`DISK_LIMIT`]; at once if the disk is known not to answer, or if too many wait
    /// already.
    pub async fn packet(self) -> Result<Packet, NoAnswer> {
        let _place = self.place.ok_or(NoAnswer)?;
        timeout(DISK_LIMIT, self.reading).await.ok().and_then(Result::ok).ok_or(NoAnswer)
    }
}

/// How much a reading must do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Read {
    /// Nobody wants one.
    #[default]
    No,
    /// Only if a file looks different.
    IfChanged,
    /// Everything.
    Always,
}

/// What to do with the label files next.
#[derive(Debug)]
pub struct Agenda {
    read: Read,
    publish: bool,
    readers: Option<(oneshot::Sender<Packet>, SharedReading)>,
    places: Arc<Semaphore>,
    changes: VecDeque<PendingChange<LabelChange>>,
    refused: u64,
}

impl Default for Agenda {
    fn default() -> Self {
        Self {
            read: Read::No,
            publish: false,
            readers: None,
            places: Arc::new(Semaphore::new(MAX_READERS)),
            changes: VecDeque::new(),
            refused: 0,
        }
    }
}

impl Agenda {
    /// Asks for a reading if a file looks different.
    pub fn read_if_changed(&mut self) {
        self.read = self.read.max(Read::IfChanged);
    }

    /// Asks for a reading of everything.
    pub fn read(&mut self) {
        self.read = Read::Always;
    }

    /// Asks for a reading that is published even if it shows nothing new.
    pub fn publish(&mut self) {
        self.read();
        self.publish = true;
    }

    /// Asks for a reading that has not begun yet, and returns it. `is_late` says that the disk is
    /// known not to answer.
    pub fn next_reading(&mut self, is_late: bool) -> NextReading {
        self.read();
        let (_, reading) = self.readers.get_or_insert_with(|| {
            let (sender, receiver) = oneshot::channel();
            (sender, receiver.shared())
        });
        let place = if is_late { None } else { Arc::clone(&self.places).try_acquire_owned().ok() };
        NextReading { reading: reading.clone(), place }
    }

    /// Puts a change behind those that wait already.
    ///
    /// # Errors
    /// When there are too many of them.
    pub fn add(&mut self, change: LabelChange) -> Result<ChangeOutcome, StoreError> {
        self.changes.retain(|change| !change.gate().is_given_up());
        if self.changes.len() >= MAX_WAITING {
            self.refuse();
            return Err(StoreError::TooMany);
        }
        let (pending, outcome) = PendingChange::new(change);
        self.changes.push_back(pending);
        Ok(outcome)
    }

    fn refuse(&mut self) {
        self.refused += 1;
        if self.refused == 1 {
            warn!(target: "lobby::labels", waiting = MAX_WAITING, "too many changes of labels wait for the disk, refusing more");
        }
    }

    /// Takes the next piece of work off the agenda, if there is any. A change brings a reading with
    /// it, which serves all who wait.
    pub fn next(&mut self) -> Option<Work> {
        self.changes.retain(|change| !change.gate().is_given_up());
        let change = self.changes.pop_front();
        if change.is_none() {
            self.tell_refused();
        }
        let (read, publish) = (std::mem::take(&mut self.read), std::mem::take(&mut self.publish));
        let readers = self.readers.take().map(|(sender, _)| sender);
        (change.is_some() || read != Read::No).then_some(Work { change, read, publish, readers })
    }

    fn tell_refused(&mut self) {
        let refused = std::mem::take(&mut self.refused);
        if refused > 0 {
            warn!(target: "lobby::labels", refused, "changes of labels were refused while too many waited for the disk");
        }
    }
}

/// A piece of work on the label files.
#[derive(Debug)]
pub struct Work {
    change: Option<PendingChange<LabelChange>>,
    read: Read,
    publish: bool,
    readers: Option<oneshot::Sender<Packet>>,
}

/// A piece of work that is done.
#[derive(Debug)]
pub struct WorkDone {
    /// What was read; `None` if no file looked different.
    pub reading: Option<LabelsRead>,
    /// Whether the packet is to be published even if it is not another.
    pub publish: bool,
    readers: Option<oneshot::Sender<Packet>>,
    stored: Option<(PendingChange<LabelChange>, Result<(), StoreError>)>,
}

impl Work {
    /// The labels that it adds.
    pub fn adds(&self) -> &[Label] {
        match self.change.as_ref().map(PendingChange::change) {
            Some(LabelChange::Add(labels)) => labels,
            _ => &[],
        }
    }

    /// Does the work. This blocks.
    pub fn run(self, store: &mut LabelStore) -> WorkDone {
        let Self { change, read, publish, readers } = self;
        let (reading, stored) = match change {
            Some(pending) => {
                let (reading, stored) = store.change(pending.change(), pending.gate());
                (Some(reading), Some((pending, stored)))
            }
            None if read == Read::IfChanged => (store.read_if_changed(), None),
            None => (Some(store.read()), None),
        };
        WorkDone { reading, publish, readers, stored }
    }
}

impl WorkDone {
    /// Answers all who wait for this work. `packet` is the host's, with the reading taken in.
    pub fn answer(self, packet: Packet) {
        if let Some(readers) = self.readers {
            // All of them may have given up.
            readers.send(packet).ok();
        }
        if let Some((change, stored)) = self.stored {
            change.answer(stored);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adding(label: &str) -> LabelChange {
        LabelChange::Add(vec![Label::parse(label).unwrap()])
    }

    #[test]
    fn one_reading_serves_all_who_ask_before_it_begins() {
        let mut agenda = Agenda::default();
        let early = [agenda.next_reading(false), agenda.next_reading(false)];
        agenda.read_if_changed();
        let work = agenda.next().unwrap();
        assert_eq!(work.read, Read::Always);
        assert!(agenda.next().is_none());
        let late = agenda.next_reading(false);
        work.readers.unwrap().send(None).unwrap();
        assert!(early.into_iter().all(|next| next.reading.now_or_never() == Some(Ok(None))));
        assert_eq!(late.reading.now_or_never(), None);
    }

    #[test]
    fn a_change_serves_those_who_wait_for_a_reading() {
        let mut agenda = Agenda::default();
        let (_outcome, next) = (agenda.add(adding("a:1")).unwrap(), agenda.next_reading(false));
        let work = agenda.next().unwrap();
        assert!(work.change.is_some() && work.readers.is_some());
        assert!(agenda.next().is_none());
        drop(work);
        assert!(matches!(next.reading.now_or_never(), Some(Err(_))));
    }

    #[test]
    fn changes_come_in_order_and_given_up_ones_not_at_all() {
        let mut agenda = Agenda::default();
        let outcomes: Vec<_> =
            ["a:1", "b:2", "c:3"].map(|label| agenda.add(adding(label)).unwrap()).into();
        assert!(outcomes[1].gate().give_up());
        for label in ["a:1", "c:3"] {
            let work = agenda.next().unwrap();
            assert_eq!(work.change.unwrap().change(), &adding(label));
        }
        assert!(agenda.next().is_none());
    }

    #[test]
    fn changes_that_were_given_up_take_no_place() {
        let mut agenda = Agenda::default();
        let outcomes: Vec<_> =
            (0..MAX_WAITING).map(|_| agenda.add(adding("a:1")).unwrap()).collect();
        assert!(matches!(agenda.add(adding("b:2")), Err(StoreError::TooMany)));
        assert!(outcomes[7].gate().give_up());
        assert!(agenda.add(adding("b:2")).is_ok());
        assert!(matches!(agenda.add(adding("c:3")), Err(StoreError::TooMany)));
        assert_eq!(agenda.refused, 2);
    }

    #[test]
    fn a_reading_that_nobody_waits_for_any_more_is_still_made_once() {
        let mut agenda = Agenda::default();
        for _ in 0..100 {
            drop(agenda.next_reading(false));
        }
        assert!(agenda.next().unwrap().readers.unwrap().is_closed());
        assert!(agenda.next().is_none());
    }

    #[test]
    fn places_for_readers_are_bounded_and_come_back() {
        let mut agenda = Agenda::default();
        let waiting: Vec<_> = (0..MAX_READERS).map(|_| agenda.next_reading(false)).collect();
        assert!(waiting.iter().all(|next| next.place.is_some()));
        assert_eq!(agenda.next_reading(false).packet().now_or_never(), Some(Err(NoAnswer)));
        drop(waiting);
        assert!(agenda.next_reading(false).place.is_some());
        assert_eq!(agenda.next_reading(true).packet().now_or_never(), Some(Err(NoAnswer)));
    }
}
