//! What PromQL has to say of histograms beside a result. The texts are Prometheus's, as clients know them; where in
//! the query they belong is not said here.

use std::fmt;

use crate::print::quoted;

/// What two histograms were put together for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HistogramOperation {
    /// `+`, and what a counter had before a reset.
    Addition,
    /// `-`, and the change over a window.
    Subtraction,
    /// Sums and means.
    Aggregation,
}

impl fmt::Display for HistogramOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Addition => "addition",
            Self::Subtraction => "subtraction",
            Self::Aggregation => "aggregation",
        })
    }
}

/// A warning or an info about histograms. Metric names may be empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A window or an interval has samples of both kinds.
    MixedFloatsHistograms(String),
    /// A group has samples of both kinds.
    MixedFloatsHistogramsInAggregation,
    /// Classic buckets and a native histogram of the same name and labels.
    MixedClassicNative(String),
    /// A function of counters met a gauge.
    NotCounter(String),
    /// A function of gauges met a counter.
    NotGauge(String),
    /// Exponential and custom buckets cannot be combined.
    MixedSchemas(String),
    /// The same, by an operator.
    IncompatibleBuckets(&'static str),
    /// One histogram came after a reset, the other expressly not.
    ResetCollision(HistogramOperation),
    /// A sample says that it has been counted since a time before its predecessor.
    StartOverlap(String),
    /// Custom bounds were brought down to those that both have.
    BoundsReconciled(HistogramOperation),
    /// An operator has no meaning for these types.
    IncompatibleTypes(&'static str, &'static str, &'static str),
    /// An aggregation that takes floats only met a histogram.
    IgnoredInAggregation(&'static str),
    /// A function that takes floats only met windows of both.
    IgnoredInRange(String),
    /// A quantile lies among NaN observations.
    QuantileOfNans(String),
    /// NaN observations moved a quantile.
    QuantileSkewed(String),
    /// NaN observations are in no fraction.
    FractionWithoutNans(String),
}

impl Notice {
    /// Whether the result may be wrong; otherwise it is an info.
    #[must_use]
    pub fn is_warning(&self) -> bool {
        !matches!(
            self,
            Self::BoundsReconciled(_)
                | Self::IncompatibleTypes(..)
                | Self::IgnoredInAggregation(_)
                | Self::IgnoredInRange(_)
                | Self::QuantileOfNans(_)
                | Self::QuantileSkewed(_)
                | Self::FractionWithoutNans(_)
        )
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_warning() { "PromQL warning: " } else { "PromQL info: " })?;
        match self {
            Self::MixedFloatsHistograms(metric) => {
                write!(f, "encountered a mix of histograms and floats for metric name {}", quoted(metric))
            }
            Self::MixedFloatsHistogramsInAggregation => {
                f.write_str("encountered a mix of histograms and floats for aggregation")
            }
            Self::MixedClassicNative(metric) => {
                f.write_str("vector contains a mix of classic and native histograms")?;
                of_metric(f, metric)
            }
            Self::NotCounter(metric) => {
                write!(f, "this native histogram metric is not a counter: {}", quoted(metric))
            }
            Self::NotGauge(metric) => {
                write!(f, "this native histogram metric is not a gauge: {}", quoted(metric))
            }
            Self::MixedSchemas(metric) => write!(
                f,
                "vector contains a mix of histograms with exponential and custom buckets schemas for metric name {}",
                quoted(metric)
            ),
            Self::IncompatibleBuckets(op) => {
                write!(f, "incompatible bucket layout encountered for binary operator {op}")
            }
            Self::ResetCollision(operation) => {
                write!(f, "conflicting counter resets during histogram {operation}")
            }
            Self::StartOverlap(metric) => write!(
                f,
                "sample has start time that overlaps with previous sample timestamp for metric {}",
                quoted(metric)
            ),
            Self::BoundsReconciled(operation) => {
                write!(f, "mismatched custom buckets were reconciled during {operation}")
            }
            Self::IncompatibleTypes(left, op, right) => write!(
                f,
                "incompatible sample types encountered for binary operator {}: {left} {op} {right}",
                quoted(op)
            ),
            Self::IgnoredInAggregation(op) => write!(f, "ignored histogram in {op} aggregation"),
            Self::IgnoredInRange(metric) => write!(
                f,
                "ignored histograms in a range containing both floats and histograms for metric name {}",
                quoted(metric)
            ),
            Self::QuantileOfNans(metric) => {
                f.write_str("input to histogram_quantile has NaN observations, result is NaN")?;
                of_metric(f, metric)
            }
            Self::QuantileSkewed(metric) => {
                f.write_str("input to histogram_quantile has NaN observations, result is skewed higher")?;
                of_metric(f, metric)
            }
            Self::FractionWithoutNans(metric) => {
                f.write_str(
                    "input to histogram_fraction has NaN observations, which are excluded from all fractions",
                )?;
                of_metric(f, metric)
            }
        }
    }
}

fn of_metric(f: &mut fmt::Formatter<'_>, metric: &str) -> fmt::Result {
    if metric.is_empty() { Ok(()) } else { write!(f, " for metric name {}", quoted(metric)) }
}
