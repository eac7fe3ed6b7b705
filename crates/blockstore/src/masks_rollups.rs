//! Deletions in windows, whose samples cannot be told apart any more.

use latewood_model::{RollupWindows, SeriesRollups};

use crate::Masks;

impl Masks {
    /// What is left of a series; `None` when that is nothing. A window that a deletion touches in any millisecond is lost
    /// as a whole: nothing of what was deleted is ever answered.
    #[must_use]
    pub fn apply_rollups(&self, series: SeriesRollups, windows: RollupWindows) -> Option<SeriesRollups> {
        let ranges = self.ranges_of(&series.labels);
        if ranges.is_empty() {
            return Some(series);
        }
        let is_left = |end: i64| !ranges.iter().any(|range| range.overlaps(windows.range_of(end)));
        // Without windows a series was asked for by its labels alone.
        let labels_only = series.is_empty();
        let SeriesRollups { labels, floats, mut histograms } = series;
        histograms.retain(|window| is_left(window.end));
        let left = SeriesRollups { labels, floats: floats.filtered(is_left), histograms };
        (labels_only || !left.is_empty()).then_some(left)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use latewood_base::Ulid;
    use latewood_catalog::{Tombstone, TombstoneMatcher, View};
    use latewood_model::{
        HistogramSample, Labels, NativeHistogram, Resolution, SeriesSamples, StartTimestamps, TenantId,
        TimeRange, histogram::IntegerHistogram,
    };

    use super::*;

    const BLOCK: Ulid = Ulid(1);

    /// Windows of five minutes, one for each number, of the series of a job.
    fn windows(job: &str, floats: &[i64], histograms: &[i64]) -> SeriesRollups {
        let histogram = || NativeHistogram::from(IntegerHistogram::default());
        let at = |number: &i64| number * 300_000 - 100_000;
        let samples = SeriesSamples {
            labels: Labels::from_pairs([("__name__", "m"), ("job", job)]),
            timestamps: floats.iter().map(at).collect(),
            values: vec![1.0; floats.len()],
            starts: StartTimestamps::none(),
            histograms: histograms
                .iter()
                .map(|number| HistogramSample::new(at(number), histogram()))
                .collect(),
        };
        SeriesRollups::of(&samples, RollupWindows::of(Resolution::FiveMinutes).unwrap())
    }

    /// The numbers of the windows that are left.
    fn left(masks: &Masks, series: SeriesRollups) -> Option<(Vec<i64>, Vec<i64>)> {
        let left = masks.apply_rollups(series, RollupWindows::of(Resolution::FiveMinutes).unwrap())?;
        let floats = left.floats.iter().map(|window| window.end / 300_000).collect();
        Some((floats, left.histograms.iter().map(|window| window.end / 300_000).collect()))
    }

    #[test]
    fn a_window_that_is_touched_is_lost_and_others_stay() {
        let matcher = TombstoneMatcher { name: "job".to_owned(), op: "=".to_owned(), value: "x".to_owned() };
        let masks = |start: i64, end: i64| {
            let mut view = View::empty(TenantId::anonymous());
            let tombstone = Tombstone {
                id: Ulid(9),
                matchers: vec![matcher.clone()],
                range: TimeRange::new(start, end),
                blocks: [BLOCK].into(),
            };
            view.tombstones.insert(tombstone.id, Arc::new(tombstone));
            Masks::of(&view, BLOCK).unwrap()
        };
        let of = |masks: &Masks| left(masks, windows("x", &[1, 2, 3], &[2, 3, 4]));
        // (300_000, 600_000] is the second window.
        assert_eq!(of(&masks(600_000, 600_000)), Some((vec![1, 3], vec![3, 4])));
        assert_eq!(of(&masks(300_001, 300_001)), Some((vec![1, 3], vec![3, 4])));
        assert_eq!(of(&masks(300_000, 300_000)), Some((vec![2, 3], vec![2, 3, 4])));
        assert_eq!(of(&masks(600_000, 600_001)), Some((vec![1], vec![4])));
        assert_eq!(of(&masks(0, 900_001)), None);
        assert_eq!(of(&masks(900_001, 900_001)), Some((vec![1, 2, 3], vec![2, 3])));
        let all = masks(i64::MIN, i64::MAX);
        assert_eq!(left(&all, windows("y", &[1], &[])), Some((vec![1], vec![])));
        assert_eq!(left(&all, windows("x", &[], &[])), Some((vec![], vec![])), "labels alone");
    }
}
