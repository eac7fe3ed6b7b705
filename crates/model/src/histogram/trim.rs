//! Histograms cut off at a value: the operators `</` and `>/`.
//!
//! A bucket that the value cuts is split by interpolation; count and sum are estimated anew from what is
//! left. A histogram that loses nothing stays as it is.

use super::{Bucket, Buckets, FloatHistogram};

/// Which observations stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trim {
    /// Those below the value: `</`.
    Upper,
    /// Those above the value: `>/`.
    Lower,
}

/// What is left of a histogram.
#[derive(Default)]
struct Rest {
    count: f64,
    sum: f64,
    trimmed: bool,
}

impl FloatHistogram {
    /// The observations on one side of a value.
    #[must_use]
    pub fn trimmed(&self, trim: Trim, at: f64) -> Self {
        let mut rest = Rest::default();
        let positive = self.trim_side(&self.positive, true, trim, at, &mut rest);
        let negative = self.trim_side(&self.negative, false, trim, at, &mut rest);
        let mut zero_count = self.zero_count;
        if zero_count > 0.0 {
            let (kept, middle) = self.trim_zero(trim, at);
            rest.trimmed |= kept != zero_count;
            rest.sum += middle * kept;
            rest.count += kept;
            zero_count = kept;
        }
        if !rest.trimmed {
            return self.clone();
        }
        Self { positive, negative, zero_count, count: rest.count, sum: rest.sum, ..self.clone() }
    }

    fn trim_side(
        &self,
        side: &Buckets<f64>,
        positive: bool,
        trim: Trim,
        at: f64,
        rest: &mut Rest,
    ) -> Buckets<f64> {
        let mut kept_counts = Vec::with_capacity(side.len());
        let mut visit = |bucket: Bucket| {
            let (inside, outside) = match trim {
                Trim::Upper => (bucket.upper <= at, bucket.lower >= at),
                Trim::Lower => (bucket.lower >= at, bucket.upper <= at),
            };
            let (kept, middle) = if inside {
                (bucket.count, self.middle_of(bucket.lower, bucket.upper, positive))
            } else if outside || at.is_nan() {
                (0.0, 0.0)
            } else {
                self.split(&bucket, positive, trim, at)
            };
            rest.trimmed |= kept != bucket.count;
            rest.count += kept;
            rest.sum += middle * kept;
            kept_counts.push(kept);
        };
        if positive {
            self.positive_buckets().for_each(&mut visit);
        } else {
            self.negative_buckets().for_each(&mut visit);
        }
        Buckets::from_layout(side.layout(), kept_counts)
    }

    /// Count and middle of what is left of a bucket that the value cuts.
    fn split(&self, bucket: &Bucket, positive: bool, trim: Trim, at: f64) -> (f64, f64) {
        if bucket.lower == f64::NEG_INFINITY || bucket.upper == f64::INFINITY {
            return split_endless(bucket, trim, at);
        }
        let below = bucket.count * bucket.fraction_below(at, self.uses_custom_buckets());
        match trim {
            Trim::Upper => (below, self.middle_of(bucket.lower, at, positive)),
            Trim::Lower => (bucket.count - below, self.middle_of(at, bucket.upper, positive)),
        }
    }

    fn trim_zero(&self, trim: Trim, at: f64) -> (f64, f64) {
        let Bucket { mut lower, mut upper, count, .. } = self.zero_bucket();
        match (self.negative.is_empty(), self.positive.is_empty()) {
            (false, true) => upper = 0.0,
            (true, false) => lower = 0.0,
            _ => {}
        }
        let whole = (count, (lower + upper) / 2.0);
        match trim {
            Trim::Upper if at <= lower => (0.0, 0.0),
            Trim::Upper if at >= upper => whole,
            Trim::Upper => (count * ((at - lower) / (upper - lower)), (lower + at) / 2.0),
            Trim::Lower if at <= lower => whole,
            Trim::Lower if at >= upper => (0.0, 0.0),
            Trim::Lower => (count * ((upper - at) / (upper - lower)), (at + upper) / 2.0),
        }
    }

    /// The middle of an interval: arithmetic for custom buckets, else geometric; the finite end where
    /// there is only one.
    fn middle_of(&self, lower: f64, upper: f64, positive: bool) -> f64 {
        match (lower.is_infinite(), upper.is_infinite()) {
            (true, true) => 0.0,
            (true, false) if upper > 0.0 => upper / 2.0,
            (true, false) => upper,
            (false, true) => lower,
            _ if self.uses_custom_buckets() => (lower + upper) / 2.0,
            _ => {
                let middle = (lower * upper).abs().sqrt();
                if positive { middle } else { -middle }
            }
        }
    }
}

/// Of a bucket without end nothing is known but its count: it goes as a whole, unless the value lies beyond
/// its only end, or zero can stand for the missing one.
fn split_endless(bucket: &Bucket, trim: Trim, at: f64) -> (f64, f64) {
    let finite = |bound: f64| if bound.is_infinite() { 0.0 } else { bound };
    let Bucket { lower, upper, count, .. } = *bucket;
    if lower == f64::NEG_INFINITY {
        let from_zero = upper > 0.0 && upper.is_finite();
        return match trim {
            Trim::Upper if at >= upper => (count, 0.0),
            Trim::Upper if at > 0.0 && from_zero => (count * at / upper, at / 2.0),
            Trim::Upper if upper <= 0.0 => (count, at),
            Trim::Lower if at <= lower => (count, 0.0),
            Trim::Lower if at >= 0.0 && upper > at && upper.is_finite() => {
                (count * (1.0 - at / upper), (at + upper) / 2.0)
            }
            Trim::Upper | Trim::Lower => (0.0, finite(upper)),
        };
    }
    match trim {
        Trim::Lower if at >= lower => (count, at),
        Trim::Upper | Trim::Lower => (0.0, finite(lower)),
    }
}
