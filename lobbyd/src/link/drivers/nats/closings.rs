//! Closed connections, as the server tells of them on the subject NATS_EVENTS.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_nats::Subscriber;
use futures_util::StreamExt;

use crate::link::driver::LARGEST_BATCH;
use crate::link::inbox::InboxSender;
use lobby_core::link::connection_name::ConnectionName;

/// How a server begins to refuse a subscription.
const MAY_NOT_SUBSCRIBE: &str = "Permissions Violation for Subscription to";

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

/// Hands over what the server tells, until the connection is closed.
pub(super) async fn hand_over(told: Subscriber, sender: InboxSender) {
    let mut told = told.ready_chunks(LARGEST_BATCH);
    while let Some(advisories) = told.next().await {
        let names = advisories.iter().filter_map(|told| ConnectionName::closed(&told.payload));
        sender.closed(names);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
