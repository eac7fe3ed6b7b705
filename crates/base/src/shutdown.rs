//! Orderly stop: a signal that can be awaited, and tasks that are waited for.

use std::future::Future;

use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tokio_util::task::TaskTracker;

/// A stop signal. Clones share it; a child stops with its parent, or alone.
#[derive(Clone, Debug, Default)]
pub struct Shutdown(CancellationToken);

impl Shutdown {
    /// A signal that has not been given.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A signal that is given with this one, or alone.
    #[must_use]
    pub fn child(&self) -> Self {
        Self(self.0.child_token())
    }

    /// Gives the signal. Repeating it does nothing.
    pub fn begin(&self) {
        self.0.cancel();
    }

    /// Whether the signal was given.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Resolves when the signal is given.
    pub fn begun(&self) -> WaitForCancellationFutureOwned {
        self.0.clone().cancelled_owned()
    }
}

/// Supervised tasks: named, logged when one panics, all awaited at the stop.
#[derive(Clone, Debug, Default)]
pub struct Tasks(TaskTracker);

impl Tasks {
    /// No tasks yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs a task; a panic in it is logged with its name and ends that task only.
    pub fn spawn<F>(&self, name: &'static str, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let handle = tokio::spawn(task);
        self.0.spawn(async move {
            if let Err(error) = handle.await
                && error.is_panic()
            {
                tracing::error!(task = name, %error, "task panicked");
            }
        });
    }

    /// Waits until all tasks have ended. No task may be spawned after it.
    pub async fn join(&self) {
        self.0.close();
        self.0.wait().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn join_waits_for_tasks_that_end_at_the_signal() {
        let (shutdown, tasks) = (Shutdown::new(), Tasks::new());
        let child = shutdown.child();
        tasks.spawn("waits", async move { child.begun().await });
        tasks.spawn("panics", async { panic!("contained") });
        shutdown.begin();
        tasks.join().await;
        assert!(shutdown.has_begun());
    }
}
