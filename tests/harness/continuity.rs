//! Keeps asking a daemon whether everybody is still there.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::eventually::now;
use crate::{LIMIT, Lobbyd, ensure, eventually, http};

/// The label that every host must carry over which a vigil is kept.
const LABEL: &str = "prometheus:vigil";

/// Between two rounds of questions.
const PAUSE: Duration = Duration::from_millis(40);

/// Asks one daemon for its list in all three forms, over and over, and notes whoever is missing
/// from any answer.
#[derive(Debug)]
pub struct ContinuityCheck {
    notes: Arc<Mutex<Notes>>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Notes {
    expected: BTreeSet<String>,
    /// Changes with whom is watched over.
    watch: usize,
    rounds: usize,
    slowest: Duration,
    lost: Vec<String>,
}

impl ContinuityCheck {
    /// LABELS for every host over which a vigil is kept.
    pub const LABELS: &str = LABEL;

    /// Keeps watch at a daemon over these hosts.
    ///
    /// # Panics
    /// If the daemon does not get ready.
    pub async fn over(daemon: &Lobbyd, hosts: &[&str]) -> Self {
        eventually(LIMIT, async || {
            let answer = daemon.get("/readyz").await;
            ensure(answer.status == 200, answer.text())
        })
        .await;
        let vigil = Self::at(daemon.address());
        vigil.expect(hosts.iter().map(|host| (*host).to_owned()).collect());
        vigil
    }

    /// Keeps watch at this address, over nobody yet.
    pub fn at(address: SocketAddr) -> Self {
        let notes = Arc::<Mutex<Notes>>::default();
        Self { task: tokio::spawn(watch(address, Arc::clone(&notes))), notes }
    }

    /// Watches over these hosts from now on; while over nobody, it asks nothing.
    pub fn expect(&self, hosts: BTreeSet<String>) {
        let mut notes = locked(&self.notes);
        notes.expected = hosts;
        notes.watch += 1;
    }

    /// How often it has asked for all three lists so far.
    pub fn rounds(&self) -> usize {
        locked(&self.notes).rounds
    }

    /// What was missing so far, in words; each time it was.
    pub fn lost(&self) -> Vec<String> {
        locked(&self.notes).lost.clone()
    }

    /// As [`ContinuityCheck::lost`], and forgets it.
    pub fn take_lost(&self) -> Vec<String> {
        std::mem::take(&mut locked(&self.notes).lost)
    }

    /// The longest time that an answer took.
    pub fn slowest(&self) -> Duration {
        locked(&self.notes).slowest
    }

    /// Waits for as many rounds more.
    ///
    /// # Panics
    /// If they do not come.
    #[track_caller]
    pub fn more_rounds(&self, rounds: usize) -> impl Future<Output = ()> {
        let enough = self.rounds() + rounds;
        eventually(LIMIT, async move || ensure(self.rounds() >= enough, self.rounds()))
    }

    /// Waits for an answer to a question asked from now on, and sees to it that nobody was ever
    /// missing and no answer took longer than this.
    ///
    /// # Panics
    /// If somebody was missing, or an answer was late.
    pub async fn nobody_was_missing(&self, slowest: Duration) {
        self.more_rounds(2).await;
        assert_eq!(self.lost(), Vec::<String>::new());
        assert!(self.slowest() <= slowest, "an answer took {:?}", self.slowest());
    }
}

impl Drop for ContinuityCheck {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn locked(notes: &Mutex<Notes>) -> MutexGuard<'_, Notes> {
    notes.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn watch(address: SocketAddr, notes: Arc<Mutex<Notes>>) {
    loop {
        let (expected, watch) = {
            let notes = locked(&notes);
            (notes.expected.clone(), notes.watch)
        };
        if !expected.is_empty() {
            for (path, mark) in lists() {
                ask(address, &notes, (&expected, watch), &path, mark).await;
            }
            locked(&notes).rounds += 1;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

type Mark = fn(&str) -> String;

/// Each list of hosts that the API gives, and how a host is to be found in it.
fn lists() -> [(String, Mark); 3] {
    [
        ("/v1/discoveries".to_owned(), |host| format!(r#"{{"hostname":"{host}","#)),
        (format!("/v1/resolve?label={LABEL}"), |host| format!(r#""{host}""#)),
        (LABEL.replace("prometheus:", "/v1/prometheus/"), |host| format!(r#""{host}:9100""#)),
    ]
}

async fn ask(
    address: SocketAddr,
    notes: &Mutex<Notes>,
    (before, watch): (&BTreeSet<String>, usize),
    path: &str,
    mark: Mark,
) {
    let asked = now();
    let answer = http::try_send(address, "GET", path, &[], "").await;
    let took = asked.elapsed();
    let mut notes = locked(notes);
    // Whoever is no longer expected may have left while the answer was on its way.
    let expected: Vec<_> = before.intersection(&notes.expected).cloned().collect();
    if expected.is_empty() {
        return;
    }
    // An answer that took longer than one watch may have waited for a daemon that was stopped
    // meanwhile.
    if notes.watch == watch {
        notes.slowest = notes.slowest.max(took);
    }
    let missing: Vec<_> = match &answer {
        Ok(answer) if answer.status == 200 => {
            let text = answer.text();
            expected.into_iter().filter(|host| !text.contains(&mark(host))).collect()
        }
        _ => expected,
    };
    if !missing.is_empty() {
        let answer = answer
            .map_or_else(|fault| fault, |answer| format!("{} {}", answer.status, answer.text()));
        notes
            .lost
            .push(format!("{} missing from {path} of {address}: {answer}", missing.join(", ")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[actix_rt::test]
    async fn it_sees_who_is_there_and_who_is_not() {
        let daemon = Lobbyd::named("a").labels(ContinuityCheck::LABELS).start().await;
        let vigil = ContinuityCheck::over(&daemon, &["a"]).await;
        vigil.nobody_was_missing(LIMIT).await;
        vigil.expect(["a", "b"].map(str::to_owned).into());
        vigil.more_rounds(2).await;
        for (path, _) in lists() {
            let found = vigil
                .lost()
                .iter()
                .any(|lost| lost.starts_with(&format!("b missing from {path} of")));
            assert!(found, "{path}: {:?}", vigil.lost());
        }
    }
}
