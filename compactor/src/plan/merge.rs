//! The blocks of one window into one.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use latewood_base::Ulid;
use latewood_catalog::{BlockEntry, View};
use latewood_model::{TimeRange, TimestampMs};

use super::align::is_over;
use super::job::Budget;
use super::rollups::Rollups;
use super::{Deduplicated, Job, JobKind, Policy};

/// The window's large block is written anew at once when what is to be added has this part of its bytes.
const MANY: u64 = 10;

/// Plans merges.
pub(super) struct Merges<'a> {
    pub(super) view: &'a View,
    pub(super) policy: &'a Policy,
    pub(super) rollups: Rollups<'a>,
    pub(super) deduplicated: Deduplicated<'a>,
    /// Blocks that have no windows yet.
    pub(super) flushed: &'a [Arc<BlockEntry>],
    /// Those of them that other jobs cut along the windows now.
    pub(super) aligning: HashSet<Ulid>,
    pub(super) now_ms: TimestampMs,
}

/// Blocks of one window.
struct Group {
    tier: usize,
    window: TimeRange,
    blocks: Vec<Arc<BlockEntry>>,
}

impl Merges<'_> {
    /// Jobs for blocks that have windows, shorter windows first.
    pub(super) fn plan(&self, aligned: Vec<Arc<BlockEntry>>) -> Vec<Job> {
        let mut jobs = self.of_tiers(aligned, self.policy.tiers.count());
        jobs.extend(self.masks(&jobs));
        jobs.sort_by_key(|job| (job.tier, job.windows.first().map(|window| window.end)));
        jobs
    }

    /// Jobs for rollups that deletions bind and that no other job makes anew.
    fn masks(&self, jobs: &[Job]) -> Vec<Job> {
        let replaced: HashSet<Ulid> = jobs.iter().flat_map(Job::replaced_ids).collect();
        let masked = self.rollups.windows.iter().filter(|(_, blocks)| {
            let is_free = |block: &BlockEntry| {
                !replaced.contains(&block.id) && !self.view.no_compact.contains_key(&block.id)
            };
            blocks.iter().all(|block| is_free(block))
                && blocks.iter().any(|block| self.is_deleted_from(block))
        });
        let masked = masked.filter(|(window, blocks)| self.rollups.outlive_samples(*window, blocks));
        let tier = self.policy.tiers.of_rollups().unwrap_or_default();
        let mut taken = replaced.clone();
        let job = |(window, blocks): &(TimeRange, Vec<_>)| {
            let (inputs, windows) = (self.rollups.with_all_that_name(blocks), vec![*window]);
            let is_readable = |block: &BlockEntry| !self.view.no_compact.contains_key(&block.id);
            let is_first = inputs.iter().all(|block| !taken.contains(&block.id) && is_readable(block));
            taken.extend(inputs.iter().filter(|_| is_first).map(|block| block.id));
            is_first.then_some(Job {
                kind: JobKind::Mask,
                inputs,
                windows,
                tier,
                rollups: None,
                deduplicates: false,
            })
        };
        masked.filter_map(job).collect()
    }

    /// Groups blocks by the longest window below so many tiers that is over and whose blocks are not too large together.
    fn of_tiers(&self, blocks: Vec<Arc<BlockEntry>>, tiers: usize) -> Vec<Job> {
        let mut groups: BTreeMap<(usize, TimestampMs), Group> = BTreeMap::new();
        for block in blocks {
            let Some((tier, window)) = self.place(&block, tiers) else { continue };
            let group = groups.entry((tier, window.end));
            group.or_insert_with(|| Group { tier, window, blocks: Vec::new() }).blocks.push(block);
        }
        groups.into_values().flat_map(|group| self.of_group(group)).collect()
    }

    fn of_group(&self, group: Group) -> Vec<Job> {
        if self.is_long(group.tier) && self.is_incomplete(group.window) {
            return Vec::new();
        }
        let first = self.policy.tiers.of_rollups().filter(|first| group.tier >= *first);
        if let Some(first) = first
            && self.rollups.any_outlives_samples(group.window)
        {
            // What would be made of the window's samples now has less in it than what there is.
            let is_shortest = group.tier == first;
            return if is_shortest { Vec::new() } else { self.of_tiers(group.blocks, group.tier) };
        }
        let bytes = group.blocks.iter().fold(0u64, |sum, block| sum.saturating_add(block.bytes));
        if group.tier == 0 || group.blocks.len() == 1 || bytes <= self.policy.max_bytes {
            return self.job(group).into_iter().collect();
        }
        let jobs = self.of_tiers(group.blocks.clone(), group.tier);
        // What cannot be joined is downsampled all the same.
        if jobs.is_empty() && Some(group.tier) == self.policy.tiers.of_rollups() {
            return self.rollup(group).into_iter().collect();
        }
        jobs
    }

    /// The longest window that is over and has all of the block's in it. Windows of other settings may lie across.
    fn place(&self, block: &BlockEntry, tiers: usize) -> Option<(usize, TimeRange)> {
        let (own, closed_by) = (block.window?, self.policy.closed_by(self.now_ms));
        (1..=tiers).rev().find_map(|tiers| {
            let (tier, window) = self.policy.tiers.longest_closed(own.end, closed_by, tiers)?;
            // Tails and rollups are of windows of days alone.
            let is_alike = self.is_long(tier) || !self.deduplicated.has(block);
            (window.start <= own.start && is_alike).then_some((tier, window))
        })
    }

    fn job(&self, group: Group) -> Option<Job> {
        let is_masked = self.is_masked(&group);
        if group.blocks.len() == 1 && !is_masked {
            return self.rollup(group);
        }
        let Group { tier, window, mut blocks } = group;
        // The window's own block first, the largest if there are several; then what is to be added, in order of time.
        let is_whole = |block: &BlockEntry| block.window == Some(window);
        blocks.sort_by_key(|block| (block.range.start, block.id));
        let whole = blocks.iter().enumerate().filter(|(_, block)| is_whole(block));
        if let Some((at, _)) = whole.max_by_key(|(_, block)| block.bytes) {
            let base = blocks.remove(at);
            if !is_masked && !self.is_worth_it(&base, &blocks) {
                return None;
            }
            blocks.insert(0, base);
        }
        self.of_blocks(Group { tier, window, blocks })
    }

    /// A merge of as many blocks as fit. What is deduplicated is joined with the rest of its window only when all of that is
    /// there: what stands of late samples is decided together.
    fn of_blocks(&self, mut group: Group) -> Option<Job> {
        let (tier, window, blocks) = (group.tier, group.window, &mut group.blocks);
        let is_all =
            Budget::default().take_all(blocks, self.policy) && !self.deduplicated.any_beside(window, blocks);
        if !is_all && blocks.len() > 1 {
            let is_late = |block: &Arc<BlockEntry>| !self.deduplicated.has(block);
            let any_late = blocks.iter().filter(|block| is_late(block)).count() > 1;
            blocks.retain(|block| is_late(block) == any_late);
        }
        // The rollups that there are have more in them than late samples alone.
        let is_late = !blocks.iter().any(|block| self.deduplicated.has(block))
            && self.deduplicated.any_beside(window, blocks);
        if is_late {
            // They stay, and so must the blocks that they name: what names blocks that are no more says that samples have gone.
            blocks.retain(|block| !self.rollups.name(block));
        }
        let mut budget = Budget::default();
        blocks.retain(|block| is_all || budget.take(block, self.policy, 2));
        if group.blocks.is_empty() || group.blocks.len() == 1 && !self.is_masked(&group) {
            return None;
        }
        let inputs = group.blocks;
        let rollups = (self.is_long(tier) && !is_late).then(|| self.rollups.replaced(window));
        let deduplicates = rollups.is_some() && is_all && self.policy.deduplicate;
        Some(Job { kind: JobKind::Merge, inputs, windows: vec![window], tier, rollups, deduplicates })
    }

    /// The rollups of a window, if they are owed.
    fn rollup(&self, group: Group) -> Option<Job> {
        let Group { tier, window, blocks } = group;
        let rollups = self.rollups.replaced(window);
        let is_owed = !blocks.iter().all(|block| self.rollups.have(block))
            || rollups.blocks.iter().any(|block| self.is_deleted_from(block));
        let is_alone = matches!(blocks.as_slice(), [block] if Budget::default().take(block, self.policy, 0));
        let is_all = is_alone && !self.deduplicated.any_beside(window, &blocks);
        (self.is_long(tier) && is_owed).then(|| Job {
            kind: JobKind::Rollup,
            inputs: blocks,
            windows: vec![window],
            tier,
            rollups: Some(rollups),
            deduplicates: is_all && self.policy.deduplicate,
        })
    }

    /// Whether samples of a window are on their way that came in time: blocks that ingesters flushed before it was closed reach
    /// into windows that are not, and are cut along them when these are. What is flushed later is late, and not waited for.
    fn is_incomplete(&self, window: TimeRange) -> bool {
        let (policy, closed_by) = (self.policy, self.policy.closed_by(self.now_ms));
        let own = self.flushed.iter().filter(|block| block.range.overlaps(window));
        let is_in_time = |block: &BlockEntry| {
            let soon = closed_by.saturating_add(policy.settle_ms);
            let is_soon_over = policy.tiers.window(0, block.range.end).start <= soon;
            let is_early = block.begun_ms() <= window.end.saturating_add(policy.settle_ms);
            is_early && is_soon_over && !is_over(block, closed_by, policy)
        };
        own.into_iter().any(|block| self.aligning.contains(&block.id) || is_in_time(block))
    }

    /// Whether windows of a tier are days, which have rollups and one series of replicas.
    fn is_long(&self, tier: usize) -> bool {
        self.policy.tiers.of_rollups().is_some_and(|first| tier >= first)
    }

    /// Whether a window's block is to be written anew for what came late.
    fn is_worth_it(&self, base: &BlockEntry, late: &[Arc<BlockEntry>]) -> bool {
        let bytes = late.iter().fold(0u64, |sum, block| sum.saturating_add(block.bytes));
        bytes.saturating_mul(MANY) >= base.bytes && !late.is_empty()
            || late.iter().any(|block| self.has_waited(block.id))
    }

    /// Whether a deletion has waited to be applied to blocks that are written anew for it: those that are alone, the window's
    /// own, and tails.
    fn is_masked(&self, group: &Group) -> bool {
        if self.view.tombstones.is_empty() {
            return false;
        }
        let is_own = |block: &BlockEntry| group.blocks.len() == 1 || block.window == Some(group.window);
        let own = group.blocks.iter().filter(|block| is_own(block));
        own.clone().any(|block| self.is_deleted_from(block))
            || own.clone().any(|block| self.deduplicated.has(block))
                && self.rollups.replaced(group.window).tails.iter().any(|tail| self.is_deleted_from(tail))
    }

    /// Whether a deletion has waited to be applied to a block.
    fn is_deleted_from(&self, block: &BlockEntry) -> bool {
        self.view
            .tombstones_of(block.id)
            .any(|tombstone| self.view.apply_now.contains(&tombstone.id) || self.has_waited(tombstone.id))
    }

    /// Whether what was begun with an id has waited long enough.
    fn has_waited(&self, id: Ulid) -> bool {
        let begun_ms = i64::try_from(id.timestamp_ms()).unwrap_or(i64::MAX);
        begun_ms.saturating_add(self.policy.late_delay_ms) <= self.now_ms
    }
}
