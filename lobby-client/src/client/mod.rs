//! The HTTP client: one method for each route of the API.

mod builder;
mod connect;
mod decode;
mod events;
#[cfg(test)]
mod tests;
mod tls;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use actix_http::error::ParseError;
use actix_rt::time;
use awc::error::{ConnectError, PayloadError, SendRequestError};
use awc::http::Method;
use awc::http::header::CONTENT_TYPE;
use awc::{ClientRequest, SendClientRequest};
use bytes::Bytes;

use crate::attempts::race;
use crate::text::one_line;
use crate::{
    Discovery, Error, Filter, HostName, Label, LocalLabel, Query, RefusedHost, Selector, Status,
    TargetGroup, paths,
};

use connect::Endpoint;

pub use builder::{ClientBuilder, Protocol};
pub use events::Events;

/// Greatest size of an answer, in bytes once unpacked: several times what 100,000 servers of 20
/// labels need.
const MAX_ANSWER: usize = 256 << 20;

/// A connection to the HTTP API of one lobby daemon, ours or that of lobby 1.x.
///
/// Cheap to clone; clones share their open connections. It belongs to one thread and needs an actix
/// runtime (`#[actix_rt::main]`) or a tokio `LocalSet`. Only an answer with status 200 is success;
/// redirects are not followed, so that the token goes nowhere else.
///
/// Where the daemon's name has several addresses, a silent one does not keep the call from the
/// others: questions are asked at the next one too, soon after, and the first answer counts. A
/// change is sent once, to the address that was first to answer a question.
///
/// Any method fails with [`Error::Unreachable`], [`Error::Unauthorised`], [`Error::Refused`] or
/// [`Error::Malformed`]. What a foreign daemon lets pass but is no valid [`Label`] or [`HostName`]
/// is left out of an answer: one odd server must not make the whole list unusable.
#[derive(Clone)]
pub struct Client {
    http: awc::Client,
    endpoint: Endpoint,
    base_url: String,
    timeout: Duration,
}

impl Client {
    /// A client without token for the daemon at a URL, such as `http://127.0.0.1:1313`.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the URL cannot be used.
    pub fn new(base_url: &str) -> Result<Self, Error> {
        Self::builder(base_url).build()
    }

    /// Makes a client with a token, a time-out or a certificate authority of its own.
    pub fn builder(base_url: &str) -> ClientBuilder {
        ClientBuilder::new(base_url)
    }

    /// What the daemon says about its own server.
    ///
    /// # Errors
    /// See [`Client`]; an invalid host name is [`Error::Malformed`], as nothing is left without it.
    pub async fn discovery(&self) -> Result<Discovery, Error> {
        self.get(paths::DISCOVERY, decode::discovery).await
    }

    /// All servers that the daemon knows, or those of them that a filter chooses.
    ///
    /// # Errors
    /// See [`Client`]; [`Error::Invalid`] if the filter cannot be sent: it holds nothing, an empty
    /// text or one with a comma.
    pub async fn discoveries(&self, filter: &Filter) -> Result<Vec<Discovery>, Error> {
        self.servers(&paths::discoveries(filter)?, filter).await
    }

    /// As [`Client::discoveries`], once the daemon must have heard every server: one that was just
    /// started does not show half of them. lobby 1.x cannot tell and answers at once.
    ///
    /// # Errors
    /// As [`Client::discoveries`]; [`Error::Refused`] if the daemon will not have heard every
    /// server soon.
    pub async fn warm_discoveries(&self, filter: &Filter) -> Result<Vec<Discovery>, Error> {
        self.servers(&paths::warm_discoveries(filter)?, filter).await
    }

    async fn servers(&self, path: &str, filter: &Filter) -> Result<Vec<Discovery>, Error> {
        let mut servers = self.get(path, decode::discoveries).await?;
        if let Filter::Selector(selector) = filter {
            // A daemon that knows no selectors gives everybody.
            servers.retain(|server| selector.matches(server));
        }
        Ok(servers)
    }

    /// The names of the servers that have exactly this label.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn resolve(&self, label: &str) -> Result<Vec<HostName>, Error> {
        self.get(&paths::resolve(label), decode::host_names).await
    }

    /// The names of the servers that a selector chooses.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn names(&self, selector: &Selector) -> Result<Vec<HostName>, Error> {
        let servers = self.discoveries(&Filter::Selector(selector.clone())).await?;
        Ok(servers.into_iter().map(|server| server.hostname).collect())
    }

    /// The Prometheus targets of a group, as its `prometheus:NAME…` labels describe them.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn prometheus(&self, name: &str) -> Result<Vec<TargetGroup>, Error> {
        self.get(&paths::prometheus(name), decode::target_groups).await
    }

    /// As [`Client::prometheus`], each target also with the labels for relabelling that
    /// [`TargetGroup::meta_labels`] tells of; lobby 1.x gives none.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn prometheus_with_meta(&self, name: &str) -> Result<Vec<TargetGroup>, Error> {
        self.get(&paths::prometheus_with_meta(name), decode::target_groups).await
    }

    /// The names of the Prometheus groups that there are; lobby 1.x cannot tell.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn prometheus_groups(&self) -> Result<Vec<String>, Error> {
        self.get(paths::PROMETHEUS, decode::group_names).await
    }

    /// How the daemon is doing; lobby 1.x cannot tell.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn status(&self) -> Result<Status, Error> {
        self.get(paths::STATUS, decode::status).await
    }

    /// The servers whose packets the daemon refused lately; lobby 1.x cannot tell.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn refusals(&self) -> Result<Vec<RefusedHost>, Error> {
        self.get(paths::REFUSALS, decode::refusals).await
    }

    /// Checks that the daemon works, which needs no token; lobby 1.x cannot tell.
    ///
    /// # Errors
    /// See [`Client`]; [`Error::Refused`] with the reason if it does not.
    pub async fn ping(&self) -> Result<(), Error> {
        self.get(paths::HEALTH, |_| Ok(())).await
    }

    /// The answer to a question as the daemon gave it, fields included that this library knows
    /// nothing of: one line of JSON.
    ///
    /// # Errors
    /// See [`Client`]; [`Error::Invalid`] if the question cannot be sent, [`Error::Malformed`] if
    /// the answer is not JSON.
    pub async fn json(&self, query: &Query) -> Result<String, Error> {
        let read = |body: &[u8]| match query {
            Query::Discoveries(Filter::Selector(selector)) => decode::chosen_json(body, selector),
            Query::Names(selector) => decode::chosen_names(body, selector),
            _ => decode::json_line(body),
        };
        self.get(&query.path()?, read).await
    }

    /// The labels of the daemon's own server, each with where it comes from; neither lobby 1.x nor
    /// lobby before leases can tell.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn labels(&self) -> Result<Vec<LocalLabel>, Error> {
        self.get(paths::LABELS, decode::local_labels).await
    }

    /// Adds run-time labels to the daemon's own server.
    ///
    /// # Errors
    /// See [`Client`]; after any of them but [`Error::Unreachable`], nothing was added.
    pub async fn add_labels(&self, labels: &[Label]) -> Result<(), Error> {
        self.send_labels(Method::POST, paths::LABELS, labels).await
    }

    /// Adds labels to the daemon's own server that end after this time, unless they are added again
    /// before. It is sent in whole seconds, rounded up: from a second to a year.
    ///
    /// A daemon that cannot tell its [`labels`](Self::labels) knows no such time and would keep
    /// them for good.
    ///
    /// # Errors
    /// See [`Client`]; after any of them but [`Error::Unreachable`], nothing was added.
    pub async fn add_labels_for(&self, labels: &[Label], ttl: Duration) -> Result<(), Error> {
        self.send_labels(Method::POST, &paths::labels_for(ttl), labels).await
    }

    /// Removes run-time labels from the daemon's own server, those that would end by themselves
    /// included. Labels from elsewhere stay; that is no error.
    ///
    /// # Errors
    /// See [`Client`]; after any of them but [`Error::Unreachable`], nothing was removed, unless the
    /// daemon says that some labels may have been.
    pub async fn delete_labels(&self, labels: &[Label]) -> Result<(), Error> {
        self.send_labels(Method::DELETE, paths::LABELS, labels).await
    }

    async fn get<T>(
        &self,
        path: &str,
        read: impl FnOnce(&[u8]) -> Result<T, String>,
    ) -> Result<T, Error> {
        let url = format!("{}{path}", self.base_url);
        let body = self.in_time(&url, async { self.ask(&url).await?.1 }).await?;
        read(&body).map_err(|cause| {
            if decode::stops_short(&body) { cut_off(&url, None) } else { malformed(&url, &cause) }
        })
    }

    async fn send_labels(&self, method: Method, path: &str, labels: &[Label]) -> Result<(), Error> {
        let url = format!("{}{path}", self.base_url);
        // No newline at the end: lobby 1.x would store a blank label.
        let lines = labels.iter().map(Label::as_str).collect::<Vec<_>>().join("\n");
        let change = async {
            let request = self.request(method, &url, self.first_to_answer(&url).await?);
            let request = request.insert_header((CONTENT_TYPE, "text/plain; charset=utf-8"));
            self.exchange(&url, request.send_body(lines)).await
        };
        self.in_time(&url, change).await.map(drop)
    }

    fn request(&self, method: Method, url: &str, address: SocketAddr) -> ClientRequest {
        self.http.request(method, url).address(address)
    }

    /// The address for a change at a URL: the only one, or the first that answers a question.
    async fn first_to_answer(&self, url: &str) -> Result<SocketAddr, Error> {
        match self.addresses(url).await?.as_slice() {
            [only] => Ok(*only),
            _ => {
                let question = format!("{}{}", self.base_url, paths::DISCOVERY);
                self.ask(&question).await.map(|(address, _)| address)
            }
        }
    }

    /// Asks at every address of the daemon, until one answers. A refusal is an answer.
    async fn ask(&self, url: &str) -> Result<(SocketAddr, Result<Bytes, Error>), Error> {
        let answer = race(self.addresses(url).await?, self.timeout, async |address| {
            let request = self.request(Method::GET, url, address);
            match self.exchange(url, request.send()).await {
                Err(error @ Error::Unreachable { .. }) => Err((address, error)),
                answer => Ok((address, answer)),
            }
        });
        answer.await.map_err(|failures| connect::all_failed(url, &failures))
    }

    async fn addresses(&self, url: &str) -> Result<Vec<SocketAddr>, Error> {
        self.endpoint.addresses().await.map_err(|cause| unreachable(url, &cause))
    }

    /// Limits a whole call to the time-out.
    async fn in_time<T>(
        &self,
        url: &str,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        time::timeout(self.timeout, call).await.unwrap_or_else(|_| Err(self.too_late(url)))
    }

    /// Sends a request and reads the whole answer.
    async fn exchange(&self, url: &str, sent: SendClientRequest) -> Result<Bytes, Error> {
        let mut response =
            sent.await.map_err(|error| self.not_sent(url, error))?.timeout(self.timeout);
        let body =
            response.body().limit(MAX_ANSWER).await.map_err(|error| not_read(url, &error))?;
        if decode::is_shorter_than_told(response.headers(), &body) {
            return Err(cut_off(url, None));
        }
        decode::check(url, response.status(), response.headers(), body)
    }

    fn too_late(&self, url: &str) -> Error {
        unreachable(url, &format!("no answer within {:?}", self.timeout))
    }

    fn not_sent(&self, url: &str, error: SendRequestError) -> Error {
        match error {
            SendRequestError::Url(error) => {
                Error::Invalid(format!("cannot ask for {url}: {error}"))
            }
            SendRequestError::Http(error) => {
                Error::Invalid(format!("cannot ask for {url}: {error}"))
            }
            SendRequestError::Response(ParseError::Incomplete) => cut_off(url, None),
            SendRequestError::Response(ParseError::Io(error)) => cut_off(url, Some(&error)),
            SendRequestError::Response(error) => malformed(url, &format!("not HTTP: {error}")),
            SendRequestError::Connect(ConnectError::Timeout) => self.too_late(url),
            SendRequestError::Connect(error) => unreachable(url, &connect::explained(&error)),
            error => unreachable(url, &error.to_string()),
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("base_url", &self.base_url)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

fn unreachable(url: &str, cause: &str) -> Error {
    Error::Unreachable { url: url.to_owned(), cause: one_line(cause) }
}

fn malformed(url: &str, cause: &str) -> Error {
    Error::Malformed { url: url.to_owned(), cause: one_line(cause) }
}

/// The daemon ended, or what is between it and here, in the middle of the answer.
fn cut_off(url: &str, cause: Option<&io::Error>) -> Error {
    let cause = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
    unreachable(url, &format!("the connection ended before the whole answer was there{cause}"))
}

fn not_read(url: &str, error: &PayloadError) -> Error {
    match error {
        PayloadError::Overflow => {
            malformed(url, &format!("it is longer than {} MiB", MAX_ANSWER >> 20))
        }
        PayloadError::Incomplete(error) => cut_off(url, error.as_ref()),
        PayloadError::Io(error) => cut_off(url, Some(error)),
        error => malformed(url, &error.to_string()),
    }
}
