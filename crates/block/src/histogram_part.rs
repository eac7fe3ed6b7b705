//! The numbers that a native histogram consists of, and how each is stored.

use latewood_model::histogram::{BucketCount, Buckets, Histogram};
use latewood_model::{NativeHistogram, is_stale};

use crate::decimal::Slot;

/// Integers at and above this are not all doubles.
const EXACT: f64 = (1_u64 << 53) as f64;

/// A number of a histogram. The order is that of the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum HistogramPart {
    /// How many observations; the only part of a stale marker, without a value.
    Count,
    /// Their sum.
    Sum,
    /// How many fell into the zero bucket.
    Zero,
    /// How many fell into a bucket above it.
    Positive(i32),
    /// How many fell into a bucket below it.
    Negative(i32),
}

impl HistogramPart {
    /// Its number in the column `part`.
    pub(crate) fn number(self) -> i32 {
        match self {
            Self::Count => 0,
            Self::Sum => 1,
            Self::Zero => 2,
            Self::Positive(_) => 3,
            Self::Negative(_) => 4,
        }
    }

    /// Its value in the column `bucket`.
    pub(crate) fn bucket(self) -> Option<i32> {
        match self {
            Self::Positive(index) | Self::Negative(index) => Some(index),
            Self::Count | Self::Sum | Self::Zero => None,
        }
    }

    /// From the two columns.
    pub(crate) fn from_columns(number: i32, bucket: Option<i32>) -> Option<Self> {
        match (number, bucket) {
            (0, None) => Some(Self::Count),
            (1, None) => Some(Self::Sum),
            (2, None) => Some(Self::Zero),
            (3, Some(index)) => Some(Self::Positive(index)),
            (4, Some(index)) => Some(Self::Negative(index)),
            _ => None,
        }
    }

    /// How its value in a histogram is stored.
    pub(crate) fn of(self, histogram: &NativeHistogram) -> Slot {
        match histogram {
            stale if stale.is_stale() => Slot::Null,
            NativeHistogram::Integer(histogram) => match self {
                Self::Sum => double(histogram.sum),
                // Above 2^63 it is a negative number of the same bits.
                _ => Slot::Integer(self.count(histogram) as i64),
            },
            NativeHistogram::Float(histogram) => match self {
                Self::Sum => double(histogram.sum),
                _ => double(self.count(histogram)),
            },
        }
    }

    fn count<C: BucketCount>(self, histogram: &Histogram<C>) -> C {
        let at = |buckets: &Buckets<C>, index| {
            let place = buckets.layout().binary_search(&index).ok();
            place.and_then(|place| buckets.counts().get(place)).copied().unwrap_or(C::ZERO)
        };
        match self {
            Self::Count | Self::Sum => histogram.count,
            Self::Zero => histogram.zero_count,
            Self::Positive(index) => at(&histogram.positive, index),
            Self::Negative(index) => at(&histogram.negative, index),
        }
    }
}

/// Whether any number of a histogram goes into `vf`.
pub(crate) fn has_doubles(histogram: &NativeHistogram) -> bool {
    let is_double = |value: f64| matches!(double(value), Slot::Double(_));
    match histogram {
        stale if stale.is_stale() => false,
        NativeHistogram::Integer(histogram) => is_double(histogram.sum),
        NativeHistogram::Float(histogram) => {
            let totals = [histogram.sum, histogram.count, histogram.zero_count];
            let counts = histogram.positive.counts().iter().chain(histogram.negative.counts());
            totals.into_iter().chain(counts.copied()).any(is_double)
        }
    }
}

/// A double that is a whole number goes with the integers.
fn double(value: f64) -> Slot {
    let whole = value as i64;
    match (whole as f64).to_bits() == value.to_bits() && value.abs() < EXACT {
        _ if is_stale(value) => Slot::Null,
        true => Slot::Integer(whole),
        false => Slot::Double(value),
    }
}

#[cfg(test)]
mod tests {
    use latewood_model::stale_nan;

    use super::*;

    #[test]
    fn whole_doubles_are_integers_and_all_others_keep_their_bits() {
        assert_eq!(double(-3.0), Slot::Integer(-3));
        assert_eq!(double(EXACT), Slot::Double(EXACT));
        assert_eq!(double(0.5), Slot::Double(0.5));
        assert!(matches!(double(-0.0), Slot::Double(zero) if zero.is_sign_negative()));
        assert_eq!(double(stale_nan()), Slot::Null);
    }
}
