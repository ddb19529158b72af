use std::pin::Pin;
use std::thread;

use actix_rt::Runtime;
use tokio::sync::mpsc;

use crate::{Client, ClientBuilder, Error};

/// Something to be done with the client on its thread.
type Job = Box<dyn FnOnce(Client) -> Pin<Box<dyn Future<Output = ()>>> + Send>;

/// The thread on which a client lives. It ends when nobody can give it work any more.
#[derive(Debug, Clone)]
pub(super) struct Worker {
    /// Taken at once, so it holds no more than callers have just put in.
    jobs: mpsc::UnboundedSender<Job>,
}

impl Worker {
    /// Starts the thread, and makes the client there.
    pub(super) fn start(builder: ClientBuilder) -> Result<Self, Error> {
        let (jobs, received) = mpsc::unbounded_channel();
        let (made, outcome) = std::sync::mpsc::sync_channel(1);
        let work = move || {
            let made_here = Runtime::new()
                .map_err(|error| Error::Invalid(format!("cannot start the client: {error}")))
                .and_then(|runtime| Ok((runtime, builder.build()?)));
            match made_here {
                Ok((runtime, client)) => {
                    made.send(Ok(())).ok();
                    runtime.block_on(serve(client, received));
                }
                Err(error) => drop(made.send(Err(error))),
            }
        };
        let failed = |why: &str| Error::Invalid(format!("cannot start the client's thread: {why}"));
        let thread = thread::Builder::new().name("lobby-client".to_owned());
        thread.spawn(work).map_err(|error| failed(&error.to_string()))?;
        outcome.recv().map_err(|_| failed("it has ended"))??;
        Ok(Self { jobs })
    }

    /// Has something done with the client. If its thread has ended nothing happens.
    pub(super) fn spawn(&self, work: impl AsyncFnOnce(Client) + Send + 'static) {
        let job: Job = Box::new(|client| Box::pin(async move { work(client).await }));
        self.jobs.send(job).ok();
    }
}

/// Begins each job when it comes, all of them together.
async fn serve(client: Client, mut jobs: mpsc::UnboundedReceiver<Job>) {
    while let Some(job) = jobs.recv().await {
        actix_rt::spawn(job(client.clone()));
    }
}
