//! Answers to range queries that are kept, so that a dashboard that is loaded again evaluates only what is new.
//!
//! Invariant (ACK-1): an answer is the one that an evaluation of the whole query under the pinned view would give, bit
//! for bit. What is kept of a stretch of steps is used only if the blocks and tombstones that it depends on are those
//! that it was computed of, and no ingester holds any sample that it depends on and that is in no block; ingesters are
//! asked each time. No clock decides it: age only decides what is worth keeping.
//!
//! Nothing is kept of an answer that lacks a source. See docs/adr/0011.

mod asked;
mod cache;
mod config;
mod entry;
mod join;
mod key;
mod metrics;
mod notes;
mod plan;
mod run;
mod sources;
mod steps;
#[cfg(test)]
mod tests;
mod update;

pub use config::ResultsCacheConfig;
pub(crate) use metrics::ResultsMetrics;
pub(crate) use run::{RangeCall, Results};
