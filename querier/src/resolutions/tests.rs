//! What is read where, against what the definitions give time by time.

use std::collections::BTreeMap;
use std::sync::Arc;

use latewood_base::Ulid;
use latewood_catalog::{BlockEntry, Tombstone, View};
use latewood_model::dedup::{LOOKBACK_MS, ReplicaLabels, Segment, Stock};
use latewood_model::{MatchOp, Matcher, Resolution, TimeRange};
use proptest::prelude::*;

use super::{AskedSeries, Held, Piece};
use crate::testing::{block, view_of};

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

/// The window of a day: its end is in it.
fn day(number: i64) -> TimeRange {
    TimeRange::new(number * DAY + 1, (number + 1) * DAY)
}

fn windowed(id: u128, window: TimeRange, resolution: Resolution, lineage: &[u128]) -> Arc<BlockEntry> {
    let lineage = lineage.iter().map(|id| Ulid(*id)).collect();
    let entry = BlockEntry::new(Ulid(id), resolution, window);
    Arc::new(BlockEntry { window: Some(window), lineage, ..entry })
}

/// Blocks that say nothing of it lost no labels, and none are asked to be lost.
const ANY: AskedSeries<'_> = AskedSeries { without: &ReplicaLabels::NONE, matchers: &[] };

fn held_of(view: &View) -> Held {
    Held::of(view, &ReplicaLabels::NONE)
}

fn pieces(
    held: &Held,
    ends: TimeRange,
    resolution: Resolution,
    heads: &[TimeRange],
) -> Vec<(i64, i64, Resolution)> {
    let pieces = held.pieces((ends, resolution), ANY, heads).into_iter();
    pieces.map(|Piece { times, resolution }| (times.start, times.end, resolution)).collect()
}

#[test]
fn without_rollups_samples_are_read() {
    let held = held_of(&view_of(1, vec![block(1, 0, DAY, Resolution::Raw)], &[]));
    assert_eq!(held.resolutions(TimeRange::ALL, ANY, (Resolution::OneDay, true)), Default::default());
    assert_eq!(pieces(&held, day(0), Resolution::OneHour, &[]), [(1, DAY, Resolution::Raw)]);
}

#[test]
fn late_samples_are_read_instead_of_the_windows_that_lack_them() {
    let raw = windowed(1, day(0), Resolution::Raw, &[]);
    let late = block(2, 5 * HOUR, 5 * HOUR + 10, Resolution::Raw);
    let rollups = [Resolution::FiveMinutes, Resolution::OneHour].map(|resolution| (resolution, &[1][..]));
    let rollups =
        rollups.iter().zip(3..).map(|((resolution, made_of), id)| windowed(id, day(0), *resolution, made_of));
    let held = held_of(&view_of(1, [raw, late].into_iter().chain(rollups).collect(), &[]));
    let (hours, samples) = (Resolution::OneHour, Resolution::Raw);
    // The hour that ends with the first of them, and the two that are behind it because of replicas.
    let expected = [(1, 4 * HOUR, hours), (4 * HOUR + 1, 7 * HOUR, samples), (7 * HOUR + 1, DAY, hours)];
    assert_eq!(pieces(&held, day(0), hours, &[]), expected);
    let head = TimeRange::new(DAY - 10, 2 * DAY);
    let expected = [(1, DAY, samples)];
    assert_eq!(pieces(&held, day(0), Resolution::OneDay, &[head]), expected);
    assert!(held.gone(TimeRange::ALL).is_empty());
    assert_eq!(held.resolutions(day(0), ANY, (Resolution::OneDay, false)).coarsest, hours);
    let long = TimeRange::new(-5 * DAY, 5 * DAY);
    assert_eq!(held.resolutions(long, ANY, (Resolution::OneDay, false)).coarsest, samples);
}

#[test]
fn where_samples_are_gone_what_is_left_is_read() {
    let (five, hour) = (Resolution::FiveMinutes, Resolution::OneHour);
    let blocks = vec![
        // Of the first day the hours are left, of the second all but the samples, of the third everything.
        windowed(1, day(0), hour, &[100]),
        windowed(2, day(1), five, &[101]),
        windowed(3, day(1), hour, &[101, 2]),
        windowed(102, day(2), Resolution::Raw, &[]),
        windowed(4, day(2), five, &[102]),
        windowed(5, day(2), hour, &[102, 4]),
        // Late, where nothing is left to be late for.
        block(6, 2 * HOUR, 3 * HOUR, Resolution::Raw),
    ];
    let held = held_of(&view_of(1, blocks, &[]));
    let all = TimeRange::new(1, 3 * DAY);
    assert_eq!(held.gone(all), [(day(0), hour), (day(1), five)]);
    assert_eq!(held.gone(day(2)), []);
    let found = pieces(&held, all, hour, &[]);
    assert_eq!(
        found,
        [(1, 2 * HOUR - HOUR, hour), (HOUR + 1, 4 * HOUR, hour), (4 * HOUR + 1, 3 * DAY, hour)]
    );
    // Five minutes cannot be made of hours.
    assert_eq!(pieces(&held, all, five, &[]), [(DAY + 1, 3 * DAY, five)]);
}

#[test]
fn samples_are_not_gone_that_another_block_has_now() {
    let blocks = vec![
        windowed(1, day(0), Resolution::OneHour, &[100]),
        windowed(2, day(1), Resolution::OneHour, &[101]),
        // What became of block 100.
        windowed(3, day(0), Resolution::Raw, &[100, 200]),
    ];
    let held = held_of(&view_of(1, blocks, &[]));
    assert_eq!(held.gone(TimeRange::new(0, 3 * DAY)), [(day(1), Resolution::OneHour)]);
}

#[test]
fn what_was_deleted_is_read_from_samples_until_windows_are_made_anew() {
    let tombstone = Tombstone {
        id: Ulid(50),
        matchers: Vec::new(),
        range: TimeRange::new(10 * HOUR, 11 * HOUR),
        blocks: [Ulid(1), Ulid(2)].into(),
    };
    let blocks =
        vec![windowed(1, day(0), Resolution::Raw, &[]), windowed(2, day(0), Resolution::OneHour, &[1])];
    let mut view = view_of(1, blocks, &[]);
    view.tombstones.insert(Ulid(50), Arc::new(tombstone));
    let found = pieces(&held_of(&view), day(0), Resolution::OneHour, &[]);
    let (hour, samples) = (Resolution::OneHour, Resolution::Raw);
    assert_eq!(found, [(1, 9 * HOUR, hour), (9 * HOUR + 1, 12 * HOUR, samples), (12 * HOUR + 1, DAY, hour)]);
}

/// The same of replicas that lost these labels.
fn without(entry: &BlockEntry, labels: &[&str]) -> Arc<BlockEntry> {
    let replica_labels = labels.iter().map(|name| (*name).to_owned()).collect();
    Arc::new(BlockEntry { deduplicated: true, replica_labels, ..entry.clone() })
}

#[test]
fn windows_of_other_series_are_read_only_where_samples_are_gone() {
    let hour = Resolution::OneHour;
    let blocks = vec![
        // Of two days without `old`, of two without what is configured now, which the first of them does not say.
        without(&windowed(1, day(0), hour, &[100]), &["old"]),
        without(&windowed(2, day(1), hour, &[101]), &["old"]),
        windowed(3, day(2), hour, &[102]),
        without(&windowed(4, day(3), hour, &[103]), &["replica"]),
        windowed(101, day(1), Resolution::Raw, &[]),
        windowed(102, day(2), Resolution::Raw, &[]),
        windowed(103, day(3), Resolution::Raw, &[]),
    ];
    let (now, old) = (ReplicaLabels::new(["replica"]), ReplicaLabels::new(["old"]));
    let held = Held::of(&view_of(1, blocks, &[]), &now);
    let all = TimeRange::new(1, 4 * DAY);
    let chosen = [Matcher::new(MatchOp::Equal, "replica", "a").unwrap()];
    let of = |without, matchers| AskedSeries { without, matchers };
    let (samples, none) = (Resolution::Raw, &ReplicaLabels::NONE);
    for (asked, coarsest, differing, expected) in [
        (of(&now, &[]), hour, &[day(0)][..], [hour, samples, hour, hour]),
        (of(&old, &[]), hour, &[], [hour, hour, samples, samples]),
        (of(&now, &chosen), samples, &[day(0)], [hour, samples, samples, samples]),
        (of(none, &[]), samples, &[day(0)], [hour, samples, samples, samples]),
    ] {
        let found = held.resolutions(all, asked, (Resolution::OneDay, false));
        assert_eq!((found.coarsest, &found.differing[..]), (coarsest, differing), "{asked:?}");
        assert_eq!(found.gone, [(day(0), hour)]);
        let read = held.pieces((all, hour), asked, &[]);
        let at = |number: i64| {
            let time = number * DAY + DAY / 2;
            read.iter().find(|piece| piece.times.contains(time)).map(|piece| piece.resolution)
        };
        assert_eq!([at(0), at(1), at(2), at(3)], expected.map(Some), "{asked:?}");
    }
}

#[test]
fn segments_end_where_samples_are_gone_and_nothing_there_counts_behind() {
    let labels = ReplicaLabels::new(["replica"]);
    let blocks = vec![
        windowed(1, day(0), Resolution::OneHour, &[100]),
        without(&windowed(2, day(1), Resolution::Raw, &[]), &["replica"]),
        without(&windowed(3, day(2), Resolution::Raw, &[]), &["other"]),
    ];
    let held = Held::of(&view_of(1, blocks, &[]), &labels);
    let found = |start: i64, end: i64| -> Vec<(TimeRange, i64, Stock)> {
        let segments = held.segments(TimeRange::new(start, end), &labels).into_iter();
        segments.map(|one| (one.range, one.since, one.stock)).collect()
    };
    let (one, apart) = (Stock::Deduplicated, Stock::Replicas);
    let before = TimeRange::new(-DAY, 0);
    assert_eq!(
        found(-DAY, 3 * DAY),
        [
            (before, -DAY - HOUR, apart),
            (day(0), 1, one),
            (day(1), DAY + 1, one),
            (day(2), 2 * DAY + 1 - HOUR, apart)
        ]
    );
    let half = |day: i64| TimeRange::new(day * DAY + HOUR / 2, day * DAY + HOUR);
    let of_half = |day: i64| found(half(day).start, half(day).end);
    assert_eq!(of_half(0), [(half(0), half(0).start, one)]);
    assert_eq!(of_half(1), [(half(1), DAY + 1, one)]);
    assert_eq!(of_half(2), [(half(2), half(2).start - HOUR, apart)]);
    // Of a day that is gone nothing is left to look back at.
    let gone = vec![windowed(1, day(0), Resolution::OneHour, &[100])];
    let held = Held::of(&view_of(1, gone, &[]), &labels);
    let behind = held.segments(half(1), &labels);
    assert_eq!(behind, [Segment { range: half(1), since: DAY + 1, stock: apart }]);
    assert_eq!(held.segments(TimeRange::EMPTY, &labels), []);
}

/// What there is of a day.
#[derive(Clone, Copy, Debug)]
struct Day {
    has_raw: bool,
    /// By resolution, finest first: whether there are windows, and whether they have all samples.
    rollups: [(bool, bool); 3],
}

fn any_day() -> impl Strategy<Value = Day> {
    (any::<bool>(), any::<[(bool, bool); 3]>()).prop_map(|(has_raw, rollups)| Day { has_raw, rollups })
}

const COARSER: [Resolution; 3] = [Resolution::FiveMinutes, Resolution::OneHour, Resolution::OneDay];

fn view_of_days(days: &[Day]) -> View {
    let mut blocks = Vec::new();
    for (number, day_held) in days.iter().enumerate() {
        let (id, window) = (number as u128 * 10, day(number as i64));
        if day_held.has_raw {
            // Two shards that the windows may or may not have both.
            blocks.push(windowed(1000 + id, window, Resolution::Raw, &[]));
            blocks.push(windowed(1001 + id, window, Resolution::Raw, &[]));
        }
        for (index, (is_there, is_whole)) in day_held.rollups.into_iter().enumerate() {
            let made_of: &[u128] = if is_whole { &[1000 + id, 1001 + id] } else { &[1000 + id] };
            if is_there {
                blocks.push(windowed(id + index as u128, window, COARSER[index], made_of));
            }
        }
    }
    view_of(1, blocks, &[])
}

proptest! {
    /// Every time is read once, from what has all samples if anything has, and from nothing that is too coarse.
    #[test]
    fn every_time_is_read_once_and_from_the_best_there_is(
        days in prop::collection::vec(any_day(), 1..12),
        wanted in prop::sample::select(&COARSER[..]),
        (from, to) in (0..12_i64, 0..12_i64),
    ) {
        let held = held_of(&view_of_days(&days));
        let ends = TimeRange::new(from.min(to) * DAY + 1, from.max(to) * DAY + DAY);
        let mut found: BTreeMap<i64, Resolution> = BTreeMap::new();
        for piece in held.pieces((ends, wanted), ANY, &[]) {
            let first = piece.times.start.div_euclid(HOUR / 12);
            let last = piece.times.end.div_euclid(HOUR / 12);
            for window in first..last {
                prop_assert!(found.insert(window, piece.resolution).is_none(), "{window} twice");
            }
        }
        let is_behind = |number: usize, index: usize| {
            // Late samples reach into the next day by the look-back of replicas.
            let late = |number: usize| days.get(number).is_some_and(|day| day.has_raw && !(day.rollups[index].0 && day.rollups[index].1));
            (late(number), number > 0 && late(number - 1))
        };
        for number in from.min(to)..=from.max(to) {
            let Some(held_of_day) = days.get(number as usize) else { continue };
            for window in 0..288 {
                let seen = found.get(&(number * 288 + window)).copied();
                let in_reach = window * 300_000 < LOOKBACK_MS || (wanted == Resolution::OneDay);
                let usable = |index: usize| {
                    let (here, before) = is_behind(number as usize, index);
                    held_of_day.rollups[index].0 && COARSER[index] <= wanted && !here && !(before && in_reach)
                };
                let best = (0..3).rev().find(|index| usable(*index)).map(|index| COARSER[index]);
                let any_rollup = held_of_day.rollups.iter().any(|rollups| rollups.0);
                let left = (0..3).rev().find(|index| held_of_day.rollups[*index].0 && COARSER[*index] <= wanted);
                let expected = match (best, held_of_day.has_raw) {
                    (Some(best), _) => Some(best),
                    (None, true) => Some(Resolution::Raw),
                    (None, false) if any_rollup => left.map(|index| COARSER[index]),
                    (None, false) => Some(Resolution::Raw),
                };
                let is_at_edge = window * 300_000 == LOOKBACK_MS || window == 0;
                prop_assert!(seen == expected || is_at_edge, "day {number}, window {window}: {seen:?}, not {expected:?}");
            }
        }
    }
}
