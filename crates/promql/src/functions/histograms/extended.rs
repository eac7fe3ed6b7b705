//! The change of histograms over windows of `anchored` and `smoothed` range selectors.

use std::sync::Arc;

use latewood_model::FloatHistogram;
use latewood_model::histogram::ResetHint;

use super::is_mixed;
use super::rate::combine;
use crate::annotations::CallContext;
use crate::functions::Window;
use crate::functions::extended::{Change, bounds};
use crate::{HistogramPoint, Notice, SampleValue};

/// The change between a window's bounds. `None` where histograms cannot be combined; a notice says so.
pub(in crate::functions) fn change(
    window: &Window<'_>,
    kind: Change,
    ctx: &mut CallContext,
) -> Option<SampleValue> {
    if is_mixed(window, ctx) {
        return None;
    }
    let times: Vec<i64> = window.histograms.iter().map(|point| point.timestamp).collect();
    let (first, last) = bounds(&times, window, kind.is_smoothed)?;
    let points = window.histograms.get(first..=last)?;
    let mut notices = Vec::new();
    let result = between(points, window, kind, ctx.metric_name(), &mut notices);
    notices.iter().for_each(|notice| ctx.add(notice));
    let mut result = result?;
    if kind.is_rate {
        result.divide(window.seconds());
    }
    result.reset_hint = ResetHint::Gauge;
    Some(result.into())
}

fn between(
    points: &[HistogramPoint],
    window: &Window<'_>,
    kind: Change,
    metric: &str,
    notices: &mut Vec<Notice>,
) -> Option<FloatHistogram> {
    let (first, last) = (points.first()?, points.last()?);
    if !fit_together(points, kind.is_counter, metric, notices) {
        return None;
    }
    let left = match points {
        [first, second, ..] if kind.is_smoothed && first.timestamp < window.start => {
            interpolate(first, second, window.start, kind.is_counter, notices)?
        }
        _ => Arc::clone(&first.histogram),
    };
    let right = match points {
        [.., before, last] if kind.is_smoothed && last.timestamp > window.end => {
            interpolate(before, last, window.end, kind.is_counter, notices)?
        }
        _ => Arc::clone(&last.histogram),
    };
    let are_gauges = [&left, &right].iter().all(|histogram| histogram.reset_hint == ResetHint::Gauge);
    if !kind.is_counter && !are_gauges {
        notices.push(Notice::NotGauge(metric.to_owned()));
    }
    let result = combine(&right, &left, false, notices)?;
    if !kind.is_counter {
        return Some(result);
    }
    match before_resets(points, (left, right), window.start, kind.is_smoothed, notices)? {
        Some(lost) => combine(&result, &lost, true, notices),
        None => Some(result),
    }
}

/// Whether there is one sort of buckets only; a notice is left if not, and for gauges where a counter is expected.
fn fit_together(
    points: &[HistogramPoint],
    is_counter: bool,
    metric: &str,
    notices: &mut Vec<Notice>,
) -> bool {
    let is_custom = points.first().is_some_and(|point| point.histogram.uses_custom_buckets());
    for point in points {
        if point.histogram.uses_custom_buckets() != is_custom {
            notices.push(Notice::MixedSchemas(metric.to_owned()));
            return false;
        }
        if is_counter && point.histogram.reset_hint == ResetHint::Gauge {
            notices.push(Notice::NotCounter(metric.to_owned()));
        }
    }
    true
}

/// What a counter had reached before its resets, summed up; within `None`, if it had none.
fn before_resets(
    points: &[HistogramPoint],
    (left, right): (Arc<FloatHistogram>, Arc<FloatHistogram>),
    start: i64,
    is_smoothed: bool,
    notices: &mut Vec<Notice>,
) -> Option<Option<FloatHistogram>> {
    let (mut before, mut from) = (left, 1);
    if let [first, second, ..] = points
        && is_smoothed
        && first.timestamp < start
        && second.histogram.is_reset_after(&first.histogram)
    {
        // The interpolation has dealt with this reset.
        (before, from) = (Arc::clone(&second.histogram), 2);
    }
    let Some(inner) = points.get(from..points.len() - 1) else { return Some(None) };
    let mut lost: Option<FloatHistogram> = None;
    let inner = inner.iter().map(|point| &point.histogram);
    for histogram in inner.chain([&right]) {
        if histogram.is_reset_after(&before) {
            lost = Some(match &lost {
                Some(lost) => combine(lost, &before, true, notices)?,
                None => FloatHistogram::clone(&before),
            });
        }
        before = Arc::clone(histogram);
    }
    Some(lost)
}

/// The histogram at a time on the line between two. A counter that was reset between them began empty then. `None`
/// if they cannot be combined.
pub fn interpolate(
    before: &HistogramPoint,
    after: &HistogramPoint,
    time: i64,
    is_counter: bool,
    notices: &mut Vec<Notice>,
) -> Option<Arc<FloatHistogram>> {
    if time == before.timestamp {
        return Some(Arc::clone(&before.histogram));
    }
    if time == after.timestamp {
        return Some(Arc::clone(&after.histogram));
    }
    let fraction = (time - before.timestamp) as f64 / (after.timestamp - before.timestamp) as f64;
    if is_counter && after.histogram.is_reset_after(&before.histogram) {
        let mut part = FloatHistogram::clone(&after.histogram);
        part.multiply(fraction);
        return Some(Arc::new(part));
    }
    let mut change = combine(&after.histogram, &before.histogram, false, notices)?;
    change.multiply(fraction);
    combine(&change, &before.histogram, true, notices).map(Arc::new)
}
