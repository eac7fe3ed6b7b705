//! What must hold of a histogram before it is stored.

use super::schema::MAX_ACCEPTED_SCHEMA;
use super::{
    BucketCount, FloatHistogram, Histogram, HistogramError, IntegerHistogram, MIN_SCHEMA, is_custom,
};

/// How many buckets a side, or custom bounds, a histogram may have. Prometheus's own scrapes are limited
/// to far fewer; a histogram of schema 8 from nanoseconds to days has some ten thousand.
pub const MAX_BUCKETS: usize = 16_384;

/// Integer counts: the buckets add up to the count, or stay below it where a NaN was observed.
pub(super) fn integer(histogram: &IntegerHistogram) -> Result<(), HistogramError> {
    shape(histogram)?;
    let counts = histogram.positive.counts().iter().chain(histogram.negative.counts());
    let buckets = counts.copied().try_fold(histogram.zero_count, u64::checked_add);
    let fits = match buckets {
        Some(sum) if histogram.sum.is_nan() => sum <= histogram.count,
        Some(sum) => sum == histogram.count,
        None => false,
    };
    if fits {
        return Ok(());
    }
    let buckets = buckets.map_or_else(|| "too many".to_owned(), |sum| sum.to_string());
    Err(HistogramError::CountMismatch { buckets, count: histogram.count.to_string() })
}

/// Float counts: none is negative. They need not add up, as they may have been rounded.
pub(super) fn float(histogram: &FloatHistogram) -> Result<(), HistogramError> {
    shape(histogram)?;
    for (count, what) in [(histogram.zero_count, "zero count"), (histogram.count, "count")] {
        if count < 0.0 {
            return Err(HistogramError::NegativeCount(what));
        }
    }
    for (side, buckets) in [("negative", &histogram.negative), ("positive", &histogram.positive)] {
        if let Some(at) = buckets.counts().iter().position(|count| *count < 0.0) {
            return Err(HistogramError::NegativeBucket { side, number: at + 1 });
        }
    }
    Ok(())
}

fn shape<C: BucketCount>(histogram: &Histogram<C>) -> Result<(), HistogramError> {
    if histogram.zero_threshold.is_nan() {
        return Err(HistogramError::ZeroThreshold);
    }
    if is_custom(histogram.schema) {
        return custom(histogram);
    }
    if !(MIN_SCHEMA..=MAX_ACCEPTED_SCHEMA).contains(&histogram.schema) {
        return Err(HistogramError::Schema(histogram.schema));
    }
    if !histogram.custom_bounds.is_empty() {
        return Err(HistogramError::UnexpectedBounds);
    }
    Ok(())
}

fn custom<C: BucketCount>(histogram: &Histogram<C>) -> Result<(), HistogramError> {
    let bounds = &histogram.custom_bounds;
    if bounds.iter().any(|bound| bound.is_nan() || *bound == f64::INFINITY) {
        return Err(HistogramError::BoundNotFinite);
    }
    if let Some(pair) = bounds.windows(2).find(|pair| pair[0] >= pair[1]) {
        return Err(HistogramError::BoundsOrder { previous: pair[0], next: pair[1] });
    }
    let indexes = histogram.positive.layout();
    if let Some(&first) = indexes.first().filter(|index| **index < 0) {
        return Err(HistogramError::NegativeOffset { side: "positive", number: 1, offset: first });
    }
    if let Some(last) = indexes.last().map(|last| *last as usize).filter(|last| *last > bounds.len()) {
        return Err(HistogramError::TooFewBounds { bounds: bounds.len(), buckets: last + 1 });
    }
    let absent = [
        (histogram.zero_count == C::ZERO, "a zero count"),
        (histogram.zero_threshold == 0.0, "a zero threshold"),
        (histogram.negative.is_empty(), "negative buckets"),
    ];
    match absent.iter().find(|(holds, _)| !holds) {
        Some((_, what)) => Err(HistogramError::NotWithCustomBuckets(what)),
        None => Ok(()),
    }
}
