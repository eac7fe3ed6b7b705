//! Threads of their own for work that may lower its priority: the runtime's cannot be raised again.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tokio::sync::{Semaphore, oneshot};

use crate::priority::{is_low, lower_priority};
use crate::{OffloadError, Turns};

/// How long a thread waits for more work before it ends.
const IDLE: Duration = Duration::from_secs(10);

/// A bounded lane of work on threads of its own. A thread whose work lowered its priority ends with it.
///
/// Clones share the threads.
#[derive(Clone, Debug)]
pub struct Threads {
    places: Arc<Semaphore>,
    pool: Arc<Pool>,
}

type Job = Box<dyn FnOnce() + Send>;

struct Pool {
    name: &'static str,
    /// Whose pieces are long work: they have a low priority, and wait for turns.
    turns: Option<Arc<Turns>>,
    queue: Mutex<Queue>,
    arrived: Condvar,
}

/// What waits, and who: there are never more jobs here than idle threads to take them.
#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    idle: usize,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Pool").field("name", &self.name).field("turns", &self.turns).finish_non_exhaustive()
    }
}

impl Threads {
    /// At most `width` pieces of work at once; further ones wait in order of arrival. Threads are started as they are
    /// needed.
    #[must_use]
    pub fn new(name: &'static str, width: usize) -> Self {
        Self::over(name, width, None)
    }

    /// The same for pieces of long work: they take turns, on threads that have a low priority and keep it.
    #[must_use]
    pub fn of_low_priority(name: &'static str, width: usize, turns: Arc<Turns>) -> Self {
        Self::over(name, width, Some(turns))
    }

    fn over(name: &'static str, width: usize, turns: Option<Arc<Turns>>) -> Self {
        let pool = Pool { name, turns, queue: Mutex::default(), arrived: Condvar::new() };
        let places = Semaphore::new(width.clamp(1, Semaphore::MAX_PERMITS));
        Self { places: Arc::new(places), pool: Arc::new(pool) }
    }

    /// Runs `work` on one of the threads. When the caller goes away while the work is queued it never starts; once
    /// started it runs to its end.
    ///
    /// # Errors
    /// [`OffloadError`] when the work panicked or no thread can be had.
    pub async fn run<F, R>(&self, work: F) -> Result<R, OffloadError>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        let permit = Arc::clone(&self.places).acquire_owned().await.map_err(|_| OffloadError::Stopping)?;
        let (sender, receiver) = oneshot::channel();
        let job = move || {
            let outcome = catch_unwind(AssertUnwindSafe(work)).map_err(|_| OffloadError::Panicked);
            drop(permit);
            // Fails when the caller went away.
            let _ = sender.send(outcome);
        };
        self.pool.start(Box::new(job))?;
        receiver.await.unwrap_or(Err(OffloadError::Stopping))
    }
}

impl Pool {
    /// Hands a job to an idle thread or a new one.
    fn start(self: &Arc<Self>, job: Job) -> Result<(), OffloadError> {
        let mut queue = self.queue.lock();
        if queue.idle > queue.jobs.len() {
            queue.jobs.push_back(job);
            drop(queue);
            self.arrived.notify_one();
            return Ok(());
        }
        drop(queue);
        let pool = Arc::clone(self);
        let thread = std::thread::Builder::new().name(self.name.to_owned());
        thread.spawn(move || pool.work(job)).map_err(|_| OffloadError::NoThread)?;
        Ok(())
    }

    /// A thread's life.
    fn work(&self, first: Job) {
        if self.turns.is_some() {
            lower_priority();
        }
        let mut next = Some(first);
        while let Some(job) = next {
            match &self.turns {
                Some(turns) => turns.run(job),
                None => job(),
            }
            next = if is_low() == self.turns.is_some() { self.next() } else { None };
        }
    }

    /// The next job, or none for too long.
    fn next(&self) -> Option<Job> {
        let mut queue = self.queue.lock();
        queue.idle += 1;
        while queue.jobs.is_empty() {
            if self.arrived.wait_for(&mut queue, IDLE).timed_out() {
                break;
            }
        }
        queue.idle -= 1;
        queue.jobs.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use std::thread::current;

    use super::*;

    #[tokio::test]
    async fn threads_are_used_again_until_they_lowered_their_priority() {
        let threads = Threads::new("work", 1);
        let first = threads.run(|| current().id()).await.unwrap();
        let idle = || threads.pool.queue.lock().idle;
        while idle() == 0 {
            tokio::task::yield_now().await;
        }
        let lowered = threads.run(|| {
            lower_priority();
            current().id()
        });
        assert_eq!(lowered.await.unwrap(), first);
        let next = threads.run(|| (current().id(), is_low())).await.unwrap();
        assert!(next.0 != first && !next.1);
    }

    #[tokio::test]
    async fn a_pool_of_low_priority_keeps_its_threads_and_a_panic_is_an_error() {
        let threads = Threads::of_low_priority("work", 2, Arc::new(Turns::new(1)));
        let panicked = threads.run(|| panic!("contained")).await;
        assert_eq!(panicked, Err::<(), _>(OffloadError::Panicked));
        while threads.pool.queue.lock().idle == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(threads.run(is_low).await, Ok(true));
    }

    #[tokio::test]
    async fn work_beyond_the_width_waits() {
        let threads = Threads::new("work", 1);
        let (release, held) = std::sync::mpsc::channel::<()>();
        let long = tokio::spawn({
            let threads = threads.clone();
            async move { threads.run(move || held.recv().is_ok()).await }
        });
        while threads.places.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let next = tokio::spawn({
            let threads = threads.clone();
            async move { threads.run(|| 8).await }
        });
        tokio::task::yield_now().await;
        assert!(!next.is_finished());
        release.send(()).unwrap();
        assert_eq!((long.await.unwrap(), next.await.unwrap()), (Ok(true), Ok(8)));
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_low_priority_is_the_threads_own() {
        let of_this = || rustix::process::getpriority_process(None).unwrap();
        let before = of_this();
        let low = Threads::of_low_priority("work", 1, Arc::new(Turns::new(1))).run(of_this).await.unwrap();
        assert_eq!((low, of_this()), ((before + 10).min(19), before));
    }
}
