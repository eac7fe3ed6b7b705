//! RET-1 and what expires when, case by case and over random views.

use std::collections::BTreeSet;

use latewood_catalog::{Commit, Conflict};
use latewood_model::{TenantId, TimeRange};
use proptest::prelude::*;

use super::*;
use crate::CompactorConfig;

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

/// What expires by the default settings of compaction.
fn expired(view: &View, now_ms: TimestampMs, retention: &RetentionPolicy) -> Expired {
    super::expired(view, now_ms, retention, &CompactorConfig::default().policy())
}

/// The window that holds so many days up to and with one.
fn days_up_to(day: i64, days: i64) -> TimeRange {
    TimeRange::new((day - days) * DAY + 1, day * DAY)
}

/// The samples of a day in a block of the first week.
fn of_first_week(id: u128, day: i64) -> BlockEntry {
    BlockEntry { window: Some(days_up_to(7, 7)), bytes: 100, ..block(id, Raw, day, &[]) }
}

/// The rollups of the first week, of some raw blocks.
fn rollups_of_first_week(lineage: &[u128]) -> [BlockEntry; 3] {
    let range = days_up_to(7, 7);
    [(100, FiveMinutes), (101, OneHour), (102, OneDay)].map(|(id, resolution)| {
        let finer = (id > 100).then_some(id - 1);
        let lineage: Vec<u128> = lineage.iter().copied().chain(finer).collect();
        BlockEntry { window: Some(range), range, samples: 1, ..block(id, resolution, 7, &lineage) }
    })
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

#[test]
fn samples_of_one_window_go_when_the_last_of_them_has_expired() {
    let raw = [of_first_week(1, 1), of_first_week(2, 3), of_first_week(3, 6)];
    let tail = BlockEntry { tail: true, ..of_first_week(4, 6) };
    let blocks = raw.into_iter().chain([tail]).chain(rollups_of_first_week(&[1, 2, 3])).collect();
    let view = view(blocks);
    for day in 15..21 {
        assert_eq!(expired(&view, day * DAY + 1, &policy()), Expired::default(), "{day}");
    }
    let all = expired(&view, 21 * DAY + 1, &policy());
    assert_eq!((all.blocks, all.owed), ([1, 2, 3, 4].map(Ulid).to_vec(), vec![]));
}

#[test]
fn what_came_late_for_a_window_is_waited_for_while_it_is_to_be_downsampled() {
    let rollups = rollups_of_first_week(&[1]);
    let goes = |late: &BlockEntry, no_compact: bool| {
        let blocks = rollups.iter().cloned().chain([of_first_week(1, 1), late.clone()]).collect();
        let mut view = view(blocks);
        if no_compact {
            view.no_compact.insert(late.id, Arc::new(latewood_catalog::NoCompactMark::new(late.id, "bad")));
        }
        let expired = expired(&view, 30 * DAY, &policy());
        (expired.blocks, expired.owed)
    };
    let both = vec![Ulid(1), Ulid(2)];
    let aligned = BlockEntry { window: Some(days_up_to(2, 1)), bytes: 1, ..block(2, Raw, 2, &[]) };
    assert_eq!(goes(&aligned, false), (vec![], both));
    assert_eq!(goes(&aligned, true), (vec![Ulid(1)], vec![Ulid(2)]), "it is in none, ever");
    // What was flushed has not expired by itself, as it has samples of today.
    let flushed = BlockEntry { range: TimeRange::new(2 * DAY, 30 * DAY), ..block(2, Raw, 2, &[]) };
    assert_eq!(goes(&flushed, false), (vec![], vec![Ulid(1)]));
    let later = BlockEntry { range: TimeRange::new(7 * DAY + 1, 30 * DAY), ..flushed };
    assert_eq!(goes(&later, false), (vec![Ulid(1)], vec![]));
}

#[test]
fn rollups_of_samples_that_are_kept_for_longer_stay_as_long() {
    let (raw, rollups) = (of_first_week(1, 6), rollups_of_first_week(&[1]));
    let kept = RetentionPolicy([Some(20 * DAY), Some(2 * DAY), None, None]);
    let goes = |blocks: &[BlockEntry], day: i64| {
        let expired = expired(&view(blocks.to_vec()), day * DAY + 1, &kept);
        (expired.blocks, expired.owed)
    };
    let all = [&[raw][..], &rollups[..]].concat();
    assert_eq!(goes(&all, 20), (vec![], vec![]), "5m would be made anew");
    assert_eq!(goes(&all, 27), (vec![Ulid(1), Ulid(100)], vec![]));
    assert_eq!(goes(&rollups, 10), (vec![Ulid(100)], vec![]));
}

#[test]
fn a_window_of_which_a_part_has_gone_is_not_kept_by_what_came_late() {
    // The rollups have samples of the first day, which went before blocks of one window went together.
    let late = BlockEntry { window: Some(days_up_to(2, 1)), bytes: 1, ..block(2, Raw, 2, &[]) };
    let blocks = rollups_of_first_week(&[9, 1]).into_iter().chain([of_first_week(1, 3), late]);
    let expired = expired(&view(blocks.collect()), 30 * DAY, &policy());
    assert_eq!((expired.blocks, expired.owed), (vec![Ulid(1)], vec![Ulid(2)]));
}

#[test]
fn a_tail_goes_with_its_block() {
    let one = BlockEntry { deduplicated: true, ..of_first_week(1, 6) };
    let tail = BlockEntry { tail: true, ..of_first_week(2, 7) };
    let goes = |rollups: &[BlockEntry]| {
        let blocks = [&[one.clone(), tail.clone()], rollups].concat();
        expired(&view(blocks), 30 * DAY, &policy()).blocks
    };
    assert_eq!(goes(&rollups_of_first_week(&[1])), [Ulid(1), Ulid(2)]);
    assert_eq!(goes(&[]), [], "it is owed, and its tail stays beside it");
}

/// A raw block of some weeks: week, its days from and to, how it lies in windows, and whether rollups name it.
type Made = (i64, (i64, i64), u8, bool);

/// Raw blocks with the rollups of their weeks. Kinds: 0 and 1 aligned to the week, 2 to a day, 3 flushed, 4 a tail.
fn view_of_weeks(made: &[Made]) -> View {
    let mut blocks: Vec<BlockEntry> = Vec::new();
    for (&(week, (from, to), kind, _), id) in made.iter().zip(1..) {
        let (from, to) = (7 * week + from.min(to), 7 * week + from.max(to));
        let window = match kind {
            0 | 1 | 4 => Some(days_up_to(7 * week + 7, 7)),
            2 => Some(days_up_to(to, 1)),
            _ => None,
        };
        let from = if kind == 2 { to } else { from };
        let range = TimeRange::new((from - 1) * DAY + 1, to * DAY);
        blocks.push(BlockEntry { window, range, bytes: 1, tail: kind == 4, ..block(id, Raw, to, &[]) });
    }
    for week in 0..4 {
        let own = made
            .iter()
            .zip(1u128..)
            .filter(|((number, _, kind, named), _)| *number == week && *named && *kind < 3);
        let lineage: Vec<u128> = own.map(|(_, id)| id).collect();
        let base = 1_000 * (week as u128 + 1);
        for (resolution, id) in [FiveMinutes, OneHour, OneDay].into_iter().zip(base..) {
            let window = days_up_to(7 * week + 7, 7);
            let rollup = block(id, resolution, 7 * week + 7, &lineage);
            blocks.push(BlockEntry { window: Some(window), range: window, samples: 1, ..rollup });
        }
    }
    view(blocks)
}

/// The window with which a block goes, by the words of the documentation.
fn window_of(view: &View, block: &BlockEntry) -> Option<TimeRange> {
    let day = (block.range.end - 1).div_euclid(DAY) + 1;
    let week = days_up_to((day - 1).div_euclid(7) * 7 + 7, 7);
    let raw = || view.blocks.values().filter(|block| block.resolution == Raw);
    let is_made_of_samples = |block: &&Arc<BlockEntry>| {
        block.window == Some(week) && block.lineage.iter().any(|id| raw().any(|raw| raw.id == *id))
    };
    let has = |window| raw().any(|raw| raw.window == Some(window));
    if has(week) || view.blocks.values().any(|block| is_made_of_samples(&block)) {
        return Some(week);
    }
    Some(days_up_to(day, 1)).filter(|day| has(*day))
}

proptest! {
    /// Samples of one window go together, and no later than when the window has expired and all of it is downsampled.
    #[test]
    fn samples_of_one_window_go_together(
        made in prop::collection::vec((0i64..4, (1i64..8, 1i64..8), 0u8..5, prop::bool::weighted(0.8)), 1..12),
        kept in 1i64..20,
        now in 1i64..60,
    ) {
        let view = view_of_weeks(&made);
        let (retention, now_ms) = (RetentionPolicy([Some(kept * DAY), None, None, None]), now * DAY);
        let expired = expired(&view, now_ms, &retention);
        let raw = || view.blocks.values().filter(|block| block.resolution == Raw);
        let is_named = |block: &BlockEntry| {
            block.tail || view.blocks.values().any(|rollup| rollup.lineage.contains(&block.id))
        };
        let ever = plan(&view, TimestampMs::MAX, &CompactorConfig::default().policy());
        let is_to_come = |block: &BlockEntry| {
            !is_named(block) && ever.iter().any(|job| job.inputs.iter().any(|input| input.id == block.id))
        };
        for block in raw() {
            let goes = expired.blocks.contains(&block.id);
            let window = window_of(&view, block);
            let all = window.unwrap_or(block.range);
            let is_late = |other: &Arc<BlockEntry>| other.range.overlaps(all) && is_to_come(other);
            let together = raw().filter(|other| window.is_some() && window_of(&view, other) == window);
            for other in together {
                prop_assert!(!goes || other.range.end < now_ms - kept * DAY, "{:?}", other);
                let stays = !is_named(other) && !is_to_come(other);
                prop_assert!(!goes || stays || expired.blocks.contains(&other.id), "{:?}", other);
            }
            prop_assert!(!goes || !raw().any(is_late));
            prop_assert!(goes || !is_named(block) || all.end >= now_ms - kept * DAY || raw().any(is_late), "{:?}", block);
        }
    }

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
