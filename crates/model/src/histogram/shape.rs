//! The fields of a histogram, whatever counts its observations.

use std::sync::Arc;

use super::bound::upper_bound;
use super::{BucketCount, Buckets, ResetHint, is_custom};
use crate::is_stale;

/// A histogram with counts of type `C`.
#[derive(Clone, Debug)]
pub struct Histogram<C> {
    /// The resolution: [`MIN_SCHEMA`](super::MIN_SCHEMA) to [`MAX_SCHEMA`](super::MAX_SCHEMA), or
    /// [`CUSTOM_BUCKETS`](super::CUSTOM_BUCKETS).
    pub schema: i32,
    /// The zero bucket reaches this far from zero to both sides; 0 with custom buckets.
    pub zero_threshold: f64,
    /// Upper bounds of custom buckets but for the last, which ends at +Inf: finite, strictly ascending. Empty
    /// for exponential schemas.
    pub custom_bounds: Arc<[f64]>,
    /// What the sender knows of counter resets.
    pub reset_hint: ResetHint,
    /// The sum of the observations; its bits count. The stale marker makes the whole histogram one.
    pub sum: f64,
    /// How many observations there were, NaNs included.
    pub count: C,
    /// How many fell into the zero bucket.
    pub zero_count: C,
    /// Buckets above the zero bucket; with custom buckets all of them, from index 0.
    pub positive: Buckets<C>,
    /// Buckets below the zero bucket, counted away from it.
    pub negative: Buckets<C>,
}

/// A histogram with integer counts, as instrumented programs send them.
pub type IntegerHistogram = Histogram<u64>;

/// A histogram with float counts, as computations give them.
pub type FloatHistogram = Histogram<f64>;

impl<C: BucketCount> Default for Histogram<C> {
    /// Schema 0, no observations.
    fn default() -> Self {
        Self {
            schema: 0,
            zero_threshold: 0.0,
            custom_bounds: Arc::default(),
            reset_hint: ResetHint::Unknown,
            sum: 0.0,
            count: C::ZERO,
            zero_count: C::ZERO,
            positive: Buckets::default(),
            negative: Buckets::default(),
        }
    }
}

impl<C: BucketCount> Histogram<C> {
    /// Whether it says that the series ended.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        is_stale(self.sum)
    }

    /// Whether the bounds of its buckets are given one by one.
    #[must_use]
    pub fn uses_custom_buckets(&self) -> bool {
        is_custom(self.schema)
    }

    /// The upper bound of a bucket on the positive side.
    #[must_use]
    pub fn upper_bound(&self, index: i32) -> f64 {
        upper_bound(index, self.schema, &self.custom_bounds)
    }

    /// Whether the zero bucket covers a bucket.
    pub(super) fn is_in_zero_bucket(&self, index: i32) -> bool {
        self.zero_threshold > 0.0 && self.upper_bound(index) <= self.zero_threshold
    }

    /// The same without a word on counter resets; gauges stay gauges. No copy if there is none.
    #[must_use]
    pub fn without_hint(self: Arc<Self>) -> Arc<Self> {
        match self.reset_hint {
            ResetHint::Unknown | ResetHint::Gauge => self,
            ResetHint::Reset | ResetHint::NoReset => {
                let mut histogram = Arc::unwrap_or_clone(self);
                histogram.reset_hint = ResetHint::Unknown;
                Arc::new(histogram)
            }
        }
    }

    /// The same with float counts; the indexes of the buckets stay shared.
    #[must_use]
    pub fn to_float(&self) -> FloatHistogram {
        Histogram {
            schema: self.schema,
            zero_threshold: self.zero_threshold,
            custom_bounds: Arc::clone(&self.custom_bounds),
            reset_hint: self.reset_hint,
            sum: self.sum,
            count: self.count.to_f64(),
            zero_count: self.zero_count.to_f64(),
            positive: self.positive.to_f64(),
            negative: self.negative.to_f64(),
        }
    }

    /// Bytes held on the heap; what is shared counts in full.
    #[must_use]
    pub fn heap_size(&self) -> usize {
        self.positive.heap_size() + self.negative.heap_size() + self.custom_bounds.len() * size_of::<f64>()
    }
}

impl<C: BucketCount> PartialEq for Histogram<C> {
    /// Bit for bit, reset hint included.
    fn eq(&self, other: &Self) -> bool {
        let bounds = self.custom_bounds.iter().map(|bound| bound.to_bits());
        self.schema == other.schema
            && self.zero_threshold.to_bits() == other.zero_threshold.to_bits()
            && bounds.eq(other.custom_bounds.iter().map(|bound| bound.to_bits()))
            && self.reset_hint == other.reset_hint
            && self.sum.to_bits() == other.sum.to_bits()
            && self.count.bits() == other.count.bits()
            && self.zero_count.bits() == other.zero_count.bits()
            && self.positive == other.positive
            && self.negative == other.negative
    }
}
