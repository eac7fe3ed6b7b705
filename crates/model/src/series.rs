//! Series and their samples as they travel between storage and queries.

use std::sync::Arc;

use crate::{HistogramSample, Labels, NO_START, Sample, StartTimestamps, TimestampMs, resolve_kinds};

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

    /// The samples one by one.
    pub fn samples(&self) -> impl Iterator<Item = Sample> {
        let pairs = self.timestamps.iter().zip(&self.values);
        pairs.map(|(&timestamp, &value)| Sample { timestamp, value })
    }
}
