//! How many queries run and wait at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use latewood_base::ErrorKind;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::ApiError;

/// Lets a bounded number of queries run and a bounded number wait, in order of arrival.
#[derive(Debug)]
pub(crate) struct QueryGate {
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
    max_waiting: usize,
}

/// One more in the queue, until dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl QueryGate {
    pub(crate) fn new(max_running: usize, max_waiting: usize) -> Self {
        Self {
            places: Arc::new(Semaphore::new(max_running.clamp(1, Semaphore::MAX_PERMITS))),
            waiting: AtomicUsize::new(0),
            max_waiting,
        }
    }

    /// Waits for a place, which is held until the permit is dropped.
    pub(crate) async fn enter(&self, patience: Duration) -> Result<OwnedSemaphorePermit, ApiError> {
        if let Ok(permit) = Arc::clone(&self.places).try_acquire_owned() {
            return Ok(permit);
        }
        let ahead = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _in_the_queue = Waiting(&self.waiting);
        if ahead >= self.max_waiting {
            let max = self.max_waiting;
            let text =
                format!("{max} queries are waiting already (querier.max_queued_queries); try again later");
            return Err(ApiError::new(ErrorKind::Overloaded, text));
        }
        let place = Arc::clone(&self.places).acquire_owned();
        match tokio::time::timeout(patience, place).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) => Err(ApiError::new(ErrorKind::Unavailable, "the querier is stopping")),
            Err(_) => Err(ApiError::new(ErrorKind::Timeout, "query timed out in query queue")),
        }
    }
}

#[cfg(test)]
mod tests {
    use latewood_base::Kinded;

    use super::*;

    #[tokio::test]
    async fn queries_wait_for_a_place_and_too_many_are_refused() {
        let gate = Arc::new(QueryGate::new(1, 1));
        let running = gate.enter(Duration::ZERO).await.unwrap();
        let queued = tokio::spawn({
            let gate = Arc::clone(&gate);
            async move { gate.enter(Duration::from_secs(60)).await.map(|_| ()) }
        });
        tokio::task::yield_now().await;
        let refused = gate.enter(Duration::from_secs(60)).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Overloaded);
        drop(running);
        assert_eq!(queued.await.unwrap(), Ok(()));
        let _running = gate.enter(Duration::ZERO).await.unwrap();
        let late = gate.enter(Duration::from_millis(1)).await.unwrap_err();
        assert_eq!(late.to_string(), "query timed out in query queue");
        assert_eq!(gate.waiting.load(Ordering::Relaxed), 0);
    }
}
