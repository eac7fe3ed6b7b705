//! One piece of work: blocks that become others.

use std::sync::Arc;

use latewood_base::Ulid;
use latewood_catalog::{BlockEntry, View};
use latewood_model::dedup::LOOKBACK_MS;
use latewood_model::{Resolution, TimeRange};

use super::Policy;

/// What a job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum JobKind {
    /// Cuts blocks as ingesters flushed them along the windows, shards together.
    Align,
    /// Joins the blocks of one window; of a window of days it makes the rollups in the same pass.
    Merge,
    /// Makes the rollups of one window, whose blocks stay; a single one that has HA replicas may be written anew without.
    Rollup,
    /// Applies deletions to the rollups of one window whose samples are gone.
    Mask,
    /// Joins rollups of windows that follow each other, whose samples are gone: into one block for each resolution.
    Join,
}

/// Blocks that become others: all samples of the inputs are in the outputs, one block for each of the windows that has
/// any, and one more for each resolution where it makes rollups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// What it does.
    pub kind: JobKind,
    /// The blocks that it is made of, at least one; they go, unless it makes rollups alone. Raw ones, but for
    /// [`JobKind::Mask`] and [`JobKind::Join`], whose rollups are finest first.
    pub inputs: Vec<Arc<BlockEntry>>,
    /// The windows of the blocks that come, ascending; every sample of the inputs is in one.
    pub windows: Vec<TimeRange>,
    /// The tier of the longest of them.
    pub tier: usize,
    /// What the rollups take the place of; none where it makes no rollups.
    pub rollups: Option<Replaced>,
    /// Whether HA replicas may become one series: all that there is of the window is in it, and fits. Where an input has been
    /// deduplicated, the output is, whatever this says; such inputs are together with others only where this could be so.
    pub deduplicates: bool,
}

/// What a window of days has beside its samples.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replaced {
    /// Earlier rollups of the window, which go.
    pub blocks: Vec<Arc<BlockEntry>>,
    /// The tails of the window's blocks, which go with them.
    pub tails: Vec<Arc<BlockEntry>>,
    /// Raw blocks, tails among them, that may have samples of the hour before the window, by which HA replicas are
    /// deduplicated.
    pub lookback: Vec<Arc<BlockEntry>>,
}

impl Job {
    /// Bytes of the inputs.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.inputs.iter().fold(0, |sum, block| sum.saturating_add(block.bytes))
    }

    /// Samples of the inputs.
    #[must_use]
    pub fn samples(&self) -> u64 {
        self.inputs.iter().fold(0, |sum, block| sum.saturating_add(block.samples))
    }

    /// The ids of the inputs.
    #[must_use]
    pub fn ids(&self) -> Vec<Ulid> {
        self.inputs.iter().map(|block| block.id).collect()
    }

    /// The ids of the rollups that go, and of the tails that go with the inputs.
    #[must_use]
    pub fn replaced_ids(&self) -> Vec<Ulid> {
        let replaced = self.rollups.iter().flat_map(|rollups| rollups.blocks.iter().chain(&rollups.tails));
        replaced.map(|block| block.id).collect()
    }

    /// Whether a view has no other rollups of its window than it was planned with. Where the inputs stay, nothing else tells
    /// that another compactor has made the same ones meanwhile.
    #[must_use]
    pub fn knows_rollups_of(&self, now: &View) -> bool {
        let (Some(replaced), [window]) = (&self.rollups, self.windows.as_slice()) else { return true };
        let is_inside = |own: TimeRange| window.start <= own.start && own.end <= window.end;
        let rollups = now.blocks.values().filter(|block| block.resolution != Resolution::Raw);
        let mut own = rollups.filter(|block| block.window.is_some_and(is_inside));
        own.all(|block| replaced.blocks.iter().any(|known| known.id == block.id))
    }

    /// Whether a view has no deletion that the view of the plan did not have, of samples of the hour before the window: they
    /// may have decided which HA replica stands in the window's first seconds.
    #[must_use]
    pub fn knows_deletions_before(&self, planned: &View, now: &View) -> bool {
        let (Some(replaced), [window]) = (&self.rollups, self.windows.as_slice()) else { return true };
        let hour = hour_before(*window);
        let new = now.tombstones.values().filter(|deletion| !planned.tombstones.contains_key(&deletion.id));
        let mut of_the_hour = new.filter(|deletion| deletion.range.overlaps(hour));
        !of_the_hour.any(|deletion| replaced.lookback.iter().any(|block| deletion.blocks.contains(&block.id)))
    }

    /// What a lease on it is called: compactors that plan the same work use the same name.
    #[must_use]
    pub fn lease_name(&self) -> String {
        match (self.kind, self.inputs.first(), self.windows.first()) {
            (JobKind::Merge | JobKind::Rollup | JobKind::Mask | JobKind::Join, _, Some(window)) => {
                format!("merge-{}-{}", self.tier, window.end)
            }
            (_, Some(first), _) => format!("align-{}", first.id),
            (_, None, _) => "nothing".to_owned(),
        }
    }
}

/// The times before a window that decide about HA replicas in it.
pub(super) fn hour_before(window: TimeRange) -> TimeRange {
    TimeRange::new(window.start.saturating_sub(LOOKBACK_MS), window.start.saturating_sub(1))
}

/// Takes blocks up to the limits of one job.
#[derive(Clone, Debug, Default)]
pub(super) struct Budget {
    blocks: usize,
    series: u64,
    bytes: u64,
}

impl Budget {
    /// Whether all of some blocks fit; two do.
    pub(super) fn take_all(mut self, blocks: &[Arc<BlockEntry>], policy: &Policy) -> bool {
        blocks.iter().all(|block| self.take(block, policy, 2))
    }

    /// Whether the block fits beside those taken before; it is taken then. Of `least` blocks all fit.
    pub(super) fn take(&mut self, block: &BlockEntry, policy: &Policy, least: usize) -> bool {
        let (series, bytes) =
            (self.series.saturating_add(block.series), self.bytes.saturating_add(block.bytes));
        let fits =
            self.blocks < policy.max_blocks && series <= policy.max_series && bytes <= policy.max_bytes;
        if !fits && self.blocks >= least {
            return false;
        }
        *self = Self { blocks: self.blocks + 1, series, bytes };
        true
    }
}
