//! What a query returns.

use std::sync::Arc;

use latewood_model::{FloatHistogram, Labels, TimestampMs};

/// A float at a time.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    /// Milliseconds since the Unix epoch.
    pub timestamp: TimestampMs,
    /// The value.
    pub value: f64,
}

impl PartialEq for Point {
    /// Bit for bit, so that NaN equals itself.
    fn eq(&self, other: &Self) -> bool {
        self.timestamp == other.timestamp && self.value.to_bits() == other.value.to_bits()
    }
}

/// A native histogram at a time.
#[derive(Clone, Debug, PartialEq)]
pub struct HistogramPoint {
    /// Milliseconds since the Unix epoch.
    pub timestamp: TimestampMs,
    /// The histogram.
    pub histogram: Arc<FloatHistogram>,
}

/// What an element of a vector is worth.
#[derive(Clone, Debug)]
pub enum SampleValue {
    /// A float.
    Float(f64),
    /// A native histogram.
    Histogram(Arc<FloatHistogram>),
}

impl SampleValue {
    /// The float, unless it is a histogram.
    #[must_use]
    pub fn as_float(&self) -> Option<f64> {
        match self {
            Self::Float(value) => Some(*value),
            Self::Histogram(_) => None,
        }
    }
}

impl From<FloatHistogram> for SampleValue {
    fn from(histogram: FloatHistogram) -> Self {
        Self::Histogram(Arc::new(histogram))
    }
}

impl PartialEq for SampleValue {
    /// Bit for bit, so that NaN equals itself.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Float(a), Self::Float(b)) => a.to_bits() == b.to_bits(),
            (Self::Histogram(a), Self::Histogram(b)) => a == b,
            _ => false,
        }
    }
}

/// The result of an expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// One value without labels.
    Scalar(Point),
    /// A text.
    String {
        /// When it was evaluated.
        timestamp: TimestampMs,
        /// The text.
        text: String,
    },
    /// One value per series, in the order that the expression gives.
    Vector(Vec<VectorSample>),
    /// Values over time, series sorted by their labels.
    Matrix(Vec<MatrixSeries>),
}

/// An element of an instant vector.
#[derive(Clone, Debug, PartialEq)]
pub struct VectorSample {
    /// Which series.
    pub labels: Labels,
    /// The time of the evaluation.
    pub timestamp: TimestampMs,
    /// The value.
    pub value: SampleValue,
}

/// A series of a range query or range selector; it has floats or histograms or both.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MatrixSeries {
    /// Which series.
    pub labels: Labels,
    /// Its floats in ascending time.
    pub points: Vec<Point>,
    /// Its native histograms in ascending time, at other times than the floats.
    pub histograms: Vec<HistogramPoint>,
}

impl MatrixSeries {
    /// Bytes of memory that it takes, its labels aside, which others have too.
    #[must_use]
    pub fn size(&self) -> usize {
        let histograms = self.histograms.iter();
        let histograms = histograms.map(|point| size_of::<HistogramPoint>() + point.histogram.heap_size());
        size_of::<Self>() + size_of_val(self.points.as_slice()) + histograms.sum::<usize>()
    }
}
