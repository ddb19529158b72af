//! Render pool: long lists are written and packed off the threads that serve requests, a few at a
//! time for all clients together.

use std::sync::Arc;
use std::thread;

use actix_web::error::BlockingError;
use actix_web::web;
use tokio::sync::Semaphore;

/// Most pieces of work at once, on however many processors.
const MAX_AT_ONCE: usize = 2;

/// The right to render, shared by all requests.
#[derive(Debug, Clone)]
pub struct RenderPool(Arc<Semaphore>);

impl Default for RenderPool {
    fn default() -> Self {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        Self(Arc::new(Semaphore::new(at_once(processors))))
    }
}

/// How many pieces of work are done at once. More of them would leave the threads that serve
/// requests, and the actors, too little of the processors.
fn at_once(processors: usize) -> usize {
    (processors / 2).clamp(1, MAX_AT_ONCE)
}

impl RenderPool {
    /// Does work when it is its turn. Of a request that is given up, work that has begun goes on,
    /// and counts, to its end.
    ///
    /// # Errors
    /// When there are no threads for it.
    pub(in crate::http) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, BlockingError> {
        // It is never closed; an error would only mean to go ahead.
        let permit = Arc::clone(&self.0).acquire_owned().await.ok();
        web::block(move || {
            let done = work();
            drop(permit);
            done
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;

    use super::*;

    #[test]
    fn at_least_half_of_the_processors_stay_free() {
        assert_eq!([1, 2, 3, 4, 64].map(at_once), [1, 1, 1, 2, 2]);
    }

    #[actix_web::test]
    async fn no_more_than_a_few_works_are_done_at_once() {
        let (pool, running) = (RenderPool::default(), Arc::new(AtomicUsize::new(0)));
        let works = (0..50).map(|_| {
            let running = Arc::clone(&running);
            pool.run(move || {
                let others = running.fetch_add(1, Ordering::SeqCst);
                std::thread::yield_now();
                running.fetch_sub(1, Ordering::SeqCst);
                others
            })
        });
        assert!(join_all(works).await.into_iter().all(|others| others.unwrap() < MAX_AT_ONCE));
    }
}
