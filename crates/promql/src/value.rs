//! What a query returns.

use latewood_model::{Labels, TimestampMs};

/// A value at a time.
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
    pub value: f64,
}

/// A series of a range query or range selector.
#[derive(Clone, Debug, PartialEq)]
pub struct MatrixSeries {
    /// Which series.
    pub labels: Labels,
    /// Its points in ascending time; never empty.
    pub points: Vec<Point>,
}
