//! Which blocks have outlived their retention: pure.
//!
//! Invariant RET-1: nothing goes whose coarser successor is owed and not committed. A block may go only when every coarser
//! resolution that is kept for longer has a live block that was made of it, by its lineage or that of the live block that it
//! names there, and that does not go itself; the commit requires that these are still live.
//!
//! Samples of one window go together: when the last of its blocks has outlived its retention, and nothing that came late
//! for the window, flushed or aligned, is still to be downsampled. Of a window of which a part is gone no rollups are made
//! any more. Rollups stay for as long as samples that they were made of.

mod config;
mod windows;

pub use config::{RetentionConfig, RetentionPolicy};

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use latewood_base::Ulid;
use latewood_catalog::{BlockEntry, Change, View};
use latewood_model::{Resolution, TimeRange, TimestampMs};

use self::windows::windows;
use crate::plan::{Policy, plan};

/// What is to be done about retention.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expired {
    /// Blocks that go.
    pub blocks: Vec<Ulid>,
    /// Coarser blocks that have what goes: they must be live when it does.
    pub successors: BTreeSet<Ulid>,
    /// Blocks that have outlived their retention and stay, because a coarser block is owed of them, or of what came late
    /// for their window.
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

/// The blocks of a view whose samples, and whose window's, are all older than their resolution is kept. `compaction` is by
/// what late samples are still downsampled.
#[must_use]
pub fn expired(
    view: &View,
    now_ms: TimestampMs,
    retention: &RetentionPolicy,
    compaction: &Policy,
) -> Expired {
    let standing = Standing::of(view, now_ms, retention, compaction);
    let is_past = |block: &BlockEntry| standing.is_past(block.resolution, block.range.end);
    let mut expired = Expired::default();
    for (window, blocks) in windows(view) {
        if blocks.iter().all(|block| is_past(block)) {
            standing.decide(window, &blocks, &mut expired);
        }
    }
    let gone: HashSet<Ulid> = expired.blocks.iter().copied().collect();
    for block in view.blocks.values().filter(|block| block.resolution != Resolution::Raw) {
        if is_past(block) && !standing.would_be_made_anew(block, &gone) {
            standing.decide(None, &[block], &mut expired);
        }
    }
    expired
}

/// How the blocks of a view stand to their retention.
struct Standing<'a> {
    view: &'a View,
    now_ms: TimestampMs,
    retention: &'a RetentionPolicy,
    compaction: &'a Policy,
    /// For each block one of each coarser resolution that has what it has, and stays.
    successors: HashMap<Ulid, BTreeMap<Resolution, Ulid>>,
    /// The blocks that compaction will some day take; planned when it is first asked for.
    taken: OnceCell<HashSet<Ulid>>,
}

impl<'a> Standing<'a> {
    fn of(
        view: &'a View,
        now_ms: TimestampMs,
        retention: &'a RetentionPolicy,
        compaction: &'a Policy,
    ) -> Self {
        let (successors, taken) = (HashMap::new(), OnceCell::new());
        let mut standing = Self { view, now_ms, retention, compaction, successors, taken };
        for block in view.blocks.values().filter(|block| block.resolution != Resolution::Raw) {
            if standing.is_past(block.resolution, block.range.end) {
                continue;
            }
            for finer in made_of(view, block) {
                standing.successors.entry(finer).or_default().insert(block.resolution, block.id);
            }
        }
        standing
    }

    /// Whether what ended by then has outlived the retention of a resolution.
    fn is_past(&self, resolution: Resolution, end: TimestampMs) -> bool {
        let kept_ms = self.retention.of(resolution);
        kept_ms.is_some_and(|kept_ms| end < self.now_ms.saturating_sub(kept_ms))
    }

    /// The coarser blocks that have what a block has up to a time; none when one is owed. What would have expired in a
    /// coarser resolution as well is not owed there.
    fn successors(&self, block: &BlockEntry, up_to: TimestampMs) -> Option<Vec<Ulid>> {
        let end = block.range.end.min(up_to);
        let coarser = Resolution::ALL.into_iter().filter(|coarser| *coarser > block.resolution);
        let wanted = coarser.filter(|coarser| !block.tail && !self.is_past(*coarser, end));
        wanted.map(|resolution| self.successors.get(&block.id)?.get(&resolution).copied()).collect()
    }

    /// Whether compaction would make a rollup again at once: samples that it was made of stay.
    fn would_be_made_anew(&self, block: &BlockEntry, gone: &HashSet<Ulid>) -> bool {
        let named = block.lineage.iter().filter_map(|id| self.view.blocks.get(id));
        named.filter(|named| named.resolution == Resolution::Raw).any(|named| !gone.contains(&named.id))
    }

    /// Whether a window waits for samples that are to be in its rollups and are not yet. What compaction will never take is
    /// not waited for.
    fn waits(&self, window: TimeRange) -> bool {
        let mut samples = self.view.overlapping(Resolution::Raw, window);
        samples.any(|block| self.successors(block, window.end).is_none() && self.will_be_taken(block.id))
    }

    fn will_be_taken(&self, id: Ulid) -> bool {
        let taken = || {
            // When everything is over and has waited long enough.
            let jobs = plan(self.view, TimestampMs::MAX, self.compaction);
            jobs.iter().flat_map(|job| job.ids()).collect()
        };
        self.taken.get_or_init(taken).contains(&id)
    }

    /// What becomes of the blocks of a window, all of which have outlived their retention.
    fn decide(&self, window: Option<TimeRange>, blocks: &[&Arc<BlockEntry>], expired: &mut Expired) {
        let found: Vec<_> =
            blocks.iter().map(|block| (block, self.successors(block, TimestampMs::MAX))).collect();
        let can_any_go = found.iter().any(|(_, successors)| successors.is_some());
        let waits = can_any_go && window.is_some_and(|window| self.waits(window));
        // A tail is looked at for as long as there is what it belongs to.
        let any_stays = found.iter().any(|(block, successors)| block.deduplicated && successors.is_none());
        for (block, successors) in found {
            match successors.filter(|_| !(waits || block.tail && any_stays)) {
                Some(successors) => {
                    expired.blocks.push(block.id);
                    expired.successors.extend(successors);
                }
                None => expired.owed.push(block.id),
            }
        }
    }
}

/// What a rollup was made of: what its lineage names, and what the rollups named there do.
fn made_of<'a>(view: &'a View, block: &'a BlockEntry) -> impl Iterator<Item = Ulid> + 'a {
    let named = block.lineage.iter().filter_map(|id| view.blocks.get(id));
    let rollups = named.filter(|named| named.resolution != Resolution::Raw);
    block.lineage.iter().chain(rollups.flat_map(|named| &named.lineage)).copied()
}

#[cfg(test)]
mod tests;
