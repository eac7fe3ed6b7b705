use proptest::prelude::*;

use super::reference::{Samples, defined, streamed};
use super::*;
use crate::histogram::{IntegerHistogram, ResetHint};
use crate::{
    FloatHistogram, HistogramSample, Labels, NO_START, NativeHistogram, SeriesSamples, StartTimestamps,
    stale_nan,
};

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
/// The usual interval.
const I: i64 = 15 * SECOND;

/// Scrapes every interval from `first` to before `end`.
fn scrapes(first: i64, end: i64) -> Samples {
    (first..end).step_by(15_000).map(|at| (at, false)).collect()
}

fn kept(replicas: &[Samples]) -> Vec<(i64, usize)> {
    let kept = streamed(replicas, i64::MIN, i64::MAX);
    assert_eq!(kept, defined(replicas, i64::MIN, i64::MAX), "the definition says otherwise");
    kept
}

/// The ranks kept, each once for a stretch of it.
fn stretches(kept: &[(i64, usize)]) -> Vec<usize> {
    let mut ranks: Vec<usize> = kept.iter().map(|sample| sample.1).collect();
    ranks.dedup();
    ranks
}

fn longest_gap(kept: &[(i64, usize)]) -> i64 {
    kept.windows(2).map(|pair| pair[1].0 - pair[0].0).max().unwrap_or(0)
}

#[test]
fn the_first_replica_is_kept_while_it_scrapes() {
    let replicas = [scrapes(0, 10 * MINUTE), scrapes(7 * SECOND, 10 * MINUTE), scrapes(1, 10 * MINUTE)];
    assert!(kept(&replicas).iter().all(|&(_, rank)| rank == 0));
    assert_eq!(kept(&replicas).len(), replicas[0].len());
}

#[test]
fn another_takes_over_when_a_sample_is_late_and_the_first_comes_back_after_an_interval() {
    let mut first = scrapes(0, 10 * MINUTE);
    first.extend(scrapes(20 * MINUTE + 3 * SECOND, 30 * MINUTE));
    let kept = kept(&[first, scrapes(7 * SECOND, 30 * MINUTE)]);
    assert_eq!(stretches(&kept), [0, 1, 0]);
    let gap_at = |at: i64| {
        longest_gap(&kept.iter().copied().filter(|sample| (sample.0 - at).abs() < MINUTE).collect::<Vec<_>>())
    };
    assert_eq!(gap_at(10 * MINUTE), 22 * SECOND, "one scrape of the second is covered still");
    assert_eq!(gap_at(20 * MINUTE), 26 * SECOND, "one of the first is too close");
    let back = kept.iter().rfind(|sample| sample.1 == 1).unwrap().0;
    let next = kept.iter().find(|sample| sample.0 > back).unwrap().0;
    assert!((I..2 * I).contains(&(next - back)));
}

#[test]
fn for_a_lost_scrape_another_replica_stands_in_with_a_marker_or_without() {
    let mut first = scrapes(0, 10 * MINUTE);
    let second = scrapes(7 * SECOND, 10 * MINUTE);
    let lost = first.remove(20);
    let silent = kept(&[first.clone(), second.clone()]);
    first.insert(20, (lost.0, true));
    let told = kept(&[first, second]);
    for kept in [&silent, &told] {
        assert_eq!((stretches(kept), longest_gap(kept)), (vec![0, 1, 0], 23 * SECOND));
    }
    assert_eq!(silent, told);
}

#[test]
fn of_markers_one_is_kept_when_all_replicas_lost_the_target() {
    let ended = |first: i64| -> Samples {
        let mut samples = scrapes(first, 10 * MINUTE);
        samples.push((10 * MINUTE + first, true));
        samples
    };
    for order in [[ended(0), ended(7 * SECOND)], [ended(7 * SECOND), ended(0)], [ended(0), ended(0)]] {
        let kept = kept(&order);
        let markers: Vec<_> =
            kept.iter().filter(|sample| order[sample.1].contains(&(sample.0, true))).collect();
        assert_eq!(markers, [kept.last().unwrap()], "one, at the end");
    }
    let goes_on = [ended(0), scrapes(7 * SECOND, 20 * MINUTE)];
    assert!(kept(&goes_on).iter().all(|sample| !goes_on[sample.1].contains(&(sample.0, true))));
}

#[test]
fn a_replica_that_is_started_again_and_again_takes_nothing_over() {
    let lone: Samples = (0..6).map(|start| (start * 41 * MINUTE, false)).collect();
    let kept = kept(&[lone, scrapes(7 * SECOND, 210 * MINUTE)]);
    assert!(longest_gap(&kept) <= I + 7 * SECOND, "{}", longest_gap(&kept));
}

#[test]
fn at_the_begin_of_a_series_no_sample_is_waited_for_long() {
    for offset in [0, 1, 7 * SECOND, I - 1] {
        for replicas in [
            [scrapes(offset, 10 * MINUTE), scrapes(0, 10 * MINUTE)],
            [scrapes(0, 10 * MINUTE), scrapes(offset, 10 * MINUTE)],
        ] {
            let kept = kept(&replicas);
            assert_eq!(kept[0].0, 0);
            assert!(longest_gap(&kept) < 2 * I, "offset {offset}: {kept:?}");
        }
    }
}

#[test]
fn of_equal_times_each_is_there_once_and_both_may_end() {
    let both = [scrapes(0, 5 * MINUTE), scrapes(0, 10 * MINUTE)];
    let kept = kept(&both);
    assert!(kept.windows(2).all(|pair| pair[0].0 < pair[1].0));
    assert_eq!((stretches(&kept), longest_gap(&kept)), (vec![0, 1], 2 * I));
}

#[test]
fn a_third_replica_stands_in_for_two() {
    let replicas =
        [scrapes(0, 5 * MINUTE), scrapes(5 * SECOND, 10 * MINUTE), scrapes(9 * SECOND, 15 * MINUTE)];
    assert_eq!(stretches(&kept(&replicas)), [0, 1, 2]);
}

#[test]
fn replicas_of_long_intervals_go_on() {
    for minutes in [5, 6, 10, 15, 60] {
        let every = |first: i64| -> Samples {
            (0..30).map(|scrape| (first + scrape * minutes * MINUTE + scrape % 3, false)).collect()
        };
        let kept = kept(&[every(0), every(2 * MINUTE)]);
        assert!(longest_gap(&kept) <= minutes * MINUTE + 2 * MINUTE + 2, "{minutes}: {}", longest_gap(&kept));
    }
}

/// How a replica lives: its first scrape, how far its scrapes are late, when it is down and which scrapes fail.
#[derive(Clone, Debug)]
struct Life {
    offset: i64,
    late: Vec<i64>,
    down: Vec<(i64, i64)>,
    failed: Vec<usize>,
}

/// The longest time that a scrape is late.
const MAX_LATE: i64 = 40;
const HOURS: i64 = 3;
const SCRAPES: i64 = HOURS * 240;

fn life(down: usize) -> impl Strategy<Value = Life> {
    let downs = prop::collection::vec((0..SCRAPES * I, 0..70 * MINUTE), 0..=down);
    let late = prop::collection::vec(0..=MAX_LATE, 50);
    let failed = prop::collection::vec(0..SCRAPES as usize, 0..20);
    (0..I, late, downs, failed).prop_map(|(offset, late, down, failed)| Life { offset, late, down, failed })
}

impl Life {
    fn samples(&self) -> Samples {
        let scrape = |number: i64| {
            let late = self.late[number as usize % self.late.len()];
            let at = self.offset + number * I + late;
            let is_down = self.down.iter().any(|&(from, length)| (from..from + length).contains(&at));
            (!is_down).then(|| (at, self.failed.contains(&(number as usize))))
        };
        (0..SCRAPES).filter_map(scrape).collect()
    }
}

/// Samples at any distances.
fn wild() -> impl Strategy<Value = Samples> {
    let distance = prop_oneof![
        4 => 14_000i64..16_000, 1 => 1i64..2_000, 1 => 30_000i64..60_000, 1 => 100_000i64..900_000, 1 => Just(15_000)
    ];
    prop::collection::vec((distance, prop::bool::weighted(0.15)), 0..60).prop_map(|steps| {
        let mut at = 0;
        let step = |(distance, is_stale)| {
            at += distance;
            (at, is_stale)
        };
        steps.into_iter().map(step).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn streaming_equals_the_definition(replicas in prop::collection::vec(wild(), 1..4)) {
        prop_assert_eq!(streamed(&replicas, i64::MIN, i64::MAX), defined(&replicas, i64::MIN, i64::MAX));
    }

    #[test]
    fn ded_1_any_split_joins_up(
        replicas in prop_oneof![prop::collection::vec(wild(), 1..4), prop::collection::vec(life(3).prop_map(|life| life.samples()), 1..4)],
        cut: prop::sample::Index,
        begin: prop::sample::Index,
    ) {
        let times: Vec<i64> = replicas.iter().flatten().map(|sample| sample.0).collect();
        prop_assume!(!times.is_empty());
        let end = times.iter().max().unwrap() + 1;
        let ordered = |a: i64, b: i64| (a.min(b), a.max(b));
        let (a, b) = ordered(times[cut.index(times.len())], times[begin.index(times.len())]);
        let part = |from: i64, to: i64| -> Vec<_> {
            let known = streamed(&replicas, from - LOOKBACK_MS, to);
            known.into_iter().filter(|sample| sample.0 >= from).collect()
        };
        let joined = [part(a, b), part(b, end)].concat();
        prop_assert_eq!(&joined, &part(a, end));
        let all = streamed(&replicas, i64::MIN, i64::MAX);
        prop_assert_eq!(joined, all.into_iter().filter(|sample| sample.0 >= a).collect::<Vec<_>>());
    }

    #[test]
    fn one_replica_is_left_as_it_is(samples in wild()) {
        let all: Vec<_> = samples.iter().map(|sample| (sample.0, 0)).collect();
        prop_assert_eq!(streamed(&[samples], i64::MIN, i64::MAX), all);
    }

    #[test]
    fn times_ascend_and_samples_are_those_of_the_replicas(replicas in prop::collection::vec(wild(), 1..5)) {
        let kept = streamed(&replicas, i64::MIN, i64::MAX);
        prop_assert!(kept.windows(2).all(|pair| pair[0].0 < pair[1].0));
        prop_assert!(kept.iter().all(|&(at, rank)| replicas[rank].iter().any(|sample| sample.0 == at)));
    }

    /// While one of a pair scrapes without fail, samples are at most three intervals apart. Each further replica that
    /// fails right when it should stand in adds one.
    #[test]
    fn a_window_of_four_intervals_has_two_samples(
        mut lives in prop::collection::vec(life(4), 1..3),
        mut steady in life(0),
        place: prop::sample::Index,
    ) {
        steady.failed.clear();
        let first = steady.samples()[0].0;
        lives.insert(place.index(lives.len() + 1), steady);
        let replicas: Vec<Samples> = lives.iter().map(Life::samples).collect();
        let kept = streamed(&replicas, i64::MIN, i64::MAX);
        let most = (1 + replicas.len() as i64) * I + 5 * MAX_LATE;
        prop_assert!(longest_gap(&kept) <= most, "{}", longest_gap(&kept));
        // A stale marker would hide a target that is there.
        let is_hidden = |&(at, rank): &(i64, usize)| at > first && replicas[rank].contains(&(at, true));
        prop_assert!(!kept.iter().any(is_hidden));
    }

    /// All scrape one counter that grows by 1 a millisecond, and see it up to a scrape's length after the time that they
    /// write. A single replica would show its rate within length / interval; so does what is kept.
    #[test]
    fn a_counter_never_falls_and_its_rate_is_that_of_a_single_replica(
        lives in prop::collection::vec(life(4), 2..4),
        lengths in prop::collection::vec(0..I - MAX_LATE, 50),
    ) {
        let replicas: Vec<Samples> = lives.iter().map(Life::samples).collect();
        let seen = |&(at, rank): &(i64, usize)| (at, at + lengths[(at as usize / 7 + rank) % lengths.len()]);
        let kept = streamed(&replicas, i64::MIN, i64::MAX);
        let kept: Vec<_> = kept.iter().filter(|&&(at, rank)| replicas[rank].contains(&(at, false))).map(seen).collect();
        for pair in kept.windows(2) {
            let (time, value) = (pair[1].0 - pair[0].0, pair[1].1 - pair[0].1);
            prop_assert!(value >= 0, "{pair:?}");
            let off = (value as f64 / time as f64 - 1.0).abs();
            prop_assert!(off <= I as f64 / (I - 2 * MAX_LATE) as f64, "{pair:?}");
            prop_assert!(time >= I - 2 * MAX_LATE, "{pair:?}");
        }
    }
}

fn series(samples: &Samples, value: impl Fn(i64) -> f64) -> SeriesSamples {
    let stored = samples.iter().map(|&(at, is_stale)| if is_stale { stale_nan() } else { value(at) });
    SeriesSamples {
        labels: Labels::empty(),
        timestamps: samples.iter().map(|sample| sample.0).collect(),
        values: stored.collect(),
        starts: StartTimestamps::none(),
        histograms: Vec::new(),
    }
}

#[test]
fn series_keep_their_values_and_start_timestamps_and_what_is_before_the_range_is_left_out() {
    let mut first = series(&scrapes(0, 10 * MINUTE), |at| at as f64);
    let mut second = series(&scrapes(7 * SECOND, 20 * MINUTE), |at| -at as f64);
    first.starts = [(0, 5)].into_iter().collect();
    second.starts = [(0, 6), (15 * MINUTE, NO_START)].into_iter().collect();
    let labels = Labels::from_pairs([("__name__", "requests_total")]);
    let mut deduplicator = Deduplicator::new(5 * MINUTE);
    let one = deduplicator.merge(labels.clone(), vec![first.clone(), second.clone()]);
    let known = [scrapes(0, 10 * MINUTE), scrapes(7 * SECOND, 20 * MINUTE)];
    let expected: Vec<_> = kept(&known).into_iter().filter(|sample| sample.0 >= 5 * MINUTE).collect();
    assert_eq!(one.timestamps.to_vec(), expected.iter().map(|sample| sample.0).collect::<Vec<_>>());
    for ((at, rank), value) in expected.iter().zip(&one.values) {
        assert_eq!(*value, if *rank == 0 { *at as f64 } else { -*at as f64 });
        let start = if *rank == 0 {
            5
        } else if *at < 15 * MINUTE {
            6
        } else {
            NO_START
        };
        assert_eq!(one.starts.at(*at), start);
    }
    let again = deduplicator.merge(labels, vec![first, second.clone()]);
    assert!(std::sync::Arc::ptr_eq(&one.timestamps, &again.timestamps), "found out once");
    let tally = deduplicator.tally();
    assert_eq!((tally.groups, tally.switches, tally.counter_falls), (2, 2, 2));
    let read = 2 * known.iter().flatten().filter(|sample| sample.0 >= 5 * MINUTE).count();
    assert_eq!(tally.dropped as usize, read - 2 * expected.len());
    let alone = deduplicator.merge(Labels::empty(), vec![second]);
    assert_eq!((alone.timestamps[0], alone.values.len()), (5 * MINUTE + 7 * SECOND, alone.timestamps.len()));
}

#[test]
fn a_marker_of_one_series_does_not_hide_another_of_the_same_times() {
    let second = series(&scrapes(7 * SECOND, MINUTE), |_| 2.0);
    let first = series(&scrapes(0, MINUTE), |_| 1.0);
    let mut ended = first.clone();
    ended.values[2] = stale_nan();
    let mut deduplicator = Deduplicator::new(0);
    let whole = deduplicator.merge(Labels::empty(), vec![first, second.clone()]);
    let switched = deduplicator.merge(Labels::empty(), vec![ended, second]);
    assert_eq!(whole.values, [1.0; 4]);
    assert_eq!(switched.values, [1.0, 1.0, 2.0]);
}

#[test]
fn of_histograms_what_is_said_of_resets_goes_with_a_switch() {
    let histogram = |at: i64| {
        let histogram = IntegerHistogram { count: at as u64, ..IntegerHistogram::default() };
        let mut float: FloatHistogram = histogram.to_float();
        float.reset_hint = ResetHint::NoReset;
        HistogramSample::new(at, NativeHistogram::from(float))
    };
    let of = |samples: Samples| SeriesSamples {
        histograms: samples.iter().map(|sample| histogram(sample.0)).collect(),
        ..series(&Samples::new(), |_| 0.0)
    };
    let replicas = vec![of(scrapes(0, MINUTE)), of(scrapes(7 * SECOND, 3 * MINUTE))];
    let one = Deduplicator::new(0).merge(Labels::empty(), replicas);
    let known = [scrapes(0, MINUTE), scrapes(7 * SECOND, 3 * MINUTE)];
    let expected = kept(&known);
    assert_eq!(one.histograms.len(), expected.len());
    let mut before = 0;
    for (sample, (at, rank)) in one.histograms.iter().zip(expected) {
        let hint = if rank == before { ResetHint::NoReset } else { ResetHint::Unknown };
        assert_eq!((sample.timestamp, sample.histogram.to_float().reset_hint), (at, hint));
        before = rank;
    }
}
