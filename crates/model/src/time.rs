//! Times in milliseconds.

use serde::{Deserialize, Serialize};

/// Milliseconds since the Unix epoch, as Prometheus counts; may be negative.
pub type TimestampMs = i64;

/// A range of time with both ends in it. `start > end` is the empty range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TimeRange {
    /// The first millisecond.
    pub start: TimestampMs,
    /// The last millisecond.
    pub end: TimestampMs,
}

impl TimeRange {
    /// All of time.
    pub const ALL: Self = Self { start: i64::MIN, end: i64::MAX };

    /// Holds nothing; [`TimeRange::include`] makes it grow.
    pub const EMPTY: Self = Self { start: i64::MAX, end: i64::MIN };

    /// Both ends included.
    #[must_use]
    pub fn new(start: TimestampMs, end: TimestampMs) -> Self {
        Self { start, end }
    }

    /// Whether it holds no time at all.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.start > self.end
    }

    /// Whether a time lies in it.
    #[must_use]
    pub fn contains(self, at: TimestampMs) -> bool {
        self.start <= at && at <= self.end
    }

    /// Whether two ranges share a time.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        !self.is_empty() && !other.is_empty() && self.start <= other.end && other.start <= self.end
    }

    /// Grows it to hold `at`.
    pub fn include(&mut self, at: TimestampMs) {
        self.start = self.start.min(at);
        self.end = self.end.max(at);
    }

    /// The smallest range that holds both.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self { start: self.start.min(other.start), end: self.end.max(other.end) }
    }
}
