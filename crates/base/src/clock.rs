//! Wall-clock and monotonic time as a value that is handed in.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A cheap handle on a source of time.
///
/// Production code takes a `Clock` and never asks the system; tests hand in [`Clock::manual`].
#[derive(Clone)]
pub struct Clock(Source);

#[derive(Clone)]
enum Source {
    System { origin: Instant },
    Manual(ManualClock),
}

impl Clock {
    /// The system's clocks.
    #[must_use]
    #[allow(clippy::disallowed_methods, reason = "the one place that reads the system's clocks")]
    pub fn system() -> Self {
        Self(Source::System { origin: Instant::now() })
    }

    /// A clock that stands still until its [`ManualClock`] moves it.
    #[must_use]
    pub fn manual(start_ms: i64) -> (Self, ManualClock) {
        let manual = ManualClock { start_ms, now_ms: Arc::new(AtomicI64::new(start_ms)) };
        (Self(Source::Manual(manual.clone())), manual)
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    #[allow(clippy::disallowed_methods, reason = "the one place that reads the system's clocks")]
    pub fn now_ms(&self) -> i64 {
        match &self.0 {
            Source::System { .. } => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |elapsed| i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)),
            Source::Manual(manual) => manual.now_ms.load(Ordering::SeqCst),
        }
    }

    /// Time since this clock was made; never goes back.
    #[must_use]
    #[allow(clippy::disallowed_methods, reason = "the one place that reads the system's clocks")]
    pub fn elapsed(&self) -> Duration {
        match &self.0 {
            Source::System { origin } => origin.elapsed(),
            Source::Manual(manual) => {
                let passed = manual.now_ms.load(Ordering::SeqCst).saturating_sub(manual.start_ms);
                Duration::from_millis(u64::try_from(passed).unwrap_or(0))
            }
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self.0 {
            Source::System { .. } => "Clock(system)",
            Source::Manual(_) => "Clock(manual)",
        })
    }
}

/// Moves a manual [`Clock`].
#[derive(Clone, Debug)]
pub struct ManualClock {
    start_ms: i64,
    now_ms: Arc<AtomicI64>,
}

impl ManualClock {
    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        self.now_ms.fetch_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX), Ordering::SeqCst);
    }

    /// Sets the wall-clock time, in milliseconds since the Unix epoch.
    pub fn set_ms(&self, now_ms: i64) {
        self.now_ms.store(now_ms, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_when_told() {
        let (clock, hand) = Clock::manual(1_000);
        assert_eq!((clock.now_ms(), clock.elapsed()), (1_000, Duration::ZERO));
        hand.advance(Duration::from_secs(2));
        assert_eq!((clock.now_ms(), clock.elapsed()), (3_000, Duration::from_secs(2)));
    }
}
