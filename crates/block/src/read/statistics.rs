//! Cardinality of a block.

use latewood_model::TimeRange;

/// A name and how many there are of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// A metric, a label name, or `name=value`.
    pub name: String,
    /// Series, values or bytes.
    pub value: u64,
}

/// Cardinality of a block, lists by falling count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockStatistics {
    /// Series.
    pub series: u64,
    /// Samples.
    pub samples: u64,
    /// Distinct label pairs.
    pub label_pairs: u64,
    /// First and last sample.
    pub range: TimeRange,
    /// Series of each metric.
    pub series_by_metric: Vec<Count>,
    /// Distinct values of each label name.
    pub values_by_label: Vec<Count>,
    /// Bytes of the distinct values of each label name.
    pub bytes_by_label: Vec<Count>,
    /// Series of each label pair.
    pub series_by_pair: Vec<Count>,
}
