//! Deletions that compaction has not applied yet: samples they cover are left out of what is read.

use std::sync::Arc;

use latewood_base::Ulid;
use latewood_catalog::{Tombstone, View};
use latewood_model::rollup::{RollupWindows, SeriesRollups};
use latewood_model::{Labels, Matcher, SeriesSamples, TimeRange, TimestampMs};

use crate::BlockStoreError;

/// The deletions that bind one block.
#[derive(Clone, Debug, Default)]
pub struct Masks(Arc<[Arc<Mask>]>);

/// One deletion, ready to be applied.
#[derive(Debug)]
pub struct Mask {
    matchers: Vec<Matcher>,
    range: TimeRange,
}

impl Mask {
    /// Of a deletion, whichever blocks it binds.
    ///
    /// # Errors
    /// [`BlockStoreError::Tombstone`] when a condition does not compile.
    pub fn of(tombstone: &Tombstone) -> Result<Self, BlockStoreError> {
        let matchers = tombstone.matchers.iter().map(|matcher| matcher.to_matcher());
        let matchers: Result<_, _> = matchers.collect();
        Ok(Self {
            matchers: matchers.map_err(|error| BlockStoreError::Tombstone {
                tombstone: tombstone.id,
                message: error.to_string(),
            })?,
            range: tombstone.range,
        })
    }
}

impl FromIterator<Arc<Mask>> for Masks {
    fn from_iter<I: IntoIterator<Item = Arc<Mask>>>(masks: I) -> Self {
        Self(masks.into_iter().collect())
    }
}

impl Masks {
    /// The deletions of a view that bind a block.
    ///
    /// # Errors
    /// [`BlockStoreError::Tombstone`] when a condition does not compile.
    pub fn of(view: &View, block: Ulid) -> Result<Self, BlockStoreError> {
        view.tombstones_of(block).map(|tombstone| Mask::of(tombstone).map(Arc::new)).collect()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is deleted of a series.
    fn ranges(&self, labels: &Labels) -> Vec<TimeRange> {
        let fits = |mask: &&Arc<Mask>| {
            let value = |name: &str| labels.get(name).unwrap_or("");
            mask.matchers.iter().all(|matcher| matcher.matches(value(matcher.name())))
        };
        self.0.iter().filter(fits).map(|mask| mask.range).collect()
    }

    /// What is left of a series of windows; `None` when that is nothing. A window that has a deleted moment in it is lost
    /// whole: what the others made of it is not known.
    #[must_use]
    pub fn apply_rollups(&self, series: SeriesRollups, windows: RollupWindows) -> Option<SeriesRollups> {
        let ranges = self.ranges(&series.labels);
        if ranges.is_empty() {
            return Some(series);
        }
        let is_left = |end: TimestampMs| {
            let window = TimeRange::new(end.saturating_sub(windows.millis() - 1), end);
            !ranges.iter().any(|range| range.overlaps(window))
        };
        let labels_only = series.is_empty();
        let histograms = series.histograms.into_iter().filter(|window| is_left(window.end)).collect();
        let floats = series.floats.filtered(is_left);
        let left = SeriesRollups { labels: series.labels, floats, histograms };
        (labels_only || !left.is_empty()).then_some(left)
    }

    /// What is left of a series; `None` when that is nothing.
    #[must_use]
    pub fn apply(&self, series: SeriesSamples) -> Option<SeriesSamples> {
        let ranges = self.ranges(&series.labels);
        if ranges.is_empty() {
            return Some(series);
        }
        let covered = |at: i64| ranges.iter().any(|range| range.contains(at));
        // Without samples a series was asked for by its labels alone.
        let labels_only = series.is_empty();
        let (timestamps, values): (Vec<_>, Vec<_>) = series
            .samples()
            .filter(|sample| !covered(sample.timestamp))
            .map(|sample| (sample.timestamp, sample.value))
            .unzip();
        let histograms = series.histograms.into_iter().filter(|sample| !covered(sample.timestamp)).collect();
        let (labels, starts) = (series.labels, series.starts);
        let left = SeriesSamples { labels, timestamps: timestamps.into(), values, starts, histograms };
        (labels_only || !left.is_empty()).then_some(left)
    }
}

#[cfg(test)]
mod tests {
    use latewood_model::{HistogramSample, NativeHistogram, Resolution, StartTimestamps};

    use super::*;

    #[test]
    fn histograms_are_deleted_as_floats_are() {
        let histogram = |timestamp| HistogramSample::new(timestamp, NativeHistogram::stale());
        let series = |floats: &[i64], histograms: &[i64]| SeriesSamples {
            labels: Labels::from_pairs([("__name__", "h")]),
            timestamps: floats.into(),
            values: vec![1.0; floats.len()],
            starts: floats.iter().map(|&at| (at, at - 1)).collect(),
            histograms: histograms.iter().copied().map(histogram).collect(),
        };
        let masks =
            Masks::from_iter([Arc::new(Mask { matchers: Vec::new(), range: TimeRange::new(10, 20) })]);
        let left = masks.apply(series(&[12], &[5, 15, 25])).unwrap();
        assert_eq!((left.values.len(), left.histograms), (0, vec![histogram(5), histogram(25)]));
        let left = masks.apply(series(&[9], &[10])).unwrap();
        assert_eq!((&*left.timestamps, left.histograms.len()), (&[9][..], 0));
        let left = masks.apply(series(&[9, 12, 21], &[])).unwrap();
        assert_eq!([9, 21].map(|at| left.starts.at(at)), [8, 20]);
        assert!(masks.apply(series(&[20], &[15])).is_none());
        assert!(masks.apply(series(&[], &[])).is_some(), "labels alone");
    }

    #[test]
    fn windows_are_lost_whole() {
        let series = SeriesSamples {
            labels: Labels::from_pairs([("__name__", "h")]),
            timestamps: (0..20).map(|minute| minute * 60_000).collect(),
            values: vec![1.0; 20],
            starts: StartTimestamps::none(),
            histograms: Vec::new(),
        };
        let windows = RollupWindows::of(Resolution::FiveMinutes).unwrap();
        let rollups = SeriesRollups::of(&series, windows);
        let ends = |start: i64, end: i64| {
            let mask = Mask { matchers: Vec::new(), range: TimeRange::new(start, end) };
            let left = Masks::from_iter([Arc::new(mask)]).apply_rollups(rollups.clone(), windows);
            left.map(|left| left.floats.ends.iter().map(|end| end / 300_000).collect::<Vec<_>>())
        };
        assert_eq!(ends(300_001, 300_001), Some(vec![0, 1, 3, 4]));
        assert_eq!(ends(300_000, 300_000), Some(vec![0, 2, 3, 4]), "a window holds its end");
        assert_eq!(
            (ends(-400_000, 5_000_000), ends(9_000_000, 9_000_001)),
            (None, Some(vec![0, 1, 2, 3, 4]))
        );
    }
}
