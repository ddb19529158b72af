//! Sync over NATS: a question on a subject of its own, which one daemon of the queue group gets,
//! and an answer in pieces to an inbox of the one who asks.

use std::fmt;

use anyhow::{Context, anyhow, bail};
use async_nats::{Client, Message, StatusCode, Subject};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{BoxStream, StreamExt};
use tokio_util::sync::CancellationToken;

use crate::link::driver::{SyncChannel, SyncQuestion, SyncReply};

/// What the subject of questions ends with, behind NATS_DISCOVERY_CHANNEL.
const SUFFIX: &str = ".sync";

/// Each question goes to one member of this group.
const QUEUE_GROUP: &str = "lobby";

/// What inboxes for answers begin with. No answer goes to another subject, whoever asks for it.
const INBOX: &str = "_INBOX.lobbyd.sync.";

/// The subject of questions, where packets travel on this one.
pub(super) fn subject_beside(channel: &str) -> String {
    format!("{channel}{SUFFIX}")
}

/// Whether the server lets this user ask and answer; a clone is the same.
#[derive(Debug, Clone)]
pub(super) struct SyncAccess {
    subject: String,
    forbidden: CancellationToken,
}

impl SyncAccess {
    /// That of a lobby whose packets travel on this subject.
    pub(super) fn beside(channel: &str) -> Self {
        Self { subject: subject_beside(channel), forbidden: CancellationToken::new() }
    }

    /// Whether an error of the server concerns sync alone. From then on nothing is asked nor
    /// answered over this connection.
    pub(super) fn takes(&self, error: &str) -> bool {
        let concerns = error.contains(&format!("\"{}\"", self.subject)) || error.contains(INBOX);
        if concerns {
            self.forbidden.cancel();
        }
        concerns
    }
}

/// Sync over one connection.
#[derive(Debug)]
pub(super) struct NatsSync {
    pub(super) client: Client,
    pub(super) access: SyncAccess,
}

impl NatsSync {
    async fn ask(&self) -> anyhow::Result<BoxStream<'static, SyncReply>> {
        // Nobody else may guess it.
        let inbox = format!("{INBOX}{:016x}{:016x}", getrandom::u64()?, getrandom::u64()?);
        let (client, subject) = (&self.client, &self.access.subject);
        let answers = client.subscribe(inbox.clone()).await.context("cannot ask")?;
        client.publish_with_reply(subject.clone(), inbox, Bytes::new()).await?;
        client.flush().await?;
        let replies = answers.map(|message| match message.status {
            Some(StatusCode::NO_RESPONDERS) => SyncReply::Nobody,
            _ => SyncReply::Piece(message.payload),
        });
        Ok(replies.take_until(self.access.forbidden.clone().cancelled_owned()).boxed())
    }

    async fn questions(&self) -> anyhow::Result<BoxStream<'static, Box<dyn SyncQuestion>>> {
        let subject = self.access.subject.clone();
        let questions = self.client.queue_subscribe(subject, QUEUE_GROUP.to_owned()).await;
        let (client, access) = (self.client.clone(), self.access.clone());
        let questions = questions.context("cannot answer")?.filter_map(move |message| {
            let question = NatsQuestion::of(message, &client, &access);
            std::future::ready(question.map(|question| Box::new(question) as Box<dyn SyncQuestion>))
        });
        Ok(questions.take_until(self.access.forbidden.clone().cancelled_owned()).boxed())
    }
}

impl SyncChannel for NatsSync {
    fn ask(&self) -> BoxFuture<'_, anyhow::Result<BoxStream<'static, SyncReply>>> {
        Box::pin(self.ask())
    }

    fn questions(
        &self,
    ) -> BoxFuture<'_, anyhow::Result<BoxStream<'static, Box<dyn SyncQuestion>>>> {
        Box::pin(self.questions())
    }

    fn check(&self) -> anyhow::Result<()> {
        if self.access.forbidden.is_cancelled() {
            bail!("the NATS user may not use the subject {}", self.access.subject);
        }
        Ok(())
    }
}

/// A question, and where its answer goes.
struct NatsQuestion {
    client: Client,
    access: SyncAccess,
    inbox: Subject,
}

impl NatsQuestion {
    fn of(message: Message, client: &Client, access: &SyncAccess) -> Option<Self> {
        let inbox = message.reply.filter(|inbox| inbox.starts_with(INBOX))?;
        Some(Self { client: client.clone(), access: access.clone(), inbox })
    }

    async fn send(&self, piece: Bytes) -> anyhow::Result<()> {
        if self.access.forbidden.is_cancelled() {
            return Err(anyhow!("the NATS user may not answer"));
        }
        self.client.publish(self.inbox.clone(), piece).await?;
        Ok(self.client.flush().await?)
    }
}

impl fmt::Debug for NatsQuestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NatsQuestion").field(&self.inbox).finish()
    }
}

impl SyncQuestion for NatsQuestion {
    fn max_len(&self) -> usize {
        self.client.max_payload()
    }

    fn reply(&self, piece: Bytes) -> BoxFuture<'_, anyhow::Result<()>> {
        Box::pin(self.send(piece))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_errors_about_sync_are_taken() {
        for (error, expected) in [
            (r#"Permissions Violation for Publish to "lobby.discovery""#, false),
            (r#"Permissions Violation for Subscription to "lobby.discovery""#, false),
            (r#"Permissions Violation for Publish to "_INBOX.lobbyd.00c0ffee""#, false),
            (r#"Permissions Violation for Publish to "lobby.discovery.sync""#, true),
            (
                r#"Permissions Violation for Subscription to "lobby.discovery.sync" using queue "lobby""#,
                true,
            ),
            (r#"Permissions Violation for Publish to "_INBOX.lobbyd.sync.00c0ffee""#, true),
        ] {
            let access = SyncAccess::beside("lobby.discovery");
            assert_eq!(access.takes(error), expected, "{error}");
            assert_eq!(access.forbidden.is_cancelled(), expected, "{error}");
        }
    }
}
