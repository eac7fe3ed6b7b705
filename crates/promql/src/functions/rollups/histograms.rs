//! Functions over windows of which some have native histograms.

use latewood_model::histogram::{HistogramTotal, ResetHint};
use latewood_model::{FloatHistogram, HistogramRollup, NativeHistogram};

use super::{RollupFunction, RollupSpan, floats};
use crate::annotations::CallContext;
use crate::functions::histograms::combine;
use crate::functions::spacing::{Growth, Place};
use crate::{HistogramOperation, Notice, SampleValue};

/// The value of a function; `None` where there is none.
pub(super) fn value(
    function: RollupFunction,
    span: &RollupSpan<'_>,
    context: &mut CallContext,
) -> Option<SampleValue> {
    match function {
        RollupFunction::Count => {
            Some(SampleValue::Float((floats::count(span) + count(span)) as f64 * span.scale))
        }
        RollupFunction::Present => Some(SampleValue::Float(1.0)),
        RollupFunction::First => oldest(span).map(|(_, value)| value),
        RollupFunction::Last => newest(span).map(|(_, value)| value),
        RollupFunction::TimeOfFirst => ends(span).map(|(first, _)| SampleValue::Float(first as f64 / 1000.0)),
        RollupFunction::TimeOfLast => ends(span).map(|(_, last)| SampleValue::Float(last as f64 / 1000.0)),
        _ if span.rows.0 < span.rows.1 => {
            context.add(&Notice::MixedFloatsHistograms(context.metric_name().to_owned()));
            None
        }
        RollupFunction::Sum => sum(span, span.scale, context),
        RollupFunction::Avg => sum(span, 1.0 / count(span) as f64, context),
        RollupFunction::Rate => change(span, true, true, context),
        RollupFunction::Increase => change(span, true, false, context),
        RollupFunction::Delta => change(span, false, false, context),
        RollupFunction::Min | RollupFunction::Max => None,
    }
}

fn count(span: &RollupSpan<'_>) -> u64 {
    span.histograms.iter().map(|window| window.count).sum()
}

fn value_of(histogram: &NativeHistogram) -> SampleValue {
    SampleValue::Histogram(histogram.to_float())
}

/// The first sample, of either kind, and its time.
fn oldest(span: &RollupSpan<'_>) -> Option<(i64, SampleValue)> {
    let float = floats::first(span).map(|(at, value)| (at, SampleValue::Float(value)));
    let histogram = span.histograms.first().map(|window| (window.first_at, value_of(&window.first)));
    float.into_iter().chain(histogram).min_by_key(|(at, _)| *at)
}

/// The last one.
fn newest(span: &RollupSpan<'_>) -> Option<(i64, SampleValue)> {
    let float = floats::last(span).map(|(at, value)| (at, SampleValue::Float(value)));
    let histogram = span.histograms.last().map(|window| (window.last_at, value_of(&window.last)));
    float.into_iter().chain(histogram).max_by_key(|(at, _)| *at)
}

/// The times of the first and of the last sample.
fn ends(span: &RollupSpan<'_>) -> Option<(i64, i64)> {
    let (first_at, last_at) =
        (floats::rows(&span.floats.first_at, span), floats::rows(&span.floats.last_at, span));
    let (first, last) = (span.histograms.first()?, span.histograms.last()?);
    let first = first_at.first().map_or(first.first_at, |at| first.first_at.min(*at));
    let last = last_at.last().map_or(last.last_at, |at| last.last_at.max(*at));
    Some((first, last))
}

/// The sum of all, times a factor.
fn sum(span: &RollupSpan<'_>, factor: f64, context: &mut CallContext) -> Option<SampleValue> {
    let mixed = || Notice::MixedSchemas(context.metric_name().to_owned());
    let mut sums = span.histograms.iter().map(|window| window.sum.as_deref());
    let total = sums.next().flatten().map(HistogramTotal::new);
    let added = total.map(|mut total| {
        let mut bounds = false;
        for sum in sums {
            bounds |= total.add(sum?).ok()?.bounds;
        }
        Some((total, bounds))
    });
    let Some((total, bounds)) = added.flatten() else {
        let notice = mixed();
        context.add(&notice);
        return None;
    };
    if bounds {
        context.add(&Notice::BoundsReconciled(HistogramOperation::Aggregation));
    }
    let mut sum = total.finish();
    sum.multiply(factor);
    Some(sum.into())
}

/// The extrapolated change, of counters with resets made good.
fn change(
    span: &RollupSpan<'_>,
    is_counter: bool,
    is_rate: bool,
    context: &mut CallContext,
) -> Option<SampleValue> {
    let gaps = usize::try_from(count(span)).ok()?.checked_sub(1).filter(|gaps| *gaps > 0)?;
    let (first, last) = (span.histograms.first()?, span.histograms.last()?);
    let (before, after) = (first.first.to_float(), last.last.to_float());
    note_hints([&before, &after], is_counter, context);
    let mut notices = Vec::new();
    let changed = match is_counter {
        true => counted(span.histograms, &before, &after, &mut notices),
        false => combine(&after, &before, false, &mut notices),
    };
    let Some(mut changed) = changed else {
        context.add(&Notice::MixedSchemas(context.metric_name().to_owned()));
        return None;
    };
    notices.iter().for_each(|notice| context.add(notice));
    changed.reset_hint = ResetHint::Gauge;
    let growth = Growth { first: before.count, increase: changed.count };
    let place = Place::between((span.start, span.end), (first.first_at, last.last_at), gaps, is_rate);
    let spacing = context.spacing_at(place);
    let scale = if is_rate { 1.0 } else { span.scale };
    changed.multiply(spacing.extrapolation(is_counter.then_some(growth)) * scale);
    Some(changed.into())
}

/// Says whether histograms are not what a function is for.
fn note_hints(ends: [&FloatHistogram; 2], is_counter: bool, context: &mut CallContext) {
    let mut gauges = ends.into_iter().map(|histogram| histogram.reset_hint == ResetHint::Gauge);
    let metric = context.metric_name().to_owned();
    if is_counter && gauges.clone().any(|is_gauge| is_gauge) {
        context.add(&Notice::NotCounter(metric));
    } else if !is_counter && gauges.any(|is_gauge| !is_gauge) {
        context.add(&Notice::NotGauge(metric));
    }
}

/// By how much a counter grew: from the first to the last, and what was before each reset. `None` where histograms
/// cannot be combined.
fn counted(
    windows: &[HistogramRollup],
    before: &FloatHistogram,
    after: &FloatHistogram,
    notices: &mut Vec<Notice>,
) -> Option<FloatHistogram> {
    if windows.iter().any(|window| window.sum.is_none()) {
        return None;
    }
    // The differences are taken of like buckets.
    let sums = windows.iter().filter_map(|window| window.sum.as_ref());
    let schema = sums.map(|sum| sum.schema).chain([before.schema]).min()?;
    let mut grown = combine(&after.to_schema(schema), before, false, notices)?;
    let mut lasts = None::<&NativeHistogram>;
    for window in windows {
        if let Some(last) = lasts.replace(&window.last).map(NativeHistogram::to_float)
            && window.first.to_float().is_reset_after(&last)
        {
            grown = combine(&grown, &last, true, notices)?;
        }
        if let Some(correction) = &window.correction {
            grown = combine(&grown, correction, true, notices)?;
        }
    }
    Some(grown)
}
