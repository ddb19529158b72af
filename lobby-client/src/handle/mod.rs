//! A handle on a client: for every runtime, and for code without one.

mod blocking;
mod worker;

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::stream::Stream;
use tokio::sync::{mpsc, oneshot};

use crate::{
    Client, ClientBuilder, Discovery, Error, Event, Filter, HostName, Label, LocalLabel, Query,
    RefusedHost, Selector, Status, TargetGroup,
};

pub use blocking::{BlockingEvents, BlockingHandle};
use worker::Worker;

/// Most events that wait for their reader. What comes then waits at the daemon.
const MAX_EVENTS: usize = 64;

/// A [`Client`] that works everywhere: on any thread, in any asynchronous runtime, and without one
/// through [`Handle::blocking`]. The client itself lives on a thread of its own, which ends with
/// the last handle and the last feed.
///
/// Cheap to clone. Its calls are those of [`Client`], and fail as they do. A call that is dropped
/// is given up.
#[derive(Debug, Clone)]
pub struct Handle {
    worker: Worker,
}

impl Handle {
    /// A handle without token for the daemon at a URL, such as `http://127.0.0.1:1313`.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the URL cannot be used, or no thread can be made.
    pub fn new(base_url: &str) -> Result<Self, Error> {
        Self::start(Client::builder(base_url))
    }

    /// A handle on the client that a builder describes.
    ///
    /// # Errors
    /// As [`ClientBuilder::build`]; [`Error::Invalid`] also if no thread can be made.
    pub fn start(builder: ClientBuilder) -> Result<Self, Error> {
        Ok(Self { worker: Worker::start(builder)? })
    }

    /// The same calls for code that waits for them on its thread.
    pub fn blocking(&self) -> BlockingHandle {
        BlockingHandle::new(self.clone())
    }

    /// As [`Client::discovery`].
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn discovery(&self) -> Result<Discovery, Error> {
        self.call(async |client| client.discovery().await).await
    }

    /// As [`Client::discoveries`].
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn discoveries(&self, filter: &Filter) -> Result<Vec<Discovery>, Error> {
        let filter = filter.clone();
        self.call(async move |client| client.discoveries(&filter).await).await
    }

    /// As [`Client::warm_discoveries`].
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn warm_discoveries(&self, filter: &Filter) -> Result<Vec<Discovery>, Error> {
        let filter = filter.clone();
        self.call(async move |client| client.warm_discoveries(&filter).await).await
    }

    /// As [`Client::resolve`].
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn resolve(&self, label: &str) -> Result<Vec<HostName>, Error> {
        let label = label.to_owned();
        self.call(async move |client| client.resolve(&label).await).await
    }

    /// As [`Client::names`].
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn names(&self, selector: &Selector) -> Result<Vec<HostName>, Error> {
        let selector = selector.clone();
        self.call(async move |client| client.names(&selector).await).await
    }

    /// As [`Client::prometheus`].
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn prometheus(&self, name: &str) -> Result<Vec<TargetGroup>, Error> {
        let name = name.to_owned();
        self.call(async move |client| client.prometheus(&name).await).await
    }

    /// As [`Client::prometheus_with_meta`].
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn prometheus_with_meta(&self, name: &str) -> Result<Vec<TargetGroup>, Error> {
        let name = name.to_owned();
        self.call(async move |client| client.prometheus_with_meta(&name).await).await
    }

    /// As [`Client::prometheus_groups`].
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn prometheus_groups(&self) -> Result<Vec<String>, Error> {
        self.call(async |client| client.prometheus_groups().await).await
    }

    /// As [`Client::status`].
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn status(&self) -> Result<Status, Error> {
        self.call(async |client| client.status().await).await
    }

    /// As [`Client::refusals`].
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn refusals(&self) -> Result<Vec<RefusedHost>, Error> {
        self.call(async |client| client.refusals().await).await
    }

    /// As [`Client::ping`].
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn ping(&self) -> Result<(), Error> {
        self.call(async |client| client.ping().await).await
    }

    /// As [`Client::json`].
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn json(&self, query: &Query) -> Result<String, Error> {
        let query = query.clone();
        self.call(async move |client| client.json(&query).await).await
    }

    /// As [`Client::labels`].
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn labels(&self) -> Result<Vec<LocalLabel>, Error> {
        self.call(async |client| client.labels().await).await
    }

    /// As [`Client::add_labels`].
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn add_labels(&self, labels: &[Label]) -> Result<(), Error> {
        let labels = labels.to_vec();
        self.call(async move |client| client.add_labels(&labels).await).await
    }

    /// As [`Client::add_labels_for`].
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn add_labels_for(&self, labels: &[Label], ttl: Duration) -> Result<(), Error> {
        let labels = labels.to_vec();
        self.call(async move |client| client.add_labels_for(&labels, ttl).await).await
    }

    /// As [`Client::delete_labels`].
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn delete_labels(&self, labels: &[Label]) -> Result<(), Error> {
        let labels = labels.to_vec();
        self.call(async move |client| client.delete_labels(&labels).await).await
    }

    /// As [`Client::events`].
    pub fn events(&self, selector: Option<&Selector>) -> EventReceiver {
        let (sender, events) = mpsc::channel(MAX_EVENTS);
        let selector = selector.cloned();
        self.worker.spawn(async move |client: Client| {
            let mut events = client.events(selector.as_ref());
            loop {
                let event = tokio::select! {
                    () = sender.closed() => return,
                    event = events.next() => event,
                };
                let Some(event) = event else { return };
                if sender.send(event).await.is_err() {
                    return;
                }
            }
        });
        EventReceiver { events, _worker: self.worker.clone() }
    }

    /// Does something with the client on its thread: any call that has no method here.
    ///
    /// # Errors
    /// Those of the call.
    pub async fn call<T: Send + 'static>(
        &self,
        ask: impl AsyncFnOnce(Client) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (mut answer, answered) = oneshot::channel();
        self.worker.spawn(async move |client| {
            let asked = ask(client);
            tokio::select! {
                () = answer.closed() => {}
                result = asked => drop(answer.send(result)),
            }
        });
        let gone = |_| Error::Invalid("the client's thread has ended".to_owned());
        answered.await.map_err(gone)?
    }
}

/// The events of a daemon, made by [`Handle::events`]; a stream of them.
#[derive(Debug)]
pub struct EventReceiver {
    events: mpsc::Receiver<Result<Event, Error>>,
    /// The thread lives as long as somebody reads.
    _worker: Worker,
}

impl EventReceiver {
    /// Waits for the next event. After an error there are no more.
    ///
    /// # Errors
    /// As [`Events::next`](crate::Events::next).
    pub async fn next(&mut self) -> Option<Result<Event, Error>> {
        self.events.recv().await
    }
}

impl Stream for EventReceiver {
    type Item = Result<Event, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.events.poll_recv(context)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    /// The names of the calls that are made in a text of Rust, behind these words.
    fn calls<'a>(source: &'a str, words: &str) -> BTreeSet<&'a str> {
        let methods = source.split(words).skip(1);
        methods.filter_map(|method| Some(method.split_once("(&self")?.0)).collect()
    }

    #[test]
    fn every_call_of_a_client_is_one_of_both_handles_and_told() {
        let client = calls(include_str!("../client/mod.rs"), "    pub async fn ");
        assert!(client.len() > 10, "{client:?}");
        let of_handle = calls(include_str!("mod.rs"), "    pub async fn ");
        let of_blocking = calls(include_str!("blocking.rs"), "    pub fn ");
        for call in client {
            assert!(of_handle.contains(call), "{call} is not a call of a handle");
            assert!(of_blocking.contains(call), "{call} is not a call that blocks");
            let told = format!("`{call}(");
            assert!(include_str!("../../README.md").contains(&told), "{call} is not in the README");
        }
    }
}
