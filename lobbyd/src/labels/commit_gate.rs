use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

const WAITING: u8 = 0;
const COMMITTING: u8 = 1;
const DONE: u8 = 2;
const GIVEN_UP: u8 = 3;

/// The gate that a change passes on its way to the disk. It settles who was first: the thread that
/// stores the change, or the one who asked for it and has waited long enough. What was given up is
/// never stored.
#[derive(Debug, Clone, Default)]
pub struct CommitGate(Arc<AtomicU8>);

impl CommitGate {
    /// Begins to put the change in place. Returns false if it was given up: then nothing may
    /// change.
    pub fn begin(&self) -> bool {
        self.pass(WAITING, COMMITTING)
    }

    /// Makes the change stand. Returns false if it was given up meanwhile: then it must be taken
    /// back.
    pub fn complete(&self) -> bool {
        self.pass(COMMITTING, DONE)
    }

    /// Gives the change up before anything has changed. Returns false if it is too late for that.
    pub fn give_up(&self) -> bool {
        self.pass(WAITING, GIVEN_UP)
    }

    /// Gives the change up while it is put in place. Returns false if it stands.
    pub fn take_back(&self) -> bool {
        self.pass(COMMITTING, GIVEN_UP)
    }

    /// Whether the change was given up.
    pub fn is_given_up(&self) -> bool {
        self.0.load(Ordering::Acquire) == GIVEN_UP
    }

    fn pass(&self, from: u8, to: u8) -> bool {
        self.0.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_given_up_before_it_begins_never_begins() {
        let gate = CommitGate::default();
        assert!(gate.give_up() && gate.is_given_up());
        assert!(!gate.begin());
    }

    #[test]
    fn a_change_that_has_begun_can_only_be_taken_back() {
        let gate = CommitGate::default();
        assert!(gate.begin() && !gate.give_up());
        assert!(gate.take_back() && gate.is_given_up());
        assert!(!gate.complete());
    }

    #[test]
    fn a_change_that_stands_cannot_be_given_up() {
        let gate = CommitGate::default();
        assert!(gate.begin() && gate.complete());
        assert!(!gate.give_up() && !gate.take_back() && !gate.is_given_up());
    }
}
