//! Sync: a daemon that comes up asks the others for everybody, and a warm one answers.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use actix::Addr;
use anyhow::{anyhow, ensure};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::{LocalBoxFuture, OptionFuture};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};
use tracing::{debug, info, warn};

use super::driver::{SyncChannel, SyncQuestion, SyncReply};
use super::own_packet::OwnPacket;
use crate::registry::{PieceTaken, Registry, SyncEnded, SyncPiece};
use crate::sys::clock;
use lobby_core::liveness::connectivity::DriverId;
use lobby_core::registry::snapshot::Snapshot;
use lobby_core::sync::answer::Answer;
use lobby_core::sync::answer_limit::AnswerLimit;
use lobby_core::sync::piece::BUSY;

/// Longest time that a question, a piece of an answer or a line of its way may take.
const STEP_LIMIT: Duration = Duration::from_secs(2);

/// Longest time that an answer may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// Longest wait before a question is asked again that a busy daemon got; most likely another one
/// gets it then. It doubles each time up to KEEP_ALIVE: many may ask.
const BUSY_PAUSE: Duration = Duration::from_millis(400);

/// What a driver's sync works with.
#[derive(Debug)]
pub struct SyncPeer {
    /// Takes in what is told.
    pub registry: Addr<Registry>,
    /// What is known.
    pub snapshots: watch::Receiver<Arc<Snapshot>>,
    /// The newest own packet, which others are told, too.
    pub own: OwnPacket,
    /// Most packets of an answer.
    pub max_servers: usize,
    /// How often a question that nobody answers is asked again.
    pub keep_alive: Duration,
    /// What was last told to be wrong.
    pub told: Mutex<Option<String>>,
}

/// What became of a question.
enum Outcome {
    /// All was told but for so many servers.
    Told(usize),
    /// Nobody can answer.
    Nobody,
    /// Whoever got it answers another one.
    Busy,
}

impl SyncPeer {
    /// Asks over a new connection until the daemon is warm, and answers when it knows everybody who
    /// can be heard there. A fault ends that and is told once; the link stays up.
    pub(super) async fn run(&self, driver_id: DriverId, channel: &dyn SyncChannel) -> Infallible {
        if let Err(fault) = self.ask_then_answer(driver_id, channel).await {
            self.tell(&fault);
        }
        std::future::pending().await
    }

    async fn ask_then_answer(
        &self,
        driver_id: DriverId,
        channel: &dyn SyncChannel,
    ) -> anyhow::Result<()> {
        let opened = clock::now();
        if !self.ask_while_cold(driver_id, channel).await? {
            self.listen_to_all(driver_id, opened).await;
        }
        self.answer_all(driver_id, channel).await
    }

    /// Waits until everybody was heard over this connection. A daemon that was warm before knows
    /// nothing of those who joined while it was cut off.
    async fn listen_to_all(&self, driver_id: DriverId, opened: Instant) {
        let has_heard_all = || {
            let (snapshot, now) = (self.snapshots.borrow(), clock::now());
            now.saturating_duration_since(opened) >= self.keep_alive
                && snapshot.is_warm(now)
                && snapshot.has_heard_all_since(driver_id, opened, now)
        };
        while !has_heard_all() {
            sleep(self.keep_alive).await;
        }
    }

    fn tell(&self, fault: &anyhow::Error) {
        let fault = format!("{fault:#}");
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.as_ref() != Some(&fault) {
            warn!(target: "lobby::link", error = fault, "no sync with other daemons, a newcomer waits until it has heard everybody");
        }
        *told = Some(fault);
    }

    fn is_warm(&self) -> bool {
        self.snapshots.borrow().is_warm(clock::now())
    }

    /// Asks until the daemon is warm, by an answer or by itself. Returns whether it was told of
    /// everybody.
    ///
    /// # Errors
    /// When the broker does not let it ask.
    async fn ask_while_cold(
        &self,
        driver_id: DriverId,
        channel: &dyn SyncChannel,
    ) -> anyhow::Result<bool> {
        let mut busy_pause = BUSY_PAUSE.min(self.keep_alive);
        while !self.is_warm() {
            let outcome = self.ask(driver_id, channel).await;
            channel.check()?;
            match outcome {
                Ok(Outcome::Told(left_out)) => return Ok(left_out == 0),
                Ok(Outcome::Busy) => {
                    sleep(busy_pause.mul_f64(fastrand::f64())).await;
                    busy_pause = (busy_pause * 2).min(self.keep_alive);
                }
                Ok(Outcome::Nobody) => self.pause().await,
                Err(fault) => {
                    self.tell(&fault);
                    self.pause().await;
                }
            }
        }
        Ok(false)
    }

    /// Waits until it may be worth asking again, or until the daemon is warm.
    async fn pause(&self) {
        let warm_at = self.snapshots.borrow().warm_at();
        let warm_in = warm_at.map(|at| at.saturating_duration_since(clock::now()));
        let pause = warm_in.map_or(self.keep_alive, |warm_in| warm_in.min(self.keep_alive));
        sleep(pause.max(Duration::from_millis(10))).await;
    }

    async fn ask(&self, driver_id: DriverId, channel: &dyn SyncChannel) -> anyhow::Result<Outcome> {
        let asked = clock::now();
        let answer = timeout(ANSWER_LIMIT, self.hear_answer(driver_id, channel)).await;
        let outcome = answer.unwrap_or_else(|_| Err(anyhow!("no end within {ANSWER_LIMIT:?}")))?;
        if let Outcome::Told(left_out) = outcome {
            let took = clock::now().saturating_duration_since(asked);
            let servers = self.snapshots.borrow().count_hosts();
            info!(target: "lobby::link", servers, left_out, milliseconds = took.as_millis(), "another daemon has told of all servers");
        }
        Ok(outcome)
    }

    async fn hear_answer(
        &self,
        driver_id: DriverId,
        channel: &dyn SyncChannel,
    ) -> anyhow::Result<Outcome> {
        let silence = |_| anyhow!("no answer within {STEP_LIMIT:?}");
        let mut replies = timeout(STEP_LIMIT, channel.ask()).await.map_err(silence)??;
        let mut packets = 0;
        loop {
            let reply = timeout(STEP_LIMIT, replies.next()).await.map_err(silence)?;
            let piece = match reply {
                Some(SyncReply::Piece(piece)) => piece,
                Some(SyncReply::Nobody) => return Ok(Outcome::Nobody),
                None => return Err(anyhow!("the answer was cut off")),
            };
            let taken = self.registry.send(SyncPiece { driver_id, piece }).await?;
            let PieceTaken { packets: more, end, is_busy } = taken?;
            packets += more;
            // One more than servers are held: the own one.
            let most = self.max_servers.saturating_add(1);
            ensure!(packets <= most, "more than {most} packets were told");
            if let Some((told, left_out)) = end {
                ensure!(told == packets, "{packets} packets came of {told} that were told");
                let is_complete = left_out == 0;
                self.registry.send(SyncEnded { driver_id, is_complete }).await?;
                return Ok(Outcome::Told(left_out));
            }
            if is_busy {
                return Ok(Outcome::Busy);
            }
        }
    }

    /// Answers questions, one at a time.
    ///
    /// # Errors
    /// When the broker does not let it answer.
    async fn answer_all(
        &self,
        driver_id: DriverId,
        channel: &dyn SyncChannel,
    ) -> anyhow::Result<()> {
        let mut questions = timeout(STEP_LIMIT, channel.questions()).await??;
        let (mut limit, mut answering) = (AnswerLimit::default(), None::<LocalBoxFuture<'_, ()>>);
        loop {
            tokio::select! {
                question = questions.next() => match question {
                    None => return channel.check(),
                    Some(question) if limit.admit(clock::now()) => {
                        answering = Some(Box::pin(self.answer(driver_id, question)));
                    }
                    // Whoever asks so often may well hear nothing.
                    Some(question) => {
                        let busy = question.reply(Bytes::from_static(BUSY));
                        drop(timeout(STEP_LIMIT, busy).await);
                    }
                },
                Some(()) = OptionFuture::from(answering.as_mut()) => {
                    answering = None;
                    limit.done();
                }
            }
        }
    }

    async fn answer(&self, driver_id: DriverId, question: Box<dyn SyncQuestion>) {
        match timeout(ANSWER_LIMIT, self.send_answer(driver_id, &*question)).await {
            Ok(Ok(pieces)) => {
                debug!(target: "lobby::link", pieces, "a newcomer was told of all servers");
            }
            Ok(Err(error)) => {
                debug!(target: "lobby::link", %error, "a newcomer was not told of all servers");
            }
            Err(_) => {
                debug!(target: "lobby::link", "a newcomer was not told of all servers in time");
            }
        }
    }

    async fn send_answer(
        &self,
        driver_id: DriverId,
        question: &dyn SyncQuestion,
    ) -> anyhow::Result<usize> {
        let (snapshot, own) = (Arc::clone(&self.snapshots.borrow()), self.own.with_age());
        let (max_len, now) = (question.max_len(), clock::now());
        let mut answer = spawn_blocking(move || {
            let own = own.as_ref().map(|(age, packet)| (*age, &**packet));
            Answer::new(snapshot, driver_id, own, max_len, now)
        })
        .await?;
        for pieces in 0.. {
            let (rest, piece) = spawn_blocking(move || {
                let piece = answer.next_piece();
                (answer, piece)
            })
            .await?;
            let Some(piece) = piece else { return Ok(pieces) };
            timeout(STEP_LIMIT, question.reply(Bytes::from(piece))).await??;
            answer = rest;
        }
        Ok(0)
    }
}
