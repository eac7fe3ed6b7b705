//! Where a block's times are cut into windows with files of their own: pure.

use std::ops::Range;

use latewood_model::TimestampMs;

use crate::{BlockError, BlockHeader};

/// The shortest windows, in milliseconds: folders are named by the second.
const SHORTEST: i64 = 1_000;

/// How a block is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// One window, which begins with the first sample: known when the block ends.
    Late,
    /// One window that begins at a time.
    At(TimestampMs),
    /// Windows of so many milliseconds, aligned to the Unix epoch; the beginning is no part of a window.
    Every(i64),
}

impl Cut {
    pub(super) fn of(header: &BlockHeader) -> Result<Self, BlockError> {
        match (header.window_ms, header.window) {
            (Some(millis), _) => Self::every(millis).ok_or_else(|| {
                BlockError::Config(format!("a window of {millis} ms is no number of whole seconds"))
            }),
            (None, Some(window)) => Ok(Self::At(window.start)),
            (None, None) => Ok(Self::Late),
        }
    }

    /// Windows of this length, if a block can have them.
    pub(crate) fn every(millis: i64) -> Option<Self> {
        (millis >= SHORTEST && millis % SHORTEST == 0).then_some(Self::Every(millis))
    }

    /// The start of the window that a time lies in.
    pub(crate) fn start_of(self, at: TimestampMs) -> TimestampMs {
        match self {
            Self::Late => TimestampMs::MIN,
            Self::At(start) => start,
            Self::Every(millis) => match at.rem_euclid(millis) {
                0 => at.saturating_sub(millis),
                behind => at.saturating_sub(behind),
            },
        }
    }

    /// The windows of ascending times: their starts, and which of the times.
    pub(super) fn windows(self, times: &[TimestampMs]) -> impl Iterator<Item = (TimestampMs, Range<usize>)> {
        let mut done = 0;
        std::iter::from_fn(move || {
            let rest = times.get(done..)?;
            let start = self.start_of(*rest.first()?);
            let rows = done..done + rest.partition_point(|&at| self.start_of(at) == start);
            done = rows.end;
            Some((start, rows))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_open_to_the_left() {
        let cut = Cut::every(6_000).unwrap();
        let times = [-6_000, -5_999, 0, 1, 5_999, 6_000, 6_001, 60_000];
        let found: Vec<_> = cut.windows(&times).collect();
        assert_eq!(found, [(-12_000, 0..1), (-6_000, 1..3), (0, 3..6), (6_000, 6..7), (54_000, 7..8)]);
        assert_eq!(Cut::At(5).windows(&times).collect::<Vec<_>>(), [(5, 0..8)]);
        assert!(Cut::Late.windows(&[]).next().is_none());
        assert!(Cut::every(1_500).is_none() && Cut::every(0).is_none() && Cut::every(-1_000).is_none());
    }

    #[test]
    fn the_ends_of_time_lie_in_windows() {
        let cut = Cut::every(1_000).unwrap();
        let found: Vec<_> = cut.windows(&[i64::MIN, i64::MAX]).map(|(_, rows)| rows).collect();
        assert_eq!(found, [0..1, 1..2]);
    }
}
