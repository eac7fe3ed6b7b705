//! What a metric is: labels, matchers, samples, time and tenants. No I/O, no async.
//!
//! Everything above this crate speaks in these types; this crate knows nothing of files, wires or roles.

pub mod dedup;
mod exemplar;
pub mod histogram;
mod joined_times;
mod labels;
mod labels_builder;
mod matcher;
mod metadata;
mod metric_type;
mod resolution;
pub mod rollup;
mod sample;
mod series;
mod start_timestamps;
mod tenant;
mod tie;
mod time;

pub use exemplar::Exemplar;
pub use histogram::{FloatHistogram, HistogramSample, NativeHistogram};
pub use joined_times::JoinedTimes;
pub use labels::{LabelPair, Labels, METRIC_NAME, hash_pairs, storage_order};
pub use labels_builder::LabelsBuilder;
pub use matcher::{MatchOp, Matcher, MatcherError, anchored_regex};
pub use metadata::MetricMetadata;
pub use metric_type::MetricType;
pub use resolution::Resolution;
pub use rollup::{FloatRollup, FloatRollups, HistogramRollup, RollupColumns, RollupWindows, SeriesRollups};
pub use sample::{STALE_NAN_BITS, Sample, is_stale, stale_nan};
pub use series::{SeriesHash, SeriesSamples};
pub use start_timestamps::{NO_START, StartCursor, StartRun, StartTimestamps};
pub use tenant::{TenantError, TenantId};
pub use tie::{
    merge_histograms, merge_into, preferred, preferred_histogram, preferred_started, resolve_kinds,
};
pub use time::{TimeRange, TimestampMs};
