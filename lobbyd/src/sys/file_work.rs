//! File work: reading and writing that a file system may hold up for ever, as a dead NFS does.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// The work on some files: one piece at a time, off this thread. A piece that hangs keeps its
/// thread, whoever has given it up; without a bound the repeated attempts of a link would take all
/// the threads that there are for such work.
#[derive(Debug, Clone)]
pub struct FileWork {
    /// What is worked on, for messages.
    what: Arc<str>,
    turn: Arc<Semaphore>,
}

impl FileWork {
    /// The work on what is called so in messages.
    pub fn on(what: &str) -> Self {
        Self { what: what.into(), turn: Arc::new(Semaphore::new(1)) }
    }

    /// Does a piece of work.
    ///
    /// # Errors
    /// The work's; or that it takes longer than `limit`, or that an earlier piece still does.
    pub async fn run<T: Send + 'static>(
        &self,
        limit: Duration,
        work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
    ) -> anyhow::Result<T> {
        let what = &self.what;
        let Ok(turn) = Arc::clone(&self.turn).try_acquire_owned() else {
            bail!("the file system of {what} has not answered an earlier attempt yet");
        };
        let done = spawn_blocking(move || {
            let done = work();
            drop(turn);
            done
        });
        let done = timeout(limit, done).await;
        done.with_context(|| format!("the file system of {what} does not answer"))??
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    #[actix_rt::test]
    async fn work_that_hangs_is_given_up_and_not_begun_again() {
        let work = FileWork::on("/nfs");
        let (release, hangs) = mpsc::channel::<()>();
        let hanging = work.run(Duration::from_millis(10), move || {
            hangs.recv().ok();
            Ok(())
        });
        let error = hanging.await.unwrap_err().to_string();
        assert_eq!(error, "the file system of /nfs does not answer");
        for _ in 0..1000 {
            let error = work.run(LIMIT, || Ok(())).await.unwrap_err().to_string();
            assert!(error.ends_with("/nfs has not answered an earlier attempt yet"), "{error}");
        }
        drop(release);
        let answers = async {
            while work.run(LIMIT, || Ok(())).await.is_err() {
                tokio::task::yield_now().await;
            }
        };
        timeout(LIMIT, answers).await.unwrap();
    }

    #[actix_rt::test]
    async fn work_gives_its_own_outcome() {
        let work = FileWork::on("/file");
        assert_eq!(work.run(LIMIT, || Ok(7)).await.unwrap(), 7);
        let failed = work.run(LIMIT, || -> anyhow::Result<()> { bail!("is a FIFO") }).await;
        assert_eq!(failed.unwrap_err().to_string(), "is a FIFO");
    }
}
