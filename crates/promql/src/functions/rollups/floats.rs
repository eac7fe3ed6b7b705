//! Functions over windows of floats.

use latewood_model::rollup::{greater, lesser};

use super::{RollupFunction, RollupSpan};
use crate::annotations::CallContext;
use crate::functions::KahanSum;
use crate::functions::spacing::{Growth, Place};

/// The value of a function; `None` where there is none.
pub(super) fn value(
    function: RollupFunction,
    span: &RollupSpan<'_>,
    context: &mut CallContext,
) -> Option<f64> {
    if span.rows.0 >= span.rows.1 {
        return None;
    }
    match function {
        RollupFunction::Count => Some(count(span) as f64 * span.scale),
        RollupFunction::Sum => Some(sum(span) * span.scale),
        RollupFunction::Avg => Some(sum(span) / count(span) as f64),
        RollupFunction::Min => rows(&span.floats.mins, span).iter().copied().reduce(lesser),
        RollupFunction::Max => rows(&span.floats.maxs, span).iter().copied().reduce(greater),
        RollupFunction::First => first(span).map(|(_, value)| value),
        RollupFunction::Last => last(span).map(|(_, value)| value),
        RollupFunction::Present => Some(1.0),
        RollupFunction::Rate => change(span, true, true, context),
        RollupFunction::Increase => change(span, true, false, context).map(|change| change * span.scale),
        RollupFunction::Delta => change(span, false, false, context).map(|change| change * span.scale),
        RollupFunction::TimeOfFirst => {
            rows(&span.floats.first_at, span).first().map(|at| *at as f64 / 1000.0)
        }
        RollupFunction::TimeOfLast => rows(&span.floats.last_at, span).last().map(|at| *at as f64 / 1000.0),
    }
}

/// The part of a column that lies in a span.
pub(super) fn rows<'a, T>(column: &'a [T], span: &RollupSpan<'_>) -> &'a [T] {
    column.get(span.rows.0..span.rows.1).unwrap_or_default()
}

/// How many samples there are.
pub(super) fn count(span: &RollupSpan<'_>) -> u64 {
    rows(&span.floats.counts, span).iter().sum()
}

/// The first sample and its time.
pub(super) fn first(span: &RollupSpan<'_>) -> Option<(i64, f64)> {
    let (at, values) = (rows(&span.floats.first_at, span), rows(&span.floats.firsts, span));
    Some((*at.first()?, *values.first()?))
}

/// The last sample and its time.
pub(super) fn last(span: &RollupSpan<'_>) -> Option<(i64, f64)> {
    let (at, values) = (rows(&span.floats.last_at, span), rows(&span.floats.lasts, span));
    Some((*at.last()?, *values.last()?))
}

fn sum(span: &RollupSpan<'_>) -> f64 {
    let mut sum = KahanSum::default();
    rows(&span.floats.sums, span).iter().for_each(|value| sum.add(*value));
    if sum.sum.is_infinite() { sum.sum } else { sum.value() }
}

/// The extrapolated change, of counters with resets made good. Its terms are those of [`crate::functions::rate`], in
/// their order.
fn change(span: &RollupSpan<'_>, is_counter: bool, is_rate: bool, context: &mut CallContext) -> Option<f64> {
    let gaps = usize::try_from(count(span)).ok()?.checked_sub(1).filter(|gaps| *gaps > 0)?;
    let ((first_at, first), (last_at, last)) = (first(span)?, last(span)?);
    let mut change = last - first;
    if is_counter {
        let (firsts, lasts) = (rows(&span.floats.firsts, span), rows(&span.floats.lasts, span));
        let corrections = rows(&span.floats.corrections, span);
        for (window, (first, inside)) in firsts.iter().zip(corrections).enumerate() {
            let before = window.checked_sub(1).and_then(|before| lasts.get(before));
            change += before.filter(|before| first < *before).unwrap_or(&0.0);
            change += inside;
        }
    }
    let growth = is_counter.then_some(Growth { first, increase: change });
    let place = Place::between((span.start, span.end), (first_at, last_at), gaps, is_rate);
    Some(change * context.spacing_at(place).extrapolation(growth))
}
