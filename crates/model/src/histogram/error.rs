//! What can be wrong with a histogram from outside.

use super::{MAX_SCHEMA, MIN_SCHEMA};

/// Why a histogram is refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum HistogramError {
    /// Neither a schema that is stored nor one that can be brought down to it.
    #[error("schema {0} is neither custom (-53) nor between {MIN_SCHEMA} and {MAX_SCHEMA}")]
    Schema(i32),
    /// A span other than the first begins before the end of the one before.
    #[error("{side} side: span {number} has a negative offset of {offset}")]
    NegativeOffset {
        /// `positive` or `negative`.
        side: &'static str,
        /// Which span, from 1.
        number: usize,
        /// Its offset.
        offset: i32,
    },
    /// The spans and the buckets do not fit.
    #[error("{side} side: the spans are about {spans} buckets, but there are {buckets}")]
    SpansMismatch {
        /// `positive` or `negative`.
        side: &'static str,
        /// Buckets according to the spans.
        spans: u64,
        /// Buckets that are there.
        buckets: usize,
    },
    /// More buckets or bounds than [`MAX_BUCKETS`](super::MAX_BUCKETS).
    #[error("{0} buckets or bounds are too many")]
    TooManyBuckets(usize),
    /// A bucket's index is not a 32-bit number.
    #[error("{0} side: a bucket's index is out of range")]
    IndexOutOfRange(&'static str),
    /// A bucket with less than no observations.
    #[error("{side} side: bucket {number} has a negative count")]
    NegativeBucket {
        /// `positive` or `negative`.
        side: &'static str,
        /// Which bucket, from 1.
        number: usize,
    },
    /// Less than no observations, in the zero bucket or altogether.
    #[error("the {0} is negative")]
    NegativeCount(&'static str),
    /// The zero bucket has no breadth that could be compared.
    #[error("the zero threshold is not a number")]
    ZeroThreshold,
    /// The count is not that of the buckets, and no NaN was observed.
    #[error("the buckets hold {buckets} observations, but the count is {count}")]
    CountMismatch {
        /// The sum of the buckets.
        buckets: String,
        /// The count.
        count: String,
    },
    /// Fewer custom bounds than buckets need.
    #[error("{bounds} custom bounds are too few for buckets up to number {buckets}")]
    TooFewBounds {
        /// Bounds that are there.
        bounds: usize,
        /// The number of the last bucket, from 1.
        buckets: usize,
    },
    /// Custom bounds that do not ascend strictly.
    #[error("custom bounds must ascend strictly: {next} comes after {previous}")]
    BoundsOrder {
        /// A bound.
        previous: f64,
        /// The one after it.
        next: f64,
    },
    /// A custom bound that is NaN or +Inf.
    #[error("custom bounds must be numbers below +Inf")]
    BoundNotFinite,
    /// Something that histograms with custom buckets do not have.
    #[error("a histogram with custom buckets must not have {0}")]
    NotWithCustomBuckets(&'static str),
    /// Custom bounds beside an exponential schema.
    #[error("a histogram with an exponential schema must not have custom bounds")]
    UnexpectedBounds,
}
