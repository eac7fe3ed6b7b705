//! Properties of views, whatever the commits.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use latewood_base::Ulid;
use latewood_catalog::{
    Change, Commit, Conflict, FlushStep, NoCompactMark, TenantFate, Tombstone, TombstoneMatcher, View,
};
use latewood_model::TimeRange;
use proptest::prelude::*;
use support::{START_MS, block, id, tenant};

fn commit(sequence: u64, change: Change) -> Commit {
    Commit {
        tenant: tenant(),
        sequence,
        id: id(u128::from(sequence) + 1_000_000),
        at_ms: START_MS + sequence as i64,
        change,
    }
}

fn tombstone(number: u128, blocks: impl IntoIterator<Item = u128>) -> Tombstone {
    Tombstone {
        id: id(number),
        matchers: vec![TombstoneMatcher {
            name: "job".to_owned(),
            op: "=".to_owned(),
            value: "a".to_owned(),
        }],
        range: TimeRange::ALL,
        blocks: blocks.into_iter().map(id).collect(),
    }
}

/// Few ids and generations, so that changes often fit and often do not.
fn any_change() -> impl Strategy<Value = Change> {
    let ids = || prop::collection::vec(0_u128..12, 0..3);
    let step = (0_u32..2, 0_u64..4, 0_u64..4).prop_map(|(shard, from, to)| FlushStep { shard, from, to });
    let tombstones = prop::collection::vec((100_u128..104, prop::collection::vec(0_u128..12, 0..3)), 0..2);
    let applied = prop::collection::vec(100_u128..104, 0..3);
    let fate = prop::option::weighted(0.1, prop_oneof![Just(TenantFate::Kept), Just(TenantFate::Deleted)]);
    let fate = (prop::collection::vec(100_u128..104, 0..2), fate);
    let marks = (ids(), ids(), prop::collection::vec(0_u128..12, 0..2), fate);
    let parts = (ids(), ids(), prop::option::weighted(0.3, step), ids(), ids(), tombstones, applied, marks);
    parts.prop_map(
        |(
            add,
            remove,
            flushed,
            mark,
            forget,
            tombstones,
            applied,
            (no_compact, again, based_on, (apply_now, fate)),
        )| {
            let ids = |numbers: Vec<u128>| numbers.into_iter().map(id).collect::<Vec<_>>();
            Change {
                add: add.into_iter().map(block).collect(),
                remove: ids(remove),
                flushed,
                mark_dead: ids(mark),
                forget_dead: ids(forget),
                add_tombstones: tombstones.into_iter().map(|(t, blocks)| tombstone(t, blocks)).collect(),
                applied_tombstones: ids(applied),
                based_on: ids(based_on),
                no_compact: no_compact
                    .into_iter()
                    .map(|block| NoCompactMark::new(id(block), "bad"))
                    .collect(),
                compact_again: ids(again),
                apply_now: ids(apply_now),
                fate,
            }
        },
    )
}

fn check_invariants(before: &View, change: &Change, after: &View) {
    assert_eq!(after.version, before.version + 1);
    for id in after.blocks.keys() {
        assert!(!after.dead.contains_key(id), "live and dead at once");
        let added = change.add.iter().any(|block| block.id == *id);
        assert_eq!(added, !before.blocks.contains_key(id), "live because it was or because it was added");
    }
    for removed in &change.remove {
        assert!(before.blocks.contains_key(removed) && after.dead.contains_key(removed));
    }
    for id in before.dead.keys() {
        let forgotten = change.forget_dead.contains(id);
        assert!(after.dead.contains_key(id) || forgotten, "the dead stay dead until they are forgotten");
    }
    for (shard, generation) in &before.flushed {
        assert!(after.flushed[shard] >= *generation, "flushes only go forward");
    }
    assert!(after.no_compact.keys().all(|id| after.blocks.contains_key(id)));
    for tombstone in after.tombstones.values() {
        assert!(!tombstone.blocks.is_empty());
        assert!(tombstone.blocks.iter().all(|id| after.blocks.contains_key(id)));
    }
    assert!(after.apply_now.iter().all(|id| after.tombstones.contains_key(id)));
    assert!(change.add.is_empty() || !after.is_deleted());
    assert!(change.based_on.iter().all(|id| before.blocks.contains_key(id)));
    if !change.add.is_empty() {
        let applied: BTreeSet<Ulid> = change.applied_tombstones.iter().copied().collect();
        let bound = before
            .tombstones
            .values()
            .filter(|t| change.remove.iter().chain(&change.based_on).any(|id| t.blocks.contains(id)));
        assert!(bound.into_iter().all(|t| applied.contains(&t.id)), "no deletion is lost by a compaction");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn views_keep_their_invariants_and_refusals_change_nothing(
        changes in prop::collection::vec(any_change(), 1..25),
    ) {
        let mut view = View::empty(tenant());
        let mut model: BTreeMap<u32, u64> = BTreeMap::new();
        for change in changes {
            let copy = view.clone();
            let commit = commit(view.version + 1, change.clone());
            match view.apply(&commit) {
                Ok(next) => {
                    check_invariants(&view, &change, &next);
                    if let Some(step) = change.flushed {
                        let before = model.insert(step.shard, step.to).unwrap_or(0);
                        prop_assert_eq!(before, step.from);
                    }
                    prop_assert_eq!(&next.flushed, &model);
                    // The same commit once more is never taken.
                    prop_assert!(next.apply(&commit).is_err());
                    view = next;
                }
                Err(_) => prop_assert_eq!(&view, &copy),
            }
        }
    }
}

#[test]
fn a_commit_out_of_order_is_refused() {
    let view = View::empty(tenant());
    let skipping = view.apply(&commit(2, Change::default()));
    assert_eq!(skipping, Err(Conflict::OutOfOrder { expected: 1, found: 2 }));
    let mut foreign = commit(1, Change::default());
    foreign.tenant = latewood_model::TenantId::new("other").unwrap();
    assert!(view.apply(&foreign).is_err());
}

#[test]
fn a_compaction_that_missed_a_deletion_is_refused() {
    let add = Change { add: vec![block(1), block(2)], ..Change::default() };
    let delete = Change { add_tombstones: vec![tombstone(100, [1, 2])], ..Change::default() };
    let view = View::empty(tenant()).apply(&commit(1, add)).unwrap();
    let view = view.apply(&commit(2, delete)).unwrap();
    let compact = |applied: Vec<Ulid>| Change::replace(vec![block(3)], vec![id(1), id(2)], applied);
    let missed = Conflict::TombstoneNotApplied { block: id(1), tombstone: id(100) };
    assert_eq!(view.apply(&commit(3, compact(Vec::new()))), Err(missed));
    let applied = view.apply(&commit(3, compact(vec![id(100)]))).unwrap();
    assert!(applied.tombstones.is_empty());
    // Retention only removes: nothing can come back.
    let expired = Change::replace(Vec::new(), vec![id(1)], Vec::new());
    let expired = view.apply(&commit(3, expired)).unwrap();
    assert_eq!(expired.tombstones[&id(100)].blocks, BTreeSet::from([id(2)]));
}

#[test]
fn entries_that_make_no_sense_are_refused() {
    let refused = |change: Change, expected: &str| {
        let error = View::empty(tenant()).apply(&commit(1, change)).unwrap_err();
        assert!(matches!(error, Conflict::Invalid(_)) && error.to_string().contains(expected), "{error}");
    };
    let add = |edit: fn(&mut latewood_catalog::BlockEntry)| {
        let mut entry = block(1);
        edit(&mut entry);
        Change { add: vec![entry], ..Change::default() }
    };
    let file = |path: &str| latewood_catalog::FileEntry {
        path: path.to_owned(),
        size: 1,
        crc32c: None,
        footer_offset: None,
    };
    let climbing = Change {
        add: vec![latewood_catalog::BlockEntry { files: vec![file("../../other/meta.json")], ..block(1) }],
        ..Change::default()
    };
    refused(climbing, "no path below its folder");
    refused(add(|entry| entry.range = TimeRange::EMPTY), "time range is empty");
    refused(add(|entry| entry.shard = Some(1)), "go together");
    refused(Change::flush(None, FlushStep { shard: 1, from: 2, to: 2 }), "cannot step");
    let twice = Change { add: vec![block(1), block(1)], ..Change::default() };
    refused(twice, "added twice");
}
