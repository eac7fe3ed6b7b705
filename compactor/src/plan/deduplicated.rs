//! Which raw blocks are of one series where there were replicas, and which tails belong to them.

use std::sync::Arc;

use latewood_base::Ulid;
use latewood_catalog::{BlockEntry, View};
use latewood_model::dedup::{ReplicaLabels, Segment, Stock};
use latewood_model::{Resolution, TimeRange};

/// The blocks of a view whose replicas were made one by the replica labels that there are now. Those of other labels count
/// as blocks like others, and their tails as nothing.
#[derive(Clone, Debug)]
pub(crate) struct Deduplicated<'a> {
    labels: &'a ReplicaLabels,
    blocks: Vec<(Ulid, TimeRange)>,
}

impl<'a> Deduplicated<'a> {
    pub(crate) fn of(view: &View, labels: &'a ReplicaLabels) -> Self {
        let own = view.blocks.values().filter(|block| is_by(block, labels));
        Self { labels, blocks: own.map(|block| (block.id, window(block))).collect() }
    }

    /// Whether a block is one of them.
    pub(crate) fn has(&self, block: &BlockEntry) -> bool {
        is_by(block, self.labels)
    }

    /// Whether any that has times of a window is none of these blocks.
    pub(super) fn any_beside(&self, window: TimeRange, blocks: &[Arc<BlockEntry>]) -> bool {
        let mut own = self.blocks.iter().filter(|(_, own)| own.overlaps(window));
        own.any(|(id, _)| blocks.iter().all(|block| block.id != *id))
    }

    /// The parts of a range that are deduplicated by themselves.
    pub(crate) fn segments(&self, range: TimeRange) -> Vec<Segment> {
        Segment::of(range, self.blocks.iter().map(|(_, window)| *window))
    }

    /// Whether a raw block has samples that decide what is kept in a segment.
    pub(crate) fn decides(&self, segment: &Segment, block: &BlockEntry) -> bool {
        self.is_of(segment.stock, block) && block.range.overlaps(segment.wide())
    }

    /// Whether a raw block is of a stock. A tail is the other side of a deduplicated block of its window.
    pub(crate) fn is_of(&self, stock: Stock, block: &BlockEntry) -> bool {
        match stock {
            Stock::Replicas if block.tail => self.blocks.iter().any(|(_, own)| *own == window(block)),
            Stock::Replicas => !self.has(block),
            Stock::Deduplicated => !block.tail,
        }
    }
}

fn is_by(block: &BlockEntry, labels: &ReplicaLabels) -> bool {
    block.resolution == Resolution::Raw
        && block.deduplicated
        && !block.tail
        && !labels.is_empty()
        && block.replica_labels == labels.names()
}

/// All times that a block is about.
pub(super) fn window(block: &BlockEntry) -> TimeRange {
    block.window.unwrap_or(block.range)
}
