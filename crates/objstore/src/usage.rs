//! What one piece of work asked of the bucket, however many tasks it runs in.
//!
//! The count goes with the task, so that no reader has to hand it on. A task that is spawned has none of its own:
//! [`Usage::carried`] takes the spawning one's along. What several want at once, such as a block that is opened, is
//! counted for the one that came first.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::stream::{BoxStream, StreamExt, poll_fn};

tokio::task_local! {
    static CURRENT: Arc<Usage>;
}

/// What one piece of work asked of the bucket: requests, attempts counted one by one, and bytes read.
#[derive(Debug, Default)]
pub struct Usage {
    requests: AtomicU64,
    read_bytes: AtomicU64,
}

impl Usage {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Counts what a future asks for.
    pub fn of<F: Future>(self: &Arc<Self>, work: F) -> impl Future<Output = F::Output> + use<F> {
        CURRENT.scope(Arc::clone(self), work)
    }

    /// Counts what a stream asks for while it is polled, by whomever.
    #[must_use]
    pub fn of_stream<T: 'static>(
        self: &Arc<Self>,
        mut stream: BoxStream<'static, T>,
    ) -> BoxStream<'static, T> {
        let usage = Arc::clone(self);
        poll_fn(move |context| CURRENT.sync_scope(Arc::clone(&usage), || stream.poll_next_unpin(context)))
            .boxed()
    }

    /// A future for a task to be spawned, counted as what spawns it.
    pub fn carried<F: Future>(work: F) -> impl Future<Output = F::Output> + use<F> {
        let usage = CURRENT.try_with(Arc::clone).unwrap_or_default();
        CURRENT.scope(usage, work)
    }

    /// Requests and bytes since this was last asked.
    pub fn take(&self) -> (u64, u64) {
        (self.requests.swap(0, Ordering::Relaxed), self.read_bytes.swap(0, Ordering::Relaxed))
    }

    pub(crate) fn count_request() {
        let _ = CURRENT.try_with(|usage| usage.requests.fetch_add(1, Ordering::Relaxed));
    }

    pub(crate) fn count_read(bytes: u64) {
        let _ = CURRENT.try_with(|usage| usage.read_bytes.fetch_add(bytes, Ordering::Relaxed));
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;

    async fn ask() {
        Usage::count_request();
        tokio::task::yield_now().await;
        Usage::count_read(10);
    }

    #[tokio::test]
    async fn work_is_counted_in_futures_streams_and_tasks_and_nowhere_else() {
        let (one, other) = (Usage::new(), Usage::new());
        ask().await;
        let spawns = async { tokio::spawn(Usage::carried(ask())).await.unwrap() };
        futures::join!(one.of(ask()), one.of(spawns), other.of(ask()));
        assert_eq!((one.take(), other.take()), ((2, 20), (1, 10)));
        let asks = other.of_stream(stream::iter(0..3).then(|_| ask()).boxed());
        tokio::spawn(asks.count()).await.unwrap();
        assert_eq!((one.take(), other.take()), ((0, 0), (3, 30)));
    }
}
