//! CPU-bound work off the async runtime, with a bound on how much runs at once.

use std::cell::Cell;
use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::{ErrorKind, Kinded, Threads, Turns};

/// A bounded lane for work that would block the async runtime for more than half a millisecond:
/// Parquet, PromQL, compression of large bodies, file writes. Work that lasts for seconds goes into the
/// lane's [background](Offload::background), so that it does not keep what somebody waits for.
///
/// Clones share all lanes.
#[derive(Clone, Debug)]
pub struct Offload {
    lane: Arc<Semaphore>,
    background: Arc<Semaphore>,
    patient: Threads,
    turns: Arc<Turns>,
    /// Work is done where it is asked for.
    is_inline: bool,
}

thread_local! {
    static WITHOUT_THREADS: Cell<bool> = const { Cell::new(false) };
}

/// Bytes up to which a text does not hold up the runtime.
const SHORT_TEXT: usize = 2 << 10;

/// Bytes up to which a text is one that dashboards send.
const LONG_TEXT: usize = 64 << 10;

/// Why offloaded work gave no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OffloadError {
    /// The work panicked; the panic was logged by the panic hook.
    #[error("background work panicked")]
    Panicked,
    /// The runtime is stopping.
    #[error("the process is stopping")]
    Stopping,
    /// The system gives no further thread.
    #[error("no thread could be started; try again later")]
    NoThread,
}

impl Kinded for OffloadError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Panicked => ErrorKind::Internal,
            Self::Stopping | Self::NoThread => ErrorKind::Unavailable,
        }
    }
}

impl Offload {
    /// At most `width` pieces of work at once; further ones wait in order of arrival.
    #[must_use]
    pub fn new(width: usize) -> Self {
        let lane = |width: usize| Arc::new(Semaphore::new(width.clamp(1, Semaphore::MAX_PERMITS)));
        let turns = Arc::new(Turns::new(width.div_ceil(2)));
        let patient = Threads::of_low_priority("patient", width / 2, Arc::clone(&turns));
        Self {
            lane: lane(width),
            background: lane(width / 2),
            patient,
            turns,
            is_inline: WITHOUT_THREADS.get(),
        }
    }

    /// From here on, all lanes that this thread makes are [inline](Self::inline): for simulations of parts that make their own.
    pub fn make_inline_here() {
        WITHOUT_THREADS.set(true);
    }

    /// No threads: what is [run](Self::run) is done at once, by who asks for it. For simulations, which are the same each time
    /// only if nothing goes on beside them.
    #[must_use]
    pub fn inline() -> Self {
        Self { is_inline: true, ..Self::new(1) }
    }

    /// The lane beside this one for work of seconds that nobody waits for, half as wide: encoding of
    /// blocks. The operating system shares the cores among the two.
    #[must_use]
    pub fn background(&self) -> Self {
        Self { lane: Arc::clone(&self.background), ..self.clone() }
    }

    /// The lane beside this one for pieces of work that has gone on for long, half as wide, of low priority and by
    /// [turns](Self::turns): in it much can wait without keeping what has just begun.
    #[must_use]
    pub fn patient(&self) -> &Threads {
        &self.patient
    }

    /// The turns of long work, half as many as pieces of work at once; the patient lane takes them, and what else goes
    /// on for long should.
    #[must_use]
    pub fn turns(&self) -> &Arc<Turns> {
        &self.turns
    }

    /// One piece of work per core.
    #[must_use]
    pub fn per_core() -> Self {
        Self::new(std::thread::available_parallelism().map_or(2, std::num::NonZero::get))
    }

    /// Runs work that takes as long as a text of so many bytes is long, about a microsecond for each at worst, such as
    /// parsing it: here if it is short, off the runtime otherwise, and if it is huge in the patient lane.
    ///
    /// # Errors
    /// [`OffloadError`] when the work panicked or the runtime stops.
    pub async fn run_on_text<F, R>(&self, bytes: usize, work: F) -> Result<R, OffloadError>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        if bytes <= SHORT_TEXT {
            Ok(work())
        } else if bytes <= LONG_TEXT {
            self.run(work).await
        } else {
            self.patient.run(work).await
        }
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
        if self.is_inline {
            return Ok(work());
        }
        let permit = Arc::clone(&self.lane).acquire_owned().await.map_err(|_| OffloadError::Stopping)?;
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
    async fn a_simulation_has_no_threads_whoever_makes_the_lane() {
        let thread = || std::thread::current().id();
        assert_ne!(Offload::new(1).run(thread).await, Ok(thread()));
        Offload::make_inline_here();
        assert_eq!(Offload::new(1).background().run(thread).await, Ok(thread()));
        WITHOUT_THREADS.set(false);
    }

    #[tokio::test]
    async fn a_panic_is_an_error_and_gives_its_place_back() {
        let lane = Offload::new(1);
        let panicked = lane.run(|| panic!("contained")).await;
        assert_eq!(panicked, Err::<(), _>(OffloadError::Panicked));
        assert_eq!(lane.run(|| 7).await, Ok(7));
    }

    #[tokio::test]
    async fn a_huge_text_holds_up_neither_the_runtime_nor_the_lane() {
        let lane = Offload::new(1);
        let thread = || (std::thread::current().id(), crate::priority::is_low());
        let here = thread();
        assert_eq!(lane.run_on_text(SHORT_TEXT, thread).await, Ok(here));
        let off = lane.run_on_text(LONG_TEXT, thread).await.unwrap();
        assert!(off.0 != here.0 && !off.1);
        let (release, held) = std::sync::mpsc::channel::<()>();
        let huge = lane.clone();
        let huge = tokio::spawn(async move {
            huge.run_on_text(LONG_TEXT + 1, move || (held.recv().is_ok(), crate::priority::is_low())).await
        });
        tokio::task::yield_now().await;
        assert_eq!(lane.run(|| 7).await, Ok(7));
        release.send(()).unwrap();
        assert_eq!(huge.await.unwrap(), Ok((true, true)));
    }

    #[tokio::test]
    async fn work_in_the_background_keeps_nothing_waiting_but_its_own_kind() {
        let lane = Offload::new(2);
        let (release, held) = std::sync::mpsc::channel::<()>();
        let background = lane.background();
        let long = tokio::spawn(async move { background.run(move || held.recv().is_ok()).await });
        // There is one place: the next waits its turn.
        while lane.background.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let next = lane.background();
        let next = tokio::spawn(async move { next.run(|| 8).await });
        assert_eq!(lane.run(|| 7).await, Ok(7));
        assert!(!next.is_finished());
        release.send(()).unwrap();
        assert_eq!((long.await.unwrap(), next.await.unwrap()), (Ok(true), Ok(8)));
    }
}
