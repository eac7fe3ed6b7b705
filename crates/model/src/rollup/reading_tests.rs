//! Windows joined, cut and thinned, against what that means window by window.

use std::sync::Arc;

use proptest::prelude::*;

use super::tests::{any_series, by_window, windows};
use super::*;
use crate::histogram::ResetHint;
use crate::{HistogramSample, Labels, NativeHistogram, Resolution, Sample, TimeRange, TimestampMs, is_stale};

fn floats(windows: &[(TimestampMs, u64, f64)]) -> SeriesRollups {
    let floats = windows.iter().map(|&(end, count, last)| FloatRollup {
        count,
        last,
        ..FloatRollup::one(end, end, 0.0)
    });
    SeriesRollups { floats: floats.collect(), ..SeriesRollups::default() }
}

fn told(rollups: &SeriesRollups) -> Vec<(TimestampMs, f64)> {
    rollups.floats.iter().map(|window| (window.end, window.last)).collect()
}

fn rows(rollups: &SeriesRollups) -> (Vec<FloatRollup>, &[HistogramRollup]) {
    let rows: Vec<FloatRollup> = rollups.floats.iter().collect();
    assert_eq!(rows.len(), rollups.floats.len());
    (rows, &rollups.histograms)
}

/// The windows that a run is given, by what `run_of` says of their ends.
fn run(whole: &SeriesRollups, is_of_it: impl Fn(TimestampMs) -> bool) -> SeriesRollups {
    let floats = whole.floats.iter().filter(|window| is_of_it(window.end)).collect();
    let histograms = whole.histograms.iter().filter(|window| is_of_it(window.end)).cloned().collect();
    SeriesRollups { labels: whole.labels.clone(), floats, histograms }
}

#[test]
fn of_windows_with_the_same_end_the_fuller_one_stays_then_that_of_the_earlier_run() {
    let a = floats(&[(10, 2, 1.0), (20, 3, 1.0), (30, 2, 1.0)]);
    let b = floats(&[(0, 1, 2.0), (10, 3, 2.0), (20, 2, 2.0), (30, 2, 2.0), (40, 1, 2.0)]);
    let joined = SeriesRollups::joined(vec![a.clone(), b.clone()]).unwrap();
    assert_eq!(told(&joined), [(0, 2.0), (10, 2.0), (20, 1.0), (30, 1.0), (40, 2.0)]);
    let joined = SeriesRollups::joined(vec![b.clone(), a.clone()]).unwrap();
    assert_eq!(told(&joined), [(0, 2.0), (10, 2.0), (20, 1.0), (30, 2.0), (40, 2.0)]);
    let without = |mut run: SeriesRollups| {
        run.floats.counts.clear();
        run
    };
    let joined = SeriesRollups::joined(vec![without(a), without(b)]).unwrap();
    assert_eq!(joined.floats.lasts, [2.0, 1.0, 1.0, 1.0, 2.0]);
    assert!(joined.floats.counts.is_empty() && SeriesRollups::joined(Vec::new()).is_none());
}

#[test]
fn a_column_that_one_run_lacks_is_a_column_of_none() {
    let mut lacking = floats(&[(10, 2, 1.0), (30, 2, 1.0)]);
    lacking.floats.sums.clear();
    for ends in [[40, 50], [20, 50]] {
        let other = floats(&ends.map(|end| (end, 1, 2.0)));
        for runs in [vec![lacking.clone(), other.clone()], vec![other, lacking.clone()]] {
            let joined = SeriesRollups::joined(runs).unwrap().floats;
            assert_eq!((joined.sums.len(), joined.mins.len(), joined.len()), (0, 4, 4));
        }
    }
}

#[test]
fn series_that_shared_times_still_do() {
    let (a, b) = (floats(&[(10, 1, 1.0)]), floats(&[(20, 1, 1.0)]));
    let mut times = crate::JoinedTimes::default();
    let mut join = || SeriesRollups::joined_sharing(vec![b.clone(), a.clone()], &mut times).unwrap().floats;
    let (one, other) = (join(), join());
    assert!(Arc::ptr_eq(&one.ends, &other.ends) && Arc::ptr_eq(&one.last_at, &other.last_at));
    assert_eq!(*one.ends, [10, 20]);
}

#[test]
fn a_thinned_histogram_says_nothing_of_resets() {
    let histogram = crate::FloatHistogram { reset_hint: ResetHint::NoReset, ..Default::default() };
    let sample = HistogramSample::new(5, histogram.into());
    let series = crate::SeriesSamples {
        labels: Labels::empty(),
        timestamps: [7].into(),
        values: vec![1.0],
        starts: [(7, 3)].into_iter().collect(),
        histograms: vec![HistogramSample { start: 3, ..sample }],
    };
    let thinned = SeriesRollups::of(&series, windows(Resolution::OneHour)).thinned();
    assert!(thinned.starts.is_empty() && thinned.histograms[0].start == crate::NO_START);
    let NativeHistogram::Float(found) = &thinned.histograms[0].histogram else { panic!("it was a float") };
    assert_eq!((found.reset_hint, &*thinned.timestamps), (ResetHint::Unknown, &[7][..]));
}

proptest! {
    #[test]
    fn runs_make_the_whole_again(
        series in any_series(true),
        cuts in prop::array::uniform2(-10_000_000i64..100_000_000),
        scattered in prop::collection::vec(0usize..3, 40),
    ) {
        let whole = SeriesRollups::of(&series, windows(Resolution::FiveMinutes));
        let (early, late) = (cuts[0].min(cuts[1]), cuts[0].max(cuts[1]));
        let pieces = vec![
            run(&whole, |end| late < end),
            run(&whole, |end| end <= early),
            run(&whole, |end| early < end && end <= late),
        ];
        let place = |end: i64| scattered[(end / 300_000).rem_euclid(40) as usize];
        let mixed: Vec<_> = (0..3).map(|number| run(&whole, |end| place(end) == number)).collect();
        for runs in [pieces, mixed] {
            let joined = SeriesRollups::joined(runs).unwrap();
            prop_assert_eq!(&joined.labels, &whole.labels);
            prop_assert_eq!(rows(&joined), rows(&whole));
        }
    }

    #[test]
    fn what_is_within_ends_in_the_range(
        series in any_series(true), start in -11_000_000i64..20_000_000, length in -1_000i64..20_000_000,
    ) {
        let whole = SeriesRollups::of(&series, windows(Resolution::FiveMinutes));
        let range = TimeRange::new(start, start + length);
        let found = whole.clone().within(range);
        let expected = run(&whole, |end| range.contains(end));
        prop_assert_eq!(rows(&found), rows(&expected));
        let all = whole.clone().within(TimeRange::ALL);
        prop_assert!(Arc::ptr_eq(&all.floats.ends, &whole.floats.ends));
    }

    #[test]
    fn thinned_is_the_last_sample_of_each_window(series in any_series(true)) {
        let millis = 300_000;
        let thinned = SeriesRollups::of(&series, windows(Resolution::FiveMinutes)).thinned();
        let values: Vec<Sample> = series.samples().filter(|sample| !is_stale(sample.value)).collect();
        let lasts = by_window(&values, |sample| sample.timestamp, millis);
        let expected = lasts.values().map(|group| group[group.len() - 1]);
        let bits = |sample: Sample| (sample.timestamp, sample.value.to_bits());
        prop_assert!(thinned.samples().map(bits).eq(expected.map(bits)));
        let histograms = series.histograms.iter().filter(|sample| !sample.histogram.is_stale());
        let histograms: Vec<HistogramSample> = histograms.cloned().collect();
        let lasts = by_window(&histograms, |sample| sample.timestamp, millis);
        let expected = lasts.values().map(|group| {
            let last = group[group.len() - 1].clone();
            HistogramSample { histogram: last.histogram.without_hint(), ..last }
        });
        prop_assert!(thinned.histograms.iter().cloned().eq(expected));
    }
}
