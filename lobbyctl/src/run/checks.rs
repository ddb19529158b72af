//! Checks: a program that is run again and again, and what follows from its successes.

use std::time::Duration;

use actix_rt::task::JoinHandle;
use lobby_client::text::one_line;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use super::health::Health;
use crate::action::{self, Action};
use crate::args::CheckOptions;

/// What follows from the checks.
#[derive(Debug)]
pub(super) struct News {
    /// Whether the program is well from now on.
    pub(super) is_well: bool,
    /// Whether nothing was known of it before.
    pub(super) is_first: bool,
    /// Why, in one line.
    pub(super) reason: String,
}

/// Checks that run beside everything else.
#[derive(Debug)]
pub(super) struct Checks {
    news: mpsc::Receiver<News>,
    running: JoinHandle<()>,
}

impl Checks {
    /// Begins with the first check at once.
    pub(super) fn start(check: &Action, options: &CheckOptions) -> Self {
        let (sender, news) = mpsc::channel(1);
        let (check, every) = (check.clone(), options.every);
        let health = Health::new(options.rise, options.fall);
        let running = actix_rt::spawn(repeat(check, every, health, sender));
        Self { news, running }
    }

    /// Waits for news.
    pub(super) async fn next(&mut self) -> News {
        match self.news.recv().await {
            Some(news) => news,
            None => std::future::pending().await,
        }
    }

    /// Ends them. One that runs is killed.
    pub(super) async fn stop(self) {
        self.running.abort();
        // That it was ended is what is wanted.
        self.running.await.ok();
    }
}

async fn repeat(check: Action, every: Duration, mut health: Health, sender: mpsc::Sender<News>) {
    let mut due = interval(every);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // One that hangs is over when the next one is due.
    let limit = every.min(action::LIMIT);
    let mut is_first = true;
    loop {
        due.tick().await;
        let outcome = check.run_within(limit).await;
        let change = health.take_in(outcome.is_ok());
        // A check that fails from the start may be one that can never pass.
        let first_failure = (is_first && outcome.is_err()).then_some(false);
        let Some(is_well) = change.or(first_failure) else { continue };
        let reason = match outcome {
            Ok(()) => "the check has passed".to_owned(),
            Err(error) => one_line(&format!("{error:#}")),
        };
        if sender.send(News { is_well, is_first, reason }).await.is_err() {
            return;
        }
        is_first = false;
    }
}
