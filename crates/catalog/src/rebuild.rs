//! A lost catalog, made anew from the blocks themselves.
//!
//! What is lost for good: tombstones, and which blocks had been removed within the grace period. So a rebuilt
//! catalog may show deleted samples again, and samples twice, which the tie rule merges. It never shows fewer.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use latewood_base::Ulid;
use latewood_model::{Resolution, TimeRange};

use crate::uncommitted::uncommitted;
use crate::{BlockEntry, CatalogError, Change, FlushStep, TenantCatalog, View};

/// How many blocks one commit of a rebuild adds at most.
const BLOCKS_PER_COMMIT: usize = 100;

/// The changes that make a catalog of these blocks. `flushed` is what is known of the shards from elsewhere
/// (the ingesters know their generations); the blocks' own generations raise it.
///
/// A block is left out, and marked dead, when its successors of the same resolution are there and cover its
/// time: compaction splits its outputs by time only. Left out likewise are an output that was never committed, when another
/// was made of the same; a rollup when there is a better one for its window; and a tail when no block is there that it
/// belongs to.
#[must_use]
pub fn plan_rebuild(blocks: Vec<BlockEntry>, flushed: &BTreeMap<u32, u64>) -> Vec<Change> {
    let mut flushed = flushed.clone();
    for block in &blocks {
        if let (Some(shard), Some(generation)) = (block.shard, block.generation) {
            let known = flushed.entry(shard).or_default();
            *known = generation.max(*known);
        }
    }
    let replaced = replaced(&blocks);
    let mut seen = BTreeSet::new();
    let live: Vec<BlockEntry> =
        blocks.into_iter().filter(|block| !replaced.contains(&block.id) && seen.insert(block.id)).collect();
    let adds = live.chunks(BLOCKS_PER_COMMIT).map(|add| Change { add: add.to_vec(), ..Change::default() });
    let steps = flushed.into_iter().filter(|(_, generation)| *generation > 0);
    let steps = steps.map(|(shard, to)| Change::flush(None, FlushStep { shard, from: 0, to }));
    let dead = Change { mark_dead: replaced.into_iter().collect(), ..Change::default() };
    adds.chain(steps).chain((!dead.is_empty()).then_some(dead)).collect()
}

/// The blocks whose successors are there and cover their time, and those that are no successors.
fn replaced(blocks: &[BlockEntry]) -> BTreeSet<Ulid> {
    let mut replaced = uncommitted(blocks);
    let mut successors: BTreeMap<(Resolution, Ulid), Vec<TimeRange>> = BTreeMap::new();
    // A tail has next to nothing of what it was made of.
    for block in blocks.iter().filter(|block| !block.tail && !replaced.contains(&block.id)) {
        for parent in &block.lineage {
            let key = (block.resolution, *parent);
            // All that its parents had in its window is in it, though no sample may lie at the window's border.
            successors.entry(key).or_default().push(block.window.unwrap_or(block.range));
        }
    }
    let covered = blocks.iter().filter(|block| {
        let ranges = successors.get(&(block.resolution, block.id));
        ranges.is_some_and(|ranges| covers(ranges.clone(), block.range))
    });
    let covered: Vec<Ulid> = covered.map(|block| block.id).collect();
    replaced.extend(covered);
    let outdated = outdated_rollups(blocks, &replaced);
    replaced.extend(outdated);
    let alone = tails_alone(blocks, &replaced);
    replaced.extend(alone);
    replaced
}

/// Tails of windows that no deduplicated block is of which was not replaced: their compaction did not end, or their block is
/// lost.
fn tails_alone(blocks: &[BlockEntry], replaced: &BTreeSet<Ulid>) -> Vec<Ulid> {
    let has_tail =
        |block: &&BlockEntry| block.deduplicated && !block.tail && block.resolution == Resolution::Raw;
    let live = blocks.iter().filter(has_tail).filter(|block| !replaced.contains(&block.id));
    let windows: BTreeSet<_> =
        live.filter_map(|block| block.window).map(|own| (own.start, own.end)).collect();
    let is_alone =
        |tail: &&BlockEntry| !tail.window.is_some_and(|own| windows.contains(&(own.start, own.end)));
    blocks.iter().filter(|block| block.tail).filter(is_alone).map(|block| block.id).collect()
}

/// Rollups in whose window there are better ones: a compaction that makes rollups of a window removes all that lie in it.
/// Better are those of raw blocks that were not replaced, and of these the younger.
fn outdated_rollups(blocks: &[BlockEntry], replaced: &BTreeSet<Ulid>) -> Vec<Ulid> {
    let rank = |block: &BlockEntry| {
        let is_current = !block.lineage.iter().any(|parent| replaced.contains(parent));
        (is_current, block.id)
    };
    let mut outdated = Vec::new();
    for resolution in Resolution::ALL.into_iter().filter(|resolution| *resolution != Resolution::Raw) {
        let own = blocks.iter().filter(|block| block.resolution == resolution);
        let mut own: Vec<(TimeRange, (bool, Ulid))> =
            own.filter_map(|block| Some((block.window?, rank(block)))).collect();
        // The longest first of those that begin together: what holds a window stands before it.
        own.sort_by_key(|(window, rank)| (window.start, Reverse(window.end), Reverse(*rank)));
        let mut open: Vec<(TimeRange, (bool, Ulid))> = Vec::new();
        for (window, rank) in own {
            open.retain(|(other, _)| other.end >= window.start);
            if open.iter().any(|(other, better)| other.end >= window.end && *better > rank) {
                outdated.push(rank.1);
            }
            open.push((window, rank));
        }
    }
    outdated
}

/// Whether the ranges together hold all of `whole`. A gap without samples at a border counts as not held: the
/// block then stays, which is harmless.
fn covers(mut ranges: Vec<TimeRange>, whole: TimeRange) -> bool {
    ranges.sort_by_key(|range| range.start);
    let mut reached = whole.start;
    for range in ranges {
        if range.start > reached {
            return false;
        }
        reached = reached.max(range.end.saturating_add(1));
    }
    reached > whole.end
}

impl TenantCatalog {
    /// Makes the catalog anew from the blocks' own metas, as [`plan_rebuild`] says. The tenant's `catalog`
    /// folder must have been moved away.
    ///
    /// # Errors
    /// [`CatalogError::NotEmpty`] when there are commits.
    pub async fn rebuild(
        &self,
        blocks: Vec<BlockEntry>,
        flushed: &BTreeMap<u32, u64>,
    ) -> Result<std::sync::Arc<View>, CatalogError> {
        let view = self.refresh(0).await?;
        if view.version > 0 {
            return Err(CatalogError::NotEmpty { tenant: self.tenant().to_string(), found: view.version });
        }
        for change in plan_rebuild(blocks, flushed) {
            self.commit(change).await?;
        }
        self.view().await
    }

    /// The blocks that have a folder in the bucket, for a rebuild: resolution, id and folder. Lists folders:
    /// never on a hot path.
    ///
    /// # Errors
    /// [`CatalogError::Bucket`].
    pub async fn block_folders(&self) -> Result<Vec<(Resolution, Ulid, String)>, CatalogError> {
        let mut blocks = Vec::new();
        for resolution in Resolution::ALL {
            let folder = format!("{}/{resolution}", self.tenant());
            for name in self.log().shared.bucket.list_folders(&folder).await? {
                let id = name.strip_prefix("block=").and_then(|id| Ulid::from_string(id).ok());
                blocks.extend(id.map(|id| (resolution, id, format!("{folder}/{name}"))));
            }
        }
        Ok(blocks)
    }
}
