//! Closed connections, as the server tells of them on the subject NATS_EVENTS.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_nats::Subscriber;
use futures_util::StreamExt;
use serde::Deserialize;
use tracing::warn;

use super::own_login::OwnLogin;
use crate::link::driver::LARGEST_BATCH;
use crate::link::inbox::InboxSender;
use lobby_core::link::connection_name::ConnectionName;

/// How a server begins to refuse a subscription.
const MAY_NOT_SUBSCRIBE: &str = "Permissions Violation for Subscription to";

/// Greatest length of an advisory, in bytes. Those of a server have less than 2,000.
const MAX_ADVISORY_LEN: usize = 16 << 10;

/// The type of the advisory that a connection was closed.
const DISCONNECTED: &str = "io.nats.server.advisory.v1.client_disconnect";

/// Whether the server lets this user hear of closed connections; a clone is the same.
#[derive(Debug, Clone)]
pub(super) struct ClosingAccess {
    subject: Option<String>,
    is_forbidden: Arc<AtomicBool>,
}

impl ClosingAccess {
    /// That of a daemon with this NATS_EVENTS.
    pub(super) fn to(subject: Option<&str>) -> Self {
        Self { subject: subject.map(str::to_owned), is_forbidden: Arc::default() }
    }

    /// The subject to subscribe to, if one is set.
    pub(super) fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// Whether an error of the server concerns this subject alone: the link works without it.
    pub(super) fn takes(&self, error: &str) -> bool {
        let concerns = self.subject().is_some_and(|subject| {
            error.starts_with(&format!("{MAY_NOT_SUBSCRIBE} \"{subject}\""))
        });
        if concerns {
            self.is_forbidden.store(true, Ordering::Relaxed);
        }
        concerns
    }

    /// That nothing is heard, in words for a log.
    pub(super) fn note(&self) -> Option<String> {
        let subject = self.subject().filter(|_| self.is_forbidden.load(Ordering::Relaxed))?;
        Some(format!(
            "the NATS user may not subscribe to NATS_EVENTS, {subject}: a crash is seen after TTL only"
        ))
    }
}

/// Hands over what the server tells of connections of this login, until the own one is closed.
pub(super) async fn hand_over(told: Subscriber, own: OwnLogin, sender: InboxSender) {
    let mut told = told.ready_chunks(LARGEST_BATCH);
    let mut others_are_known = false;
    while let Some(advisories) = told.next().await {
        let closed = advisories.iter().filter_map(|told| closed(&told.payload, &own));
        let (believed, others): (Vec<_>, Vec<_>) = closed.partition(|closed| closed.is_believed);
        if let Some(other) = others.first().filter(|_| !others_are_known) {
            others_are_known = true;
            tell_of_other(&other.name);
        }
        sender.closed(believed.into_iter().map(|closed| closed.name));
    }
}

/// Told once for each connection, as everybody may cause it. What the other one logged in with is
/// not shown: servers write a token there, too.
fn tell_of_other(connection: &ConnectionName) {
    let error = "its NATS login is not the one of this daemon, which all daemons must share";
    warn!(target: "lobby::link", %connection, error, "closed connection ignored");
}

#[derive(Deserialize)]
struct Advisory<'a> {
    #[serde(borrow)]
    r#type: Cow<'a, str>,
    #[serde(borrow)]
    client: Client<'a>,
}

#[derive(Deserialize)]
struct Client<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    user: Cow<'a, str>,
    #[serde(borrow, default)]
    jwt: Cow<'a, str>,
}

/// A connection that was closed, by its name one of lobbyd.
#[derive(Debug, PartialEq, Eq)]
struct Closed {
    name: ConnectionName,
    /// Whether it was made with the login of this daemon. Everybody may choose such a name.
    is_believed: bool,
}

/// The connection of lobbyd that was closed, as an advisory tells; none if it tells of something
/// else.
fn closed(advisory: &[u8], own: &OwnLogin) -> Option<Closed> {
    if advisory.len() > MAX_ADVISORY_LEN {
        return None;
    }
    let Advisory { r#type, client } = serde_json::from_slice(advisory).ok()?;
    let name = ConnectionName::parse(&client.name).filter(|_| r#type == DISCONNECTED)?;
    Some(Closed { name, is_believed: own.is_of(&client.user, &client.jwt) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADVISORY: &str = r#"{"type":"io.nats.server.advisory.v1.client_disconnect","id":"x",
        "server":{"name":"n"},"client":{"start":"t","id":7,"acc":"LOBBY","user":"lobbyd",
        "name":"lobbyd/a/00000000000000ff","lang":"rust"},"reason":"Client Closed"}"#;

    fn own() -> OwnLogin {
        OwnLogin::Users(vec!["lobbyd".to_owned()])
    }

    #[test]
    fn an_advisory_names_the_connection_that_was_closed() {
        let name = ConnectionName::parse("lobbyd/a/00000000000000ff").unwrap();
        let expected = Closed { name, is_believed: true };
        assert_eq!(closed(ADVISORY.as_bytes(), &own()), Some(expected));
    }

    #[test]
    fn a_connection_under_another_login_is_not_believed() {
        let of_another = ADVISORY.replace(r#""user":"lobbyd""#, r#""user":"app""#);
        let of_nobody = ADVISORY.replace(r#""user":"lobbyd","#, "");
        for odd in [&of_another, &of_nobody] {
            let is_believed = |own| closed(odd.as_bytes(), &own).unwrap().is_believed;
            assert!(!is_believed(own()) && is_believed(OwnLogin::Unknown), "{odd}");
        }
    }

    #[test]
    fn what_is_no_advisory_of_a_closed_connection_is_ignored() {
        let long = ADVISORY.replace("rust", &"x".repeat(MAX_ADVISORY_LEN));
        let opened = ADVISORY.replace("disconnect", "connect");
        let without_instance = ADVISORY.replace("/00000000000000ff", "");
        let of_another = ADVISORY.replace("lobbyd/", "redis/");
        for odd in
            [&long, &opened, &without_instance, &of_another, "", "{}", "[1]", "{\"client\":7}"]
        {
            assert_eq!(closed(odd.as_bytes(), &own()), None, "{odd}");
        }
    }

    #[test]
    fn only_the_refusal_of_this_subscription_is_taken() {
        for (error, expected) in [
            (r#"Permissions Violation for Subscription to "lobby.discovery""#, false),
            (r#"Permissions Violation for Subscription to "$SYS.ACCOUNT.A.DISCONNECT""#, false),
            (r#"Permissions Violation for Publish to "$SYS.ACCOUNT.*.DISCONNECT""#, false),
            (r#"Permissions Violation for Subscription to "$SYS.ACCOUNT.*.DISCONNECT""#, true),
        ] {
            let access = ClosingAccess::to(Some("$SYS.ACCOUNT.*.DISCONNECT"));
            assert_eq!(access.takes(error), expected, "{error}");
            assert_eq!(access.note().is_some(), expected, "{error}");
            assert!(!ClosingAccess::to(None).takes(error));
        }
    }
}
