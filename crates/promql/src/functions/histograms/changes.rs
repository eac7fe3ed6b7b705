//! `changes` and `resets` over histograms, and floats among them.

use latewood_model::FloatHistogram;

use crate::SampleValue;
use crate::annotations::CallContext;
use crate::functions::Window;

/// A sample of either kind.
#[derive(Clone, Copy)]
enum Either<'a> {
    Float(f64),
    Histogram(&'a FloatHistogram),
}

/// How often a histogram differs from the one before it, or the kind does.
pub(in crate::functions) fn changes(window: &Window<'_>, _: &mut CallContext) -> Option<SampleValue> {
    let float = |before: f64, value: f64| value != before && !(value.is_nan() && before.is_nan());
    count(window, float, |before, histogram| !histogram.same_data(before))
}

/// How often a counter was reset; a change of kind is a reset.
pub(in crate::functions) fn resets(window: &Window<'_>, _: &mut CallContext) -> Option<SampleValue> {
    count(window, |before, value| value < before, |before, histogram| histogram.is_reset_after(before))
}

fn count(
    window: &Window<'_>,
    floats: impl Fn(f64, f64) -> bool,
    histograms: impl Fn(&FloatHistogram, &FloatHistogram) -> bool,
) -> Option<SampleValue> {
    let samples = in_order(window);
    let counted = samples.windows(2).filter(|pair| match (pair[0], pair[1]) {
        (Either::Float(before), Either::Float(value)) => floats(before, value),
        (Either::Histogram(before), Either::Histogram(histogram)) => histograms(before, histogram),
        _ => true,
    });
    Some(SampleValue::Float(counted.count() as f64))
}

fn in_order<'a>(window: &Window<'a>) -> Vec<Either<'a>> {
    let mut floats = window.samples().peekable();
    let mut samples = Vec::with_capacity(window.values.len() + window.histograms.len());
    for point in window.histograms {
        while let Some((_, value)) = floats.next_if(|(time, _)| *time < point.timestamp) {
            samples.push(Either::Float(value));
        }
        samples.push(Either::Histogram(&point.histogram));
    }
    samples.extend(floats.map(|(_, value)| Either::Float(value)));
    samples
}
