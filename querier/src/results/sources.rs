//! What kept results depend on: blocks and tombstones of a view, and what ingesters hold beside it.

use latewood_base::Ulid;
use latewood_catalog::{BlockEntry, View};
use latewood_model::{Resolution, TimeRange};

/// What of a view some reads depend on. While it is the same, and no ingester holds anything of these times, they read
/// the same samples: blocks never change, and a sample is in a block or with an ingester.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sources {
    /// In the order of their ids.
    blocks: Box<[Ulid]>,
    tombstones: Box<[Ulid]>,
}

impl Sources {
    /// Bytes of memory on the heap.
    pub(super) fn heap_size(&self) -> usize {
        size_of_val(&*self.blocks) + size_of_val(&*self.tombstones)
    }
}

/// A view for one query: what there is to depend on.
pub(super) struct Surroundings<'a> {
    view: &'a View,
    /// Of the blocks that a query would read, with the times that they matter to.
    blocks: Vec<(Ulid, TimeRange)>,
    /// What ingesters hold beside the view.
    heads: &'a [TimeRange],
}

impl<'a> Surroundings<'a> {
    /// Of reads within these ranges.
    pub(super) fn new(view: &'a View, heads: &'a [TimeRange], within: &[TimeRange]) -> Self {
        let times = view.blocks.values().map(|block| (block.id, times_of(block)));
        let near = times.filter(|(_, times)| within.iter().any(|range| times.overlaps(*range)));
        Self { view, blocks: near.collect(), heads }
    }

    /// What these reads depend on.
    pub(super) fn sources_of(&self, reads: &[TimeRange]) -> Sources {
        let read = self.blocks.iter().filter(|(_, range)| reads.iter().any(|read| range.overlaps(*read)));
        let blocks: Box<[Ulid]> = read.map(|(id, _)| *id).collect();
        let is_bound = |bound: &Ulid| blocks.binary_search(bound).is_ok();
        let tombstones = self.view.tombstones.values();
        let tombstones = tombstones.filter(|tombstone| tombstone.blocks.iter().any(is_bound));
        Sources { tombstones: tombstones.map(|tombstone| tombstone.id).collect(), blocks }
    }

    /// Whether no ingester holds anything that these reads would find.
    pub(super) fn is_settled(&self, mut reads: impl Iterator<Item = TimeRange>) -> bool {
        reads.all(|read| !self.heads.iter().any(|head| head.overlaps(read)))
    }
}

/// The times that a block matters to: of a rollup all of its windows, and of replicas that were made one series the whole
/// window, in which nothing else is looked for.
fn times_of(block: &BlockEntry) -> TimeRange {
    match (block.resolution, block.deduplicated) {
        (Resolution::Raw, false) => block.range,
        _ => block.window.unwrap_or(block.range),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use latewood_catalog::Tombstone;

    use super::*;
    use crate::testing::{block, view_of};

    #[test]
    fn sources_are_the_blocks_that_are_read_and_the_tombstones_that_bind_them() {
        let blocks = vec![
            block(1, 0, 10, Resolution::Raw),
            block(2, 11, 20, Resolution::Raw),
            block(3, 0, 100, Resolution::FiveMinutes),
            block(4, 50, 60, Resolution::Raw),
        ];
        let mut view = view_of(1, blocks, &[]);
        let of = |view: &View, reads: &[TimeRange]| {
            Surroundings::new(view, &[], &[TimeRange::ALL]).sources_of(reads)
        };
        let reads = [TimeRange::new(5, 10), TimeRange::new(55, 55)];
        let before = of(&view, &reads);
        assert_eq!(*before.blocks, [Ulid(1), Ulid(3), Ulid(4)]);
        for (id, bound) in [(9, 2), (8, 4)] {
            let (id, blocks) = (Ulid(id), [Ulid(bound)].into());
            let tombstone = Tombstone { id, matchers: Vec::new(), range: TimeRange::ALL, blocks };
            view.tombstones.insert(id, Arc::new(tombstone));
        }
        assert_eq!(*of(&view, &reads).tombstones, [Ulid(8)]);
        assert_ne!(of(&view, &reads), before);
    }

    #[test]
    fn what_an_ingester_holds_is_not_settled() {
        let view = view_of(1, Vec::new(), &[]);
        let heads = [TimeRange::new(100, 200), TimeRange::new(20, 20)];
        let around = Surroundings::new(&view, &heads, &[]);
        let settled = |ranges: &[(i64, i64)]| {
            around.is_settled(ranges.iter().map(|range| TimeRange::new(range.0, range.1)))
        };
        assert!(settled(&[(0, 19), (21, 99)]) && settled(&[(201, 300)]));
        assert!(!settled(&[(0, 19), (21, 100)]) && !settled(&[(0, 20)]));
    }
}
