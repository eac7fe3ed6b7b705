//! The steps at which a part of a query is evaluated.

use std::ops::Range;

use latewood_model::TimestampMs;

use crate::QueryError;

/// Evenly spaced times; at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grid {
    start: TimestampMs,
    step: i64,
    count: usize,
}

impl Grid {
    /// One time.
    pub(crate) fn single(at: TimestampMs) -> Self {
        Self { start: at, step: 1, count: 1 }
    }

    /// All times from `start` to `end`; `None` when there is none.
    pub(crate) fn new(start: TimestampMs, end: TimestampMs, step: i64) -> Result<Option<Self>, QueryError> {
        if start > end {
            return Ok(None);
        }
        let length = end.checked_sub(start).filter(|_| step > 0);
        let count = length.and_then(|length| usize::try_from(length / step + 1).ok());
        let count =
            count.ok_or_else(|| QueryError::Invalid("the query's time range is too long".to_owned()))?;
        Ok(Some(Self { start, step, count }))
    }

    /// The times of a subquery that serves windows of `range` up to each time of this grid: the multiples
    /// of `step` after the first window's start, up to the last window's end.
    pub(crate) fn subquery(
        &self,
        at: Option<TimestampMs>,
        offset: i64,
        range: i64,
        step: i64,
    ) -> Result<Option<Self>, QueryError> {
        let first_end = at.unwrap_or(self.start).saturating_sub(offset);
        let last_end = at.unwrap_or(self.last()).saturating_sub(offset);
        let open_start = first_end.saturating_sub(range);
        let aligned = open_start.div_euclid(step).saturating_add(1).saturating_mul(step);
        Self::new(aligned, last_end, step)
    }

    /// Some of the steps, at least one, next to each other.
    pub(crate) fn part(&self, steps: &Range<usize>) -> Self {
        Self { start: self.time(steps.start), step: self.step, count: steps.len().max(1) }
    }

    /// The first step at a time or after it; as many as there are if all are before.
    pub(crate) fn first_from(&self, at: TimestampMs) -> usize {
        let before = i128::from(at) - i128::from(self.start);
        let step = i128::from(self.step.max(1));
        let steps = (before + step - 1).div_euclid(step).max(0);
        usize::try_from(steps).map_or(self.count, |steps| steps.min(self.count))
    }

    /// How many steps.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// The first time.
    pub(crate) fn start(&self) -> TimestampMs {
        self.start
    }

    /// The last time.
    pub(crate) fn last(&self) -> TimestampMs {
        self.time(self.count - 1)
    }

    /// The distance of steps.
    pub(crate) fn step(&self) -> i64 {
        self.step
    }

    /// The time of a step.
    pub(crate) fn time(&self, step: usize) -> TimestampMs {
        let index = i64::try_from(step).unwrap_or(i64::MAX);
        self.start.saturating_add(self.step.saturating_mul(index))
    }

    /// All times.
    pub(crate) fn times(self) -> impl Iterator<Item = TimestampMs> {
        (0..self.count).map(move |step| self.time(step))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subqueries_are_aligned_to_absolute_multiples() {
        for (start, range, step, first) in
            [(100, 50, 10, 60), (105, 50, 10, 60), (3, 10, 5, -5), (0, 10, 5, -5)]
        {
            let grid = Grid::single(start).subquery(None, 0, range, step);
            assert_eq!(grid.unwrap().unwrap().start(), first, "{start} {range} {step}");
        }
        let none = Grid::single(101).subquery(None, 0, 5, 100).unwrap();
        assert_eq!(none.map(|grid| grid.len()), Some(1));
        assert_eq!(Grid::single(99).subquery(None, 0, 5, 100).unwrap(), None);
        assert!(Grid::new(i64::MIN, i64::MAX, 1).is_err());
    }
}
