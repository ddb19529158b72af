//! Topics: what is compared, one after the other.

pub(crate) mod access;
pub(crate) mod callback;
pub(crate) mod deaths;
pub(crate) mod feed;
pub(crate) mod labels;
pub(crate) mod lobbyctl;
pub(crate) mod lobbyd;
pub(crate) mod outage;
pub(crate) mod routes;
pub(crate) mod wire;

use crate::pair::Pair;
use crate::programs::Programs;
use crate::report::Report;

/// What every topic needs.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) programs: Pair<Programs>,
    pub(crate) report: Report,
    pub(crate) seed: u64,
    /// Packets fed over each driver.
    pub(crate) packets: usize,
}

/// A topic: its name for `--only`, and what it does.
pub(crate) type Topic = (&'static str, fn(&Run));

/// All topics, those that take longest first.
pub(crate) const ALL: &[Topic] = &[
    ("local", feed::over_local),
    ("nats", feed::over_nats),
    ("redis", feed::over_redis),
    ("warn", feed::with_warn),
    ("enforce", feed::with_enforce),
    ("local-enforce", feed::over_local_with_enforce),
    ("two", feed::over_two),
    ("member", feed::into_members),
    ("large", feed::a_large_fleet),
    ("settings", lobbyd::settings),
    ("callback", callback::recording),
    ("callback-failing", callback::failing),
    ("callback-hanging", callback::hanging),
    ("deaths", deaths::all),
    ("wire", wire::all),
    ("lobbyctl", lobbyctl::all),
    ("labels", labels::all),
    ("access", access::all),
    ("outage", outage::all),
    ("help", lobbyd::help),
];
