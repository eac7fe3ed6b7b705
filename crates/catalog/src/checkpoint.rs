//! A view as an object, so that a log need not be read from its beginning.

use std::collections::BTreeMap;
use std::sync::Arc;

use latewood_base::Ulid;
use latewood_model::{TenantId, TimestampMs};
use serde::{Deserialize, Serialize};

use crate::{BlockEntry, DeadBlock, NoCompactMark, Tombstone, View};

/// The JSON of a checkpoint, read. Lists are in the order of their ids, so that a view has one text.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Checkpoint {
    tenant: TenantId,
    version: u64,
    flushed: Vec<FlushedShard>,
    blocks: Vec<BlockEntry>,
    dead: Vec<DeadEntry>,
    tombstones: Vec<Tombstone>,
    /// New in version 2 of the format.
    #[serde(default)]
    no_compact: Vec<NoCompactMark>,
    /// New in version 3.
    #[serde(default)]
    apply_now: Vec<Ulid>,
    /// New in version 3.
    #[serde(default)]
    deleted_since_ms: Option<TimestampMs>,
}

/// The JSON of a checkpoint, to be written: the same fields, borrowed.
#[derive(Debug, Serialize)]
pub(crate) struct CheckpointRef<'a> {
    tenant: &'a TenantId,
    version: u64,
    flushed: Vec<FlushedShard>,
    blocks: Vec<&'a BlockEntry>,
    dead: Vec<DeadEntry>,
    tombstones: Vec<&'a Tombstone>,
    no_compact: Vec<&'a NoCompactMark>,
    apply_now: Vec<Ulid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted_since_ms: Option<TimestampMs>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FlushedShard {
    shard: u32,
    generation: u64,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DeadEntry {
    id: Ulid,
    since_ms: TimestampMs,
}

impl<'a> CheckpointRef<'a> {
    pub(crate) fn of(view: &'a View) -> Self {
        let flushed = view.flushed.iter();
        let dead = view.dead.iter();
        Self {
            tenant: &view.tenant,
            version: view.version,
            flushed: flushed
                .map(|(shard, generation)| FlushedShard { shard: *shard, generation: *generation })
                .collect(),
            blocks: view.blocks.values().map(Arc::as_ref).collect(),
            dead: dead.map(|(id, block)| DeadEntry { id: *id, since_ms: block.since_ms }).collect(),
            tombstones: view.tombstones.values().map(Arc::as_ref).collect(),
            no_compact: view.no_compact.values().map(Arc::as_ref).collect(),
            apply_now: view.apply_now.iter().copied().collect(),
            deleted_since_ms: view.deleted_since_ms,
        }
    }
}

impl Checkpoint {
    /// The view; the text says what is wrong when it is not `tenant`'s at `version`, or contradicts itself.
    pub(crate) fn into_view(self, tenant: &TenantId, version: u64) -> Result<View, String> {
        if self.tenant != *tenant || self.version != version {
            return Err(format!("it is {}'s at version {}", self.tenant, self.version));
        }
        self.blocks.iter().try_for_each(BlockEntry::check)?;
        self.tombstones.iter().try_for_each(Tombstone::check)?;
        self.no_compact.iter().try_for_each(NoCompactMark::check)?;
        let (blocks, dead) = (self.blocks.len(), self.dead.len());
        let view = View {
            tenant: self.tenant,
            version,
            blocks: self.blocks.into_iter().map(|block| (block.id, Arc::new(block))).collect(),
            flushed: self.flushed.iter().map(|entry| (entry.shard, entry.generation)).collect(),
            dead: self.dead.iter().map(|entry| (entry.id, DeadBlock { since_ms: entry.since_ms })).collect(),
            tombstones: self.tombstones.into_iter().map(|entry| (entry.id, Arc::new(entry))).collect(),
            no_compact: self.no_compact.into_iter().map(|mark| (mark.block, Arc::new(mark))).collect(),
            apply_now: self.apply_now.into_iter().collect(),
            deleted_since_ms: self.deleted_since_ms,
        };
        if view.blocks.len() != blocks || view.dead.len() != dead || overlap(&view.blocks, &view.dead) {
            return Err("a block is in it twice".to_owned());
        }
        Ok(view)
    }
}

fn overlap<A, B>(left: &BTreeMap<Ulid, A>, right: &BTreeMap<Ulid, B>) -> bool {
    left.keys().any(|id| right.contains_key(id))
}
