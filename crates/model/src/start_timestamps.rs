//! Start timestamps: since when the value of a sample has been counted up.
//!
//! ```text
//! samples   t=10  t=20  t=30  t=40  t=50          runs   since 20: 7
//! start       -     7     7    35    35                  since 40: 35
//! ```
//!
//! A series mostly keeps its start timestamp until its process is restarted, so they are held as runs. A run is known
//! by the time of its first sample and not by a row: samples may be taken out, by a range or a deletion, and what is
//! said of the others stays true.

use crate::TimestampMs;

/// The start timestamp of a sample that has none, as remote write 2.0 has it.
pub const NO_START: TimestampMs = 0;

/// The start timestamps of a series' float samples. Without any it holds no memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StartTimestamps(Vec<StartRun>);

/// From a sample on, up to the next run, all samples have the same start timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StartRun {
    /// The time of the first sample.
    pub since: TimestampMs,
    /// The start timestamp; [`NO_START`] if these samples have none.
    pub start: TimestampMs,
}

impl StartTimestamps {
    /// Of samples that have none.
    #[must_use]
    pub const fn none() -> Self {
        Self(Vec::new())
    }

    /// From runs that ascend in time; nothing if they do not.
    #[must_use]
    pub fn from_runs(runs: Vec<StartRun>) -> Option<Self> {
        runs.is_sorted_by(|a, b| a.since < b.since).then_some(Self(runs))
    }

    /// Whether no sample has one.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The runs, ascending. Samples before the first one have no start timestamp.
    #[must_use]
    pub fn runs(&self) -> &[StartRun] {
        &self.0
    }

    /// Notes the start timestamp of a sample that is newer than those before; of one that is not, nothing.
    pub fn push(&mut self, at: TimestampMs, start: TimestampMs) {
        let is_other = match self.0.last() {
            Some(last) => last.since < at && last.start != start,
            None => start != NO_START,
        };
        if is_other {
            self.0.push(StartRun { since: at, start });
        }
    }

    /// Appends those of later samples, of which the first is at `first`.
    pub fn append(&mut self, first: TimestampMs, later: &Self) {
        if self.is_empty() && later.is_empty() {
            return;
        }
        self.push(first, later.at(first));
        let rest = later.0.iter().filter(|run| run.since > first);
        rest.for_each(|run| self.push(run.since, run.start));
    }

    /// The start timestamp of the sample at a time.
    #[must_use]
    pub fn at(&self, time: TimestampMs) -> TimestampMs {
        let behind = self.0.partition_point(|run| run.since <= time);
        behind.checked_sub(1).and_then(|run| self.0.get(run)).map_or(NO_START, |run| run.start)
    }

    /// Gives the start timestamps of samples in ascending order of time, faster than [`StartTimestamps::at`].
    #[must_use]
    pub fn cursor(&self) -> StartCursor<'_> {
        StartCursor { runs: &self.0, start: NO_START }
    }
}

impl FromIterator<(TimestampMs, TimestampMs)> for StartTimestamps {
    /// From times, ascending, and the start timestamps of the samples there.
    fn from_iter<I: IntoIterator<Item = (TimestampMs, TimestampMs)>>(samples: I) -> Self {
        let mut starts = Self::none();
        samples.into_iter().for_each(|(at, start)| starts.push(at, start));
        starts
    }
}

/// See [`StartTimestamps::cursor`].
#[derive(Clone, Debug)]
pub struct StartCursor<'a> {
    runs: &'a [StartRun],
    start: TimestampMs,
}

impl StartCursor<'_> {
    /// The start timestamp of the sample at a time; not earlier than the time before.
    pub fn at(&mut self, time: TimestampMs) -> TimestampMs {
        while let Some((run, rest)) = self.runs.split_first()
            && run.since <= time
        {
            (self.start, self.runs) = (run.start, rest);
        }
        self.start
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_constant_start_is_one_run_and_none_is_nothing() {
        let constant: StartTimestamps = (1..1000).map(|at| (at, 7)).collect();
        assert_eq!(constant.runs(), [StartRun { since: 1, start: 7 }]);
        let none: StartTimestamps = (1..1000).map(|at| (at, NO_START)).collect();
        assert!(none.is_empty() && none.at(5) == NO_START);
    }

    #[test]
    fn runs_out_of_order_are_refused() {
        let run = |since| StartRun { since, start: 1 };
        assert!(StartTimestamps::from_runs(vec![run(2), run(2)]).is_none());
        assert!(StartTimestamps::from_runs(vec![run(1), run(2)]).is_some());
    }

    proptest! {
        #[test]
        fn every_sample_keeps_its_own_wherever_runs_are_joined(
            starts in prop::collection::vec(prop_oneof![3 => 0i64..3, 1 => any::<i64>()], 1..60),
            cut: prop::sample::Index,
        ) {
            let samples: Vec<(i64, i64)> = (-20..).step_by(10).zip(starts).collect();
            let whole: StartTimestamps = samples.iter().copied().collect();
            let mut cursor = whole.cursor();
            for &(at, start) in &samples {
                prop_assert_eq!((whole.at(at), cursor.at(at)), (start, start));
            }
            let (before, behind) = samples.split_at(cut.index(samples.len()));
            let mut joined: StartTimestamps = before.iter().copied().collect();
            joined.append(behind[0].0, &behind.iter().copied().collect());
            prop_assert_eq!(joined, whole);
        }
    }
}
