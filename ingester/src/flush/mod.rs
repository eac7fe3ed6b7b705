//! From closed generations to blocks in the bucket.
//!
//! Freeze (a log entry) ▸ encode to local blocks, serve from them, free the memory ▸ upload and commit per
//! tenant ▸ `Flushed` (a log entry) ▸ checkpoint as of the freeze, the journal is purged ▸ linger for
//! queries of older views ▸ drop. Each step may be repeated after a crash: block ids follow from journal,
//! tenant, shard and generation, and the catalog knows the blocks that are committed. The bucket may be away
//! for as long as the disk budget lasts; then writes are refused.

mod budget;
mod config;
mod disk_watch;
mod error;
mod flusher;
mod freeze;
mod identity;
mod local;
mod local_block;
mod local_generation;
mod metrics;
mod numbers;
mod open_tables;
mod plan;
mod planted;
mod upload;

pub use budget::DiskBudget;
pub use config::FlushConfig;
pub use disk_watch::DiskWatch;
pub use error::FlushError;
pub use flusher::{Flusher, FlusherParts};
pub use identity::FlushIdentity;
pub use local::{LocalShared, LocalStore, Survey};
pub use local_block::{LocalBlock, OpenLocalBlock};
pub use local_generation::LocalGeneration;
pub use metrics::FlushMetrics;
pub use numbers::{ForeignNumber, OwnNumbers};
pub use open_tables::OpenTables;
#[cfg(feature = "testing")]
pub use planted::{Unfenced, plant};
