//! Requests that show which parameters an operation takes, and how it refuses.

use std::collections::BTreeSet;

use lobby_tests::{Answer, Lobbyd, http};
use tokio::io::AsyncWriteExt;

use super::file::Parameter;
use super::sources::plain;

/// Statuses of a daemon that is not well: hardly any request calls them forth.
pub(super) const NONE_CAN_CALL_FORTH: [u16; 2] = [500, 503];

/// The path of events.
const FEED: &str = "/v1/events";

/// What needs neither an actor nor a thread, and answers whatever state the daemon is in.
const ALWAYS_ANSWERED: [&str; 5] =
    ["/openapi.yaml", "/ui", "/ui/", "/ui/lobby.js", "/ui/lobby.css"];

/// What says that the daemon is not well in no other way.
const NOT_READY_ONLY: [&str; 3] = ["/healthz", "/readyz", "/v1/refusals"];

/// A query parameter that the source reads: with a good value the answer may be another one, with a
/// bad one it may be a refusal.
struct Query {
    name: &'static str,
    good: &'static [&'static str],
    bad: &'static str,
}

const fn query(name: &'static str, good: &'static [&'static str], bad: &'static str) -> Query {
    Query { name, good, bad }
}

/// No query parameter may have this value.
const BAD_ESCAPE: &str = "%zz";

const QUERY: [Query; 11] = [
    query("labels", &["service:web"], BAD_ESCAPE),
    query("prefixes", &["service:"], BAD_ESCAPE),
    query("label", &["service:web"], BAD_ESCAPE),
    query("selector", &["service", "nothing"], "("),
    query("wait", &["0"], "soon"),
    query("warm", &["1"], BAD_ESCAPE),
    query("pretty", &["1"], BAD_ESCAPE),
    query("meta", &["1"], BAD_ESCAPE),
    query("format", &["jsonl"], "xml"),
    query("since", &[KNOWN_EVENT], "5"),
    query("ttl", &["60s"], "0s"),
];

/// What stands for the id of the last event.
const KNOWN_EVENT: &str = "KNOWN";

/// The queries beside which a parameter is tried: some answers are empty without a label.
const BESIDE: [&str; 2] = ["", "label=service:web&"];

/// The headers that are described as parameters.
const IF_NONE_MATCH: &str = "If-None-Match";
const LAST_EVENT_ID: &str = "Last-Event-ID";

/// The headers that are not: OpenAPI leaves the first three to other parts of a description, and
/// no client sets the rest to choose an answer.
const OTHER_HEADERS: [&str; 8] = [
    "Accept",
    "Authorization",
    "Content-Type",
    "Accept-Encoding",
    "Content-Length",
    "Host",
    "Origin",
    "Sec-Fetch-Site",
];

/// The query parameters that are tried.
pub(super) fn query_parameters() -> BTreeSet<String> {
    QUERY.iter().map(|query| query.name.to_owned()).collect()
}

/// The headers that are tried or need not be, as [`plain`] writes them.
pub(super) fn headers() -> BTreeSet<String> {
    OTHER_HEADERS.into_iter().chain([IF_NONE_MATCH, LAST_EVENT_ID]).map(plain).collect()
}

/// An operation, and what was seen of it.
pub(super) struct Asked {
    method: String,
    path: String,
    pub parameters: BTreeSet<Parameter>,
    pub statuses: BTreeSet<u16>,
}

impl Asked {
    pub(super) fn new(method: &str, path: &str) -> Self {
        let (parameters, statuses) = (BTreeSet::new(), BTreeSet::new());
        let path = path.replace("{name}", "node");
        Self { method: method.to_owned(), path, parameters, statuses }
    }

    /// Whether the operation may answer with this status of a daemon that is not well.
    pub(super) fn may_be(&self, status: u16) -> bool {
        let path = &self.path.as_str();
        !ALWAYS_ANSWERED.contains(path) && (status == 503 || !NOT_READY_ONLY.contains(path))
    }

    /// Tries each parameter with good and bad values.
    pub(super) async fn try_parameters(&mut self, daemon: &Lobbyd) {
        let known = known_event(daemon).await;
        for Query { name, good, bad } in QUERY {
            let mut taken = self.is_refused(daemon, name, bad).await;
            for (value, beside) in good.iter().flat_map(|value| BESIDE.map(|text| (value, text))) {
                let with = format!("{beside}{name}={}", value.replace(KNOWN_EVENT, &known));
                taken |= self.differ(daemon, beside, (&with, &[])).await;
            }
            if taken {
                self.parameters.insert(("query".to_owned(), name.to_owned()));
            }
        }
        let tag = self.ask(daemon, "", &[]).await.tag.unwrap_or_else(|| "*".to_owned());
        for (name, good, bad) in
            [(IF_NONE_MATCH, &tag, "\"another\""), (LAST_EVENT_ID, &known, "what?")]
        {
            if self.differ(daemon, "", ("", &[(name, good)])).await {
                self.parameters.insert(("header".to_owned(), name.to_owned()));
            }
            self.ask(daemon, "", &[(name, bad)]).await;
        }
    }

    /// Whether this value is refused, and would not be in the same words as that of a parameter
    /// that nobody knows.
    async fn is_refused(&mut self, daemon: &Lobbyd, name: &str, value: &str) -> bool {
        let refused = self.ask(daemon, &format!("{name}={value}"), &[]).await;
        let unknown = self.ask(daemon, &format!("unknown={value}"), &[]).await;
        refused.status == 400 && refused.told.replace(name, "unknown") != unknown.told
    }

    /// Whether the answers to both queries differ, the second one with headers, and neither is
    /// refused.
    async fn differ(
        &mut self,
        daemon: &Lobbyd,
        plain: &str,
        (query, headers): (&str, &[(&str, &str)]),
    ) -> bool {
        // What is told of the daemon may change by itself meanwhile, but hardly each time.
        for _ in 0..3 {
            let (plain, with) =
                (self.ask(daemon, plain, &[]).await, self.ask(daemon, query, headers).await);
            let is_refused = plain.status == 400 || with.status == 400;
            if is_refused || (plain.status, &plain.told) == (with.status, &with.told) {
                return false;
            }
        }
        true
    }

    /// Sends what no operation takes.
    pub(super) async fn try_refusals(&mut self, daemon: &Lobbyd) {
        self.ask(daemon, "", &[("Host", "elsewhere.example")]).await;
        if !matches!(self.method.as_str(), "POST" | "DELETE") {
            return;
        }
        let json = [("Content-Type", "application/json")];
        for (headers, body) in [(&[][..], "a\tb"), (&[], &"x".repeat(65_537)), (&json, "[]")] {
            let answer = daemon.request(&self.method, &self.path, headers, body).await;
            self.statuses.insert(answer.status);
        }
        // That takes ten seconds.
        if !self.statuses.contains(&408) {
            self.statuses.insert(self.status_without_body(daemon).await);
        }
    }

    /// The status of a request whose body does not come.
    async fn status_without_body(&self, daemon: &Lobbyd) -> u16 {
        let mut stream = http::connect(daemon.address()).await;
        let (method, path) = (&self.method, &self.path);
        let head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n");
        stream.write_all(format!("{head}\r\n").as_bytes()).await.unwrap();
        let answer = String::from_utf8(http::rest(&mut stream).await).unwrap();
        answer.split(' ').nth(1).unwrap().parse().unwrap()
    }

    async fn ask(&mut self, daemon: &Lobbyd, query: &str, headers: &[(&str, &str)]) -> Seen {
        let path = format!("{}?{query}", self.path);
        let seen = match self.path.as_str() {
            FEED => Seen::of_feed(daemon, &path, headers).await,
            _ => {
                let body = if self.method == "GET" { "" } else { "x:1" };
                Seen::of(&daemon.request(&self.method, &path, headers, body).await)
            }
        };
        self.statuses.insert(seen.status);
        seen
    }
}

/// What is looked at of an answer.
struct Seen {
    status: u16,
    tag: Option<String>,
    /// The rest, without numbers: they may be times.
    told: String,
}

impl Seen {
    fn of(answer: &Answer) -> Self {
        let header = |name| answer.header(name).map(str::to_owned);
        let told = format!("{:?} {}", header("content-type"), answer.text());
        let told = told.split(|c: char| c.is_ascii_digit()).filter(|text| !text.is_empty());
        Self { status: answer.status, tag: header("etag"), told: told.collect() }
    }

    /// The answer that goes on for ever: its first event.
    async fn of_feed(daemon: &Lobbyd, path: &str, headers: &[(&str, &str)]) -> Self {
        let (status, _stream) = http::begin(daemon.address(), "GET", path, headers).await;
        if status != 200 {
            return Self::of(&daemon.request("GET", path, headers, "").await);
        }
        let mut feed = daemon.feed(path, headers).await;
        let event = feed.next().await.expect("an event");
        let is_jsonl = feed.head().contains("application/x-ndjson");
        let hosts = event.data["hosts"].as_array().map(Vec::len);
        Self { status, tag: None, told: format!("{is_jsonl} {} {hosts:?}", event.name) }
    }
}

/// The id of the last event.
async fn known_event(daemon: &Lobbyd) -> String {
    let event = daemon.feed(FEED, &[]).await.next().await.expect("an event");
    event.id.expect("the id of a list")
}
