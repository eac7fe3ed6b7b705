//! A total order of histograms, for the rule that decides between two of one series and time.

use std::cmp::Ordering;

use super::{BucketCount, Buckets, Histogram, NativeHistogram};

impl NativeHistogram {
    /// Orders by canonical bits: float counts above integer counts, then word by word count, sum, schema,
    /// zero bucket, reset hint, bounds, buckets. Equal only if equal bit for bit.
    #[must_use]
    pub fn canonical_cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Integer(a), Self::Integer(b)) => words(a).cmp(words(b)),
            (Self::Float(a), Self::Float(b)) => words(a).cmp(words(b)),
            (Self::Integer(_), Self::Float(_)) => Ordering::Less,
            (Self::Float(_), Self::Integer(_)) => Ordering::Greater,
        }
    }
}

/// What distinguishes a histogram from all others with counts of the same type, as numbers.
fn words<C: BucketCount>(histogram: &Histogram<C>) -> impl Iterator<Item = u64> {
    let head = [
        histogram.count.bits(),
        histogram.sum.to_bits(),
        // Flipped so that greater schemas come later.
        u64::from(histogram.schema as u32 ^ (1 << 31)),
        histogram.zero_threshold.to_bits(),
        histogram.zero_count.bits(),
        histogram.reset_hint as u64,
        histogram.custom_bounds.len() as u64,
    ];
    let bounds = histogram.custom_bounds.iter().map(|bound| bound.to_bits());
    head.into_iter().chain(bounds).chain(side(&histogram.positive)).chain(side(&histogram.negative))
}

fn side<C: BucketCount>(buckets: &Buckets<C>) -> impl Iterator<Item = u64> {
    let pairs = buckets.iter().flat_map(|(index, count)| [u64::from(index as u32), count.bits()]);
    std::iter::once(buckets.len() as u64).chain(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_observations_win_then_the_sum() {
        let of =
            |count: u64, sum: f64| NativeHistogram::from(Histogram { count, sum, ..Histogram::default() });
        assert_eq!(of(2, 0.0).canonical_cmp(&of(1, 9.0)), Ordering::Greater);
        assert_eq!(of(1, 3.0).canonical_cmp(&of(1, 9.0)), Ordering::Less);
        assert_eq!(of(1, 3.0).canonical_cmp(&of(1, 3.0)), Ordering::Equal);
        let float = NativeHistogram::from(of(0, 0.0).to_float().as_ref().clone());
        assert_eq!(float.canonical_cmp(&of(7, 0.0)), Ordering::Greater);
    }

    #[test]
    fn buckets_of_one_side_are_not_those_of_the_other() {
        let buckets = Buckets::from_pairs([(1, 1_u64)]);
        let positive = NativeHistogram::from(Histogram { positive: buckets.clone(), ..Histogram::default() });
        let negative = NativeHistogram::from(Histogram { negative: buckets, ..Histogram::default() });
        assert_eq!(positive.canonical_cmp(&negative), Ordering::Greater);
        assert_eq!(negative.canonical_cmp(&positive), Ordering::Less);
    }
}
