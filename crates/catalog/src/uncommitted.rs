//! Which outputs of compactions were never committed, as far as the blocks tell: pure.
//!
//! A block goes into one compaction, which makes one block of each time. Of two that name the same one for the same times
//! at most one was committed; the other was still to be collected when the catalog was lost. Both would be read beside each
//! other: of a day that each made one series of HA replicas by itself, the samples that either kept.
//!
//! Invariant: whatever was committed, no sample is lost. A block is left out only when all that it was made of is there, or
//! is in the other.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use latewood_base::Ulid;
use latewood_model::{Resolution, TimeRange};

use crate::BlockEntry;

/// Raw blocks beside which there is another that was made of the same, and the rollups that were made of these. What
/// other blocks were made of was committed; of two of which nothing was made the older is left out, as deletions may have been
/// applied to the younger alone.
pub(crate) fn uncommitted(blocks: &[BlockEntry]) -> BTreeSet<Ulid> {
    let all = Made::of(blocks);
    let mut left_out = BTreeSet::new();
    for (older, younger) in all.rivals() {
        let (Some(older), Some(younger)) = (all.raw.get(&older), all.raw.get(&younger)) else { continue };
        if left_out.contains(&older.id) || left_out.contains(&younger.id) {
            continue;
        }
        let pairs = [(*older, *younger), (*younger, *older)];
        let ways =
            [false, true].into_iter().flat_map(|or_there| pairs.map(|(one, other)| (one, other, or_there)));
        let mut found = ways.filter(|(one, other, or_there)| all.may_go(one, other, *or_there));
        left_out.extend(found.next().map(|(one, ..)| one.id));
    }
    let names = |block: &&BlockEntry| block.lineage.iter().any(|id| left_out.contains(id));
    let rollups = blocks.iter().filter(|block| block.resolution != Resolution::Raw).filter(names);
    let rollups: Vec<Ulid> = rollups.map(|block| block.id).collect();
    left_out.extend(rollups);
    left_out
}

/// Raw blocks, and what was made of what.
struct Made<'a> {
    raw: BTreeMap<Ulid, &'a BlockEntry>,
    /// What raw blocks were made of: compactions take only what was committed.
    committed: HashSet<Ulid>,
}

impl<'a> Made<'a> {
    fn of(blocks: &'a [BlockEntry]) -> Self {
        let raw = blocks.iter().filter(|block| block.resolution == Resolution::Raw);
        let raw: BTreeMap<_, _> = raw.map(|block| (block.id, block)).collect();
        let committed = raw.values().flat_map(|block| block.lineage.iter().copied()).collect();
        Self { raw, committed }
    }

    /// Pairs of which at most one was committed, each with the older first.
    fn rivals(&self) -> BTreeSet<(Ulid, Ulid)> {
        let mut made_of: BTreeMap<(Ulid, bool), Vec<&BlockEntry>> = BTreeMap::new();
        for block in self.raw.values() {
            for parent in &block.lineage {
                // A tail comes with the block that it belongs to.
                made_of.entry((*parent, block.tail)).or_default().push(block);
            }
        }
        made_of.into_values().flat_map(overlapping).collect()
    }

    /// Whether nothing is lost without a block: what it was made of is in another, or, where that counts, there by itself.
    fn may_go(&self, one: &BlockEntry, other: &BlockEntry, or_there: bool) -> bool {
        let (own, others) = (times(one), times(other));
        let is_inside = others.start <= own.start && own.end <= others.end;
        let is_kept = |parent: &Ulid| {
            is_inside && other.lineage.contains(parent) || or_there && self.raw.contains_key(parent)
        };
        !self.committed.contains(&one.id) && one.lineage.iter().all(is_kept)
    }
}

/// All times that a block is about.
fn times(block: &BlockEntry) -> TimeRange {
    block.window.unwrap_or(block.range)
}

/// The pairs of blocks whose times overlap, each with the older first.
fn overlapping(mut blocks: Vec<&BlockEntry>) -> Vec<(Ulid, Ulid)> {
    blocks.sort_by_key(|block| times(block).start);
    let (mut pairs, mut open) = (Vec::new(), Vec::<&BlockEntry>::new());
    for block in blocks {
        open.retain(|other| times(other).overlaps(times(block)));
        pairs.extend(open.iter().map(|other| (other.id.min(block.id), other.id.max(block.id))));
        open.push(block);
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000;

    fn day(id: u128, lineage: &[u128], day: i64) -> BlockEntry {
        let window = TimeRange::new((day - 1) * DAY + 1, day * DAY);
        BlockEntry {
            lineage: lineage.iter().copied().map(Ulid).collect(),
            window: Some(window),
            ..BlockEntry::new(Ulid(id), Resolution::Raw, window)
        }
    }

    fn days(id: u128, lineage: &[u128], days: i64) -> BlockEntry {
        let window = TimeRange::new(1, days * DAY);
        BlockEntry { window: Some(window), range: window, ..day(id, lineage, 1) }
    }

    fn rollup(id: u128, of: &BlockEntry) -> BlockEntry {
        BlockEntry { resolution: Resolution::OneHour, lineage: vec![of.id], ..day(id, &[], 1) }
    }

    fn found(blocks: &[BlockEntry]) -> Vec<u128> {
        uncommitted(blocks).into_iter().map(|id| id.0).collect()
    }

    #[test]
    fn of_two_that_are_made_of_the_same_the_younger_stands_alone() {
        let (older, younger) = (day(10, &[1, 2], 1), day(20, &[1, 2], 1));
        let all = [rollup(11, &older), older.clone(), rollup(21, &younger), younger];
        assert_eq!(found(&all), [10, 11]);
        // Of other times, or tails of blocks, are outputs of one compaction.
        let tail = BlockEntry { tail: true, ..day(9, &[1, 2], 1) };
        assert_eq!(found(&[day(1, &[], 1), tail, older.clone(), day(30, &[1], 2)]), [0_u128; 0]);
        assert_eq!(found(&[older, day(20, &[3], 1)]), [0_u128; 0]);
    }

    #[test]
    fn what_others_were_made_of_was_committed() {
        // The first day went into a week; what wrote it once more was too late.
        let all = [day(10, &[1, 2], 1), day(20, &[1, 2], 1), days(30, &[10], 7)];
        assert_eq!(found(&all), [20]);
        let both = [all.as_slice(), &[days(40, &[20], 7)]].concat();
        assert_eq!(found(&both), [0_u128; 0], "a catalog that was rebuilt before named both");
    }

    #[test]
    fn no_sample_is_lost_whichever_was_committed() {
        // The younger knows nothing of the third.
        let (older, younger) = (day(10, &[1, 2, 3], 1), day(20, &[1, 2], 1));
        assert_eq!(found(&[older.clone(), younger.clone()]), [20]);
        // Each has what the other has not: what one was made of must be there.
        let other = day(20, &[1, 4], 1);
        assert_eq!(found(&[older.clone(), other.clone()]), [0_u128; 0]);
        let parents = [1, 2, 3].map(|id| day(id, &[], 1));
        assert_eq!(found(&[parents.as_slice(), &[older.clone(), other.clone()]].concat()), [10]);
        assert_eq!(found(&[day(1, &[], 1), day(4, &[], 1), older, other]), [20]);
        // A week that came too late for a day to which something was added.
        let week = days(30, &[1, 2], 7);
        let all = [day(1, &[], 1), day(2, &[], 2), day(40, &[2, 3], 2), week.clone()];
        assert_eq!(found(&all), [30]);
        assert_eq!(found(&[day(2, &[], 2), day(40, &[2, 3], 2), week]), [0_u128; 0]);
    }
}
