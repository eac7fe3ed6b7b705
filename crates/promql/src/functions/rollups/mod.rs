//! Functions over windows of rollups: what they would give over the samples that the rollups are made of.
//!
//! Over whole windows all but `sum_over_time` and `avg_over_time`, and rates with several resets inside one window, give
//! the very bits; these may differ in the last ones, because sums were formed in another order.

mod floats;
mod histograms;

use latewood_model::{FloatRollups, HistogramRollup, RollupColumns};

use crate::annotations::CallContext;
use crate::{Notice, SampleValue};

/// What a range function sees of one series at one step: whole windows next to each other, `(start, end]` together.
/// Times are milliseconds since the epoch; `offset` and `@` are applied.
#[derive(Clone, Copy, Debug)]
pub struct RollupSpan<'a> {
    /// The series' windows with floats; those columns are filled that the function asked for.
    pub floats: &'a FloatRollups,
    /// Which of them lie in the span: from the first number up to, without, the second.
    pub rows: (usize, usize),
    /// The windows with native histograms that lie in the span.
    pub histograms: &'a [HistogramRollup],
    /// Where the first window starts.
    pub start: i64,
    /// Where the last window ends.
    pub end: i64,
    /// By what sums over the span must be multiplied to be about as long a time as was asked for.
    pub scale: f64,
}

/// A function that rollups know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RollupFunction {
    /// `count_over_time`
    Count,
    /// `sum_over_time`
    Sum,
    /// `avg_over_time`
    Avg,
    /// `min_over_time`
    Min,
    /// `max_over_time`
    Max,
    /// `first_over_time`
    First,
    /// `last_over_time`
    Last,
    /// `present_over_time`, and what `absent_over_time` asks.
    Present,
    /// `rate`
    Rate,
    /// `increase`
    Increase,
    /// `delta`
    Delta,
    /// `ts_of_first_over_time`
    TimeOfFirst,
    /// `ts_of_last_over_time`
    TimeOfLast,
}

impl RollupFunction {
    /// The function of that name, if rollups know it.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Some(match name {
            "count_over_time" => Self::Count,
            "sum_over_time" => Self::Sum,
            "avg_over_time" => Self::Avg,
            "min_over_time" => Self::Min,
            "max_over_time" => Self::Max,
            "first_over_time" => Self::First,
            "last_over_time" => Self::Last,
            "present_over_time" | "absent_over_time" => Self::Present,
            "rate" => Self::Rate,
            "increase" => Self::Increase,
            "delta" => Self::Delta,
            "ts_of_first_over_time" => Self::TimeOfFirst,
            "ts_of_last_over_time" => Self::TimeOfLast,
            _ => return None,
        })
    }

    /// The figures that it looks at.
    #[must_use]
    pub fn columns(self) -> RollupColumns {
        let changes =
            RollupColumns::COUNT | RollupColumns::FIRST | RollupColumns::LAST | RollupColumns::TIMES;
        match self {
            Self::Count => RollupColumns::COUNT,
            Self::Sum => RollupColumns::SUM,
            Self::Avg => RollupColumns::SUM | RollupColumns::COUNT,
            Self::Min => RollupColumns::MIN,
            Self::Max => RollupColumns::MAX,
            Self::First => RollupColumns::FIRST | RollupColumns::TIMES,
            Self::Last => RollupColumns::LAST | RollupColumns::TIMES,
            Self::Present => RollupColumns::NONE,
            Self::Rate | Self::Increase => changes | RollupColumns::CORRECTION,
            Self::Delta => changes,
            Self::TimeOfFirst | Self::TimeOfLast => RollupColumns::TIMES,
        }
    }

    /// Its value; `None` where there is none.
    pub fn value(self, span: &RollupSpan<'_>, context: &mut CallContext) -> Option<SampleValue> {
        if span.histograms.is_empty() {
            return floats::value(self, span, context).map(SampleValue::Float);
        }
        let ignores_histograms = matches!(self, Self::Min | Self::Max);
        if !ignores_histograms {
            return histograms::value(self, span, context);
        }
        let value = floats::value(self, span, context)?;
        context.add(&Notice::IgnoredInRange(context.metric_name().to_owned()));
        Some(SampleValue::Float(value))
    }
}
