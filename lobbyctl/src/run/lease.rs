//! Lease: labels that end by themselves unless they are renewed, and are renewed while they are
//! wanted.

use std::sync::Arc;
use std::time::Duration;

use lobby_client::text::one_line;
use lobby_client::{Client, Error, Label};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::notices::Notices;
use crate::labels::{is_stored, listed};

/// The longest pause before what failed is tried again.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Labels that are there while they are wanted, whether the daemon is or not.
#[derive(Debug)]
pub(super) struct Lease {
    is_wanted: watch::Sender<bool>,
    /// Whether the daemon may have the labels.
    may_stand: watch::Receiver<bool>,
}

impl Lease {
    /// Labels that are not wanted yet.
    pub(super) fn new(
        client: Client,
        labels: Vec<Label>,
        ttl: Duration,
        notices: Arc<Notices>,
    ) -> Self {
        let (is_wanted, wanted) = watch::channel(false);
        let (stands, may_stand) = watch::channel(false);
        let keeper =
            Keeper { client, labels, ttl, notices, stands, is_known: false, has_failed: false };
        actix_rt::spawn(keeper.keep(wanted));
        Self { is_wanted, may_stand }
    }

    /// Wants the labels from now on, or no more.
    pub(super) fn want(&self, is_wanted: bool) {
        self.is_wanted.send_replace(is_wanted);
    }

    /// Waits until the daemon has the labels no more. Returns false if it may still have them when
    /// time is up, which begins with the call.
    pub(super) fn gone(&self, limit: Duration) -> impl Future<Output = bool> + use<> {
        let mut may_stand = self.may_stand.clone();
        let gone = async move { may_stand.wait_for(|may_stand| !may_stand).await.is_ok() };
        let gone = timeout(limit, gone);
        async { gone.await.unwrap_or(false) }
    }
}

/// What asks the daemon.
struct Keeper {
    client: Client,
    labels: Vec<Label>,
    ttl: Duration,
    notices: Arc<Notices>,
    stands: watch::Sender<bool>,
    /// Whether the daemon is known to end labels. One that cannot would keep them for good.
    is_known: bool,
    /// Whether the last call failed, and that was said.
    has_failed: bool,
}

impl Keeper {
    async fn keep(mut self, mut wanted: watch::Receiver<bool>) {
        loop {
            let is_wanted = *wanted.borrow_and_update();
            let outcome = if is_wanted {
                self.renew(&wanted).await
            } else if *self.stands.borrow() {
                self.remove().await
            } else {
                Ok(None)
            };
            let pause = pause(self.ttl, is_wanted, outcome.is_ok());
            self.tell(outcome);
            let due = async {
                match pause {
                    Some(pause) => sleep(pause).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                changed = wanted.changed() => if changed.is_err() { return },
                () = due => {}
            }
        }
    }

    /// Adds the labels. Returns what was done, in words, if anything was.
    async fn renew(&mut self, wanted: &watch::Receiver<bool>) -> Result<Option<String>, Error> {
        if !self.is_known {
            self.client.labels().await?;
            self.is_known = true;
            // Who wants them no more did not wait for this answer: nothing was there to go.
            if !*wanted.borrow() {
                return Ok(None);
            }
        }
        self.stands.send_replace(true);
        self.client.add_labels_for(&self.labels, self.ttl).await?;
        Ok(Some(format!("added {}", listed(&self.labels))))
    }

    /// Removes the labels, but for those that somebody has added for good: they stay, and the
    /// lease of them ends by itself. Returns what was done, in words, if anything was.
    async fn remove(&mut self) -> Result<Option<String>, Error> {
        let there = self.client.labels().await?;
        let is_mine = |label: &&Label| !is_stored(label, &there);
        let mut mine: Vec<_> = self.labels.iter().filter(is_mine).cloned().collect();
        if !mine.is_empty() {
            self.client.delete_labels(&mine).await?;
        }
        self.stands.send_replace(false);
        // What was never added is not there to be removed.
        mine.retain(|label| there.iter().any(|known| known.label == *label));
        Ok((!mine.is_empty()).then(|| format!("removed {}", listed(&mine))))
    }

    /// Tells of the first failure in a row, and of its end: a daemon that failed may have answered
    /// all the time, with an error.
    fn tell(&mut self, outcome: Result<Option<String>, Error>) {
        match outcome {
            Ok(done) => {
                if let Some(done) = done.filter(|_| self.has_failed) {
                    self.notices.say(format!("the daemon has {done}"));
                }
                self.has_failed = false;
            }
            Err(error) => {
                // The next run of the daemon may be another program.
                self.is_known = false;
                if !self.has_failed {
                    self.notices.say(format!("{}: trying again", one_line(&error.to_string())));
                }
                self.has_failed = true;
            }
        }
    }
}

/// The pause before the daemon is asked again; none if it need not be.
fn pause(ttl: Duration, is_wanted: bool, has_succeeded: bool) -> Option<Duration> {
    match (is_wanted, has_succeeded) {
        (true, true) => Some(ttl / 3),
        (_, false) => Some(LONGEST_PAUSE.min(ttl / 3)),
        (false, true) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_renewed_each_third_of_its_time() {
        let seconds = Duration::from_secs;
        assert_eq!(pause(seconds(30), true, true), Some(seconds(10)));
        assert_eq!(pause(seconds(30), true, false), Some(seconds(1)));
        assert_eq!(pause(seconds(30), false, false), Some(seconds(1)));
        assert_eq!(pause(seconds(30), false, true), None);
    }
}
