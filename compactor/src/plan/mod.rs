//! Which blocks are to become which others: pure.
//!
//! ```text
//! flushed   ├─shard 0──┤  ├─shard 0──┤        whatever times they span
//!             ├─shard 1──┤  ├─shard 1──┤
//! aligned   │  2 h    │  2 h    │ … │         windows (k·2 h, (k+1)·2 h], shards together
//! merged    │            12 h           │     each window when it is over and has settled
//! ```
//!
//! A window is over when ingesters have had time to flush what they hold of it. Blocks of times long past go into the
//! longest window that is over at once. Late samples are blocks like others: they are aligned when they come, and joined
//! with the large block of their window when they are many or have waited.
//!
//! Rollups are made of windows of days, in the pass that joins the window's blocks; where there is nothing to join, or too
//! much, in a pass of their own, so that downsampling never waits for the size of a block. They are owed until every
//! resolution names the window's raw blocks in its lineage. When the samples are gone, the rollups of neighbouring windows
//! are joined into longer ones.
//!
//! From these windows on HA replicas become one series, in the same pass. The block that they become has a tail beside it,
//! which says what the replicas had at the end of the window; it is no input by itself and goes with its block.

mod align;
mod deduplicated;
mod job;
mod joins;
mod merge;
mod policy;
mod rollup_tiers;
mod rollups;
mod tiers;

pub(crate) use deduplicated::Deduplicated;
pub use job::{Job, JobKind, Replaced};
pub(crate) use joins::lineage;
pub use policy::Policy;
pub use rollup_tiers::RollupTiers;
pub use tiers::Tiers;

use std::sync::Arc;

use latewood_catalog::{BlockEntry, View};
use latewood_model::{Resolution, TimestampMs};

use self::joins::Joins;
use self::merge::Merges;
use self::rollups::Rollups;

/// What is to be done now, the most useful first. The jobs share no block.
#[must_use]
pub fn plan(view: &View, now_ms: TimestampMs, policy: &Policy) -> Vec<Job> {
    let closed_by = policy.closed_by(now_ms);
    let (rollups, deduplicated) = (Rollups::of(view), Deduplicated::of(view, &policy.replica_labels));
    let is_aligned = |block: &Arc<BlockEntry>| {
        // Replicas are not told from each other any more where they were made one.
        block.window.is_some() && (deduplicated.has(block) || !rollups.strand(block, &policy.tiers))
    };
    let (aligned, flushed): (Vec<_>, Vec<_>) = candidates(view).partition(is_aligned);
    let mut jobs = align::plan(&flushed, closed_by, policy, &rollups);
    let aligning = jobs.iter().flat_map(Job::ids).collect();
    let flushed = flushed.as_slice();
    let merges = Merges { view, policy, rollups, deduplicated, flushed, aligning, now_ms };
    jobs.extend(merges.plan(aligned));
    let taken = jobs.iter().flat_map(|job| job.ids().into_iter().chain(job.replaced_ids())).collect();
    jobs.extend(Joins { view, policy, taken, closed_by }.plan());
    jobs
}

/// The raw blocks that compaction may take.
fn candidates(view: &View) -> impl Iterator<Item = Arc<BlockEntry>> {
    let free = view.blocks.values().filter(|block| !view.no_compact.contains_key(&block.id));
    free.filter(|block| block.resolution == Resolution::Raw && !block.tail).cloned()
}

#[cfg(test)]
mod deduplication_tests;
#[cfg(test)]
mod join_tests;
#[cfg(test)]
mod tests;
