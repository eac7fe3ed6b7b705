//! What the planner is told beside the catalog's view.

use latewood_model::TimestampMs;
use latewood_model::dedup::ReplicaLabels;

use super::{RollupTiers, Tiers};

/// What the planner is told beside the catalog's view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The windows.
    pub tiers: Tiers,
    /// Those by which rollups are joined whose samples are gone.
    pub rollup_tiers: RollupTiers,
    /// How long after its end a window is waited for what ingesters still hold of it, in milliseconds.
    pub settle_ms: i64,
    /// How long few late samples wait before the large block of their window is written anew, in milliseconds.
    pub late_delay_ms: i64,
    /// The most blocks of one job.
    pub max_blocks: usize,
    /// The most series of one job, those of all its blocks together: their labels are held in memory.
    pub max_series: u64,
    /// The most bytes of one job: outputs take about as much local disk.
    pub max_bytes: u64,
    /// The labels by which HA replicas differ.
    pub replica_labels: ReplicaLabels,
    /// Whether windows of days begin to have one series instead of replicas.
    pub deduplicate: bool,
}

impl Policy {
    /// Windows that end by then are closed.
    #[must_use]
    pub fn closed_by(&self, now_ms: TimestampMs) -> TimestampMs {
        now_ms.saturating_sub(self.settle_ms)
    }
}
