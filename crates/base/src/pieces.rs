//! Work that is done in pieces, whose length nobody knows beforehand.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::{Offload, OffloadError};

/// A read, or what else is done piece by piece: its first pieces run in the lane of all, and once there were so many
/// that it is a long one, the rest in the [patient](Offload::patient) lane. However many long ones there are, a short
/// one so waits for pieces of short ones alone.
#[derive(Debug)]
pub struct Pieces {
    offload: Offload,
    prompt: usize,
    begun: AtomicUsize,
}

impl Pieces {
    /// Work of which so many pieces may run before it counts as long.
    #[must_use]
    pub fn new(offload: Offload, prompt: usize) -> Self {
        Self { offload, prompt, begun: AtomicUsize::new(0) }
    }

    /// Runs the next piece.
    ///
    /// # Errors
    /// [`OffloadError`] when the work panicked or the runtime stops.
    pub async fn run<F, R>(&self, work: F) -> Result<R, OffloadError>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        if self.begun.fetch_add(1, Relaxed) < self.prompt {
            self.offload.run(work).await
        } else {
            self.offload.patient().run(work).await
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use tokio::task::JoinSet;

    use super::*;
    use crate::priority::is_low;

    #[tokio::test]
    async fn the_first_pieces_are_prompt_and_the_rest_is_of_low_priority() {
        let pieces = Pieces::new(Offload::new(1), 2);
        let mut low = Vec::new();
        for _ in 0..4 {
            low.push(pieces.run(is_low).await.unwrap());
        }
        assert_eq!(low, [false, false, true, true]);
    }

    #[tokio::test]
    async fn a_short_read_does_not_wait_for_long_ones() {
        let offload = Offload::new(1);
        let mut long = JoinSet::new();
        let mut held = Vec::new();
        // Each is in the middle of a piece that does not end, or waits for its place.
        for _ in 0..5 {
            let (release, end) = channel::<()>();
            held.push(release);
            let pieces = Pieces::new(offload.clone(), 0);
            long.spawn(async move { pieces.run(move || end.recv().is_err()).await });
        }
        tokio::task::yield_now().await;
        let short = Pieces::new(offload, 8);
        for piece in 0..8 {
            assert_eq!(short.run(move || piece).await, Ok(piece));
        }
        drop(held);
        assert!(long.join_all().await.into_iter().all(|ended| ended == Ok(true)));
    }
}
