//! `changes` and `resets` over histograms, and floats among them.

use latewood_model::FloatHistogram;

use crate::SampleValue;
use crate::annotations::CallContext;
use crate::functions::Window;
use crate::functions::starts::Started;

/// A sample of either kind.
#[derive(Clone, Copy)]
enum Either<'a> {
    Float(f64),
    Histogram(&'a FloatHistogram),
}

/// How often a histogram differs from the one before it, or the kind does.
pub(in crate::functions) fn changes(window: &Window<'_>, _: &mut CallContext) -> Option<SampleValue> {
    let float = |before: f64, value: f64| value != before && !(value.is_nan() && before.is_nan());
    count(window, float, |before, histogram| !histogram.same_data(before), |_, _| false)
}

/// How often a counter was reset; a change of kind is a reset.
pub(in crate::functions) fn resets(window: &Window<'_>, _: &mut CallContext) -> Option<SampleValue> {
    let histograms = |before: &FloatHistogram, histogram: &FloatHistogram| histogram.is_reset_after(before);
    count(window, |before, value| value < before, histograms, |before, sample| sample.is_reset_after(before))
}

fn count(
    window: &Window<'_>,
    floats: impl Fn(f64, f64) -> bool,
    histograms: impl Fn(&FloatHistogram, &FloatHistogram) -> bool,
    starts: impl Fn(Started, Started) -> bool,
) -> Option<SampleValue> {
    let samples = in_order(window);
    let counted = samples.windows(2).filter(|pair| match (pair[0].1, pair[1].1) {
        _ if starts(pair[0].0, pair[1].0) => true,
        (Either::Float(before), Either::Float(value)) => floats(before, value),
        (Either::Histogram(before), Either::Histogram(histogram)) => histograms(before, histogram),
        _ => true,
    });
    Some(SampleValue::Float(counted.count() as f64))
}

fn in_order<'a>(window: &Window<'a>) -> Vec<(Started, Either<'a>)> {
    let float = |(place, (_, value))| {
        (Started::at(window.timestamps, window.starts.floats, place), Either::Float(value))
    };
    let mut floats = window.samples().enumerate().peekable();
    let mut samples = Vec::with_capacity(window.values.len() + window.histograms.len());
    for (place, point) in window.histograms.iter().enumerate() {
        while let Some(next) = floats.next_if(|(_, (time, _))| *time < point.timestamp) {
            samples.push(float(next));
        }
        let started = Started::at(&[], window.starts.histograms, place);
        samples.push((Started { time: point.timestamp, ..started }, Either::Histogram(&point.histogram)));
    }
    samples.extend(floats.map(float));
    samples
}
