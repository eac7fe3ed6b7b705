//! Type, unit and help of a metric.

use crate::MetricType;

/// What an exporter says of a metric.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MetricMetadata {
    /// The metric's type.
    pub metric_type: MetricType,
    /// The help text.
    pub help: String,
    /// The unit, often empty.
    pub unit: String,
}
