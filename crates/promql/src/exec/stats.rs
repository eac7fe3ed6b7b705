//! Histograms without their buckets.

use latewood_model::histogram::{Histogram, ResetHint};
use latewood_model::{FloatHistogram, HistogramSample, NativeHistogram};

/// Leaves count, sum, schema and reset hint of each histogram. Without buckets a reset could not be seen any more, so
/// the hint says whether there was one since the histogram before.
pub(super) fn without_buckets(samples: &mut [HistogramSample]) {
    let mut before: Option<std::sync::Arc<FloatHistogram>> = None;
    for sample in samples.iter_mut().filter(|sample| !sample.histogram.is_stale()) {
        let whole = sample.histogram.to_float();
        let reset_hint = match (whole.reset_hint, &before) {
            (ResetHint::Unknown, Some(before)) if whole.is_reset_after(before) => ResetHint::Reset,
            (ResetHint::Unknown, Some(_)) => ResetHint::NoReset,
            (hint, _) => hint,
        };
        let (schema, count, sum) = (whole.schema, whole.count, whole.sum);
        sample.histogram =
            NativeHistogram::from(Histogram { schema, count, sum, reset_hint, ..Histogram::default() });
        before = Some(whole);
    }
}

#[cfg(test)]
mod tests {
    use latewood_model::histogram::Buckets;

    use super::*;

    #[test]
    fn resets_are_told_by_the_hints() {
        let sample = |timestamp, buckets: &[(i32, f64)]| {
            let positive = Buckets::from_pairs(buckets.iter().copied());
            let histogram = FloatHistogram { count: 5.0, positive, ..FloatHistogram::default() };
            HistogramSample::new(timestamp, histogram.into())
        };
        let mut samples = [sample(1, &[(0, 5.0)]), sample(2, &[(0, 5.0)]), sample(3, &[(1, 5.0)])];
        without_buckets(&mut samples);
        let left = samples.map(|sample| sample.histogram.to_float());
        assert!(left.iter().all(|histogram| histogram.positive.is_empty() && histogram.count == 5.0));
        let hints = left.map(|histogram| histogram.reset_hint);
        assert_eq!(hints, [ResetHint::Unknown, ResetHint::NoReset, ResetHint::Reset]);
    }
}
