//! `rate`, `increase`, `delta`, `irate`, `idelta` of histograms.

use std::sync::Arc;

use latewood_model::FloatHistogram;
use latewood_model::histogram::{Histogram, ResetHint};

use super::is_mixed;
use crate::annotations::CallContext;
use crate::functions::Window;
use crate::functions::spacing::{Growth, Place};
use crate::functions::starts::{Started, extrapolation_from_zero, warn_of_overlap, zero_time};
use crate::{HistogramOperation, HistogramPoint, Notice, SampleValue};

pub(super) fn rate(window: &Window<'_>, ctx: &mut CallContext) -> Option<SampleValue> {
    extrapolated(window, true, true, ctx)
}

pub(super) fn increase(window: &Window<'_>, ctx: &mut CallContext) -> Option<SampleValue> {
    extrapolated(window, true, false, ctx)
}

pub(super) fn delta(window: &Window<'_>, ctx: &mut CallContext) -> Option<SampleValue> {
    extrapolated(window, false, false, ctx)
}

pub(super) fn irate(window: &Window<'_>, ctx: &mut CallContext) -> Option<SampleValue> {
    instant(window, true, ctx)
}

pub(super) fn idelta(window: &Window<'_>, ctx: &mut CallContext) -> Option<SampleValue> {
    instant(window, false, ctx)
}

fn extrapolated(
    window: &Window<'_>,
    is_counter: bool,
    is_rate: bool,
    ctx: &mut CallContext,
) -> Option<SampleValue> {
    if is_mixed(window, ctx) {
        return None;
    }
    if is_counter && !window.starts.histograms.is_empty() {
        return started(window, is_rate, ctx);
    }
    let [first, .., last] = window.histograms else { return None };
    let mut result = noted_difference(window, is_counter, ctx)?;
    let growth = Growth { first: first.histogram.count, increase: result.count };
    let gaps = window.histograms.len() - 1;
    let times = (first.timestamp, last.timestamp);
    let spacing = ctx.spacing_at(Place::of(window, times, gaps, is_rate));
    result.multiply(spacing.extrapolation(is_counter.then_some(growth)));
    Some(result.into())
}

/// The increase of a counter of whose resets start timestamps tell. Where the first one lies in the window the counter
/// was zero then, and a single sample is enough.
fn started(window: &Window<'_>, is_rate: bool, ctx: &mut CallContext) -> Option<SampleValue> {
    let (first, last) = (window.histograms.first()?, window.histograms.last()?);
    let (gaps, times) = (window.histograms.len() - 1, (first.timestamp, last.timestamp));
    let increase = if gaps > 0 { Some(noted_difference(window, true, ctx)?) } else { None };
    let Some(zero_time) = zero_time(window, first.timestamp, window.starts.histograms) else {
        let mut increase = increase?;
        let growth = Growth { first: first.histogram.count, increase: increase.count };
        let spacing = ctx.spacing_at(Place::of(window, times, gaps, is_rate));
        increase.multiply(spacing.extrapolation(Some(growth)));
        return Some(increase.into());
    };
    let mut result = match increase {
        Some(increase) => {
            let mut notices = Vec::new();
            let sum = combine(&increase, &first.histogram, true, &mut notices);
            let mixed = || Notice::MixedSchemas(ctx.metric_name().to_owned());
            let mixed = sum.is_none().then(mixed);
            notices.iter().chain(&mixed).for_each(|notice| ctx.add(notice));
            sum?
        }
        None => FloatHistogram::clone(&first.histogram),
    };
    result.multiply(extrapolation_from_zero(window, zero_time, times, gaps, is_rate));
    Some(result.into())
}

/// [`difference`], with its notices left in the context.
fn noted_difference(window: &Window<'_>, is_counter: bool, ctx: &mut CallContext) -> Option<FloatHistogram> {
    let mut notices = Vec::new();
    let result = difference(window, is_counter, ctx.metric_name(), &mut notices);
    notices.iter().for_each(|notice| ctx.add(notice));
    if is_counter && result.is_some() {
        warn_of_overlap((0..window.histograms.len()).map(|place| sample(window, place)), ctx);
    }
    result
}

/// When a window's histogram was taken, and since when it has been counted.
fn sample(window: &Window<'_>, place: usize) -> Started {
    let time = window.histograms.get(place).map_or(0, |point| point.timestamp);
    Started { time, ..Started::at(&[], window.starts.histograms, place) }
}

/// What came to a counter over the window, or by how much a gauge changed. `None` where histograms cannot be
/// combined; a notice says so.
fn difference(
    window: &Window<'_>,
    is_counter: bool,
    metric: &str,
    notices: &mut Vec<Notice>,
) -> Option<FloatHistogram> {
    let points = window.histograms;
    let has_restarted = |place| sample(window, place).is_reset_after(sample(window, place - 1));
    let [first, second, ..] = points else { return None };
    let last = &points.last()?.histogram;
    let mut before = Arc::clone(&first.histogram);
    let is_gauge = |histogram: &FloatHistogram| histogram.reset_hint == ResetHint::Gauge;
    if is_counter && (is_gauge(&before) || is_gauge(last)) {
        notices.push(Notice::NotCounter(metric.to_owned()));
    }
    if is_counter && (has_restarted(1) || second.histogram.is_reset_after(&before)) {
        // What was before the reset does not matter, not even its layout.
        before = Arc::new(nothing_like(&second.histogram));
    }
    let Some(schema) = common_schema(points, &before, is_counter, metric, notices) else {
        *notices = vec![Notice::MixedSchemas(metric.to_owned())];
        return None;
    };
    let mut result = combine(&last.to_schema(schema), &before, false, notices)?;
    if is_counter {
        for (place, point) in points.iter().enumerate().skip(1) {
            if has_restarted(place) || point.histogram.is_reset_after(&before) {
                result = combine(&result, &before, true, notices)?;
            }
            before = Arc::clone(&point.histogram);
        }
    } else if !is_gauge(&first.histogram) || !is_gauge(last) {
        notices.push(Notice::NotGauge(metric.to_owned()));
    }
    result.reset_hint = ResetHint::Gauge;
    Some(result)
}

/// An empty histogram with the buckets of another one.
fn nothing_like(histogram: &FloatHistogram) -> FloatHistogram {
    let custom_bounds = Arc::clone(&histogram.custom_bounds);
    Histogram { schema: histogram.schema, custom_bounds, ..Histogram::default() }
}

/// The coarsest schema of those that matter; `None` if exponential and custom buckets are mixed.
fn common_schema(
    points: &[HistogramPoint],
    before: &FloatHistogram,
    is_counter: bool,
    metric: &str,
    notices: &mut Vec<Notice>,
) -> Option<i32> {
    let last = &points.last()?.histogram;
    if last.uses_custom_buckets() != before.uses_custom_buckets() {
        return None;
    }
    let mut schema = last.schema.min(before.schema);
    let inner = points.get(1..points.len() - 1).unwrap_or_default();
    for point in inner.iter().filter(|_| is_counter) {
        let histogram = &point.histogram;
        if histogram.reset_hint == ResetHint::Gauge {
            notices.push(Notice::NotCounter(metric.to_owned()));
        }
        if histogram.uses_custom_buckets() != before.uses_custom_buckets() {
            return None;
        }
        schema = schema.min(histogram.schema);
    }
    Some(schema)
}

/// The sum or difference. That hints contradict each other is of no interest: resets are dealt with.
pub(in crate::functions) fn combine(
    a: &FloatHistogram,
    b: &FloatHistogram,
    add: bool,
    notices: &mut Vec<Notice>,
) -> Option<FloatHistogram> {
    let combined = if add { a.add(b) } else { a.sub(b) };
    let (result, reconciled) = combined.ok()?;
    if reconciled.bounds {
        let operation = if add { HistogramOperation::Addition } else { HistogramOperation::Subtraction };
        notices.push(Notice::BoundsReconciled(operation));
    }
    Some(result)
}

/// Between the last two samples.
fn instant(window: &Window<'_>, is_rate: bool, ctx: &mut CallContext) -> Option<SampleValue> {
    if window.values.len() + window.histograms.len() < 2 {
        return None;
    }
    let metric = ctx.metric_name().to_owned();
    let newest_float = window.timestamps.last().copied().unwrap_or(i64::MIN);
    let [.., before, last] = window.histograms else {
        return floats_or_mixed(window, is_rate, ctx);
    };
    if newest_float > before.timestamp {
        return floats_or_mixed(window, is_rate, ctx);
    }
    let hints = [before.histogram.reset_hint, last.histogram.reset_hint];
    if is_rate && hints.contains(&ResetHint::Gauge) {
        ctx.add(&Notice::NotCounter(metric.clone()));
    }
    if !is_rate && hints != [ResetHint::Gauge; 2] {
        ctx.add(&Notice::NotGauge(metric.clone()));
    }
    let mut result = FloatHistogram::clone(&last.histogram);
    let place = window.histograms.len() - 1;
    let has_restarted = sample(window, place).is_reset_after(sample(window, place - 1));
    if !is_rate || !(has_restarted || last.histogram.is_reset_after(&before.histogram)) {
        let Ok((difference, reconciled)) = last.histogram.sub(&before.histogram) else {
            ctx.add(&Notice::MixedSchemas(metric));
            return None;
        };
        if reconciled.bounds {
            ctx.add(&Notice::BoundsReconciled(HistogramOperation::Subtraction));
        }
        result = difference;
    }
    result.reset_hint = ResetHint::Gauge;
    if is_rate {
        result.divide((last.timestamp - before.timestamp) as f64 / 1000.0);
    }
    Some(result.into())
}

/// When the last two samples are floats their result, else a warning.
fn floats_or_mixed(window: &Window<'_>, is_rate: bool, ctx: &mut CallContext) -> Option<SampleValue> {
    let newest_histogram = window.histograms.last().map_or(i64::MIN, |point| point.timestamp);
    let floats_are_last = matches!(window.timestamps, [.., before, _] if *before > newest_histogram);
    if !floats_are_last {
        ctx.add(&Notice::MixedFloatsHistograms(ctx.metric_name().to_owned()));
        return None;
    }
    crate::functions::rate::instant(window, is_rate).map(SampleValue::Float)
}
