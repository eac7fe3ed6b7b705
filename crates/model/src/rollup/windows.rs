//! Where windows begin and end.

use crate::{Resolution, TimeRange, TimestampMs};

/// Windows of one length, without gap or overlap, aligned to the Unix epoch; the beginning is no part of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RollupWindows {
    millis: i64,
}

/// The length of the finest windows, in milliseconds.
const FINEST: i64 = 300_000;

impl RollupWindows {
    /// The finest windows.
    pub(super) const FINEST: Self = Self { millis: FINEST };

    /// The windows of a resolution; raw samples have none.
    #[must_use]
    pub fn of(resolution: Resolution) -> Option<Self> {
        resolution.millis().map(|millis| Self { millis })
    }

    /// How long they are, in milliseconds.
    #[must_use]
    pub fn millis(self) -> i64 {
        self.millis
    }

    /// The end of the window that a time lies in. The last window there is ends with time.
    #[must_use]
    pub fn end_of(self, at: TimestampMs) -> TimestampMs {
        match at.rem_euclid(self.millis) {
            0 => at,
            behind => at.saturating_add(self.millis - behind),
        }
    }

    /// The times of the window that ends at `end`.
    #[must_use]
    pub fn range_of(self, end: TimestampMs) -> TimeRange {
        let length = match end.rem_euclid(self.millis) {
            0 => self.millis,
            // The last window there is.
            length => length,
        };
        TimeRange::new(end.saturating_sub(length - 1), end)
    }

    /// The ends of all windows that have a time of a range.
    #[must_use]
    pub fn ends_of(self, range: TimeRange) -> TimeRange {
        match range.is_empty() {
            true => range,
            false => TimeRange::new(self.end_of(range.start), self.end_of(range.end)),
        }
    }

    /// Whether windows end at a time.
    #[must_use]
    pub fn is_end(self, at: TimestampMs) -> bool {
        self.end_of(at) == at
    }

    /// Whether a time lies in the window that ends at `end`.
    #[must_use]
    pub fn contains(self, end: TimestampMs, at: TimestampMs) -> bool {
        self.end_of(at) == end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_has_its_end_and_not_its_beginning() {
        let windows = RollupWindows::of(Resolution::FiveMinutes).unwrap();
        assert_eq!(windows, RollupWindows::FINEST);
        let ends = [-300_000, -1, 0, 1, 300_000, 300_001].map(|at| windows.end_of(at));
        assert_eq!(ends, [-300_000, 0, 0, 300_000, 300_000, 600_000]);
        assert_eq!(windows.range_of(0), TimeRange::new(-299_999, 0));
        assert_eq!(windows.ends_of(TimeRange::new(1, 300_001)), TimeRange::new(300_000, 600_000));
        assert!(windows.ends_of(TimeRange::new(2, 1)).is_empty());
        assert!(windows.contains(0, -299_999) && !windows.contains(0, -300_000));
        assert!(RollupWindows::of(Resolution::Raw).is_none());
    }

    #[test]
    fn the_ends_of_time_have_windows() {
        let windows = RollupWindows::of(Resolution::OneDay).unwrap();
        assert_eq!(windows.end_of(i64::MAX), i64::MAX);
        let last = windows.range_of(i64::MAX);
        assert!(windows.is_end(last.start - 1) && windows.end_of(last.start) == i64::MAX);
        assert_eq!(windows.ends_of(TimeRange::ALL).end, i64::MAX);
        assert_eq!(windows.range_of(windows.end_of(i64::MIN)).start, i64::MIN);
        assert!(windows.is_end(i64::MAX) && windows.end_of(i64::MIN) < 0);
        assert_eq!(windows.end_of(i64::MIN) % 86_400_000, 0);
    }
}
