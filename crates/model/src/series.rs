//! Series and their samples as they travel between storage and queries.

use std::sync::Arc;

use crate::{
    HistogramSample, Labels, NO_START, Sample, StartTimestamps, TimeRange, TimestampMs, resolve_kinds,
};

/// A 128-bit hash of a label set: an index in memory, verified against the labels, never an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SeriesHash(pub u128);

impl SeriesHash {
    /// The upper half, for routing.
    #[must_use]
    pub fn high(self) -> u64 {
        (self.0 >> 64) as u64
    }

    /// The lower half, for hash tables.
    #[must_use]
    pub fn low(self) -> u64 {
        self.0 as u64
    }
}

/// A series with samples in ascending order of time, each time once. The times may be shared between
/// series that were scraped together.
#[derive(Clone, Debug)]
pub struct SeriesSamples {
    /// Which series.
    pub labels: Labels,
    /// The times, strictly ascending.
    pub timestamps: Arc<[TimestampMs]>,
    /// The values, as many as times; stale markers included.
    pub values: Vec<f64>,
    /// The start timestamps of these values.
    pub starts: StartTimestamps,
    /// Native histograms in ascending order of time, each time once and none that has a value, too.
    pub histograms: Vec<HistogramSample>,
}

impl SeriesSamples {
    /// Whether it has no sample of either kind.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty() && self.histograms.is_empty()
    }

    /// How many floats take about as much memory as its samples.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.values.len()
            + 2 * self.starts.runs().len()
            + self.histograms.iter().map(HistogramSample::weight).sum::<usize>()
    }

    /// Leaves all samples without start timestamps.
    pub fn forget_starts(&mut self) {
        self.starts = StartTimestamps::none();
        self.histograms.iter_mut().for_each(|sample| sample.start = NO_START);
    }

    /// Leaves one sample to a time that has a float and a histogram ([`resolve_kinds`]).
    pub fn resolve_kinds(&mut self) {
        if self.values.is_empty() || self.histograms.is_empty() {
            return;
        }
        let mut times = self.timestamps.to_vec();
        resolve_kinds(&mut times, &mut self.values, &mut self.histograms);
        if times.len() < self.timestamps.len() {
            self.timestamps = times.into();
        }
    }

    /// The time of its first sample of either kind.
    #[must_use]
    pub fn first_time(&self) -> Option<TimestampMs> {
        let float = self.timestamps.first().copied();
        let histogram = self.histograms.first().map(|sample| sample.timestamp);
        float.into_iter().chain(histogram).min()
    }

    /// The samples up to a time, and those after it if there are any.
    #[must_use]
    pub fn split_after(mut self, end: TimestampMs) -> (Self, Option<Self>) {
        let floats = self.timestamps.partition_point(|&at| at <= end);
        let histograms = self.histograms.partition_point(|sample| sample.timestamp <= end);
        if floats == self.timestamps.len() && histograms == self.histograms.len() {
            return (self, None);
        }
        let times = Arc::clone(&self.timestamps);
        let (before, after) = times.split_at(floats);
        self.timestamps = before.into();
        let later = Self {
            labels: self.labels.clone(),
            timestamps: after.into(),
            values: self.values.split_off(floats),
            starts: self.starts.clone(),
            histograms: self.histograms.split_off(histograms),
        };
        (self, Some(later))
    }

    /// The samples in a range. Times that all are in it stay shared.
    #[must_use]
    pub fn within(mut self, range: TimeRange) -> Self {
        let start = self.timestamps.partition_point(|&at| at < range.start);
        let end = self.timestamps.partition_point(|&at| at <= range.end).max(start);
        if start > 0 || end < self.timestamps.len() {
            self.values.truncate(end);
            self.values.drain(..start);
            self.timestamps = self.timestamps.get(start..end).unwrap_or_default().into();
        }
        self.histograms.retain(|sample| range.contains(sample.timestamp));
        self
    }

    /// The samples one by one.
    pub fn samples(&self) -> impl Iterator<Item = Sample> {
        let pairs = self.timestamps.iter().zip(&self.values);
        pairs.map(|(&timestamp, &value)| Sample { timestamp, value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NativeHistogram;

    #[test]
    fn a_series_is_cut_between_samples_of_both_kinds() {
        let histogram = |&at: &TimestampMs| HistogramSample::new(at, NativeHistogram::stale());
        let series = |floats: &[TimestampMs], histograms: &[TimestampMs]| SeriesSamples {
            labels: Labels::from_pairs([("__name__", "a")]),
            timestamps: floats.into(),
            values: floats.iter().map(|&at| at as f64).collect(),
            starts: floats.iter().map(|&at| (at, at - 5)).collect(),
            histograms: histograms.iter().map(histogram).collect(),
        };
        let times = |series: &SeriesSamples| {
            assert!(series.samples().all(|sample| sample.value == sample.timestamp as f64));
            assert!(series.timestamps.iter().all(|&at| series.starts.at(at) == at - 5));
            let histograms: Vec<TimestampMs> = series.histograms.iter().map(|one| one.timestamp).collect();
            (series.timestamps.to_vec(), histograms)
        };
        let whole = series(&[10, 20, 40], &[20, 30]);
        let (times_of, shared) = (|all: SeriesSamples| times(&all), Arc::clone(&whole.timestamps));
        assert!(Arc::ptr_eq(&whole.clone().within(TimeRange::new(10, 40)).timestamps, &shared));
        assert_eq!(times_of(whole.clone().within(TimeRange::new(20, 29))), (vec![20], vec![20]));
        assert_eq!(times_of(whole.within(TimeRange::new(21, 29))), (vec![], vec![]));
        let (before, after) = series(&[10, 20, 40], &[20, 30]).split_after(20);
        assert_eq!(times(&before), (vec![10, 20], vec![20]));
        let after = after.unwrap();
        assert_eq!((times(&after), after.first_time()), ((vec![40], vec![30]), Some(30)));
        let (all, none) = after.split_after(40);
        assert_eq!((times(&all), none.is_none()), ((vec![40], vec![30]), true));
        let (nothing, later) = all.split_after(0);
        assert!(nothing.is_empty() && nothing.first_time().is_none() && later.is_some());
    }
}
