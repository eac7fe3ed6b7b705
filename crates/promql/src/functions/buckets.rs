//! Quantiles and fractions of classic histograms: cumulative buckets, one series each, labelled `le`.

/// The relative difference of neighbouring counts below which they count as equal: summing floats in another
/// order makes as much.
const SMALL_DELTA: f64 = 1e-12;

/// A bucket: how many observations were at most `upper`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    /// The upper bound, inclusive.
    pub upper: f64,
    /// The cumulative count.
    pub count: f64,
}

/// A quantile, and what had to be mended for it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BucketQuantile {
    /// The quantile.
    pub value: f64,
    /// Present when counts fell from one bucket to the next by more than rounding explains.
    pub forced: Option<ForcedMonotonicity>,
}

/// Which buckets were raised to the count of the one before.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ForcedMonotonicity {
    /// The least upper bound of them.
    pub min_bucket: f64,
    /// The greatest upper bound of them.
    pub max_bucket: f64,
    /// The greatest amount.
    pub max_diff: f64,
}

/// The info about [`ForcedMonotonicity`], without its numbers, as the API says it once for all steps.
pub const FORCED_MONOTONICITY: &str = "PromQL info: input to histogram_quantile needed to be fixed for monotonicity (see https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile)";

/// The bound that an `le` label says, as Go reads floats; `None` where it is none.
#[must_use]
pub fn parse_le(label: &str) -> Option<f64> {
    label.parse().ok()
}

/// The warning about an `le` label that is no number.
#[must_use]
pub fn bad_bucket_label(label: &str) -> String {
    format!(
        "PromQL warning: bucket label \"le\" is missing or has a malformed value of {}",
        crate::print::quoted(label)
    )
}

/// The φ-quantile of buckets in any order, which are sorted, joined and mended: linear within a bucket; the
/// first one starts at 0 unless its bound is not positive, then that bound is the answer; in the last one,
/// which must be `+Inf`, the answer is the bound before. NaN where there is no answer.
#[must_use]
pub fn bucket_quantile(phi: f64, buckets: &mut Vec<Bucket>) -> BucketQuantile {
    let mut forced = None;
    let value = quantile(phi, buckets, &mut forced);
    BucketQuantile { value, forced }
}

fn quantile(phi: f64, buckets: &mut Vec<Bucket>, forced: &mut Option<ForcedMonotonicity>) -> f64 {
    if phi.is_nan() {
        return f64::NAN;
    }
    if phi < 0.0 {
        return f64::NEG_INFINITY;
    }
    if phi > 1.0 {
        return f64::INFINITY;
    }
    if !sort_and_join(buckets) {
        return f64::NAN;
    }
    *forced = ensure_monotonic(buckets);
    let [below @ .., last] = buckets.as_slice() else {
        return f64::NAN;
    };
    let Some(highest) = below.last() else {
        return f64::NAN;
    };
    if last.count == 0.0 {
        return f64::NAN;
    }
    let rank = phi * last.count;
    // The first one not below the rank; NaN counts as below, as upstream's search has it.
    let is_below = |bucket: &Bucket| bucket.count < rank || bucket.count.is_nan() || rank.is_nan();
    let index = below.partition_point(is_below);
    let Some(bucket) = below.get(index) else {
        return highest.upper;
    };
    let Some(before) = index.checked_sub(1).and_then(|before| below.get(before)) else {
        return if bucket.upper <= 0.0 { bucket.upper } else { bucket.upper * (rank / bucket.count) };
    };
    let (count, rank) = (bucket.count - before.count, rank - before.count);
    before.upper + (bucket.upper - before.upper) * (rank / count)
}

/// The share of observations between two bounds, linear within a bucket. NaN where there is no answer.
#[must_use]
pub fn bucket_fraction(lower: f64, upper: f64, buckets: &mut Vec<Bucket>) -> f64 {
    if !sort_and_join(buckets) {
        return f64::NAN;
    }
    let count = buckets.last().map_or(0.0, |bucket| bucket.count);
    if count == 0.0 || lower.is_nan() || upper.is_nan() {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    let rank = |bound| {
        let rank = rank_of(bound, buckets).unwrap_or(count);
        if rank > count { count } else { rank }
    };
    (rank(upper) - rank(lower)) / count
}

/// How many observations are below a bound, by interpolation; `None` above all buckets.
fn rank_of(bound: f64, buckets: &[Bucket]) -> Option<f64> {
    let first = buckets.first()?;
    let mut lower = if first.upper <= 0.0 { f64::NEG_INFINITY } else { 0.0 };
    let mut rank = 0.0;
    for bucket in buckets {
        if lower >= bound {
            return Some(rank);
        }
        if bucket.upper > bound {
            // A bucket without a lower bound cannot be divided: all of it is below.
            return Some(if lower == f64::NEG_INFINITY {
                bucket.count
            } else {
                rank + (bucket.count - rank) * (bound - lower) / (bucket.upper - lower)
            });
        }
        (rank, lower) = (bucket.count, bucket.upper);
    }
    None
}

/// Sorts by bound and adds up buckets of one bound. False without a last bucket `+Inf`.
fn sort_and_join(buckets: &mut Vec<Bucket>) -> bool {
    buckets.sort_by(|a, b| a.upper.partial_cmp(&b.upper).unwrap_or(std::cmp::Ordering::Equal));
    if buckets.last().is_none_or(|bucket| bucket.upper != f64::INFINITY) {
        return false;
    }
    buckets.dedup_by(|bucket, kept| {
        let same = bucket.upper == kept.upper;
        if same {
            kept.count += bucket.count;
        }
        same
    });
    true
}

/// Raises each count that is below the one before to it; levels tiny rises too.
fn ensure_monotonic(buckets: &mut [Bucket]) -> Option<ForcedMonotonicity> {
    let mut forced: Option<ForcedMonotonicity> = None;
    let (first, rest) = buckets.split_first_mut()?;
    let mut before = first.count;
    for bucket in rest {
        let count = bucket.count;
        if count == before {
            continue;
        }
        if almost_equal(before, count) {
            bucket.count = before;
        } else if count < before {
            bucket.count = before;
            let seen = forced.get_or_insert(ForcedMonotonicity {
                min_bucket: f64::INFINITY,
                max_bucket: f64::NEG_INFINITY,
                max_diff: 0.0,
            });
            seen.min_bucket = seen.min_bucket.min(bucket.upper);
            seen.max_bucket = seen.max_bucket.max(bucket.upper);
            seen.max_diff = seen.max_diff.max(before - count);
        } else {
            before = count;
        }
    }
    forced
}

/// Whether two counts differ by no more than [`SMALL_DELTA`] of their sum.
fn almost_equal(a: f64, b: f64) -> bool {
    if a.is_nan() && b.is_nan() {
        return a.to_bits() == b.to_bits();
    }
    let (sum, difference) = (a.abs() + b.abs(), (a - b).abs());
    if a == 0.0 || b == 0.0 || sum < f64::MIN_POSITIVE {
        return difference < SMALL_DELTA * f64::MIN_POSITIVE;
    }
    difference / sum.min(f64::MAX) < SMALL_DELTA
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(pairs: &[(f64, f64)]) -> Vec<Bucket> {
        pairs.iter().map(|(upper, count)| Bucket { upper: *upper, count: *count }).collect()
    }

    const INF: f64 = f64::INFINITY;

    #[test]
    fn quantiles_are_linear_within_a_bucket() {
        let pairs = [(INF, 100.0), (1.0, 10.0), (3.0, 90.0), (2.0, 50.0)];
        for (phi, expected) in
            [(0.0, 0.0), (0.05, 0.5), (0.1, 1.0), (0.3, 1.5), (0.7, 2.5), (0.9, 3.0), (0.95, 3.0), (1.0, 3.0)]
        {
            let seen = bucket_quantile(phi, &mut buckets(&pairs));
            assert_eq!((seen.value, seen.forced), (expected, None), "{phi}");
        }
        assert_eq!(bucket_quantile(-1.0, &mut buckets(&pairs)).value, -INF);
        assert_eq!(bucket_quantile(1.5, &mut buckets(&pairs)).value, INF);
        assert_eq!(bucket_quantile(0.5, &mut buckets(&[(-1.0, 5.0), (INF, 8.0)])).value, -1.0);
    }

    #[test]
    fn there_is_no_answer_without_infinity_or_observations() {
        for pairs in [&[][..], &[(1.0, 5.0)], &[(INF, 5.0)], &[(1.0, 0.0), (INF, 0.0)]] {
            assert!(bucket_quantile(0.5, &mut buckets(pairs)).value.is_nan(), "{pairs:?}");
        }
        assert!(bucket_fraction(0.0, 1.0, &mut buckets(&[(1.0, 5.0)])).is_nan());
    }

    #[test]
    fn falling_counts_are_raised_and_reported() {
        let seen = bucket_quantile(0.5, &mut buckets(&[(1.0, 10.0), (2.0, 8.0), (3.0, 7.0), (INF, 20.0)]));
        let expected = ForcedMonotonicity { min_bucket: 2.0, max_bucket: 3.0, max_diff: 3.0 };
        assert_eq!((seen.value, seen.forced), (1.0, Some(expected)));
        let rounding = [(1.0, 10.0), (2.0, 10.0 - 1e-12), (INF, 20.0)];
        assert_eq!(bucket_quantile(0.5, &mut buckets(&rounding)).forced, None);
    }

    #[test]
    fn equal_bounds_are_added_up() {
        let pairs = [(1.0, 5.0), (1.0, 5.0), (INF, 10.0), (INF, 10.0)];
        assert_eq!(bucket_quantile(0.25, &mut buckets(&pairs)).value, 0.5);
    }

    #[test]
    fn fractions_are_linear_within_a_bucket() {
        let pairs = [(1.0, 10.0), (2.0, 50.0), (3.0, 90.0), (INF, 100.0)];
        for (lower, upper, expected) in [
            (0.0, 1.0, 0.1),
            (0.5, 1.5, 0.25),
            (-INF, INF, 1.0),
            (3.0, INF, 0.1),
            (4.0, 5.0, 0.0),
            (2.0, 1.0, 0.0),
        ] {
            assert_eq!(bucket_fraction(lower, upper, &mut buckets(&pairs)), expected, "{lower} {upper}");
        }
        assert!(bucket_fraction(f64::NAN, 1.0, &mut buckets(&pairs)).is_nan());
    }

    #[test]
    fn bounds_are_read_as_go_reads_floats() {
        assert_eq!(
            ["+Inf", "inf", "0.5", "1e3"].map(parse_le),
            [Some(INF), Some(INF), Some(0.5), Some(1000.0)]
        );
        assert_eq!([parse_le(""), parse_le("a")], [None, None]);
        assert!(bad_bucket_label("a\"b").ends_with(r#"of "a\"b""#));
    }
}
