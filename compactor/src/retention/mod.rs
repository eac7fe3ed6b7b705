//! Which blocks have outlived their retention: pure.
//!
//! Invariant RET-1: nothing goes whose coarser successor is owed and not committed. A block may go only when every coarser
//! resolution that is kept for longer has a live block that was made of it, by its lineage or that of the live block that it
//! names there, and that does not go itself; the commit requires that these are still live.

mod config;

pub use config::{RetentionConfig, RetentionPolicy};

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use latewood_base::Ulid;
use latewood_catalog::{BlockEntry, Change, View};
use latewood_model::{Resolution, TimestampMs};

/// What is to be done about retention.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expired {
    /// Blocks that go.
    pub blocks: Vec<Ulid>,
    /// Coarser blocks that have what goes: they must be live when it does.
    pub successors: BTreeSet<Ulid>,
    /// Blocks that have outlived their retention and stay, because a coarser block is owed.
    pub owed: Vec<Ulid>,
}

impl Expired {
    /// The commit that lets them go; none when there is nothing to do.
    #[must_use]
    pub fn change(self) -> Option<Change> {
        let gone: BTreeSet<Ulid> = self.blocks.iter().copied().collect();
        let based_on = self.successors.into_iter().filter(|id| !gone.contains(id)).collect();
        (!gone.is_empty()).then(|| Change { remove: self.blocks, based_on, ..Change::default() })
    }
}

/// The blocks of a view whose samples are all older than their resolution is kept.
#[must_use]
pub fn expired(view: &View, now_ms: TimestampMs, policy: &RetentionPolicy) -> Expired {
    let is_past = |resolution: Resolution, block: &BlockEntry| {
        policy.of(resolution).is_some_and(|kept_ms| block.range.end < now_ms.saturating_sub(kept_ms))
    };
    let staying = view.blocks.values().filter(|block| !is_past(block.resolution, block));
    let successors = successors(view, staying.map(Arc::as_ref));
    let mut expired = Expired::default();
    for block in view.blocks.values().filter(|block| is_past(block.resolution, block)) {
        // What would have expired in a coarser resolution as well is not owed there.
        let coarser = Resolution::ALL.into_iter().filter(|coarser| *coarser > block.resolution);
        let wanted = coarser.filter(|coarser| !block.tail && !is_past(*coarser, block));
        let found: Option<Vec<Ulid>> =
            wanted.map(|resolution| successors.get(&block.id)?.get(&resolution).copied()).collect();
        match found {
            Some(found) => {
                expired.blocks.push(block.id);
                expired.successors.extend(found);
            }
            None => expired.owed.push(block.id),
        }
    }
    expired
}

/// One of `coarser` for each resolution that has what a block has.
fn successors<'a>(
    view: &View,
    coarser: impl Iterator<Item = &'a BlockEntry>,
) -> HashMap<Ulid, BTreeMap<Resolution, Ulid>> {
    let mut successors: HashMap<Ulid, BTreeMap<Resolution, Ulid>> = HashMap::new();
    for block in coarser.filter(|block| block.resolution != Resolution::Raw) {
        for finer in made_of(view, block) {
            successors.entry(finer).or_default().insert(block.resolution, block.id);
        }
    }
    successors
}

/// What a rollup was made of: what its lineage names, and what the rollups named there do.
fn made_of<'a>(view: &'a View, block: &'a BlockEntry) -> impl Iterator<Item = Ulid> + 'a {
    let named = block.lineage.iter().filter_map(|id| view.blocks.get(id));
    let rollups = named.filter(|named| named.resolution != Resolution::Raw);
    block.lineage.iter().chain(rollups.flat_map(|named| &named.lineage)).copied()
}

#[cfg(test)]
mod tests;
