//! That the generations of a shard have changed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

/// Counts changes, and wakes who waits in the order of their coming: tokio's watch channel leaves that to chance, which the
/// seed of a simulation does not reach.
#[derive(Debug, Default)]
pub(super) struct ChangeCounter(Arc<Counter>);

#[derive(Debug, Default)]
struct Counter {
    count: AtomicU64,
    changed: Notify,
}

/// Sees changes that come after the last one it has seen.
#[derive(Clone, Debug)]
pub struct Changes {
    counter: Arc<Counter>,
    seen: u64,
}

impl ChangeCounter {
    pub(super) fn count(&self) {
        self.0.count.fetch_add(1, Ordering::SeqCst);
        self.0.changed.notify_waiters();
    }

    /// Sees what changes from now on.
    pub(super) fn subscribe(&self) -> Changes {
        Changes { counter: Arc::clone(&self.0), seen: self.0.count.load(Ordering::SeqCst) }
    }
}

impl Changes {
    /// All until now is seen.
    pub fn skip(&mut self) {
        self.seen = self.counter.count.load(Ordering::SeqCst);
    }

    /// Returns when there is a change that is not seen yet, and all until then is seen.
    pub async fn changed(&mut self) {
        loop {
            let mut changed = std::pin::pin!(self.counter.changed.notified());
            changed.as_mut().enable();
            let before = self.seen;
            self.seen = self.counter.count.load(Ordering::SeqCst);
            if self.seen != before {
                return;
            }
            changed.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::future::join;
    use parking_lot::Mutex;
    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_change_is_seen_once_and_those_who_wait_are_woken_in_order() {
        let counter = ChangeCounter::default();
        let mut first = counter.subscribe();
        counter.count();
        counter.count();
        first.changed().await;
        let moment = Duration::from_millis(1);
        assert!(timeout(moment, first.changed()).await.is_err(), "both were seen at once");
        counter.count();
        first.skip();
        assert!(timeout(moment, first.changed()).await.is_err());
        let woken = Arc::<Mutex<Vec<usize>>>::default();
        for number in 0..20 {
            let (mut changes, woken) = (counter.subscribe(), Arc::clone(&woken));
            tokio::spawn(async move {
                changes.changed().await;
                woken.lock().push(number);
            });
        }
        let count = async {
            tokio::time::sleep(moment).await;
            counter.count();
        };
        join(first.changed(), count).await;
        tokio::time::sleep(moment).await;
        assert_eq!(*woken.lock(), (0..20).collect::<Vec<_>>());
    }
}
