//! Joins of rollups: what is planned, and that it keeps what the rest relies on.

use std::collections::{BTreeSet, HashMap};

use latewood_base::Ulid;
use latewood_catalog::{Change, Commit, Tombstone, TombstoneMatcher};
use latewood_model::{TenantId, TimeRange};
use proptest::prelude::*;

use super::tests::{HOUR, aligned, policy, view};
use super::*;
use crate::{RetentionPolicy, expired};

const WEEK: i64 = 7 * 24 * HOUR;

const ROLLUPS: [Resolution; 3] = [Resolution::FiveMinutes, Resolution::OneHour, Resolution::OneDay];

/// The samples of a week, and its rollups, each naming the samples and the finer one.
fn week(number: i64) -> (BlockEntry, Vec<BlockEntry>) {
    let raw = aligned(number as u64, 3, 168 * number, 100);
    let id = |place: usize| Ulid(raw.id.0 + (1 << 40) + ((place as u128) << 64));
    let rollup = |(place, resolution): (usize, Resolution)| BlockEntry {
        id: id(place),
        resolution,
        samples: 1,
        lineage: [raw.id].into_iter().chain(place.checked_sub(1).map(id)).collect(),
        ..raw.clone()
    };
    let rollups = ROLLUPS.into_iter().enumerate().map(rollup).collect();
    (raw, rollups)
}

/// The rollups of some weeks whose samples are gone.
fn weeks(numbers: impl IntoIterator<Item = i64>) -> Vec<BlockEntry> {
    numbers.into_iter().flat_map(|number| week(number).1).collect()
}

fn applied(view: &View, change: Change) -> View {
    let sequence = view.version + 1;
    let commit =
        Commit { tenant: TenantId::anonymous(), sequence, id: Ulid(sequence.into()), at_ms: 0, change };
    view.apply(&commit).unwrap()
}

/// The view after a job, as the compaction commits it.
fn done(view: &View, job: &Job) -> View {
    assert_eq!(job.kind, JobKind::Join);
    let (mut add, mut renamed) = (Vec::new(), HashMap::new());
    for entries in job.inputs.chunk_by(|a, b| a.resolution == b.resolution) {
        let first = &entries[0];
        let id = Ulid(first.id.0 + (1 << 20) + u128::from(first.level));
        let range = entries.iter().map(|entry| entry.range).reduce(TimeRange::union).unwrap();
        let lineage = lineage(entries, &renamed);
        let (window, level) = (Some(job.windows[0]), first.level + 1);
        add.push(BlockEntry { id, range, lineage, window, level, ..BlockEntry::clone(first) });
        renamed.extend(entries.iter().map(|entry| (entry.id, id)));
    }
    applied(view, Change { add, remove: job.ids(), ..Change::default() })
}

/// Until nothing is planned any more.
fn settled(mut view: View, now: i64) -> View {
    for _ in 0..100 {
        let Some(job) = plan(&view, now, &policy()).into_iter().find(|job| job.kind == JobKind::Join) else {
            return view;
        };
        view = done(&view, &job);
    }
    panic!("joins lead nowhere");
}

/// The windows of a resolution in weeks: the first and the last.
fn windows(view: &View, resolution: Resolution) -> Vec<(i64, i64)> {
    let blocks = view.blocks.values().filter(|block| block.resolution == resolution);
    let mut windows: Vec<_> = blocks
        .map(|block| block.window.unwrap())
        .map(|window| ((window.start - 1) / WEEK + 1, window.end / WEEK))
        .collect();
    windows.sort_unstable();
    windows
}

fn joins(view: &View, now: i64) -> Vec<(usize, usize, TimeRange)> {
    let jobs = plan(view, now, &policy()).into_iter().filter(|job| job.kind == JobKind::Join);
    jobs.map(|job| (job.tier, job.inputs.len(), job.windows[0])).collect()
}

#[test]
fn months_and_years_are_joined_when_they_are_over_and_their_samples_are_gone() {
    let month = weeks(1..=4);
    assert_eq!(joins(&view(month.clone()), 4 * WEEK + HOUR - 1), []);
    let jobs = plan(&view(month.clone()), 4 * WEEK + HOUR, &policy());
    assert_eq!(jobs[0].inputs.len(), 9, "three weeks are as many blocks as a job may have");
    assert!(jobs[0].inputs.is_sorted_by_key(|block| block.resolution));
    let mut with_samples = month;
    with_samples.push(week(3).0);
    assert_eq!(joins(&view(with_samples), 9 * WEEK), []);
    let year = settled(view(weeks(1..=53)), 60 * WEEK);
    assert_eq!(windows(&year, Resolution::OneDay), [(1, 52), (53, 53)]);
    let months: Vec<_> = (0..13).map(|month| (4 * month + 1, 4 * month + 4)).chain([(53, 53)]).collect();
    assert_eq!(windows(&year, Resolution::OneHour), months);
}

#[test]
fn gaps_and_resolutions_that_are_gone_are_not_said_to_be_there() {
    let mut blocks = weeks([1, 3, 4, 5, 6, 7]);
    blocks
        .retain(|block| block.resolution != Resolution::FiveMinutes || block.window.unwrap().end > 5 * WEEK);
    let joined = settled(view(blocks), 20 * WEEK);
    for resolution in [Resolution::OneHour, Resolution::OneDay] {
        assert_eq!(windows(&joined, resolution), [(1, 1), (3, 4), (5, 5), (6, 7)]);
    }
    assert_eq!(windows(&joined, Resolution::FiveMinutes), [(6, 7)]);
}

#[test]
fn rollups_of_series_without_other_labels_stay_apart() {
    let mut blocks = weeks(1..=4);
    for block in &mut blocks {
        let labels = if block.window.unwrap().end > 2 * WEEK { ["replica"] } else { ["server"] };
        (block.deduplicated, block.replica_labels) = (true, labels.map(str::to_owned).into());
    }
    let joined = settled(view(blocks), 20 * WEEK);
    assert_eq!(windows(&joined, Resolution::OneDay), [(1, 2), (3, 4)]);
    let labels: BTreeSet<_> = joined.blocks.values().map(|block| block.replica_labels.clone()).collect();
    assert_eq!(labels.len(), 2);
}

#[test]
fn what_is_deleted_goes_first_and_coarser_ones_are_told() {
    let joined = settled(view(weeks(1..=28)), 100 * WEEK);
    let hour = joined.blocks.values().find(|block| block.resolution == Resolution::OneHour).unwrap();
    let tombstone = Tombstone {
        id: Ulid::from_parts((90 * WEEK) as u64, 1),
        matchers: vec![TombstoneMatcher { name: "a".into(), op: "=".into(), value: "b".into() }],
        range: TimeRange::ALL,
        blocks: [hour.id].into(),
    };
    let deleted = applied(&joined, Change { add_tombstones: vec![tombstone], ..Change::default() });
    let jobs = plan(&deleted, 100 * WEEK, &policy());
    assert_eq!(jobs.len(), 1);
    let shape: Vec<_> = jobs[0].inputs.iter().map(|block| block.resolution).collect();
    assert_eq!((jobs[0].kind, shape), (JobKind::Mask, ROLLUPS.to_vec()));
    let day = jobs[0].inputs.last().unwrap();
    assert!(day.lineage.contains(&hour.id) && day.window.unwrap().end >= hour.window.unwrap().end);
}

#[test]
fn late_samples_of_what_was_joined_make_no_rollups_of_their_own() {
    let joined = settled(view(weeks(1..=3)), 100 * WEEK);
    assert_eq!(windows(&joined, Resolution::OneDay), [(1, 3)]);
    for tier in 0..4 {
        let late = aligned(900, tier, 2 * 168, 100);
        let late = applied(&joined, Change { add: vec![late], ..Change::default() });
        assert_eq!(plan(&late, 100 * WEEK, &policy()), [], "{tier}");
    }
}

proptest! {
    /// In whatever order weeks come, lose their samples, are joined, deleted from and expire.
    #[test]
    fn joins_keep_what_is_there_and_what_it_was_made_of(
        steps in prop::collection::vec((0u8..6, 1i64..30), 1..60),
    ) {
        let (mut view, mut now) = (view(Vec::new()), 0);
        for (step, number) in steps {
            let (raw, rollups) = week(number);
            let is_new = |view: &View| {
                let mut known = view.blocks.values();
                !known.any(|block| block.window.is_some_and(|own| own.overlaps(raw.window.unwrap())))
            };
            let change = match step {
                0 if is_new(&view) => Change { add: rollups, ..Change::default() },
                1 if is_new(&view) => Change { add: [raw].into_iter().chain(rollups).collect(), ..Change::default() },
                2 => {
                    let gone = view.blocks.keys().filter(|id| **id == raw.id).copied().collect();
                    Change { remove: gone, ..Change::default() }
                }
                3 => {
                    let kept = RetentionPolicy([None, Some(number * WEEK), None, None]);
                    let gone = expired(&view, now, &kept, &policy());
                    prop_assert!(gone.owed.is_empty(), "{:?}", gone.owed);
                    gone.change().unwrap_or_default()
                }
                _ => {
                    now += number * WEEK / 4;
                    Change::default()
                }
            };
            view = applied(&view, change);
            let (before, mut seen) = (view.clone(), BTreeSet::new());
            let jobs: Vec<Job> =
                plan(&view, now, &policy()).into_iter().filter(|job| job.kind == JobKind::Join).collect();
            for job in &jobs {
                prop_assert!(job.inputs.iter().all(|block| seen.insert(block.id)));
                prop_assert!(before.overlapping(Resolution::Raw, job.windows[0]).next().is_none());
                prop_assert!(job.windows[0].end + policy().settle_ms <= now);
                view = done(&view, job);
            }
            for resolution in ROLLUPS {
                let weeks = |view: &View| -> Vec<i64> {
                    windows(view, resolution).into_iter().flat_map(|(first, last)| first..=last).collect()
                };
                prop_assert_eq!(weeks(&view), weeks(&before));
                let names = |view: &View| -> BTreeSet<Ulid> {
                    let own = view.blocks.values().filter(|block| block.resolution == resolution);
                    own.flat_map(|block| block.lineage.clone()).collect()
                };
                let is_rollup = |id: &Ulid| before.blocks.contains_key(id);
                prop_assert!(names(&before).iter().all(|id| is_rollup(id) || names(&view).contains(id)));
            }
            // Whatever goes by its retention has what follows it.
            let all = RetentionPolicy([Some(1), Some(1), Some(1), None]);
            prop_assert!(expired(&view, i64::MAX, &all, &policy()).owed.is_empty());
        }
    }
}
