//! Windows in which HA replicas become one series: what is joined with what, and what goes with it.

use latewood_base::Ulid;
use latewood_catalog::{Change, Commit, NoCompactMark, Tombstone, TombstoneMatcher};
use latewood_model::dedup::ReplicaLabels;
use latewood_model::{TenantId, TimeRange};

use super::tests::{HOUR, aligned, flushed, policy, rollups_of, view};
use super::*;

/// A deduplicated day and its tail.
fn day(number: u64, days: i64) -> [BlockEntry; 2] {
    let raw = aligned(number, 2, 24 * days, 100);
    let hour = TimeRange::new(raw.range.end - HOUR + 1, raw.range.end);
    let tail = BlockEntry { id: Ulid(raw.id.0 + 1_000), tail: true, range: hour, ..raw.clone() };
    [BlockEntry { deduplicated: true, replica_labels: vec!["replica".to_owned()], ..raw }, tail]
}

/// A week of them with their rollups.
fn week() -> Vec<BlockEntry> {
    let days = (1..=7).flat_map(|number| day(number, number as i64));
    days.flat_map(|block| if block.tail { vec![block] } else { with_rollups(block) }).collect()
}

fn with_rollups(block: BlockEntry) -> Vec<BlockEntry> {
    rollups_of(&block).into_iter().chain([block]).collect()
}

fn ids(blocks: &[Arc<BlockEntry>]) -> Vec<Ulid> {
    blocks.iter().map(|block| block.id).collect()
}

fn only(view: &View, hours: i64, policy: &Policy) -> Job {
    let mut jobs = plan(view, hours * HOUR, policy);
    assert_eq!(jobs.len(), 1, "{jobs:?}");
    jobs.remove(0)
}

#[test]
fn a_window_that_is_all_there_is_deduplicated_with_what_replicas_had_before() {
    let [before, tail] = day(1, 1);
    let halves = [aligned(2, 1, 36, 100), aligned(3, 1, 48, 100)];
    let all = with_rollups(before.clone()).into_iter().chain([tail.clone()]).chain(halves);
    let job = only(&view(all.collect()), 49, &policy());
    let replaced = job.rollups.as_ref().unwrap();
    assert_eq!((job.kind, job.inputs.len(), job.deduplicates), (JobKind::Merge, 2, true));
    assert_eq!((ids(&replaced.lookback), ids(&replaced.tails)), (vec![before.id, tail.id], vec![]));
    let off = Policy { deduplicate: false, ..policy() };
    let alone = aligned(2, 2, 24, 100);
    assert!(only(&view(vec![alone.clone()]), 25, &policy()).deduplicates, "beside its rollups");
    assert!(!only(&view(vec![alone]), 25, &off).deduplicates);
    let too_large = vec![aligned(1, 1, 12, 6_000), aligned(2, 1, 24, 6_000)];
    assert!(!only(&view(too_large), 25, &policy()).deduplicates);
    let shorter = vec![aligned(1, 0, 2, 100), aligned(2, 0, 4, 100)];
    assert!(!only(&view(shorter), 13, &policy()).deduplicates);
}

#[test]
fn a_window_waits_for_what_came_in_time_and_not_for_what_is_late() {
    let halves = || vec![aligned(1, 1, 12, 100), aligned(2, 1, 24, 100)];
    let with = |block: BlockEntry, hours: i64| {
        let blocks = halves().into_iter().chain([block]).collect();
        let jobs = plan(&view(blocks), hours * HOUR, &policy());
        jobs.iter().map(|job| (job.kind, job.windows.len())).collect::<Vec<_>>()
    };
    // Flushed at half past midnight: cut along windows when that of two hours is over, at three.
    let across = flushed(9, 23 * HOUR, 24 * HOUR + HOUR / 2);
    assert_eq!(with(across.clone(), 25), []);
    assert_eq!(with(across.clone(), 27), [(JobKind::Align, 2)]);
    // Begun after the day was closed.
    let late = BlockEntry { id: Ulid::from_parts((26 * HOUR) as u64, 9), ..across.clone() };
    assert_eq!(with(late, 26), [(JobKind::Merge, 1)]);
    // A clock that is wrong by a month.
    let far = BlockEntry { range: TimeRange::new(23 * HOUR, 700 * HOUR), ..across };
    assert_eq!(with(far, 25), [(JobKind::Merge, 1)]);
}

#[test]
fn a_week_takes_its_tails_along() {
    let mut blocks = week();
    let tails: Vec<Ulid> = blocks.iter().filter(|block| block.tail).map(|block| block.id).collect();
    let job = only(&view(blocks.clone()), 169, &policy());
    assert_eq!((job.kind, job.inputs.len()), (JobKind::Merge, 7));
    assert_eq!(ids(&job.rollups.as_ref().unwrap().tails), tails);
    assert!(!job.ids().iter().any(|id| tails.contains(id)) && job.replaced_ids().ends_with(&tails));
    // One that cannot be read goes as well: nothing else would ever take it away.
    let mut marked = view(blocks.clone());
    marked.no_compact.insert(tails[0], Arc::new(NoCompactMark::new(tails[0], "bad")));
    assert_eq!(ids(&only(&marked, 169, &policy()).rollups.unwrap().tails), tails);
    // A day that is not deduplicated is in the same job.
    blocks.retain(|block| block.window.unwrap().end != 72 * HOUR);
    blocks.push(aligned(3, 2, 72, 100));
    let job = only(&view(blocks), 169, &policy());
    assert!(job.inputs.len() == 7 && job.deduplicates);
}

#[test]
fn what_does_not_fit_is_joined_by_its_kind() {
    let late = [aligned(20, 3, 168, 10), aligned(21, 3, 168, 10)];
    let few = Policy { max_blocks: 4, ..policy() };
    let is_deduplicated =
        |job: &Job| -> Vec<bool> { job.inputs.iter().map(|block| block.deduplicated).collect() };
    let both = view(week().into_iter().chain(late.clone()).collect());
    let job = only(&both, 169, &few);
    assert_eq!((is_deduplicated(&job), job.rollups), (vec![false; 2], None), "rollups of both stay");
    let one = view(week().into_iter().chain(late.into_iter().take(1)).collect());
    let job = only(&one, 169, &few);
    assert_eq!((is_deduplicated(&job), job.deduplicates), (vec![true; 4], false));
    // A deduplicated block that cannot be read keeps late samples of its window from being joined with others.
    let [broken, _] = day(1, 1);
    let late: Vec<_> = (2..5).map(|number| aligned(number, 2, 24, 10)).collect();
    let mut marked = view(late.iter().cloned().chain([broken.clone()]).collect());
    marked.no_compact.insert(broken.id, Arc::new(NoCompactMark::new(broken.id, "bad")));
    let job = only(&marked, 100, &policy());
    assert_eq!((job.inputs.len(), &job.rollups, job.deduplicates), (3, &None, false));
    // One of them alone loses what is deleted, and stays alone.
    let bound = |blocks: &[&BlockEntry]| {
        let mut view = view([&broken].into_iter().chain(blocks.iter().copied()).cloned().collect());
        view.no_compact.insert(broken.id, Arc::new(NoCompactMark::new(broken.id, "bad")));
        let change = Change { add_tombstones: vec![deletion(late[0].id)], ..Change::default() };
        let (tenant, sequence) = (TenantId::anonymous(), 2);
        view.apply(&Commit { tenant, sequence, id: Ulid(5), at_ms: 0, change }).unwrap()
    };
    let job = only(&bound(&[&late[0]]), 100, &policy());
    assert_eq!((job.ids(), &job.rollups), (vec![late[0].id], &None));
    let [other, _] = day(8, 1);
    assert_eq!(plan(&bound(&[&late[0], &other]), 100 * HOUR, &policy()), []);
}

#[test]
fn days_of_replicas_with_rollups_stay_beside_days_of_one_series_that_do_not_fit() {
    // Days 4 to 7 are of replicas, downsampled; the week is too large for one job.
    let of_one = (1..=3).flat_map(|number| day(number, number as i64));
    let of_replicas = (4..=7).map(|number| aligned(number, 2, 24 * number as i64, 100));
    let all = of_one.chain(of_replicas).flat_map(|block| match block.tail {
        true => vec![block],
        false => with_rollups(block),
    });
    let few = Policy { max_blocks: 4, ..policy() };
    let jobs = plan(&view(all.collect()), 169 * HOUR, &few);
    let is_named = |job: &Job| job.inputs.iter().any(|block| !block.deduplicated);
    let kept = jobs.iter().filter(|job| job.kind == JobKind::Merge && is_named(job) && job.rollups.is_none());
    assert_eq!(kept.count(), 0, "rollups would name blocks that are no more: {jobs:#?}");
}

#[test]
fn late_samples_of_a_week_that_stays_as_it_is_are_joined_with_each_other() {
    let of_one = (1..=3).flat_map(|number| day(number, number as i64));
    let of_replicas = (4..=7).map(|number| aligned(number, 2, 24 * number as i64, 100));
    let all = of_one.chain(of_replicas).flat_map(|block| match block.tail {
        true => vec![block],
        false => with_rollups(block),
    });
    // Of the week's last hour, behind all that stays.
    let range = TimeRange::new(167 * HOUR, 168 * HOUR);
    let late = [20, 21].map(|number| BlockEntry { range, ..aligned(number, 3, 168, 10) });
    let expected = late.each_ref().map(|block| block.id);
    let few = Policy { max_blocks: 4, ..policy() };
    let job = only(&view(all.chain(late).collect()), 169, &few);
    let mut found = job.ids();
    found.sort_unstable();
    assert_eq!((job.kind, found.as_slice(), &job.rollups), (JobKind::Merge, expected.as_slice(), &None));
}

#[test]
fn a_deletion_of_the_hour_before_makes_a_job_plan_anew() {
    let [before, tail] = day(1, 1);
    let old = [aligned(5, 2, 24, 100), aligned(2, 2, 48, 100)];
    let planned = view(old.into_iter().chain([before.clone(), tail.clone()]).collect());
    let job = plan(&planned, 49 * HOUR, &policy()).into_iter().find(|job| job.windows[0].end == 48 * HOUR);
    let job = job.unwrap();
    let with = |block: Ulid, range: TimeRange| {
        let change =
            Change { add_tombstones: vec![Tombstone { range, ..deletion(block) }], ..Change::default() };
        let (tenant, sequence) = (TenantId::anonymous(), 2);
        planned.apply(&Commit { tenant, sequence, id: Ulid(5), at_ms: 0, change }).unwrap()
    };
    let knows = |now: &View| job.knows_deletions_before(&planned, now);
    let hour = TimeRange::new(0, 23 * HOUR + 1);
    assert!(knows(&planned) && !knows(&with(tail.id, hour)) && !knows(&with(before.id, TimeRange::ALL)));
    assert!(knows(&with(before.id, TimeRange::new(0, 23 * HOUR))), "it decides nothing");
    assert!(knows(&with(job.inputs[0].id, hour)), "the commit tells");
    let known = with(tail.id, hour);
    assert!(job.knows_deletions_before(&known, &known));
}

/// What is deleted of a block, long ago.
fn deletion(block: Ulid) -> Tombstone {
    let matcher = TombstoneMatcher { name: "a".into(), op: "=".into(), value: "b".into() };
    let (matchers, range) = (vec![matcher], TimeRange::ALL);
    Tombstone { id: Ulid::from_parts(0, 77), matchers, range, blocks: [block].into() }
}

#[test]
fn a_deletion_that_binds_a_tail_is_applied_with_its_block() {
    let [block, tail] = day(1, 1);
    let before = view(with_rollups(block.clone()).into_iter().chain([tail.clone()]).collect());
    assert_eq!(plan(&before, 100 * HOUR, &policy()), []);
    let change = Change { add_tombstones: vec![deletion(tail.id)], ..Change::default() };
    let (tenant, sequence) = (TenantId::anonymous(), 2);
    let bound = before.apply(&Commit { tenant, sequence, id: Ulid(5), at_ms: 0, change }).unwrap();
    let job = only(&bound, 100, &policy());
    assert_eq!((job.kind, job.ids()), (JobKind::Merge, vec![block.id]));
    assert_eq!(ids(&job.rollups.unwrap().tails), [tail.id]);
}

#[test]
fn what_was_deduplicated_by_other_labels_is_a_block_like_others() {
    let [block, tail] = day(1, 1);
    let others = Policy { replica_labels: ReplicaLabels::new(["server"]), ..policy() };
    let both = view(vec![block, tail.clone(), aligned(9, 2, 24, 1_000)]);
    let job = only(&both, 25, &others);
    assert!(job.deduplicates && job.inputs.len() == 2);
    assert_eq!(ids(&job.rollups.unwrap().tails), [tail.id], "it goes unread");
    let deduplicated = Deduplicated::of(&both, &others.replica_labels);
    let [segment] = deduplicated.segments(TimeRange::new(1, 25 * HOUR))[..] else { panic!("one segment") };
    let decide: Vec<bool> = both.blocks.values().map(|block| deduplicated.decides(&segment, block)).collect();
    assert_eq!((decide.iter().filter(|decides| **decides).count(), decide.len()), (2, 3));
}
