//! Which rollups there are, and which are owed: a rollup names the raw blocks that it was made of in its lineage.

use std::cell::OnceCell;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use latewood_base::Ulid;
use latewood_catalog::{BlockEntry, View};
use latewood_model::{Resolution, TimeRange};

use super::Tiers;
use super::deduplicated::window as own_window;
use super::job::{Replaced, hour_before};

/// The rollups of a view.
pub(super) struct Rollups<'a> {
    view: &'a View,
    /// The raw blocks whose samples each resolution has.
    made_of: Vec<HashSet<Ulid>>,
    /// Those of each window, finest first.
    pub(super) windows: Vec<(TimeRange, Vec<Arc<BlockEntry>>)>,
    /// Of each whether it outlives its samples.
    outlived: OnceCell<Vec<bool>>,
}

impl<'a> Rollups<'a> {
    pub(super) fn of(view: &'a View) -> Self {
        let resolutions = Resolution::ALL.into_iter().filter(|resolution| *resolution != Resolution::Raw);
        let made_of = resolutions.map(|resolution| {
            let blocks = view.blocks.values().filter(|block| block.resolution == resolution);
            blocks.flat_map(|block| block.lineage.iter().copied()).collect()
        });
        Self { view, made_of: made_of.collect(), windows: by_window(view), outlived: OnceCell::new() }
    }

    /// Whether any rollup was made of a raw block.
    pub(super) fn name(&self, raw: &BlockEntry) -> bool {
        self.made_of.iter().any(|blocks| blocks.contains(&raw.id))
    }

    /// Whether every resolution has a raw block's samples.
    pub(super) fn have(&self, raw: &BlockEntry) -> bool {
        self.made_of.iter().all(|blocks| blocks.contains(&raw.id))
    }

    /// Whether the rollups of a window have more in them than the samples of the window that are left: all that they were
    /// made of have gone by their retention, and what is there came late, or the oldest have, or any is damaged. A first
    /// window ends at or after its first sample.
    pub(super) fn outlive_samples(&self, window: TimeRange, rollups: &[Arc<BlockEntry>]) -> bool {
        let rows = rollups.iter().filter(|block| block.samples > 0).map(|block| block.range.start);
        let Some(first_row) = rows.min() else { return false };
        let made_of: HashSet<Ulid> = rollups.iter().flat_map(|block| block.lineage.iter().copied()).collect();
        let samples = || self.view.overlapping(Resolution::Raw, window);
        let is_left = |raw: &Arc<BlockEntry>| {
            made_of.contains(&raw.id) || raw.lineage.iter().any(|id| made_of.contains(id))
        };
        // What is set aside cannot be read for new ones.
        let is_set_aside = |raw: &Arc<BlockEntry>| self.view.no_compact.contains_key(&raw.id);
        samples().any(|raw| is_left(raw) && is_set_aside(raw))
            || !samples().any(is_left)
            || samples().all(|raw| raw.range.start > first_row)
    }

    /// Whether any rollup of a window has more in it than the samples of its own window that are left. One that reaches
    /// beyond the window does: it was joined when its samples were gone.
    pub(super) fn any_outlives_samples(&self, window: TimeRange) -> bool {
        let is_inside = |own: &TimeRange| window.start <= own.start && own.end <= window.end;
        let outlived = self.outlived.get_or_init(|| {
            let all = self.windows.iter().map(|(own, blocks)| self.outlive_samples(*own, blocks));
            all.collect()
        });
        let mut own = self.windows.iter().zip(outlived).filter(|((own, _), _)| own.overlaps(window));
        own.any(|((own, _), is_outlived)| !is_inside(own) || *is_outlived)
    }

    /// Whether a raw block that some rollup does not name lies in a window that is not made any more, because samples of
    /// shorter windows in it have gone, since it was planned maybe. Cut along these, it may be joined with what is left.
    pub(super) fn strand(&self, raw: &BlockEntry, tiers: &Tiers) -> bool {
        let (Some(own), Some(shortest)) = (raw.window, tiers.of_rollups()) else { return false };
        let is_in = |window: TimeRange| own != window && own.start <= window.start && window.end <= own.end;
        let mut inside = self.windows.iter().map(|(window, _)| *window).filter(|window| window.overlaps(own));
        is_in(tiers.window(shortest, own.end))
            && !self.have(raw)
            && inside.all(is_in)
            && self.any_outlives_samples(own)
    }

    /// Rollups and the coarser ones that name them, of longer windows maybe: when a finer one becomes another, these must
    /// name the other. Finest first.
    pub(super) fn with_all_that_name(&self, rollups: &[Arc<BlockEntry>]) -> Vec<Arc<BlockEntry>> {
        let mut all = rollups.to_vec();
        let mut ids: HashSet<Ulid> = all.iter().map(|block| block.id).collect();
        for resolution in Resolution::ALL {
            let coarser = self.view.blocks.values().filter(|block| block.resolution == resolution);
            for block in coarser {
                if block.lineage.iter().any(|id| ids.contains(id)) && ids.insert(block.id) {
                    all.push(Arc::clone(block));
                }
            }
        }
        all.sort_by_key(|block| (block.resolution, block.id));
        all
    }

    /// What new rollups of a window take the place of. Blocks that damage keeps from being read are not looked at; tails go
    /// all the same, as nothing would ever take them away.
    pub(super) fn replaced(&self, window: TimeRange) -> Replaced {
        let is_inside = |own: TimeRange| window.start <= own.start && own.end <= window.end;
        let rollups = self.view.blocks.values().filter(|block| block.resolution != Resolution::Raw);
        let tails = self.view.blocks.values().filter(|block| block.tail && is_inside(own_window(block)));
        let hour = hour_before(window);
        Replaced {
            blocks: rollups.filter(|block| block.window.is_some_and(is_inside)).map(Arc::clone).collect(),
            tails: tails.map(Arc::clone).collect(),
            lookback: self.readable().filter(|block| block.range.overlaps(hour)).map(Arc::clone).collect(),
        }
    }

    /// The raw blocks, tails among them, that damage does not keep from being read.
    fn readable(&self) -> impl Iterator<Item = &Arc<BlockEntry>> {
        let raw = self.view.blocks.values().filter(|block| block.resolution == Resolution::Raw);
        raw.filter(|block| !self.view.no_compact.contains_key(&block.id))
    }
}

/// The rollups by their windows, finest first.
fn by_window(view: &View) -> Vec<(TimeRange, Vec<Arc<BlockEntry>>)> {
    let mut windows: BTreeMap<(i64, i64), Vec<Arc<BlockEntry>>> = BTreeMap::new();
    for block in view.blocks.values().filter(|block| block.resolution != Resolution::Raw) {
        if let Some(window) = block.window {
            windows.entry((window.start, window.end)).or_default().push(Arc::clone(block));
        }
    }
    let windows = windows.into_iter().map(|((start, end), mut blocks)| {
        blocks.sort_by_key(|block| (block.resolution, block.id));
        (TimeRange::new(start, end), blocks)
    });
    windows.collect()
}
