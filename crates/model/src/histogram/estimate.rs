//! Quantiles, and the inverse: which fraction of observations lies in a range.
//!
//! Within custom buckets and the zero bucket observations are taken to be spread evenly; within exponential
//! buckets evenly on a logarithmic scale. A histogram without observations on one side of zero has a zero
//! bucket that ends at zero there.

use super::{Bucket, FloatHistogram};

/// What observations of NaN, which are in no bucket, did to a quantile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NanEffect {
    /// There were none, or they do not matter.
    None,
    /// The quantile is among them.
    Result,
    /// They count as greater than all numbers, which moves the quantile up.
    Skew,
}

/// A quantile.
#[derive(Clone, Copy, Debug)]
pub struct Quantile {
    /// Its value.
    pub value: f64,
    /// Whether observations of NaN had a part in it.
    pub nans: NanEffect,
}

impl From<f64> for Quantile {
    fn from(value: f64) -> Self {
        Self { value, nans: NanEffect::None }
    }
}

impl FloatHistogram {
    /// The value below which the share `phi` of observations lies. NaN without observations, ±Inf for `phi`
    /// outside of [0, 1].
    #[must_use]
    pub fn quantile(&self, phi: f64) -> Quantile {
        if phi < 0.0 {
            return f64::NEG_INFINITY.into();
        }
        if phi > 1.0 {
            return f64::INFINITY.into();
        }
        if self.count == 0.0 || phi.is_nan() {
            return f64::NAN.into();
        }
        // With NaN observations only counting from below is right.
        let forward = self.sum.is_nan() || phi < 0.5;
        if forward {
            self.quantile_by_rank(self.all_buckets(), phi * self.count, true)
        } else {
            self.quantile_by_rank(self.all_buckets().rev(), (1.0 - phi) * self.count, false)
        }
    }

    fn quantile_by_rank(
        &self,
        mut buckets: impl Iterator<Item = Bucket>,
        rank: f64,
        forward: bool,
    ) -> Quantile {
        let mut bucket =
            Bucket { lower: 0.0, upper: 0.0, lower_inclusive: false, upper_inclusive: false, count: 0.0 };
        let mut counted = 0.0;
        for next in buckets.by_ref().filter(|bucket| bucket.count != 0.0) {
            bucket = next;
            counted += bucket.count;
            if counted >= rank {
                break;
            }
        }
        if let Some(value) = self.settle_ends(&mut bucket) {
            return value.into();
        }
        // Rounding may have led beyond the count.
        counted = counted.min(self.count);
        if counted < rank {
            let nans = if self.sum.is_nan() { NanEffect::Result } else { NanEffect::None };
            return Quantile { value: if self.sum.is_nan() { f64::NAN } else { bucket.upper }, nans };
        }
        let into = if forward { rank - (counted - bucket.count) } else { counted - rank };
        let mut nans = NanEffect::None;
        if self.sum.is_nan() && counted + buckets.map(|bucket| bucket.count).sum::<f64>() < self.count {
            nans = NanEffect::Skew;
        }
        Quantile { value: self.interpolate(&bucket, into / bucket.count), nans }
    }

    /// Ends the zero bucket at zero where it may be; the value where a bucket without end gives one.
    fn settle_ends(&self, bucket: &mut Bucket) -> Option<f64> {
        if !self.uses_custom_buckets() {
            if bucket.lower < 0.0 && bucket.upper > 0.0 {
                self.end_zero_bucket(bucket);
            }
            return None;
        }
        if bucket.lower == f64::NEG_INFINITY {
            if bucket.upper <= 0.0 {
                return Some(bucket.upper);
            }
            bucket.lower = 0.0;
        } else if bucket.upper == f64::INFINITY {
            return Some(bucket.lower);
        }
        None
    }

    fn end_zero_bucket(&self, bucket: &mut Bucket) {
        match (self.negative.is_empty(), self.positive.is_empty()) {
            (true, false) => bucket.lower = 0.0,
            (false, true) => bucket.upper = 0.0,
            _ => {}
        }
    }

    /// The value that far into a bucket.
    fn interpolate(&self, bucket: &Bucket, fraction: f64) -> f64 {
        let Bucket { lower, upper, .. } = *bucket;
        if self.uses_custom_buckets() || (lower <= 0.0 && upper >= 0.0) {
            return lower + (upper - lower) * fraction;
        }
        let (log_lower, log_upper) = (lower.abs().log2(), upper.abs().log2());
        if lower > 0.0 {
            return (log_lower + (log_upper - log_lower) * fraction).exp2();
        }
        -(log_upper + (log_lower - log_upper) * (1.0 - fraction)).exp2()
    }

    /// Which share of the observations lies between two values, and whether there were observations of NaN,
    /// which are in no range. NaN without observations, or when a bound is NaN.
    #[must_use]
    pub fn fraction(&self, lower: f64, upper: f64) -> (f64, bool) {
        if self.count == 0.0 || lower.is_nan() || upper.is_nan() {
            return (f64::NAN, false);
        }
        if lower >= upper {
            return (0.0, false);
        }
        let mut ends = [(lower, None), (upper, None)];
        let mut rank = 0.0;
        let mut counted = 0.0;
        for bucket in self.all_buckets() {
            counted += bucket.count;
            if ends.iter().all(|(_, rank)| rank.is_some()) {
                continue;
            }
            for (value, found) in &mut ends {
                *found = found.or_else(|| self.rank_within(bucket, *value, rank));
            }
            rank += bucket.count;
        }
        let (total, nans) =
            if self.sum.is_nan() { (counted, counted < self.count) } else { (self.count, false) };
        let [low, high] = ends.map(|(_, rank)| rank.filter(|rank| *rank <= total).unwrap_or(total));
        ((high - low) / self.count, nans)
    }

    /// How many observations lie below a value, `rank` of them before this bucket; `None` if the value
    /// lies beyond it.
    fn rank_within(&self, mut bucket: Bucket, value: f64, rank: f64) -> Option<f64> {
        let linear = self.uses_custom_buckets() || (bucket.lower <= 0.0 && bucket.upper >= 0.0);
        if bucket.lower <= 0.0 && bucket.upper >= 0.0 {
            self.end_zero_bucket(&mut bucket);
        }
        if bucket.lower >= value {
            return Some(rank);
        }
        if bucket.upper <= value {
            return None;
        }
        if linear && bucket.lower == f64::NEG_INFINITY {
            // Nothing is known of where in it they are.
            return Some(bucket.count);
        }
        Some(rank + bucket.count * bucket.fraction_below(value, linear))
    }
}
