//! Stop: how far a program is on the way to its end, and what waits on that way.

use std::pin::Pin;

use rustix::process::Signal;

/// How far the stop is.
pub(super) enum Stop {
    /// Nobody has asked for it.
    NotYet,
    /// The labels are to go first.
    Waiting(Waiting),
    /// The program was told, or there is none.
    Told,
}

/// A stop that waits for the labels to go.
pub(super) struct Waiting {
    /// What the program is told then, in order.
    signals: Vec<Signal>,
    /// Is over when they have gone, or have taken too long.
    over: Pin<Box<dyn Future<Output = bool>>>,
}

impl Stop {
    /// A stop that begins with this signal.
    pub(super) fn with(signal: Signal, over: impl Future<Output = bool> + 'static) -> Self {
        Self::Waiting(Waiting { signals: vec![signal], over: Box::pin(over) })
    }

    /// Waits until the program may be told.
    pub(super) async fn is_due(&mut self) {
        match self {
            Self::Waiting(waiting) => drop(waiting.over.as_mut().await),
            Self::NotYet | Self::Told => std::future::pending().await,
        }
    }

    /// The program is told from now on. Returns what it is told.
    pub(super) fn tell(&mut self) -> Vec<Signal> {
        match std::mem::replace(self, Self::Told) {
            Self::Waiting(waiting) => waiting.signals,
            Self::NotYet | Self::Told => Vec::new(),
        }
    }
}

impl Waiting {
    /// Keeps a signal back, too.
    pub(super) fn hold(&mut self, signal: Signal) {
        if !self.signals.contains(&signal) {
            self.signals.push(signal);
        }
    }
}
