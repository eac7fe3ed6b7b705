//! What makes a target's catalog name what the source's does: pure.

use std::collections::{BTreeMap, BTreeSet};

use latewood_base::{Ids, Ulid};
use latewood_catalog::{BlockEntry, Change, NoCompactMark, Tombstone, View};

/// How many blocks one commit adds at most.
const BLOCKS_PER_COMMIT: usize = 100;

/// The commits to make in a target that has these blocks whole beside those that it names: first they are added, with the
/// deletions that bind them and their marks; then, when all of the source's blocks are there, those are removed that died
/// in the source, as their successors are there.
///
/// Flushed generations of shards are not taken over: they belong to the journals of the source's ingesters, whose claims
/// of numbers the target does not have.
pub fn changes(source: &View, target: &View, whole: &BTreeSet<Ulid>, ids: &Ids) -> Vec<Change> {
    let fresh = whole.iter().filter(|id| !target.blocks.contains_key(id));
    let fresh: Vec<&BlockEntry> =
        fresh.filter_map(|id| source.blocks.get(id)).map(|block| &**block).collect();
    let mut changes: Vec<Change> =
        fresh.chunks(BLOCKS_PER_COMMIT).map(|chunk| add(source, chunk, ids)).collect();
    let standing: Vec<Ulid> =
        source.blocks.keys().filter(|id| target.blocks.contains_key(id)).copied().collect();
    let late = Change { add_tombstones: missed(source, target, &standing, ids), ..Change::default() };
    changes.extend((!late.is_empty()).then_some(late));
    let is_there = |id: &Ulid| whole.contains(id) || target.blocks.contains_key(id);
    if source.blocks.keys().all(is_there) {
        let dead = source.dead.keys().filter(|id| target.blocks.contains_key(id));
        let remove = Change { remove: dead.copied().collect(), ..Change::default() };
        changes.extend((!remove.is_empty()).then_some(remove));
    }
    changes
}

fn add(source: &View, blocks: &[&BlockEntry], ids: &Ids) -> Change {
    let added: Vec<Ulid> = blocks.iter().map(|block| block.id).collect();
    let marks = added.iter().filter_map(|id| source.no_compact.get(id));
    Change {
        add: blocks.iter().copied().cloned().collect(),
        add_tombstones: bound(source, &added, ids, |_, _| true),
        no_compact: marks.map(|mark| NoCompactMark::clone(mark)).collect(),
        ..Change::default()
    }
}

/// Deletions in the source that came after their blocks were copied.
fn missed(source: &View, target: &View, standing: &[Ulid], ids: &Ids) -> Vec<Tombstone> {
    bound(source, standing, ids, |tombstone, block| {
        let mut own = target.tombstones_of(block);
        !own.any(|own| (&own.matchers, own.range) == (&tombstone.matchers, tombstone.range))
    })
}

/// The source's deletions that bind these blocks and are wanted for them, under ids of their own: a deletion is bound when
/// it is made, and its other blocks may come later.
fn bound(
    source: &View,
    blocks: &[Ulid],
    ids: &Ids,
    wanted: impl Fn(&Tombstone, Ulid) -> bool,
) -> Vec<Tombstone> {
    let mut by_source: BTreeMap<Ulid, BTreeSet<Ulid>> = BTreeMap::new();
    for block in blocks {
        for tombstone in source.tombstones_of(*block).filter(|tombstone| wanted(tombstone, *block)) {
            by_source.entry(tombstone.id).or_default().insert(*block);
        }
    }
    let copies = by_source.into_iter().filter_map(|(id, blocks)| {
        let original = source.tombstones.get(&id)?;
        Some(Tombstone { id: ids.next(), blocks, ..Tombstone::clone(original) })
    });
    copies.collect()
}

#[cfg(test)]
mod tests {
    use latewood_base::{Clock, Rng};
    use latewood_catalog::{Commit, TombstoneMatcher};
    use latewood_model::{Resolution, TenantId, TimeRange};

    use super::*;

    fn block(id: u128) -> BlockEntry {
        BlockEntry::new(Ulid(id), Resolution::Raw, TimeRange::new(0, 1))
    }

    fn after(view: &View, change: Change) -> View {
        let sequence = view.version + 1;
        let commit =
            Commit { tenant: view.tenant.clone(), sequence, id: Ulid(sequence.into()), at_ms: 0, change };
        view.apply(&commit).unwrap()
    }

    fn of(blocks: &[u128]) -> View {
        let add = blocks.iter().map(|id| block(*id)).collect();
        after(&View::empty(TenantId::anonymous()), Change { add, ..Change::default() })
    }

    fn deletion(blocks: &[u128]) -> Change {
        let matcher = TombstoneMatcher { name: "a".into(), op: "=".into(), value: "b".into() };
        let blocks = blocks.iter().map(|id| Ulid(*id)).collect();
        let tombstone = Tombstone { id: Ulid(99), matchers: vec![matcher], range: TimeRange::ALL, blocks };
        Change { add_tombstones: vec![tombstone], ..Change::default() }
    }

    fn ids() -> Ids {
        Ids::new(Clock::manual(1).0, Rng::system())
    }

    /// The target after all of the changes, each of which must fit.
    fn replicated(source: &View, target: &View, whole: &[u128]) -> View {
        let whole = whole.iter().map(|id| Ulid(*id)).collect();
        changes(source, target, &whole, &ids())
            .into_iter()
            .fold(target.clone(), |view, change| after(&view, change))
    }

    fn bound_blocks(view: &View) -> Vec<Ulid> {
        view.tombstones.values().flat_map(|tombstone| tombstone.blocks.iter().copied()).collect()
    }

    #[test]
    fn a_deletion_goes_with_each_of_its_blocks_whenever_that_comes() {
        let source = after(&of(&[1, 2, 3]), deletion(&[1, 2]));
        let empty = View::empty(TenantId::anonymous());
        let first = replicated(&source, &empty, &[1, 3]);
        assert_eq!((first.blocks.len(), bound_blocks(&first)), (2, vec![Ulid(1)]));
        let second = replicated(&source, &first, &[2]);
        assert_eq!((&second.blocks, bound_blocks(&second).len()), (&source.blocks, 2));
        assert_eq!(replicated(&source, &second, &[]), second, "nothing is left to do");
        let late = replicated(&source, &of(&[1, 2, 3]), &[]);
        assert_eq!(bound_blocks(&late), [Ulid(1), Ulid(2)]);
    }

    #[test]
    fn what_was_replaced_goes_only_when_all_else_has_come() {
        let change = Change::replace(vec![block(4)], vec![Ulid(1), Ulid(2)], Vec::new());
        let (source, target) = (after(&of(&[1, 2, 3]), change), of(&[1, 2]));
        let partly = replicated(&source, &target, &[3]);
        assert_eq!(partly.blocks.keys().map(|id| id.0).collect::<Vec<_>>(), [1, 2, 3]);
        let wholly = replicated(&source, &partly, &[4]);
        assert_eq!(wholly.blocks, source.blocks);
        assert_eq!(wholly.dead.len(), 2);
    }
}
