//! What blocks hold of which time.

use std::collections::HashSet;
use std::sync::Arc;

use latewood_base::Ulid;
use latewood_catalog::{BlockEntry, View};
use latewood_model::dedup::{LOOKBACK_MS, ReplicaLabels};
use latewood_model::{Resolution, TimeRange};
use latewood_promql::Resolutions;
use rangemap::RangeSet;

use super::by_labels::{AskedSeries, ByLabels};

/// Times, their ends not in them.
pub(super) type Times = RangeSet<i64>;

/// What the blocks of a view hold. Cheap to ask, and cheap to make where there are no rollups.
#[derive(Debug, Default)]
pub(crate) struct Held {
    /// The labels that blocks lost which do not say so.
    configured: ReplicaLabels,
    /// Where samples are of one series for each group of HA replicas.
    pub(super) deduplicated: ByLabels,
    /// Of the resolutions that have any block, finest first.
    pub(super) rollups: Vec<Rollups>,
    /// Of which no samples are left: rollups are, and name blocks of samples that are no more.
    pub(super) gone: Times,
}

/// The windows of one resolution.
#[derive(Debug)]
pub(super) struct Rollups {
    pub(super) resolution: Resolution,
    /// Where there are windows, or known to be none.
    pub(super) there: Times,
    /// The same by what their series lost.
    pub(super) by_labels: ByLabels,
    /// Where samples are that they do not have, or have and should not.
    pub(super) behind: Times,
}

impl Held {
    /// Of a view. These labels are those that blocks lost which do not say so.
    pub(crate) fn of(view: &View, configured: &ReplicaLabels) -> Self {
        let of = |resolution| view.overlapping(resolution, TimeRange::ALL);
        let mut held = Self { configured: configured.clone(), ..Self::default() };
        for block in of(Resolution::Raw).filter(|block| block.deduplicated) {
            held.deduplicated.insert(held.lost_by(block), window(block));
        }
        let resolutions = Resolution::ALL.into_iter().filter(|resolution| *resolution != Resolution::Raw);
        held.rollups = resolutions.filter_map(|resolution| held.rollups_of(view, resolution)).collect();
        if held.rollups.is_empty() {
            return held;
        }
        let mut gone = Times::new();
        let mut named: HashSet<Ulid> = HashSet::new();
        for block in Resolution::ALL.into_iter().skip(1).flat_map(of) {
            named.extend(&block.lineage);
            if block.lineage.iter().any(|id| is_gone(view, *id)) {
                insert(&mut gone, window(block));
            }
        }
        // What became of a block that is named has its samples.
        let is_left = |block: &&Arc<BlockEntry>| {
            named.contains(&block.id) || block.lineage.iter().any(|id| named.contains(id))
        };
        for block in of(Resolution::Raw).filter(is_left) {
            remove(&mut gone, window(block));
        }
        Self { gone, ..held }
    }

    /// The labels that the series of a block lost.
    pub(super) fn lost_by(&self, block: &BlockEntry) -> ReplicaLabels {
        match block.replica_labels.as_slice() {
            [] => self.configured.clone(),
            labels => ReplicaLabels::new(labels),
        }
    }

    /// Of which times of a range no samples are left, with the finest resolution that there is.
    pub(crate) fn gone(&self, range: TimeRange) -> Vec<(TimeRange, Resolution)> {
        let mut left = within(&self.gone, range);
        let mut found = Vec::new();
        for rollups in &self.rollups {
            for there in common(&left, &rollups.there) {
                found.push((inclusive(&there), rollups.resolution));
                left.remove(there);
            }
        }
        found.sort_unstable_by_key(|(range, _)| range.start);
        found
    }

    /// What may be read of a range; `coarsest` where most of it need not be made of samples.
    pub(crate) fn resolutions(
        &self,
        range: TimeRange,
        asked: AskedSeries<'_>,
        (coarsest, may_be_inexact): (Resolution, bool),
    ) -> Resolutions {
        if self.rollups.is_empty() || range.is_empty() {
            return Resolutions::default();
        }
        let all = i128::from(range.end) - i128::from(range.start);
        let is_worth = |rollups: &&Rollups| {
            let there: i128 = within(&rollups.by_labels.of(asked), range)
                .iter()
                .map(|there| i128::from(there.end) - i128::from(there.start))
                .sum();
            rollups.resolution <= coarsest && 2 * there >= all
        };
        let worth = self.rollups.iter().filter(is_worth).map(|rollups| rollups.resolution).max();
        let (coarsest, gone) = (worth.unwrap_or_default(), self.gone(range));
        let differing = self.differing(range, asked).iter().map(inclusive).collect();
        Resolutions { coarsest, may_be_inexact, gone, differing }
    }

    /// Where samples are gone and what is left is not, or not at all resolutions, of the series that are asked for.
    fn differing(&self, range: TimeRange, asked: AskedSeries<'_>) -> Times {
        let gone = within(&self.gone, range);
        let all = self.rollups.iter().flat_map(|rollups| rollups.by_labels.iter());
        let others = all.filter(|(labels, _)| !asked.are_without(labels));
        others.flat_map(|(_, times)| common(&gone, times)).collect()
    }

    fn rollups_of(&self, view: &View, resolution: Resolution) -> Option<Rollups> {
        let (mut there, mut by_labels, mut behind) = (Times::new(), ByLabels::default(), Times::new());
        let mut made_of: HashSet<Ulid> = HashSet::new();
        let mut blocks: HashSet<Ulid> = HashSet::new();
        for block in view.overlapping(resolution, TimeRange::ALL) {
            insert(&mut there, window(block));
            by_labels.insert(self.lost_by(block), window(block));
            made_of.extend(&block.lineage);
            blocks.insert(block.id);
        }
        if blocks.is_empty() {
            return None;
        }
        let lacking = view.overlapping(Resolution::Raw, TimeRange::ALL);
        for block in lacking.filter(|block| !made_of.contains(&block.id)) {
            insert(&mut behind, touched(block.range));
        }
        for deletion in view.tombstones.values() {
            if deletion.blocks.iter().any(|id| blocks.contains(id)) {
                insert(&mut behind, touched(deletion.range));
            }
        }
        Some(Rollups { resolution, there, by_labels, behind })
    }
}

/// The times that samples of these times have a part in: which of HA replicas stands is decided by those of the hour
/// before.
pub(super) fn touched(samples: TimeRange) -> TimeRange {
    TimeRange::new(samples.start, samples.end.saturating_add(LOOKBACK_MS))
}

/// A rollup names blocks of samples and the finer rollup that it was made of.
fn is_gone(view: &View, id: Ulid) -> bool {
    !view.blocks.contains_key(&id)
}

/// All times that a block is about.
pub(super) fn window(block: &BlockEntry) -> TimeRange {
    block.window.unwrap_or(block.range)
}

/// Adds times.
pub(super) fn insert(times: &mut Times, range: TimeRange) {
    if !range.is_empty() && range.start < i64::MAX {
        times.insert(range.start..range.end.saturating_add(1));
    }
}

/// Takes times away.
pub(super) fn remove(times: &mut Times, range: TimeRange) {
    if !range.is_empty() && range.start < i64::MAX {
        times.remove(range.start..range.end.saturating_add(1));
    }
}

/// Those within a range.
pub(super) fn within(times: &Times, range: TimeRange) -> Times {
    let mut cut = Times::new();
    insert(&mut cut, range);
    common(times, &cut).into_iter().collect()
}

/// Those in both.
pub(super) fn common(a: &Times, b: &Times) -> Vec<std::ops::Range<i64>> {
    a.intersection(b).collect()
}

/// With its end in it.
pub(super) fn inclusive(range: &std::ops::Range<i64>) -> TimeRange {
    TimeRange::new(range.start, range.end - 1)
}
