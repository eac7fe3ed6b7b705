//! What holds a running query back: cancellation, a deadline, and the account of its memory and samples.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use latewood_base::{Clock, lower_priority};
use parking_lot::Mutex;

use crate::QueryError;
use crate::account::{Account, Reservation};
use crate::commons::{Commons, LONG, TURN};

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
    canceled: AtomicBool,
    account: Account,
    samples_read: AtomicU64,
    samples_evaluated: AtomicU64,
    series_read: AtomicU64,
    started: Duration,
    /// What it shares with other queries, and since when it has a turn.
    commons: Option<Arc<Commons>>,
    turn: Mutex<Option<Duration>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let (Some(commons), Some(_)) = (&self.commons, self.turn.get_mut()) {
            commons.turns.give();
        }
    }
}

impl Control {
    /// A control whose time starts now.
    #[must_use]
    pub fn new(clock: Clock, limits: QueryLimits) -> Self {
        Self::sharing(clock, limits, None)
    }

    /// A control whose time starts now, of a query beside others.
    pub(crate) fn sharing(clock: Clock, limits: QueryLimits, commons: Option<Arc<Commons>>) -> Self {
        let started = clock.elapsed();
        Self(Arc::new(Inner {
            deadline: started.saturating_add(limits.timeout),
            started,
            account: Account::new(limits, commons.clone()),
            commons,
            turn: Mutex::new(None),
            clock,
            canceled: AtomicBool::new(false),
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

    /// To be called between pieces of work of at most some milliseconds. Blocks while it is the turn of
    /// others, and lowers the priority of the thread of a query that runs for long.
    ///
    /// # Errors
    /// [`QueryError::Canceled`] and [`QueryError::Timeout`].
    pub fn check(&self) -> Result<(), QueryError> {
        let now = self.in_time()?;
        let Some(commons) = self.0.commons.as_ref().filter(|_| now - self.0.started >= LONG) else {
            return Ok(());
        };
        let mut turn = self.0.turn.lock();
        if let Some(since) = *turn {
            if now - since < TURN || !commons.turns.somebody_waits() {
                return Ok(());
            }
            *turn = None;
            commons.turns.give();
        }
        // Beside turns: the cores are shared with more than queries.
        lower_priority();
        commons.turns.take(|| self.in_time().map(|_| ()))?;
        *turn = Some(self.0.clock.elapsed());
        Ok(())
    }

    /// To be called before waiting for others and at the end: nobody's turn is spent waiting.
    pub fn rest(&self) {
        if let (Some(commons), Some(_)) = (&self.0.commons, self.0.turn.lock().take()) {
            commons.turns.give();
        }
    }

    /// The time, if the query may go on.
    fn in_time(&self) -> Result<Duration, QueryError> {
        if self.is_canceled() {
            return Err(QueryError::Canceled);
        }
        let now = self.0.clock.elapsed();
        if now >= self.0.deadline { Err(QueryError::Timeout) } else { Ok(now) }
    }

    /// Books memory before it is allocated; dropping the reservation gives it back.
    ///
    /// # Errors
    /// [`QueryError::TooMuchMemory`] when the query would hold more than its limit, and
    /// [`QueryError::OutOfMemory`] when all together would hold more than theirs.
    pub fn reserve(&self, bytes: u64) -> Result<Reservation, QueryError> {
        let mut reservation = Reservation::new(self);
        reservation.grow(bytes)?;
        Ok(reservation)
    }

    /// How long the clock has run.
    pub(crate) fn elapsed(&self) -> Duration {
        self.0.clock.elapsed()
    }

    /// Its account.
    pub(crate) fn account(&self) -> &Account {
        &self.0.account
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
        self.0.account.bytes.load(Relaxed)
    }

    /// What the query has used so far.
    #[must_use]
    pub fn stats(&self) -> QueryStats {
        QueryStats {
            series_read: self.0.series_read.load(Relaxed),
            samples_read: self.0.samples_read.load(Relaxed),
            samples_evaluated: self.0.samples_evaluated.load(Relaxed),
            peak_samples: self.0.account.peak_samples.load(Relaxed),
            peak_bytes: self.0.account.peak_bytes.load(Relaxed),
        }
    }
}

impl fmt::Debug for Control {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Control")
            .field("account", &self.0.account)
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
    /// ten samples evaluated at three steps is thirty. Prometheus's `totalQueryableSamples`: see `exec/counts.rs`.
    pub samples_evaluated: u64,
    /// The most samples held at once.
    pub peak_samples: u64,
    /// The most bytes held at once.
    pub peak_bytes: u64,
}

#[cfg(test)]
mod tests {
    use latewood_base::Turns;

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
    fn what_all_queries_hold_is_bounded() {
        let commons = Arc::new(Commons::new(3 << 20, Arc::new(Turns::new(1))));
        let [a, b] = [(); 2]
            .map(|()| Control::sharing(Clock::manual(0).0, QueryLimits::NONE, Some(Arc::clone(&commons))));
        let held = a.reserve(2 << 20).unwrap();
        let limit = 3 << 20;
        assert!(matches!(b.reserve(2 << 20), Err(QueryError::OutOfMemory { limit: told }) if told == limit));
        drop((held, a));
        b.reserve(2 << 20).unwrap();
    }

    #[test]
    fn a_long_query_goes_on_by_turns_and_rests_while_it_waits() {
        let commons = Arc::new(Commons::new(u64::MAX, Arc::new(Turns::new(1))));
        let (clock, hands) = Clock::manual(0);
        let control = |timeout| {
            let limits = QueryLimits { timeout: Duration::from_millis(timeout), ..QueryLimits::NONE };
            Control::sharing(clock.clone(), limits, Some(Arc::clone(&commons)))
        };
        let (first, second) = (control(10_000), control(LONG.as_millis() as u64 + 100));
        first.check().unwrap();
        second.check().unwrap();
        hands.advance(LONG);
        first.check().unwrap();
        let waits = std::thread::spawn({
            let second = second.clone();
            move || second.check()
        });
        while !commons.turns.somebody_waits() {
            std::thread::yield_now();
        }
        // Its turn is not over yet.
        first.check().unwrap();
        hands.advance(Duration::from_millis(100));
        assert!(matches!(waits.join().unwrap(), Err(QueryError::Timeout)));
        first.rest();
        let third = control(10_000);
        hands.advance(LONG);
        third.check().unwrap();
        third.rest();
        first.check().unwrap();
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
