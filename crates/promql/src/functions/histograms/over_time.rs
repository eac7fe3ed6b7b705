//! `sum_over_time` and `avg_over_time` of histograms.

use latewood_model::FloatHistogram;
use latewood_model::histogram::{HistogramMean, HistogramTotal, IncompatibleSchemas, Reconciled, ResetHint};

use super::is_mixed;
use crate::annotations::CallContext;
use crate::functions::Window;
use crate::{HistogramOperation, Notice, SampleValue};

/// The sum, compensated.
pub(super) fn sum(window: &Window<'_>, ctx: &mut CallContext) -> Option<SampleValue> {
    let mut total = HistogramTotal::new(&window.histograms.first()?.histogram);
    fold(window, ctx, |histogram| total.add(histogram))?;
    Some(total.finish().into())
}

/// The mean, compensated.
pub(super) fn avg(window: &Window<'_>, ctx: &mut CallContext) -> Option<SampleValue> {
    let mut mean = HistogramMean::new(&window.histograms.first()?.histogram);
    fold(window, ctx, |histogram| mean.add(histogram))?;
    Some(mean.finish().into())
}

/// Adds all histograms but the first; `None` if they cannot be combined.
fn fold(
    window: &Window<'_>,
    ctx: &mut CallContext,
    mut add: impl FnMut(&FloatHistogram) -> Result<Reconciled, IncompatibleSchemas>,
) -> Option<()> {
    if is_mixed(window, ctx) {
        return None;
    }
    let mut bounds = false;
    for point in window.histograms.iter().skip(1) {
        match add(&point.histogram) {
            Ok(reconciled) => bounds |= reconciled.bounds,
            Err(IncompatibleSchemas) => {
                ctx.add(&Notice::MixedSchemas(ctx.metric_name().to_owned()));
                return None;
            }
        }
    }
    let has = |hint: ResetHint| window.histograms.iter().any(|point| point.histogram.reset_hint == hint);
    if has(ResetHint::Reset) && has(ResetHint::NoReset) {
        ctx.add(&Notice::ResetCollision(HistogramOperation::Aggregation));
    }
    if bounds {
        ctx.add(&Notice::BoundsReconciled(HistogramOperation::Aggregation));
    }
    Some(())
}
