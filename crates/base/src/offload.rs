//! CPU-bound work off the async runtime, with a bound on how much runs at once.

use std::sync::Arc;

use tokio::sync::Semaphore;

/// A bounded lane for work that would block the async runtime for more than half a millisecond:
/// Parquet, PromQL, compression of large bodies, file writes.
#[derive(Clone, Debug)]
pub struct Offload(Arc<Semaphore>);

/// Why offloaded work gave no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OffloadError {
    /// The work panicked; the panic was logged by the panic hook.
    #[error("background work panicked")]
    Panicked,
    /// The runtime is stopping.
    #[error("the process is stopping")]
    Stopping,
}

impl Offload {
    /// At most `width` pieces of work at once; further ones wait in order of arrival.
    #[must_use]
    pub fn new(width: usize) -> Self {
        Self(Arc::new(Semaphore::new(width.clamp(1, Semaphore::MAX_PERMITS))))
    }

    /// One piece of work per core.
    #[must_use]
    pub fn per_core() -> Self {
        Self::new(std::thread::available_parallelism().map_or(2, std::num::NonZero::get))
    }

    /// Runs `work` on a blocking thread. When the caller goes away while the work is queued it never
    /// starts; once started it runs to its end.
    ///
    /// # Errors
    /// [`OffloadError`] when the work panicked or the runtime stops.
    pub async fn run<F, R>(&self, work: F) -> Result<R, OffloadError>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        let permit = Arc::clone(&self.0).acquire_owned().await.map_err(|_| OffloadError::Stopping)?;
        let result = tokio::task::spawn_blocking(move || {
            let _held_until_the_end = permit;
            work()
        });
        result.await.map_err(
            |error| {
                if error.is_panic() { OffloadError::Panicked } else { OffloadError::Stopping }
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_error_and_gives_its_place_back() {
        let lane = Offload::new(1);
        let panicked = lane.run(|| panic!("contained")).await;
        assert_eq!(panicked, Err::<(), _>(OffloadError::Panicked));
        assert_eq!(lane.run(|| 7).await, Ok(7));
    }
}
