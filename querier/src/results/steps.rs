//! Runs of a query's steps: ranges of time whose ends are steps. Pure arithmetic.
//!
//! Runs are cut at the bounds of extents, so that what one late sample touches is computed again for its day and not for a
//! month. An extent is a UTC day; of queries with many steps a day a half of it, a quarter and so on, of those with few
//! steps several days.

use latewood_model::{TimeRange, TimestampMs};

const DAY_MS: i64 = 86_400_000;
/// So many steps an extent of several days has at least.
const FEW: i64 = 24;
/// So many steps a part of a day has at least.
const MANY: i64 = 128;
/// A day can be halved so often without a rest.
const MAX_HALVINGS: u32 = 10;
/// Times beyond it, some 285,000 years, are not calculated with.
const FAR_MS: i64 = 1 << 53;

/// The distance of a query's steps, and how long its extents are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StepGrid {
    step_ms: i64,
    extent_ms: i64,
}

impl StepGrid {
    /// None if the times are too far away.
    pub(super) fn new(step_ms: i64, start: TimestampMs, end: TimestampMs) -> Option<Self> {
        let is_near = |at: i64| (-FAR_MS..=FAR_MS).contains(&at);
        if !is_near(start) || !is_near(end) || !(1..=FAR_MS / FEW).contains(&step_ms) {
            return None;
        }
        let halvings = (DAY_MS / step_ms / MANY).checked_ilog2().unwrap_or(0).min(MAX_HALVINGS);
        let days = (step_ms * FEW + DAY_MS - 1) / DAY_MS;
        Some(Self { step_ms, extent_ms: (days * DAY_MS) >> halvings })
    }

    /// The step behind one.
    pub(super) fn after(self, step: TimestampMs) -> TimestampMs {
        step + self.step_ms
    }

    /// The steps from `first` that are not after `end`; empty if `first` is.
    pub(super) fn run(self, first: TimestampMs, end: TimestampMs) -> TimeRange {
        if end < first {
            return TimeRange::EMPTY;
        }
        TimeRange::new(first, first + (end - first) / self.step_ms * self.step_ms)
    }

    /// How many steps a run has.
    pub(super) fn count(self, run: TimeRange) -> u64 {
        if run.is_empty() { 0 } else { ((run.end - run.start) / self.step_ms + 1).unsigned_abs() }
    }

    /// Which extent a step is in.
    pub(super) fn extent_of(self, step: TimestampMs) -> i64 {
        step.div_euclid(self.extent_ms)
    }

    /// The parts of a run in each extent.
    pub(super) fn by_extent(self, run: TimeRange) -> impl Iterator<Item = TimeRange> {
        let mut rest = run;
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let last = (self.extent_of(rest.start) + 1) * self.extent_ms - 1;
            let part = self.run(rest.start, last.min(rest.end));
            rest.start = self.after(part.end);
            Some(part)
        })
    }

    /// The steps of both runs; empty if they share none.
    pub(super) fn common(self, a: TimeRange, b: TimeRange) -> TimeRange {
        TimeRange::new(a.start.max(b.start), a.end.min(b.end))
    }

    /// The most steps from the first one on for which something holds, that for no longer run holds again.
    pub(super) fn longest(self, run: TimeRange, holds: impl Fn(TimeRange) -> bool) -> TimeRange {
        let (mut known, mut above) = (0, self.count(run) + 1);
        while known + 1 < above {
            let middle = known + (above - known) / 2;
            if holds(self.first(run, middle)) { known = middle } else { above = middle }
        }
        if known == 0 { TimeRange::EMPTY } else { self.first(run, known) }
    }

    /// The first steps of a run, at least one.
    fn first(self, run: TimeRange, count: u64) -> TimeRange {
        let more = i64::try_from(count - 1).unwrap_or(i64::MAX);
        TimeRange::new(run.start, run.start + more.saturating_mul(self.step_ms))
    }

    /// What of a run lies between others, which are in order and share no step.
    pub(super) fn gaps(self, run: TimeRange, others: impl IntoIterator<Item = TimeRange>) -> Vec<TimeRange> {
        let (mut gaps, mut next) = (Vec::new(), run.start);
        for other in others {
            gaps.push(self.run(next, other.start - 1));
            next = self.after(other.end);
        }
        gaps.push(self.run(next, run.end));
        gaps.retain(|gap| !gap.is_empty());
        gaps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    fn grid(step_ms: i64) -> StepGrid {
        StepGrid::new(step_ms, 0, 0).unwrap()
    }

    #[test]
    fn runs_are_cut_at_utc_days_of_coarse_steps_at_several_and_of_fine_ones_at_parts() {
        let parts = |step: i64, run: TimeRange| grid(step).by_extent(run).collect::<Vec<_>>();
        let day = |number: i64, from: i64, to: i64| {
            TimeRange::new(number * DAY_MS + from * HOUR, number * DAY_MS + to * HOUR)
        };
        assert_eq!(
            parts(HOUR, TimeRange::new(22 * HOUR, 49 * HOUR)),
            [day(0, 22, 23), day(1, 0, 23), day(2, 0, 1)]
        );
        assert_eq!(parts(5 * HOUR, TimeRange::new(-5 * HOUR, 0)), [day(0, -5, -5), day(0, 0, 0)]);
        // Five days have 24 steps of five hours.
        assert_eq!(parts(5 * HOUR, grid(5 * HOUR).run(0, 130 * HOUR)), [day(0, 0, 115), day(5, 0, 10)]);
        // 180 steps of 15 s.
        let part = TimeRange::new(DAY_MS, DAY_MS + 45 * 60_000 - 15_000);
        assert_eq!(parts(15_000, TimeRange::new(DAY_MS - 15_000, DAY_MS + 45 * 60_000))[1], part);
        for step in [1, 7, 1_000, 15_000, 60_000, 300_000, 337_500, HOUR, DAY_MS, 90 * DAY_MS] {
            let StepGrid { extent_ms, .. } = grid(step);
            let is_aligned = extent_ms % DAY_MS == 0 || DAY_MS % extent_ms == 0;
            assert!(is_aligned && extent_ms / step >= FEW, "{step}: {extent_ms}");
        }
        assert_eq!(parts(7, TimeRange::EMPTY), []);
        assert_eq!(StepGrid::new(1, 0, i64::MAX), None);
        assert_eq!(StepGrid::new(i64::MAX, 0, 0), None);
    }

    #[test]
    fn gaps_and_runs_are_on_the_grid() {
        let grid = grid(10);
        let run = |from, to| TimeRange::new(from, to);
        assert_eq!(grid.run(3, 25), run(3, 23));
        assert_eq!(
            (grid.run(3, 2), grid.count(run(3, 23)), grid.count(TimeRange::EMPTY)),
            (TimeRange::EMPTY, 3, 0)
        );
        assert_eq!(grid.gaps(run(3, 93), [run(13, 23), run(33, 33)]), [run(3, 3), run(43, 93)]);
        assert_eq!(grid.gaps(run(3, 93), [run(3, 93)]), []);
        for last in (3..=93).step_by(10) {
            assert_eq!(grid.longest(run(3, 93), |run| run.end <= last), run(3, last));
        }
        assert!(grid.longest(run(3, 93), |_| false).is_empty());
    }
}
