//! Reset hints as storage would know them. Prometheus's own scripts expect those of its chunks: what follows a
//! histogram of the same layout without a reset says so; gauges stay gauges; anything else is unknown.

use std::sync::Arc;

use latewood_model::FloatHistogram;
use latewood_model::histogram::ResetHint;

/// A histogram with the hint that it has when read, given the sample right before it if that is a histogram.
pub(super) fn with_hint(before: Option<&FloatHistogram>, histogram: &Arc<FloatHistogram>) -> FloatHistogram {
    let mut read = FloatHistogram::clone(histogram);
    if read.reset_hint == ResetHint::Gauge {
        return read;
    }
    let same_chunk = before.is_some_and(|before| {
        before.reset_hint != ResetHint::Gauge
            && before.schema == histogram.schema
            && before.zero_threshold == histogram.zero_threshold
            && before.custom_bounds == histogram.custom_bounds
            && !histogram.is_reset_after(before)
    });
    read.reset_hint = if same_chunk { ResetHint::NoReset } else { ResetHint::Unknown };
    read
}
