//! Deletions that compaction has not applied yet: samples they cover are left out of what is read.

use std::sync::Arc;

use latewood_base::Ulid;
use latewood_catalog::{Tombstone, View};
use latewood_model::{Labels, Matcher, SeriesSamples, TimeRange};

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

    /// What is left of a series; `None` when that is nothing.
    #[must_use]
    pub fn apply(&self, series: SeriesSamples) -> Option<SeriesSamples> {
        let ranges = self.ranges_of(&series.labels);
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

    /// The times at which a series was deleted.
    pub(crate) fn ranges_of(&self, labels: &Labels) -> Vec<TimeRange> {
        let value = |name: &str| labels.get(name).unwrap_or("");
        let fits = |matcher: &Matcher| matcher.matches(value(matcher.name()));
        let masks = self.0.iter().filter(|mask| mask.matchers.iter().all(fits));
        masks.map(|mask| mask.range).collect()
    }
}

#[cfg(test)]
mod tests {
    use latewood_model::{HistogramSample, NativeHistogram};

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
}
