//! From closed generations to blocks in the bucket.
//!
//! Freeze (a log entry) ▸ encode to local blocks, serve from them, free the memory ▸ upload and commit per
//! tenant ▸ `Flushed` (a log entry) ▸ checkpoint as of the freeze, the journal is purged ▸ linger for
//! queries of older views ▸ drop. Each step may be repeated after a crash: block ids follow from tenant,
//! shard and generation, and the catalog's `flushed[shard]` says what is committed. The bucket may be away
//! for as long as the disk budget lasts; then writes are refused.

mod budget;
mod config;
mod error;
mod flusher;
mod freeze;
mod identity;
mod local;
mod metrics;
mod upload;

pub use budget::DiskBudget;
pub use config::FlushConfig;
pub use error::FlushError;
pub use flusher::{Flusher, FlusherParts};
pub use local::{LocalBlock, LocalGeneration, LocalStore};
pub use metrics::FlushMetrics;
