//! A histogram as it is stored.

use std::sync::Arc;

use super::{FloatHistogram, Histogram, IntegerHistogram};
use crate::{NO_START, TimestampMs, stale_nan};

/// A stored histogram. A clone is a reference.
#[derive(Clone, Debug, PartialEq)]
pub enum NativeHistogram {
    /// With integer counts.
    Integer(Arc<IntegerHistogram>),
    /// With float counts.
    Float(Arc<FloatHistogram>),
}

/// A histogram at a time.
#[derive(Clone, Debug, PartialEq)]
pub struct HistogramSample {
    /// When, in milliseconds since the Unix epoch; may be negative.
    pub timestamp: TimestampMs,
    /// The histogram.
    pub histogram: NativeHistogram,
    /// Since when it has been counted up; [`NO_START`] if that is not known.
    pub start: TimestampMs,
}

impl HistogramSample {
    /// A sample without a start timestamp.
    #[must_use]
    pub fn new(timestamp: TimestampMs, histogram: NativeHistogram) -> Self {
        Self { timestamp, histogram, start: NO_START }
    }

    /// How many floats take about as much memory.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.histogram.buckets() + 10
    }
}

impl NativeHistogram {
    /// How many buckets are populated, the zero bucket not counted.
    #[must_use]
    pub fn buckets(&self) -> usize {
        match self {
            Self::Integer(histogram) => histogram.positive.len() + histogram.negative.len(),
            Self::Float(histogram) => histogram.positive.len() + histogram.negative.len(),
        }
    }

    /// The stale marker: nothing but a sum that is one.
    #[must_use]
    pub fn stale() -> Self {
        Self::Float(Arc::new(Histogram { sum: stale_nan(), ..Histogram::default() }))
    }

    /// Whether it says that the series ended.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        match self {
            Self::Integer(histogram) => histogram.is_stale(),
            Self::Float(histogram) => histogram.is_stale(),
        }
    }

    /// The float form that is computed with; no copy if it is one already.
    #[must_use]
    pub fn to_float(&self) -> Arc<FloatHistogram> {
        match self {
            Self::Integer(histogram) => Arc::new(histogram.to_float()),
            Self::Float(histogram) => Arc::clone(histogram),
        }
    }

    /// The same without a word on counter resets; gauges stay gauges. No copy if there is none.
    #[must_use]
    pub fn without_hint(self) -> Self {
        match self {
            Self::Integer(histogram) => Self::Integer(histogram.without_hint()),
            Self::Float(histogram) => Self::Float(histogram.without_hint()),
        }
    }

    /// Bytes held on the heap; what is shared counts in full.
    #[must_use]
    pub fn heap_size(&self) -> usize {
        match self {
            Self::Integer(histogram) => size_of::<IntegerHistogram>() + histogram.heap_size(),
            Self::Float(histogram) => size_of::<FloatHistogram>() + histogram.heap_size(),
        }
    }
}

impl From<IntegerHistogram> for NativeHistogram {
    fn from(histogram: IntegerHistogram) -> Self {
        Self::Integer(Arc::new(histogram))
    }
}

impl From<FloatHistogram> for NativeHistogram {
    fn from(histogram: FloatHistogram) -> Self {
        Self::Float(Arc::new(histogram))
    }
}
