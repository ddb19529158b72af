use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use super::{EventReceiver, Handle};
use crate::{
    Discovery, Error, Event, Filter, HostName, Label, LocalLabel, Query, RefusedHost, Selector,
    Status, TargetGroup,
};

/// A [`Handle`] whose calls wait on the thread that makes them, made by [`Handle::blocking`]. Not
/// for use within an asynchronous task, whose other work would wait as well.
#[derive(Debug, Clone)]
pub struct BlockingHandle {
    handle: Handle,
}

impl BlockingHandle {
    pub(super) fn new(handle: Handle) -> Self {
        Self { handle }
    }

    /// As [`Client::discovery`](crate::Client::discovery).
    ///
    /// # Errors
    /// See [`Client`](crate::Client).
    pub fn discovery(&self) -> Result<Discovery, Error> {
        wait(self.handle.discovery())
    }

    /// As [`Client::discoveries`](crate::Client::discoveries).
    ///
    /// # Errors
    /// See [`Client`](crate::Client).
    pub fn discoveries(&self, filter: &Filter) -> Result<Vec<Discovery>, Error> {
        wait(self.handle.discoveries(filter))
    }

    /// As [`Client::warm_discoveries`](crate::Client::warm_discoveries).
    ///
    /// # Errors
    /// See [`Client`](crate::Client).
    pub fn warm_discoveries(&self, filter: &Filter) -> Result<Vec<Discovery>, Error> {
        wait(self.handle.warm_discoveries(filter))
    }

    /// As [`Client::resolve`](crate::Client::resolve).
    ///
    /// # Errors
    /// See [`Client`](crate::Client).
    pub fn resolve(&self, label: &str) -> Result<Vec<HostName>, Error> {
        wait(self.handle.resolve(label))
    }

    /// As [`Client::names`](crate::Client::names).
    ///
    /// # Errors
    /// See [`Client`](crate::Client).
    pub fn names(&self, selector: &Selector) -> Result<Vec<HostName>, Error> {
        wait(self.handle.names(selector))
    }

    /// As [`Client::prometheus`](crate::Client::prometheus).
    ///
    /// # Errors
    /// See [`Client`](crate::Client).
    pub fn prometheus(&self, name: &str) -> Result<Vec<TargetGroup>, Error> {
        wait(self.handle.prometheus(name))
    }

    /// As [`Client::prometheus_with_meta`](crate::Client::prometheus_with_meta).
    ///
    /// # Errors
    /// See [`Client`](crate::Client).
    pub fn prometheus_with_meta(&self, name: &str) -> Result<Vec<TargetGroup>, Error> {
        wait(self.handle.prometheus_with_meta(name))
    }

    /// As [`Client::prometheus_groups`](crate::Client::prometheus_groups).
    ///
    /// # Errors
    /// See [`Client`](crate::Client).
    pub fn prometheus_groups(&self) -> Result<Vec<String>, Error> {
        wait(self.handle.prometheus_groups())
    }

    /// As [`Client::status`](crate::Client::status).
    ///
    /// # Errors
    /// See [`Client`](crate::Client).
    pub fn status(&self) -> Result<Status, Error> {
        wait(self.handle.status())
    }

    /// As [`Client::refusals`](crate::Client::refusals).
    ///
    /// # Errors
    /// See [`Client`](crate::Client).
    pub fn refusals(&self) -> Result<Vec<RefusedHost>, Error> {
        wait(self.handle.refusals())
    }

    /// As [`Client::ping`](crate::Client::ping).
    ///
    /// # Errors
    /// See [`Client`](crate::Client).
    pub fn ping(&self) -> Result<(), Error> {
        wait(self.handle.ping())
    }

    /// As [`Client::json`](crate::Client::json).
    ///
    /// # Errors
    /// See [`Client`](crate::Client).
    pub fn json(&self, query: &Query) -> Result<String, Error> {
        wait(self.handle.json(query))
    }

    /// As [`Client::labels`](crate::Client::labels).
    ///
    /// # Errors
    /// See [`Client`](crate::Client).
    pub fn labels(&self) -> Result<Vec<LocalLabel>, Error> {
        wait(self.handle.labels())
    }

    /// As [`Client::add_labels`](crate::Client::add_labels).
    ///
    /// # Errors
    /// See [`Client`](crate::Client).
    pub fn add_labels(&self, labels: &[Label]) -> Result<(), Error> {
        wait(self.handle.add_labels(labels))
    }

    /// As [`Client::add_labels_for`](crate::Client::add_labels_for).
    ///
    /// # Errors
    /// See [`Client`](crate::Client).
    pub fn add_labels_for(&self, labels: &[Label], ttl: Duration) -> Result<(), Error> {
        wait(self.handle.add_labels_for(labels, ttl))
    }

    /// As [`Client::delete_labels`](crate::Client::delete_labels).
    ///
    /// # Errors
    /// See [`Client`](crate::Client).
    pub fn delete_labels(&self, labels: &[Label]) -> Result<(), Error> {
        wait(self.handle.delete_labels(labels))
    }

    /// As [`Client::events`](crate::Client::events), as an iterator that waits for each event.
    pub fn events(&self, selector: Option<&Selector>) -> BlockingEvents {
        BlockingEvents(self.handle.events(selector))
    }
}

/// The events of a daemon, made by [`BlockingHandle::events`].
#[derive(Debug)]
pub struct BlockingEvents(EventReceiver);

impl Iterator for BlockingEvents {
    type Item = Result<Event, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        wait(self.0.next())
    }
}

/// Wakes a thread that waits.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits on this thread until a future is done.
fn wait<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let (mut future, mut context) = (std::pin::pin!(future), Context::from_waker(&waker));
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}
