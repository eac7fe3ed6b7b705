//! Native histograms: what a sample that is a whole distribution consists of.
//!
//! ```text
//! NativeHistogram = Integer(Arc<Histogram<u64>>) | Float(Arc<Histogram<f64>>)     what is stored; a clone is a reference
//! Histogram<C>    = schema, zero threshold, custom bounds, reset hint, sum,
//!                   count, zero count, positive: Buckets<C>, negative: Buckets<C>
//! Buckets<C>      = indexes (shared, ascending) and absolute counts, populated buckets only
//! HistogramParts  = spans and deltas or counts, as remote write carries them
//! ```
//!
//! There is one form of each content: buckets that are zero are not kept, so spans are not either. PromQL
//! can see the difference in one place only: Prometheus holds two histograms with equal buckets for
//! unequal if one of them spells out a bucket of zero that the other leaves out, which depends on how
//! its chunks happened to be cut. Here they are equal.
//!
//! Schemas and their bounds are those of <https://prometheus.io/docs/specs/native_histograms/>.

mod arithmetic;
mod bound;
mod bucket;
mod buckets;
mod canonical;
mod custom;
mod error;
mod estimate;
mod fractions;
mod kahan;
mod mean;
mod moments;
mod native;
mod parts;
mod reset;
mod reset_hint;
mod schema;
mod shape;
mod spans;
mod total;
mod trim;
mod validate;
mod zero;

pub use bound::upper_bound;
pub use bucket::Bucket;
pub use buckets::{BucketCount, Buckets};
pub use error::HistogramError;
pub use estimate::{NanEffect, Quantile};
pub use mean::HistogramMean;
pub use native::{HistogramSample, NativeHistogram};
pub use parts::{HistogramParts, PartCounts, Span};
pub use reset_hint::ResetHint;
pub use schema::{CUSTOM_BUCKETS, MAX_SCHEMA, MIN_SCHEMA, is_custom, is_exponential};
pub use shape::{FloatHistogram, Histogram, IntegerHistogram};
pub use total::{HistogramTotal, IncompatibleSchemas, Reconciled};
pub use trim::Trim;
pub use validate::MAX_BUCKETS;

#[cfg(test)]
mod tests;
