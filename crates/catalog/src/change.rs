//! What a commit does, and the commit itself.

use latewood_base::Ulid;
use latewood_model::{TenantId, TimestampMs};
use serde::{Deserialize, Serialize};

use crate::{BlockEntry, NoCompactMark, Tombstone};

/// A shard's step from one flushed head generation to a later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlushStep {
    /// The shard.
    pub shard: u32,
    /// The generation that must be the flushed one now; 0 before the first.
    pub from: u64,
    /// The generation that is flushed with this commit; more than `from`.
    pub to: u64,
}

/// What a commit does to a tenant's view, all of it or nothing.
///
/// Example: a flush adds a block and steps `flushed`; a compaction adds its outputs and removes its inputs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Change {
    /// Blocks that become live. Refused when one is live already, or dead.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub add: Vec<BlockEntry>,
    /// Blocks that are live and die: readers of older views may use them for the grace period.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<Ulid>,
    /// A shard's flush.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flushed: Option<FlushStep>,
    /// Blocks that no commit ever named and that shall never be: their objects are garbage.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mark_dead: Vec<Ulid>,
    /// Dead blocks whose objects are gone for so long that nobody can still want to add them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub forget_dead: Vec<Ulid>,
    /// Deletions to be remembered until compaction has applied them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub add_tombstones: Vec<Tombstone>,
    /// The tombstones that the added blocks have had applied. Whoever replaces blocks names every tombstone
    /// that binds one of them, so that a deletion during a compaction is not lost.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub applied_tombstones: Vec<Ulid>,
    /// Blocks that stay and that this rests on: those that added rollups were made of, those that have what goes. Refused
    /// when one is not live; with added blocks, `applied_tombstones` names what binds them, too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub based_on: Vec<Ulid>,
    /// Live blocks that compaction shall leave alone from now on. A later mark of the same block replaces the earlier.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub no_compact: Vec<NoCompactMark>,
    /// Blocks that compaction may take again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub compact_again: Vec<Ulid>,
    /// Deletions that compaction applies as soon as it can, instead of waiting. Those that are not there any more are
    /// passed over.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub apply_now: Vec<Ulid>,
    /// What becomes of the tenant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fate: Option<TenantFate>,
}

/// What becomes of a tenant as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TenantFate {
    /// It is deleted: from now on no block is added, and those that there are go after a delay.
    Deleted,
    /// It is not deleted after all; what has not gone yet stays.
    Kept,
}

impl Change {
    /// A flush: a block, or none when the tenant had no samples, and the shard's step.
    #[must_use]
    pub fn flush(block: Option<BlockEntry>, step: FlushStep) -> Self {
        Self { add: block.into_iter().collect(), flushed: Some(step), ..Self::default() }
    }

    /// A compaction: outputs for inputs, the tombstones in `applied_tombstones` having been applied.
    #[must_use]
    pub fn replace(add: Vec<BlockEntry>, remove: Vec<Ulid>, applied_tombstones: Vec<Ulid>) -> Self {
        Self { add, remove, applied_tombstones, ..Self::default() }
    }

    /// Whether it does nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// One entry of a tenant's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Commit {
    /// Whose log.
    pub tenant: TenantId,
    /// Its place in the log; the first is 1. The view after it has this version.
    pub sequence: u64,
    /// Made up by the committer, so that it recognises its own commit when the reply was lost.
    pub id: Ulid,
    /// The committer's clock, in milliseconds since the Unix epoch. Decides grace periods, never visibility.
    pub at_ms: TimestampMs,
    /// What it does.
    pub change: Change,
}
