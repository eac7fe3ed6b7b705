//! The types of metrics, as remote write numbers them.

use serde::{Deserialize, Serialize};

/// The type of a metric. The discriminants are those of remote write's `MetricMetadata.MetricType`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum MetricType {
    /// Not said.
    #[default]
    Unknown = 0,
    /// Only rises, but for resets.
    Counter = 1,
    /// Rises and falls.
    Gauge = 2,
    /// Buckets, count and sum.
    Histogram = 3,
    /// A histogram of current values.
    GaugeHistogram = 4,
    /// Quantiles, count and sum.
    Summary = 5,
    /// A constant 1 with labels.
    Info = 6,
    /// One of several states.
    StateSet = 7,
}

impl MetricType {
    /// From its number on the wire; an unassigned number is [`MetricType::Unknown`].
    #[must_use]
    pub fn from_wire(number: i32) -> Self {
        match number {
            1 => Self::Counter,
            2 => Self::Gauge,
            3 => Self::Histogram,
            4 => Self::GaugeHistogram,
            5 => Self::Summary,
            6 => Self::Info,
            7 => Self::StateSet,
            _ => Self::Unknown,
        }
    }

    /// The name that Prometheus prints.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::GaugeHistogram => "gaugehistogram",
            Self::Summary => "summary",
            Self::Info => "info",
            Self::StateSet => "stateset",
        }
    }
}
