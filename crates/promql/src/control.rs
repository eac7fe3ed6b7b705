//! What holds a running query back: cancellation, a deadline, and the account of its memory and samples.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use latewood_base::Clock;

use crate::QueryError;

/// What one query may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueryLimits {
    /// How long it may run.
    pub timeout: Duration,
    /// Samples held at once.
    pub max_samples: u64,
    /// Bytes held at once.
    pub max_bytes: u64,
}

impl QueryLimits {
    /// No limits, for tests and tools.
    pub const NONE: Self = Self { timeout: Duration::MAX, max_samples: u64::MAX, max_bytes: u64::MAX };
}

/// A running query's leash and account, shared by all threads that work for it. Clones are the same control.
#[derive(Clone)]
pub struct Control(Arc<Inner>);

struct Inner {
    clock: Clock,
    deadline: Duration,
    limits: QueryLimits,
    canceled: AtomicBool,
    bytes: AtomicU64,
    peak_bytes: AtomicU64,
    samples: AtomicU64,
    peak_samples: AtomicU64,
    samples_read: AtomicU64,
    samples_evaluated: AtomicU64,
    series_read: AtomicU64,
}

impl Control {
    /// A control whose time starts now.
    #[must_use]
    pub fn new(clock: Clock, limits: QueryLimits) -> Self {
        Self(Arc::new(Inner {
            deadline: clock.elapsed().saturating_add(limits.timeout),
            clock,
            limits,
            canceled: AtomicBool::new(false),
            bytes: AtomicU64::new(0),
            peak_bytes: AtomicU64::new(0),
            samples: AtomicU64::new(0),
            peak_samples: AtomicU64::new(0),
            samples_read: AtomicU64::new(0),
            samples_evaluated: AtomicU64::new(0),
            series_read: AtomicU64::new(0),
        }))
    }

    /// Stops the query at its next check.
    pub fn cancel(&self) {
        self.0.canceled.store(true, Relaxed);
    }

    /// Whether the query was canceled.
    #[must_use]
    pub fn is_canceled(&self) -> bool {
        self.0.canceled.load(Relaxed)
    }

    /// How long the query may still run.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.0.deadline.saturating_sub(self.0.clock.elapsed())
    }

    /// To be called between pieces of work of at most some milliseconds.
    ///
    /// # Errors
    /// [`QueryError::Canceled`] and [`QueryError::Timeout`].
    pub fn check(&self) -> Result<(), QueryError> {
        if self.is_canceled() {
            return Err(QueryError::Canceled);
        }
        if self.0.clock.elapsed() >= self.0.deadline {
            return Err(QueryError::Timeout);
        }
        Ok(())
    }

    /// Books memory before it is allocated; dropping the reservation gives it back.
    ///
    /// # Errors
    /// [`QueryError::TooMuchMemory`] when the query would hold more than its limit.
    pub fn reserve(&self, bytes: u64) -> Result<Reservation, QueryError> {
        let mut reservation = Reservation { control: self.clone(), bytes: 0, samples: 0 };
        reservation.grow(bytes)?;
        Ok(reservation)
    }

    /// Counts series and samples taken from storage.
    pub fn count_read(&self, series: u64, samples: u64) {
        self.0.series_read.fetch_add(series, Relaxed);
        self.0.samples_read.fetch_add(samples, Relaxed);
    }

    /// Counts samples that selectors handed to the evaluation of a step.
    pub fn count_evaluated(&self, samples: u64) {
        self.0.samples_evaluated.fetch_add(samples, Relaxed);
    }

    /// Bytes held now.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.0.bytes.load(Relaxed)
    }

    /// What the query has used so far.
    #[must_use]
    pub fn stats(&self) -> QueryStats {
        QueryStats {
            series_read: self.0.series_read.load(Relaxed),
            samples_read: self.0.samples_read.load(Relaxed),
            samples_evaluated: self.0.samples_evaluated.load(Relaxed),
            peak_samples: self.0.peak_samples.load(Relaxed),
            peak_bytes: self.0.peak_bytes.load(Relaxed),
        }
    }
}

impl fmt::Debug for Control {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Control")
            .field("limits", &self.0.limits)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

/// What a query has used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueryStats {
    /// Series that the source returned, counted once per selector.
    pub series_read: u64,
    /// Samples that the source returned, counted once per selector.
    pub samples_read: u64,
    /// Samples that selectors handed to evaluation, counted once per step that they count for: a window of
    /// ten samples evaluated at three steps is thirty. Prometheus's `totalQueryableSamples`.
    pub samples_evaluated: u64,
    /// The most samples held at once.
    pub peak_samples: u64,
    /// The most bytes held at once.
    pub peak_bytes: u64,
}

/// Memory and samples booked with a [`Control`]; given back on drop.
#[derive(Debug)]
pub struct Reservation {
    control: Control,
    bytes: u64,
    samples: u64,
}

impl Reservation {
    /// Books more memory.
    ///
    /// # Errors
    /// [`QueryError::TooMuchMemory`].
    pub fn grow(&mut self, bytes: u64) -> Result<(), QueryError> {
        let inner = &self.control.0;
        let limit = inner.limits.max_bytes;
        let now = add(&inner.bytes, bytes, limit).ok_or(QueryError::TooMuchMemory { limit })?;
        self.bytes += bytes;
        inner.peak_bytes.fetch_max(now, Relaxed);
        Ok(())
    }

    /// Books samples.
    ///
    /// # Errors
    /// [`QueryError::TooManySamples`].
    pub fn grow_samples(&mut self, samples: u64) -> Result<(), QueryError> {
        let inner = &self.control.0;
        let now = add(&inner.samples, samples, inner.limits.max_samples).ok_or(QueryError::TooManySamples)?;
        self.samples += samples;
        inner.peak_samples.fetch_max(now, Relaxed);
        Ok(())
    }

    /// Takes over what another reservation holds.
    pub fn absorb(&mut self, mut other: Self) {
        self.bytes += std::mem::take(&mut other.bytes);
        self.samples += std::mem::take(&mut other.samples);
    }
}

/// The new total, unless it would pass the limit.
fn add(total: &AtomicU64, more: u64, limit: u64) -> Option<u64> {
    let within = |now: u64| now.checked_add(more).filter(|&sum| sum <= limit);
    let before = total.fetch_update(Relaxed, Relaxed, within).ok()?;
    before.checked_add(more)
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.control.0.bytes.fetch_sub(self.bytes, Relaxed);
        self.control.0.samples.fetch_sub(self.samples, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_given_back_and_limits_hold() {
        let limits = QueryLimits { max_bytes: 100, max_samples: 5, ..QueryLimits::NONE };
        let control = Control::new(Clock::manual(0).0, limits);
        let mut held = control.reserve(60).unwrap();
        drop(control.reserve(40).unwrap());
        assert_eq!((control.bytes(), control.stats().peak_bytes), (60, 100));
        held.grow_samples(5).unwrap();
        assert!(matches!(held.grow_samples(1), Err(QueryError::TooManySamples)));
        assert!(matches!(control.reserve(u64::MAX), Err(QueryError::TooMuchMemory { limit: 100 })));
    }

    #[test]
    fn deadline_and_cancellation_end_it() {
        let (clock, hands) = Clock::manual(0);
        let limits = QueryLimits { timeout: Duration::from_secs(1), ..QueryLimits::NONE };
        let control = Control::new(clock, limits);
        assert!(control.check().is_ok());
        hands.advance(Duration::from_secs(1));
        assert!(matches!(control.check(), Err(QueryError::Timeout)));
        control.clone().cancel();
        assert!(matches!(control.check(), Err(QueryError::Canceled)));
    }
}
