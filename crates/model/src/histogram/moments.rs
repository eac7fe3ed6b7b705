//! Mean and variance.

use super::kahan::Term;
use super::{Bucket, FloatHistogram};

impl FloatHistogram {
    /// The mean of the observations.
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.sum / self.count
    }

    /// The variance of the observations, as if each were in the middle of its bucket: the geometric middle
    /// of exponential ones, zero in the zero bucket.
    #[must_use]
    pub fn variance(&self) -> f64 {
        let mean = self.mean();
        let mut squares = Term::default();
        for bucket in self.all_buckets() {
            let delta = self.middle(&bucket) - mean;
            squares.inc(bucket.count * delta * delta);
        }
        squares.value() / self.count
    }

    fn middle(&self, bucket: &Bucket) -> f64 {
        let Bucket { lower, upper, .. } = *bucket;
        if self.uses_custom_buckets() {
            (upper + lower) / 2.0
        } else if lower <= 0.0 && upper >= 0.0 {
            0.0
        } else {
            (upper * lower).sqrt().copysign(upper)
        }
    }
}
