use std::collections::BTreeSet;

use latewood_base::Ulid;
use latewood_catalog::{Change, Commit, NoCompactMark, Tombstone, TombstoneMatcher};
use latewood_model::dedup::ReplicaLabels;
use latewood_model::{TenantId, TimeRange};
use proptest::prelude::*;

use super::*;

pub(super) const HOUR: i64 = 3_600_000;

/// 28 days; of 1d 364 days, too.
fn rollup_tiers() -> RollupTiers {
    let days = |days: &[i64]| days.iter().map(|days| days * 24 * HOUR).collect();
    RollupTiers::new([days(&[28]), days(&[28]), days(&[28, 364])]).unwrap()
}

pub(super) fn policy() -> Policy {
    Policy {
        tiers: Tiers::default(),
        rollup_tiers: rollup_tiers(),
        settle_ms: HOUR,
        late_delay_ms: 24 * HOUR,
        max_blocks: 10,
        max_series: 1_000,
        max_bytes: 10_000,
        replica_labels: ReplicaLabels::new(["replica"]),
        deduplicate: true,
    }
}

/// A flushed block of 100 bytes and 10 series, begun when its range ended.
pub(super) fn flushed(number: u64, start: i64, end: i64) -> BlockEntry {
    let id = Ulid::from_parts(end.max(0) as u64, u128::from(number) + 1);
    BlockEntry { series: 10, bytes: 100, ..BlockEntry::new(id, Resolution::Raw, TimeRange::new(start, end)) }
}

/// A block of a window that ends at so many hours, begun two hours after.
pub(super) fn aligned(number: u64, tier: usize, end_hours: i64, bytes: u64) -> BlockEntry {
    let window = Tiers::default().window(tier, end_hours * HOUR);
    assert_eq!(window.end, end_hours * HOUR);
    let id = Ulid::from_parts((window.end + 2 * HOUR) as u64, u128::from(number) + 1);
    BlockEntry { id, bytes, window: Some(window), level: 1, ..flushed(number, window.start, window.end) }
}

pub(super) fn view(blocks: Vec<BlockEntry>) -> View {
    let add = Change { add: blocks, ..Change::default() };
    let tenant = TenantId::anonymous();
    let commit = Commit { tenant: tenant.clone(), sequence: 1, id: Ulid(1), at_ms: 0, change: add };
    View::empty(tenant).apply(&commit).unwrap()
}

/// A rollup of each resolution of a raw block's window, made of that block.
pub(super) fn rollups_of(raw: &BlockEntry) -> Vec<BlockEntry> {
    let rollup = |(resolution, number): (Resolution, u128)| BlockEntry {
        id: Ulid(raw.id.0 + (number << 64) + (1 << 40)),
        resolution,
        lineage: vec![raw.id],
        ..raw.clone()
    };
    let resolutions = [Resolution::FiveMinutes, Resolution::OneHour, Resolution::OneDay];
    resolutions.into_iter().zip(0..).map(rollup).collect()
}

/// Kind, tier and number of blocks of each job.
fn shape(jobs: &[Job]) -> Vec<(JobKind, usize, usize)> {
    jobs.iter().map(|job| (job.kind, job.tier, job.inputs.len())).collect()
}

#[test]
fn shards_of_a_window_that_is_over_are_aligned_together() {
    let flushes = |end: i64| (0..4).map(move |shard| flushed(shard, end - 2 * HOUR + shard as i64, end));
    let blocks: Vec<_> = flushes(14 * HOUR - 1)
        .chain(flushes(16 * HOUR - 1).map(|block| BlockEntry { id: Ulid(block.id.0 + 100), ..block }))
        .collect();
    assert_eq!(shape(&plan(&view(blocks.clone()), 15 * HOUR - 1, &policy())), []);
    let jobs = plan(&view(blocks.clone()), 15 * HOUR, &policy());
    assert_eq!(shape(&jobs), [(JobKind::Align, 1, 4)]);
    let ends: Vec<i64> = jobs[0].windows.iter().map(|window| window.end / HOUR).collect();
    assert_eq!(ends, [12, 14], "their first millisecond belongs to the window before");
    let jobs = plan(&view(blocks), 17 * HOUR, &policy());
    assert_eq!(shape(&jobs), [(JobKind::Align, 1, 8)]);
}

#[test]
fn old_times_go_into_the_longest_window_that_is_over() {
    let block = flushed(0, HOUR, 40 * 24 * HOUR + 13 * HOUR);
    let jobs = plan(&view(vec![block]), 40 * 24 * HOUR + 15 * HOUR, &policy());
    let lengths: Vec<i64> =
        jobs[0].windows.iter().map(|window| (window.end - window.start + 1) / HOUR).collect();
    assert_eq!(lengths, [168, 168, 168, 168, 168, 24, 24, 24, 24, 24, 12, 2]);
    assert_eq!((jobs[0].windows[0].start, jobs[0].tier), (1, 3));
}

#[test]
fn times_without_end_are_left_alone() {
    for range in [(i64::MIN, 5 * HOUR), (i64::MIN, i64::MIN + 5), (-400_000_000 * HOUR, 0)] {
        let blocks = vec![flushed(0, range.0, range.1), flushed(1, HOUR, 5 * HOUR)];
        let jobs = plan(&view(blocks), 100 * HOUR, &policy());
        let all: Vec<_> =
            jobs.iter().flat_map(|job| job.inputs.iter().map(|block| block.range.start)).collect();
        assert_eq!(all.last(), Some(&HOUR), "{range:?}");
    }
    let jobs = plan(&view(vec![flushed(0, i64::MAX - 5, i64::MAX)]), i64::MAX, &policy());
    assert!(jobs.len() <= 1);
}

#[test]
fn a_window_is_merged_when_it_is_over_and_its_own_block_is_left_alone() {
    let two_hours: Vec<_> = (0..6).map(|at| aligned(at, 0, 2 + 2 * at as i64, 100)).collect();
    assert_eq!(shape(&plan(&view(two_hours.clone()), 13 * HOUR - 1, &policy())), []);
    assert_eq!(shape(&plan(&view(two_hours), 13 * HOUR, &policy())), [(JobKind::Merge, 1, 6)]);
    let halves = view(vec![aligned(0, 1, 12, 100), aligned(1, 1, 24, 100)]);
    assert_eq!(shape(&plan(&halves, 25 * HOUR, &policy())), [(JobKind::Merge, 2, 2)]);
    assert_eq!(shape(&plan(&halves, 169 * HOUR, &policy())), [(JobKind::Merge, 3, 2)]);
}

#[test]
fn rollups_are_owed_of_days_and_made_with_merges_or_alone() {
    let half = aligned(0, 1, 12, 100);
    assert_eq!(shape(&plan(&view(vec![half.clone()]), 24 * HOUR, &policy())), []);
    let jobs = plan(&view(vec![half.clone()]), 25 * HOUR, &policy());
    assert_eq!(shape(&jobs), [(JobKind::Rollup, 2, 1)], "its day is over, and there is nothing to join");
    let mut blocks = rollups_of(&half);
    blocks.push(half.clone());
    assert_eq!(shape(&plan(&view(blocks.clone()), 400 * HOUR, &policy())), []);
    assert_eq!(shape(&plan(&view(blocks[1..].to_vec()), 400 * HOUR, &policy())), [(JobKind::Rollup, 3, 1)]);
    // With the other half there is something to join; the rollups of the first go.
    blocks.push(aligned(1, 1, 24, 100));
    blocks.push(aligned(2, 0, 0, 100));
    let jobs = plan(&view(blocks.clone()), 25 * HOUR, &policy());
    assert_eq!(shape(&jobs), [(JobKind::Merge, 2, 2), (JobKind::Rollup, 3, 1)]);
    let replaced = jobs[0].rollups.as_ref().unwrap();
    assert_eq!(replaced.blocks.len(), 3);
    let lookback: Vec<i64> = replaced.lookback.iter().map(|block| block.range.end).collect();
    assert_eq!(lookback, [0], "the hour before");
    // Shorter windows have none.
    let short: Vec<_> = (0..6).map(|at| aligned(at, 0, 2 + 2 * at as i64, 100)).collect();
    assert!(plan(&view(short), 13 * HOUR, &policy())[0].rollups.is_none());
}

#[test]
fn what_is_too_large_to_be_joined_is_downsampled_all_the_same() {
    let halves = vec![aligned(1, 1, 12, 6_000), aligned(2, 1, 24, 6_000)];
    let jobs = plan(&view(halves.clone()), 25 * HOUR, &policy());
    assert_eq!(shape(&jobs), [(JobKind::Rollup, 2, 2)]);
    let lineage = halves.iter().map(|block| block.id).collect();
    let rollups = rollups_of(&halves[1]).into_iter();
    let rollups = rollups.map(|block| BlockEntry { window: Some(TimeRange::new(1, 24 * HOUR)), ..block });
    let blocks: Vec<_> =
        rollups.map(|block| BlockEntry { lineage: Vec::clone(&lineage), ..block }).chain(halves).collect();
    assert_eq!(shape(&plan(&view(blocks), 25 * HOUR, &policy())), []);
}

#[test]
fn few_late_samples_wait_and_many_do_not() {
    let fresh = |bytes| {
        let block = aligned(1, 0, 20, bytes);
        let id = Ulid::from_parts((200 * HOUR) as u64, 7);
        view(vec![aligned(0, 3, 168, 5_000), BlockEntry { id, ..block }])
    };
    assert_eq!(shape(&plan(&fresh(499), 210 * HOUR, &policy())), []);
    assert_eq!(shape(&plan(&fresh(499), 224 * HOUR, &policy())), [(JobKind::Merge, 3, 2)]);
    let jobs = plan(&fresh(500), 210 * HOUR, &policy());
    assert_eq!(shape(&jobs), [(JobKind::Merge, 3, 2)]);
    assert_eq!(jobs[0].inputs[0].bytes, 5_000, "the window's own block comes first");
}

#[test]
fn what_is_too_large_together_stays_in_shorter_windows() {
    let days: Vec<_> = (1..=7).map(|day| aligned(day, 2, 24 * day as i64, 4_000)).collect();
    let days: Vec<_> = days.into_iter().flat_map(|day| rollups_of(&day).into_iter().chain([day])).collect();
    assert_eq!(shape(&plan(&view(days), 200 * HOUR, &policy())), []);
    let halves: Vec<_> = (1..=14).map(|half| aligned(half, 1, 12 * half as i64, 3_000)).collect();
    let jobs = plan(&view(halves), 200 * HOUR, &policy());
    assert_eq!(shape(&jobs), vec![(JobKind::Merge, 2, 2); 7]);
}

#[test]
fn deletions_that_have_waited_are_applied_to_blocks_that_are_alone() {
    let block = aligned(0, 0, 2, 100);
    let tombstone = Tombstone {
        id: Ulid::from_parts((5 * HOUR) as u64, 1),
        matchers: vec![TombstoneMatcher { name: "a".into(), op: "=".into(), value: "b".into() }],
        range: TimeRange::ALL,
        blocks: [block.id].into(),
    };
    let change = Change { add_tombstones: vec![tombstone], ..Change::default() };
    let commit = Commit { tenant: TenantId::anonymous(), sequence: 2, id: Ulid(2), at_ms: 0, change };
    let view = view(vec![block]).apply(&commit).unwrap();
    assert_eq!(shape(&plan(&view, 24 * HOUR, &policy())), []);
    assert_eq!(shape(&plan(&view, 29 * HOUR, &policy())), [(JobKind::Merge, 2, 1)]);
}

/// A view with a deletion, long ago, that binds some blocks.
fn with_deletion(view: &View, blocks: &[BlockEntry]) -> View {
    let matcher = TombstoneMatcher { name: "a".into(), op: "=".into(), value: "b".into() };
    let tombstone = Tombstone {
        id: Ulid::from_parts(0, 77),
        matchers: vec![matcher],
        range: TimeRange::ALL,
        blocks: blocks.iter().map(|block| block.id).collect(),
    };
    let change = Change { add_tombstones: vec![tombstone], ..Change::default() };
    let (tenant, sequence) = (view.tenant.clone(), view.version + 1);
    view.apply(&Commit { tenant, sequence, id: Ulid(5), at_ms: 0, change }).unwrap()
}

#[test]
fn deletions_are_applied_to_rollups_by_way_of_the_samples_or_to_what_is_left() {
    let now = 1_000 * HOUR;
    let raw = BlockEntry { samples: 9, ..aligned(1, 2, 24, 100) };
    let rollups = rollups_of(&raw);
    let all = |raw: Option<&BlockEntry>| raw.into_iter().chain(&rollups).cloned().collect::<Vec<_>>();
    let whole = view(all(Some(&raw)));
    assert_eq!(shape(&plan(&whole, now, &policy())), []);
    // The deletion binds a row that reaches beyond the samples' own times: made anew of them.
    let jobs = plan(&with_deletion(&whole, &rollups[2..]), now, &policy());
    assert_eq!(shape(&jobs), [(JobKind::Rollup, 3, 1)]);
    let jobs = plan(&with_deletion(&whole, &all(Some(&raw))), now, &policy());
    assert_eq!((shape(&jobs), jobs[0].replaced_ids().len()), (vec![(JobKind::Merge, 3, 1)], 3));
    // The samples have gone, all of them or the oldest.
    let jobs = plan(&with_deletion(&view(all(None)), &rollups[..1]), now, &policy());
    assert_eq!(shape(&jobs), [(JobKind::Mask, 2, 3)]);
    let resolutions: Vec<_> = jobs[0].inputs.iter().map(|block| block.resolution).collect();
    assert_eq!(resolutions, Resolution::ALL[1..]);
    let rest = BlockEntry { range: TimeRange::new(12 * HOUR, 24 * HOUR), ..raw.clone() };
    let jobs = plan(&with_deletion(&view(all(Some(&rest))), &all(Some(&rest))), now, &policy());
    assert_eq!(shape(&jobs), [(JobKind::Mask, 2, 3)]);
}

#[test]
fn a_deletion_that_is_to_be_applied_now_does_not_wait() {
    let now = 1_000 * HOUR;
    let raw = BlockEntry { samples: 9, ..aligned(1, 2, 24, 100) };
    let blocks: Vec<_> = std::iter::once(&raw).chain(&rollups_of(&raw)).cloned().collect();
    let matchers = vec![TombstoneMatcher { name: "a".into(), op: "=".into(), value: "b".into() }];
    let id = Ulid::from_parts(now as u64, 77);
    let tombstone = Tombstone { id, matchers, range: TimeRange::ALL, blocks: [raw.id].into() };
    let next = |view: &View, change| {
        let (tenant, sequence) = (view.tenant.clone(), view.version + 1);
        view.apply(&Commit { tenant, sequence, id: Ulid(5), at_ms: 0, change }).unwrap()
    };
    let young = next(&view(blocks), Change { add_tombstones: vec![tombstone], ..Change::default() });
    assert_eq!(shape(&plan(&young, now, &policy())), []);
    let urgent = next(&young, Change { apply_now: vec![id], ..Change::default() });
    assert_eq!(shape(&plan(&urgent, now, &policy())), [(JobKind::Merge, 3, 1)]);
}

#[test]
fn rollups_of_samples_that_are_gone_are_not_made_anew_of_what_came_late() {
    let gone =
        BlockEntry { samples: 9, range: TimeRange::new(2 * HOUR, 24 * HOUR), ..aligned(1, 2, 24, 100) };
    // Earlier than all that the rollups were made of.
    let late = aligned(2, 2, 24, 100);
    let with = |late: BlockEntry| view(rollups_of(&gone).into_iter().chain([late]).collect());
    assert_eq!(shape(&plan(&with(late.clone()), 1_000 * HOUR, &policy())), []);
    let merged = BlockEntry { lineage: vec![gone.id], ..late };
    assert_eq!(shape(&plan(&with(merged), 1_000 * HOUR, &policy())), [(JobKind::Rollup, 3, 1)]);
}

#[test]
fn samples_are_not_cut_along_windows_of_which_a_part_has_gone() {
    let first = BlockEntry { samples: 9, ..aligned(1, 2, 24, 100) };
    let windows = |blocks: Vec<BlockEntry>| {
        let last = flushed(9, 167 * HOUR, 168 * HOUR);
        plan(&view(blocks.into_iter().chain([last]).collect()), 170 * HOUR, &policy())[0].windows.clone()
    };
    let rollups = rollups_of(&first);
    assert_eq!(windows(rollups.iter().cloned().chain([first]).collect()), [TimeRange::new(1, 168 * HOUR)]);
    let day = [TimeRange::new(144 * HOUR + 1, 168 * HOUR)];
    assert_eq!(windows(rollups.clone()), day, "into its day");
    // The first day has gone while samples of the last were cut along the week.
    let last = BlockEntry { range: TimeRange::new(167 * HOUR, 168 * HOUR), ..aligned(9, 3, 168, 100) };
    let of_day = BlockEntry { window: Some(day[0]), ..last.clone() };
    let with = |last: BlockEntry| view(rollups.iter().cloned().chain([last]).collect());
    let jobs = plan(&with(last), 170 * HOUR, &policy());
    assert_eq!((shape(&jobs), jobs[0].windows.as_slice()), (vec![(JobKind::Align, 2, 1)], &day[..]));
    assert_eq!(shape(&plan(&with(of_day), 170 * HOUR, &policy())), [(JobKind::Rollup, 2, 1)]);
}

#[test]
fn rollups_of_samples_that_are_damaged_are_not_made_anew_of_what_came_late() {
    let damaged = BlockEntry { samples: 9, ..aligned(1, 2, 24, 100) };
    let blocks = [damaged.clone(), aligned(2, 2, 24, 100)].into_iter().chain(rollups_of(&damaged));
    let mut view = view(blocks.collect());
    assert_eq!(shape(&plan(&view, 1_000 * HOUR, &policy())), [(JobKind::Merge, 3, 2)]);
    view.no_compact.insert(damaged.id, Arc::new(NoCompactMark::new(damaged.id, "bad")));
    assert_eq!(shape(&plan(&view, 1_000 * HOUR, &policy())), []);
}

#[test]
fn rollups_of_samples_that_are_gone_are_not_made_anew_of_the_rest() {
    let days: Vec<BlockEntry> =
        (1..=7).map(|day| BlockEntry { samples: 9, ..aligned(day, 2, 24 * day as i64, 100) }).collect();
    let rollups = days.iter().flat_map(rollups_of);
    let left = days[4..].iter().cloned().chain(rollups).collect();
    assert_eq!(shape(&plan(&view(left), 1_000 * HOUR, &policy())), []);
}

#[test]
fn marked_blocks_tails_and_rollups_are_left_alone() {
    let blocks = vec![
        aligned(0, 0, 2, 100),
        aligned(1, 0, 4, 100),
        BlockEntry { tail: true, ..aligned(2, 0, 6, 100) },
        BlockEntry { resolution: Resolution::FiveMinutes, ..aligned(3, 0, 8, 100) },
    ];
    let all = view(blocks.clone());
    assert_eq!(shape(&plan(&all, 20 * HOUR, &policy())), [(JobKind::Merge, 1, 2)]);
    let no_compact = vec![NoCompactMark::new(blocks[0].id, "bad")];
    let change = Change { no_compact, ..Change::default() };
    let commit = Commit { tenant: TenantId::anonymous(), sequence: 2, id: Ulid(2), at_ms: 0, change };
    assert_eq!(shape(&plan(&all.apply(&commit).unwrap(), 20 * HOUR, &policy())), []);
}

proptest! {
    #[test]
    fn jobs_share_no_block_and_hold_all_their_times(
        raw in prop::collection::vec((0i64..400, 0i64..60, 1u64..3_000, 0u8..4), 1..40),
        now in 0i64..600,
    ) {
        let blocks = raw.iter().zip(0u64..).map(|(&(at, length, bytes, kind), number)| match kind {
            0 => aligned(number, 0, at - at % 2, bytes),
            1 => aligned(number, 1, at - at % 12, bytes),
            _ => BlockEntry { bytes, ..flushed(number, (at - length) * HOUR, at * HOUR) },
        });
        let (now, policy) = (now * HOUR, policy());
        let mut seen = BTreeSet::new();
        for job in plan(&view(blocks.collect()), now, &policy) {
            prop_assert!(!job.inputs.is_empty() && job.windows.is_sorted_by(|a, b| a.end < b.start));
            prop_assert!(job.windows.iter().all(|window| window.end + policy.settle_ms <= now));
            let limited = job.inputs.len() <= policy.max_blocks && job.bytes() <= policy.max_bytes;
            prop_assert!(limited || job.inputs.len() <= 2);
            for block in &job.inputs {
                prop_assert!(seen.insert(block.id));
                let mut at = block.range.start;
                for window in job.windows.iter().filter(|window| window.overlaps(block.range)) {
                    prop_assert!(window.start <= at);
                    at = window.end + 1;
                }
                prop_assert!(at > block.range.end);
                prop_assert!(block.window.is_none() || job.windows.len() == 1);
            }
        }
    }
}
