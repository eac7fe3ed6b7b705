//! Rollups of windows that follow each other into one block for each resolution, when their samples are gone.
//!
//! Nothing is computed anew: windows of blocks are disjoint, and so are their rows. While samples are there they may come
//! late or be deleted, and then the rollups of their own window are made anew; when they are gone nothing of this can
//! happen any more, but that deletions take rows away.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use latewood_base::Ulid;
use latewood_catalog::{BlockEntry, MAX_LINEAGE, View};
use latewood_model::{Resolution, TimeRange, TimestampMs};

use super::job::Budget;
use super::tiers::window_of;
use super::{Job, JobKind, Policy};

/// Plans joins.
pub(super) struct Joins<'a> {
    pub(super) view: &'a View,
    pub(super) policy: &'a Policy,
    /// What other jobs take or replace.
    pub(super) taken: HashSet<Ulid>,
    pub(super) closed_by: TimestampMs,
}

/// What rollups that become one name, each once, and of what has become another that.
pub(crate) fn lineage(entries: &[Arc<BlockEntry>], renamed: &HashMap<Ulid, Ulid>) -> Vec<Ulid> {
    let named = entries.iter().flat_map(|entry| &entry.lineage);
    let mut seen = HashSet::new();
    let named = named.map(|old| renamed.get(old).copied().unwrap_or(*old));
    named.filter(|id| seen.insert(*id)).collect()
}

/// The rollups of one window by their resolutions.
type ByResolution = BTreeMap<Resolution, Arc<BlockEntry>>;

impl Joins<'_> {
    /// Jobs for the rollups that are there, by shorter windows first.
    pub(super) fn plan(mut self) -> Vec<Job> {
        let mut jobs = Vec::new();
        for (tier, (length, finest)) in (self.policy.tiers.count()..).zip(self.policy.rollup_tiers.lengths())
        {
            let found = self.of_length(length, finest, tier);
            self.taken.extend(found.iter().flat_map(Job::ids));
            jobs.extend(found);
        }
        jobs
    }

    fn of_length(&self, length: i64, finest: Resolution, tier: usize) -> Vec<Job> {
        let mut groups: BTreeMap<TimestampMs, BTreeMap<(i64, i64), ByResolution>> = BTreeMap::new();
        let mut doubled = HashSet::new();
        for block in self.view.blocks.values().filter(|block| block.resolution >= finest) {
            let Some(own) = block.window else { continue };
            let long = window_of(length, own.end);
            if long.start > own.start || long.end > self.closed_by {
                continue;
            }
            let group = groups.entry(long.end).or_default().entry((own.start, own.end)).or_default();
            if group.insert(block.resolution, Arc::clone(block)).is_some() {
                doubled.insert(long.end);
            }
        }
        groups.retain(|end, _| !doubled.contains(end) && self.has_no_samples(window_of(length, *end)));
        groups.into_values().flat_map(|windows| self.of_window(windows, tier)).collect()
    }

    /// Whether all samples of a window are gone.
    fn has_no_samples(&self, window: TimeRange) -> bool {
        self.view.overlapping(Resolution::Raw, window).next().is_none()
    }

    /// Whether a block can be taken: nobody else does, it can be read, and nothing is to be deleted from it.
    fn is_free(&self, block: &BlockEntry) -> bool {
        !self.taken.contains(&block.id)
            && !self.view.no_compact.contains_key(&block.id)
            && self.view.tombstones_of(block.id).next().is_none()
    }

    /// Jobs for runs of windows without a gap between them: a block that names a window says that all there is of it is
    /// there.
    fn of_window(&self, windows: BTreeMap<(i64, i64), ByResolution>, tier: usize) -> Vec<Job> {
        let (mut jobs, mut open) = (Vec::new(), Run::default());
        for ((start, end), blocks) in windows {
            let is_free = blocks.values().all(|block| self.is_free(block));
            if is_free && open.take((start, end), &blocks, self.policy) {
                continue;
            }
            jobs.extend(std::mem::take(&mut open).job(tier));
            if is_free {
                open.take((start, end), &blocks, self.policy);
            }
        }
        jobs.extend(open.job(tier));
        jobs.retain(|job| self.is_named_by_none_but(job));
        jobs
    }

    /// Whether every rollup that names one of a job's blocks is in the job, so that what takes its place can name what takes
    /// the other's.
    fn is_named_by_none_but(&self, job: &Job) -> bool {
        let own: HashSet<Ulid> = job.ids().into_iter().collect();
        let mut others = self.view.blocks.values().filter(|block| !own.contains(&block.id));
        others.all(|block| !block.lineage.iter().any(|id| own.contains(id)))
    }
}

/// Windows that follow each other, of the same resolutions and without the same labels.
#[derive(Default)]
struct Run {
    windows: Vec<ByResolution>,
    hull: Option<TimeRange>,
    budget: Budget,
}

impl Run {
    /// Whether the next window fits; it is taken then. The first one does.
    fn take(&mut self, (start, end): (i64, i64), blocks: &ByResolution, policy: &Policy) -> bool {
        let follows = self.hull.is_none_or(|hull| hull.end.checked_add(1) == Some(start));
        // Rollups say by which labels of HA replicas they are of one series: what is joined says it of all its windows.
        let series = |block: &Arc<BlockEntry>| (block.deduplicated, block.replica_labels.clone());
        let is_alike = self.windows.first().is_none_or(|first| {
            first.keys().eq(blocks.keys()) && first.values().map(series).eq(blocks.values().map(series))
        });
        let lineage = |windows: &[ByResolution]| -> usize {
            windows.iter().flat_map(BTreeMap::values).map(|block| block.lineage.len()).sum()
        };
        let names = lineage(&self.windows) + lineage(std::slice::from_ref(blocks));
        if !follows || !is_alike || !self.windows.is_empty() && names > MAX_LINEAGE {
            return false;
        }
        let mut budget = self.budget.clone();
        let least = if self.windows.is_empty() { usize::MAX } else { 0 };
        if !blocks.values().all(|block| budget.take(block, policy, least)) {
            return false;
        }
        self.budget = budget;
        self.windows.push(blocks.clone());
        self.hull = Some(TimeRange::new(self.hull.map_or(start, |hull| hull.start), end));
        true
    }

    fn job(self, tier: usize) -> Option<Job> {
        let mut inputs: Vec<_> = self.windows.iter().flat_map(|blocks| blocks.values().cloned()).collect();
        inputs.sort_by_key(|block| (block.resolution, block.range.start, block.id));
        let windows = self.hull.into_iter().collect();
        (self.windows.len() > 1).then_some(Job {
            kind: JobKind::Join,
            inputs,
            windows,
            tier,
            rollups: None,
            deduplicates: false,
        })
    }
}
