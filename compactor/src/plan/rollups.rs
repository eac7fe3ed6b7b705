//! Which rollups there are, and which are owed: a rollup names the raw blocks that it was made of in its lineage.

use std::collections::HashSet;
use std::sync::Arc;

use latewood_base::Ulid;
use latewood_catalog::{BlockEntry, View};
use latewood_model::dedup::LOOKBACK_MS;
use latewood_model::{Resolution, TimeRange};

use super::job::Replaced;

/// The rollups of a view.
pub(super) struct Rollups<'a> {
    view: &'a View,
    /// The raw blocks whose samples each resolution has.
    made_of: Vec<HashSet<Ulid>>,
}

impl<'a> Rollups<'a> {
    pub(super) fn of(view: &'a View) -> Self {
        let resolutions = Resolution::ALL.into_iter().filter(|resolution| *resolution != Resolution::Raw);
        let made_of = resolutions.map(|resolution| {
            let blocks = view.blocks.values().filter(|block| block.resolution == resolution);
            blocks.flat_map(|block| block.lineage.iter().copied()).collect()
        });
        Self { view, made_of: made_of.collect() }
    }

    /// Whether every resolution has a raw block's samples.
    pub(super) fn have(&self, raw: &BlockEntry) -> bool {
        self.made_of.iter().all(|blocks| blocks.contains(&raw.id))
    }

    /// What new rollups of a window take the place of. Blocks that damage keeps from being read are not looked at.
    pub(super) fn replaced(&self, window: TimeRange) -> Replaced {
        let is_inside = |own: TimeRange| window.start <= own.start && own.end <= window.end;
        let rollups = self.view.blocks.values().filter(|block| block.resolution != Resolution::Raw);
        let hour = TimeRange::new(window.start.saturating_sub(LOOKBACK_MS), window.start.saturating_sub(1));
        let before = self.view.overlapping(Resolution::Raw, hour);
        let before = before.filter(|block| !block.tail && !self.view.no_compact.contains_key(&block.id));
        Replaced {
            blocks: rollups.filter(|block| block.window.is_some_and(is_inside)).map(Arc::clone).collect(),
            lookback: before.map(Arc::clone).collect(),
        }
    }
}
