//! RET-1 and what expires when, case by case and over random views.

use std::collections::BTreeSet;

use latewood_catalog::{Commit, Conflict};
use latewood_model::{TenantId, TimeRange};
use proptest::prelude::*;

use super::*;

const DAY: i64 = 86_400_000;

/// A block of a resolution whose last sample is at the end of a day.
fn block(id: u128, resolution: Resolution, day: i64, lineage: &[u128]) -> BlockEntry {
    let lineage = lineage.iter().map(|id| Ulid(*id)).collect();
    BlockEntry {
        lineage,
        ..BlockEntry::new(Ulid(id), resolution, TimeRange::new((day - 1) * DAY + 1, day * DAY))
    }
}

fn view(blocks: Vec<BlockEntry>) -> View {
    let tenant = TenantId::anonymous();
    let change = Change { add: blocks, ..Change::default() };
    let commit = Commit { tenant: tenant.clone(), sequence: 1, id: Ulid(1), at_ms: 0, change };
    View::empty(tenant).apply(&commit).unwrap()
}

fn next(view: &View, change: Change) -> Result<View, Conflict> {
    let sequence = view.version + 1;
    view.apply(&Commit { tenant: view.tenant.clone(), sequence, id: Ulid(9), at_ms: 0, change })
}

use Resolution::{FiveMinutes, OneDay, OneHour, Raw};

/// The policy of the setting that Latewood is asked to serve: 15 d, 60 d, 1 y, 3 y.
fn policy() -> RetentionPolicy {
    RetentionPolicy([15, 60, 365, 1_095].map(|days| Some(days * DAY)))
}

#[test]
fn a_block_goes_when_all_coarser_ones_that_are_kept_for_longer_have_it() {
    let all = [
        block(1, Raw, 1, &[]),
        block(2, FiveMinutes, 1, &[1]),
        block(3, OneHour, 1, &[1, 2]),
        block(4, OneDay, 1, &[1, 3]),
    ];
    let goes = |blocks: &[BlockEntry], day: i64| {
        let expired = expired(&view(blocks.to_vec()), day * DAY + 1, &policy());
        (expired.blocks, expired.owed)
    };
    assert_eq!(goes(&all, 15), (vec![], vec![]));
    assert_eq!(goes(&all, 16), (vec![Ulid(1)], vec![]));
    for missing in 1..4 {
        let mut some = all.to_vec();
        some.remove(missing);
        assert_eq!(goes(&some, 16), (vec![], vec![Ulid(1)]), "without {}", all[missing].resolution);
    }
    // The 5m block is not owed when it would be gone already. The 1h block was made of it.
    assert_eq!(goes(&[all[0].clone(), all[2].clone(), all[3].clone()], 62).0, [Ulid(1)]);
    assert_eq!(
        goes(&all[1..], 62),
        (vec![Ulid(2)], vec![]),
        "the 1d block names the 1h block, which names it"
    );
    let without = [all[1].clone(), all[3].clone()];
    assert_eq!(goes(&without, 62), (vec![], vec![Ulid(2)]), "nothing leads from the 1d block to it");
    assert_eq!(goes(&all, 2_000).0.len(), 4);
    assert_eq!(expired(&view(all.to_vec()), 9_999 * DAY, &RetentionPolicy::default()), Expired::default());
}

#[test]
fn the_commit_requires_the_successors() {
    let blocks = vec![
        block(1, Raw, 1, &[]),
        block(2, FiveMinutes, 1, &[1]),
        block(3, OneHour, 1, &[1, 2]),
        block(4, OneDay, 1, &[1, 3]),
    ];
    let view = view(blocks);
    let change = expired(&view, 16 * DAY + 1, &policy()).change().unwrap();
    let after = next(&view, change.clone()).unwrap();
    assert_eq!(after.blocks.keys().copied().collect::<Vec<_>>(), [2, 3, 4].map(Ulid));
    let without = next(&view, Change { remove: vec![Ulid(3)], ..Change::default() }).unwrap();
    assert_eq!(next(&without, change), Err(Conflict::BlockNotLive(Ulid(3))));
}

proptest! {
    /// RET-1: each sample of a block that goes is in a live block of every coarser resolution that is kept for longer.
    #[test]
    fn nothing_goes_that_a_coarser_block_is_owed_for(
        blocks in prop::collection::vec((0usize..4, 1i64..400, prop::collection::vec(0u128..20, 0..4)), 1..20),
        kept in prop::array::uniform4(prop::option::of(1i64..400)),
        now in 1i64..500,
    ) {
        let blocks: Vec<BlockEntry> = blocks
            .iter()
            .zip(0u128..)
            .map(|((resolution, day, lineage), id)| block(id, Resolution::ALL[*resolution], *day, lineage))
            .collect();
        let (view, policy) = (view(blocks), RetentionPolicy(kept.map(|days| days.map(|days| days * DAY))));
        let expired = expired(&view, now * DAY, &policy);
        let gone: BTreeSet<Ulid> = expired.blocks.iter().copied().collect();
        let after = match expired.clone().change() {
            Some(change) => next(&view, change).unwrap(),
            None => view.clone(),
        };
        for block in view.blocks.values() {
            let kept_of = |resolution| policy.of(resolution).map_or(i64::MIN, |kept: i64| now * DAY - kept);
            let is_past = |resolution| block.range.end < kept_of(resolution);
            prop_assert!(!gone.contains(&block.id) || is_past(block.resolution));
            for coarser in Resolution::ALL.into_iter().filter(|coarser| *coarser > block.resolution) {
                let mut has = after.blocks.values().filter(|other| other.resolution == coarser);
                let is_there = has.any(|other| made_of(&view, other).any(|id| id == block.id));
                prop_assert!(!gone.contains(&block.id) || is_past(coarser) || is_there);
            }
        }
    }
}
