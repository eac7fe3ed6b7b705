//! Tends the blocks in the bucket: joins them as they grow old, and removes what no view needs. Any number of compactors
//! may run; what one did the others find done.
//!
//! [`plan()`] is pure and decides what is to become what; `compaction` does it; `runner` goes from tenant to tenant.

mod compaction;
mod compactor;
mod config;
mod error;
mod garbage;
mod http;
mod metrics;
mod plan;
mod retention;
mod runner;

pub use compactor::{Compactor, CompactorDeps};
pub use config::{CompactorConfig, RollupRangesConfig};
pub use error::CompactError;
pub use plan::{Job, JobKind, Policy, Replaced, RollupTiers, Tiers, plan};
pub use retention::{Expired, RetentionConfig, RetentionPolicy, expired};
