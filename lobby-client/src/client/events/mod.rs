//! Events: the feed of a daemon, opened again whenever it is lost.

mod line;
mod lines;

use std::borrow::Cow;
use std::time::Duration;

use actix_rt::time;
use awc::http::Method;
use awc::http::header::{ACCEPT, CONTENT_TYPE};
use futures_util::stream::{self, Stream};

use super::{Client, MAX_ANSWER, decode, malformed, not_read, paths, unreachable};
use crate::{Error, Event, Selector};

use lines::Lines;

const JSON_LINES: &str = "application/x-ndjson";

/// How long a feed may be silent: two of the comments that a daemon sends each 15 seconds.
const SILENCE_LIMIT: Duration = Duration::from_secs(30);

/// The pause before a lost feed is opened again; it doubles up to the longest one.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// The events of a daemon, made by [`Client::events`].
#[must_use = "nothing is asked for before next is called"]
pub struct Events {
    client: Client,
    url: String,
    /// The id of the last event, from which the daemon goes on.
    last_id: Option<String>,
    /// What the last event came in.
    line: Vec<u8>,
    state: State,
    pause: Duration,
}

enum State {
    Closed,
    /// Closed, and to be opened again after a pause.
    Lost,
    Open(Lines),
    Ended,
}

impl Client {
    /// What changes among the servers that a selector matches, or among all of them, beginning
    /// with those that there are. A feed that is lost is opened again, and goes on where it was.
    pub fn events(&self, selector: Option<&Selector>) -> Events {
        let url = format!("{}{}", self.base_url, paths::events(selector));
        let client = self.clone();
        Events {
            client,
            url,
            last_id: None,
            line: Vec::new(),
            state: State::Closed,
            pause: SHORTEST_PAUSE,
        }
    }
}

impl Events {
    /// Waits for the next event. After an error there are no more.
    ///
    /// # Errors
    /// What trying again does not cure: see [`Client`]. Whatever else befalls the connection is
    /// [`Event::Lost`].
    pub async fn next(&mut self) -> Option<Result<Event, Error>> {
        loop {
            match &mut self.state {
                State::Ended => return None,
                State::Lost => {
                    time::sleep(self.pause.mul_f64(0.5 + fastrand::f64())).await;
                    self.pause = (self.pause * 2).min(LONGEST_PAUSE);
                    self.state = State::Closed;
                }
                State::Closed => match self.open().await {
                    Ok(lines) => self.state = State::Open(lines),
                    Err(error) => return Some(self.failed(error)),
                },
                State::Open(lines) => match lines.next(SILENCE_LIMIT).await {
                    Ok(line) => {
                        let event = self.read(&line);
                        self.line = line;
                        if event.is_some() {
                            return event;
                        }
                    }
                    Err(cause) => return Some(self.failed(unreachable(&self.url, &cause))),
                },
            }
        }
    }

    /// The JSON that the last event came in, one line, with fields that this library knows nothing
    /// of. [`Event::Lost`] came in none.
    pub fn json(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.line)
    }

    /// The events as a stream. It ends after the first error.
    pub fn into_stream(self) -> impl Stream<Item = Result<Event, Error>> {
        stream::unfold(self, async |mut events| Some((events.next().await?, events)))
    }

    async fn open(&self) -> Result<Lines, Error> {
        let Self { client, url, .. } = self;
        let address = client.in_time(url, client.first_to_answer(url)).await?;
        let request = client.request(Method::GET, url, address);
        let mut request = request.insert_header((ACCEPT, JSON_LINES));
        if let Some(id) = &self.last_id {
            request = request.insert_header(("last-event-id", id.as_str()));
        }
        let answer = time::timeout(client.timeout, request.send()).await;
        let mut answer = answer
            .map_err(|_| client.too_late(url))?
            .map_err(|error| client.not_sent(url, error))?;
        let is_feed = answer.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == JSON_LINES);
        if answer.status().is_success() && is_feed {
            return Ok(Lines::new(answer));
        }
        let body = time::timeout(client.timeout, answer.body().limit(MAX_ANSWER)).await;
        let body =
            body.map_err(|_| client.too_late(url))?.map_err(|error| not_read(url, &error))?;
        decode::check(url, answer.status(), answer.headers(), body)?;
        Err(malformed(url, "it is not a feed of events"))
    }

    fn read(&mut self, line: &[u8]) -> Option<Result<Event, Error>> {
        match line::event(line) {
            Ok((event, id)) => {
                self.pause = SHORTEST_PAUSE;
                self.last_id = id.or(self.last_id.take());
                event.map(Ok)
            }
            Err(cause) => {
                self.state = State::Ended;
                Some(Err(malformed(&self.url, &cause)))
            }
        }
    }

    /// Tries again if that may help.
    fn failed(&mut self, error: Error) -> Result<Event, Error> {
        let may_pass = match &error {
            Error::Unreachable { .. } => true,
            // The daemon, or a proxy before it, is not ready.
            Error::Refused { status, .. } => matches!(status, 408 | 429 | 500..),
            Error::Invalid(_) | Error::Unauthorised { .. } | Error::Malformed { .. } => false,
        };
        self.state = if may_pass { State::Lost } else { State::Ended };
        if may_pass { Ok(Event::Lost { cause: error.to_string() }) } else { Err(error) }
    }
}
