//! Buckets with their bounds.

use super::FloatHistogram;

/// A bucket, with bounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    /// Where it begins.
    pub lower: f64,
    /// Where it ends.
    pub upper: f64,
    /// Whether the beginning belongs to it.
    pub lower_inclusive: bool,
    /// Whether the end belongs to it.
    pub upper_inclusive: bool,
    /// How many observations it has.
    pub count: f64,
}

impl Bucket {
    /// Which share of the bucket's width lies below a value strictly inside its finite bounds. Unless
    /// linear, bounds are taken on a logarithmic scale; negative buckets are mirrored.
    #[must_use]
    pub fn fraction_below(&self, value: f64, linear: bool) -> f64 {
        if linear {
            return (value - self.lower) / (self.upper - self.lower);
        }
        let [lower, upper, at] = [self.lower, self.upper, value].map(|bound| bound.abs().log2());
        if value > 0.0 { (at - lower) / (upper - lower) } else { 1.0 - (at - upper) / (lower - upper) }
    }
}

impl FloatHistogram {
    /// The buckets above the zero bucket, ascending.
    pub fn positive_buckets(&self) -> impl DoubleEndedIterator<Item = Bucket> + '_ {
        let custom = self.uses_custom_buckets();
        self.positive.iter().map(move |(index, count)| {
            let (lower, upper) = (self.upper_bound(index.saturating_sub(1)), self.upper_bound(index));
            let lower_inclusive = if custom { index == 0 } else { lower < 0.0 };
            Bucket { lower, upper, lower_inclusive, upper_inclusive: custom || upper > 0.0, count }
        })
    }

    /// The buckets below the zero bucket, away from it.
    pub fn negative_buckets(&self) -> impl DoubleEndedIterator<Item = Bucket> + '_ {
        self.negative.iter().map(|(index, count)| {
            let (lower, upper) = (-self.upper_bound(index), -self.upper_bound(index.saturating_sub(1)));
            Bucket { lower, upper, lower_inclusive: lower < 0.0, upper_inclusive: upper > 0.0, count }
        })
    }

    /// The zero bucket.
    #[must_use]
    pub fn zero_bucket(&self) -> Bucket {
        Bucket {
            lower: -self.zero_threshold,
            upper: self.zero_threshold,
            lower_inclusive: true,
            upper_inclusive: true,
            count: self.zero_count,
        }
    }

    /// All populated buckets, ascending; those next to the zero bucket end where it begins.
    pub fn all_buckets(&self) -> impl DoubleEndedIterator<Item = Bucket> + '_ {
        let threshold = self.zero_threshold;
        let clip = move |mut bucket: Bucket| {
            if bucket.upper < 0.0 && bucket.upper > -threshold {
                bucket.upper = -threshold;
            } else if bucket.lower > 0.0 && bucket.lower < threshold {
                bucket.lower = threshold;
            }
            bucket
        };
        let zero = (self.zero_count > 0.0).then(|| self.zero_bucket());
        self.negative_buckets().rev().map(clip).chain(zero).chain(self.positive_buckets().map(clip))
    }
}
