//! Where replicas stand beside each other and where compaction has left one series of them.

use super::LOOKBACK_MS;
use crate::{TimeRange, TimestampMs};

/// A part of a range that is deduplicated by itself. The parts of a range join up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Its times.
    pub range: TimeRange,
    /// Samples from here on, up to the end of the range, say what is kept in it.
    pub since: TimestampMs,
    /// Which samples do.
    pub stock: Stock,
}

/// Of which blocks the samples of a segment are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stock {
    /// All but those that compaction has deduplicated; with the tails of these, which have what replicas wrote at their ends.
    Replicas,
    /// All but tails: the one series that compaction has left, the first in rank as it has no replica label, and what came
    /// late for its times, which fills gaps.
    Deduplicated,
}

impl Segment {
    /// All times of which samples are needed.
    #[must_use]
    pub fn wide(&self) -> TimeRange {
        TimeRange::new(self.since, self.range.end)
    }

    /// The segments of a range, ascending, where compaction has deduplicated these windows.
    ///
    /// What is kept behind such windows is decided by the replicas at their end, as it was before they were deduplicated.
    /// Nothing before such windows decides what is kept in them: it has been decided.
    #[must_use]
    pub fn of(range: TimeRange, deduplicated: impl IntoIterator<Item = TimeRange>) -> Vec<Self> {
        let (mut segments, mut at) = (Vec::new(), range.start);
        for run in runs(deduplicated).into_iter().filter(|run| run.overlaps(range)) {
            if at < run.start {
                segments.push(Self::replicas(TimeRange::new(at, run.start.saturating_sub(1))));
            }
            let inside = TimeRange::new(at.max(run.start), run.end.min(range.end));
            let since = inside.start.saturating_sub(LOOKBACK_MS).max(run.start);
            segments.push(Self { range: inside, since, stock: Stock::Deduplicated });
            let Some(next) = run.end.checked_add(1) else { return segments };
            at = next;
        }
        if at <= range.end {
            segments.push(Self::replicas(TimeRange::new(at, range.end)));
        }
        segments
    }

    fn replicas(range: TimeRange) -> Self {
        Self { range, since: range.start.saturating_sub(LOOKBACK_MS), stock: Stock::Replicas }
    }
}

/// Windows that touch or overlap as one, ascending.
fn runs(windows: impl IntoIterator<Item = TimeRange>) -> Vec<TimeRange> {
    let mut sorted: Vec<TimeRange> = windows.into_iter().filter(|window| !window.is_empty()).collect();
    sorted.sort_unstable_by_key(|window| window.start);
    let mut runs: Vec<TimeRange> = Vec::new();
    for window in sorted {
        match runs.last_mut() {
            Some(run) if window.start <= run.end.saturating_add(1) => run.end = run.end.max(window.end),
            _ => runs.push(window),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::super::Deduplicator;
    use super::*;
    use crate::{Labels, SeriesSamples};

    const HOUR: i64 = LOOKBACK_MS;

    #[test]
    fn windows_that_touch_are_one_run_and_nothing_before_it_counts_in_it() {
        let range = |start, end| TimeRange::new(start, end);
        let windows = [range(21 * HOUR + 1, 24 * HOUR), range(10 * HOUR + 1, 20 * HOUR), range(1, 10 * HOUR)];
        let found = Segment::of(range(-HOUR, 30 * HOUR), windows);
        let expected = [
            (range(-HOUR, 0), -2 * HOUR, Stock::Replicas),
            (range(1, 20 * HOUR), 1, Stock::Deduplicated),
            (range(20 * HOUR + 1, 21 * HOUR), 19 * HOUR + 1, Stock::Replicas),
            (range(21 * HOUR + 1, 24 * HOUR), 21 * HOUR + 1, Stock::Deduplicated),
            (range(24 * HOUR + 1, 30 * HOUR), 23 * HOUR + 1, Stock::Replicas),
        ];
        assert_eq!(found, expected.map(|(range, since, stock)| Segment { range, since, stock }));
        let inside = Segment::of(range(15 * HOUR, 16 * HOUR), windows);
        assert_eq!(inside.iter().map(|one| one.since).collect::<Vec<_>>(), [14 * HOUR]);
        assert_eq!(Segment::of(TimeRange::EMPTY, windows), []);
    }

    fn series(replica: &str, times: &[i64]) -> SeriesSamples {
        SeriesSamples {
            labels: Labels::from_pairs([("__name__", "m"), ("replica", replica)]),
            timestamps: times.iter().copied().collect::<Arc<[i64]>>(),
            values: times.iter().map(|at| *at as f64).collect(),
            starts: crate::StartTimestamps::none(),
            histograms: Vec::new(),
        }
    }

    /// What is kept of a range of the samples that a segment may look at.
    fn kept(segment: &Segment, stored: &[SeriesSamples]) -> Vec<i64> {
        let mut seen = Vec::new();
        for series in stored {
            let times: Vec<i64> =
                series.timestamps.iter().copied().filter(|at| segment.wide().contains(*at)).collect();
            if !times.is_empty() {
                seen.push(self::series("", &times));
            }
        }
        let merged = Deduplicator::new(segment.range.start).merge(Labels::empty(), seen);
        merged.timestamps.to_vec()
    }

    proptest! {
        /// Days are compacted one after the other, of what the day before was compacted to; what is answered is what the
        /// replicas would answer.
        #[test]
        fn what_compaction_leaves_answers_as_the_replicas_do(
            a in replica(), b in replica(), days in 0_i64..4, from in 0..4 * DAY,
        ) {
            let (range, stored) = (TimeRange::new(from, 4 * DAY), [series("a", &a), series("b", &b)]);
            let whole = Segment { range, since: from - HOUR, stock: Stock::Replicas };
            let (mut left, mut tail_from) = (Vec::new(), i64::MIN);
            for day in 0..days {
                let window = TimeRange::new(day * DAY + 1, (day + 1) * DAY);
                // The tail of the day before, and the day.
                let since = tail_from.max(window.start - HOUR);
                let one = Segment { range: window, since, stock: Stock::Replicas };
                left.extend(kept(&one, &stored));
                tail_from = window.end - HOUR + 1;
            }
            let windows = (0..days).map(|day| TimeRange::new(day * DAY + 1, (day + 1) * DAY));
            let mut answered = Vec::new();
            for segment in Segment::of(range, windows) {
                answered.extend(match segment.stock {
                    Stock::Deduplicated => kept(&segment, &[series("", &left)]),
                    Stock::Replicas if days == 0 => kept(&segment, &stored),
                    Stock::Replicas => {
                        let cut = |series: &SeriesSamples| {
                            let times = series.timestamps.iter().copied();
                            times.filter(|at| *at >= tail_from || *at < 1).collect::<Vec<_>>()
                        };
                        kept(&segment, &stored.each_ref().map(|one| series("", &cut(one))))
                    }
                });
            }
            prop_assert_eq!(answered, kept(&whole, &stored));
        }
    }

    const DAY: i64 = 24 * HOUR;

    /// Scrapes of four days, each at its own interval, with outages.
    fn replica() -> impl Strategy<Value = Vec<i64>> {
        let outages = prop::collection::vec((0..4 * DAY, 1..3 * HOUR), 0..6);
        (120_000_i64..400_000, 0_i64..60_000, outages).prop_map(|(interval, phase, outages)| {
            let is_up = |at: &i64| !outages.iter().any(|(from, long)| (*from..from + long).contains(at));
            (0..)
                .map(|number| phase + number * interval)
                .take_while(|at| *at <= 4 * DAY)
                .filter(is_up)
                .collect()
        })
    }
}
