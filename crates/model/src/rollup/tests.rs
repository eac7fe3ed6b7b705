//! Windows against what their definition gives sample by sample (DWN-1), and coarser windows against finer ones.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::histogram::{Buckets, CUSTOM_BUCKETS, IntegerHistogram, ResetHint};
use crate::{
    FloatHistogram, HistogramSample, Labels, NativeHistogram, Resolution, SeriesSamples, StartTimestamps,
    TimestampMs, is_stale, stale_nan,
};

const FIVE_MINUTES: i64 = 300_000;

pub(super) fn windows(resolution: Resolution) -> RollupWindows {
    RollupWindows::of(resolution).unwrap()
}

fn series(samples: &[(TimestampMs, f64)], histograms: Vec<HistogramSample>) -> SeriesSamples {
    SeriesSamples {
        labels: Labels::from_pairs([("__name__", "m")]),
        timestamps: samples.iter().map(|sample| sample.0).collect(),
        values: samples.iter().map(|sample| sample.1).collect(),
        starts: StartTimestamps::none(),
        histograms,
    }
}

/// Times of all stale markers.
fn markers(series: &SeriesSamples) -> Vec<TimestampMs> {
    let floats = series.samples().filter(|sample| is_stale(sample.value)).map(|sample| sample.timestamp);
    let histograms = series.histograms.iter().filter(|sample| sample.histogram.is_stale());
    floats.chain(histograms.map(|sample| sample.timestamp)).collect()
}

/// The end of a window, found by trying.
fn end_by_definition(at: TimestampMs, millis: i64) -> TimestampMs {
    let start = (at as f64 / millis as f64).floor() as i64 - 1;
    (start..).map(|number| number * millis).find(|end| end - millis < at && at <= *end).unwrap()
}

fn stale_by_definition(last_at: TimestampMs, markers: &[TimestampMs]) -> bool {
    let end = end_by_definition(last_at, FIVE_MINUTES);
    markers.iter().any(|&marker| last_at < marker && marker <= end)
}

/// The samples of each window.
pub(super) fn by_window<T: Clone>(samples: &[T], at: fn(&T) -> i64, millis: i64) -> BTreeMap<i64, Vec<T>> {
    let mut groups: BTreeMap<i64, Vec<T>> = BTreeMap::new();
    for sample in samples {
        groups.entry(end_by_definition(at(sample), millis)).or_default().push(sample.clone());
    }
    groups
}

/// What the definitions give, figure by figure.
fn floats_by_definition(series: &SeriesSamples, millis: i64) -> Vec<FloatRollup> {
    let samples: Vec<(i64, f64)> =
        series.samples().map(|one| (one.timestamp, one.value)).filter(|one| !is_stale(one.1)).collect();
    let markers = markers(series);
    let of = |(end, group): (i64, Vec<(i64, f64)>)| {
        let values: Vec<f64> = group.iter().map(|sample| sample.1).collect();
        let numbers: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
        // Of equal values the first, of nothing but NaNs the last.
        let extreme = |best: f64| match numbers.iter().find(|value| **value == best) {
            Some(first) => *first,
            None => *values.last().unwrap(),
        };
        let resets = values.windows(2).filter(|pair| pair[1] < pair[0]).map(|pair| pair[0]);
        let last_at = group.last().unwrap().0;
        FloatRollup {
            end,
            count: group.len() as u64,
            sum: neumaier(&values),
            min: extreme(numbers.iter().copied().fold(f64::INFINITY, f64::min)),
            max: extreme(numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max)),
            first: values[0],
            last: *values.last().unwrap(),
            first_at: group[0].0,
            last_at,
            correction: resets.fold(0.0, |sum, value| sum + value),
            is_stale: stale_by_definition(last_at, &markers),
        }
    };
    by_window(&samples, |sample| sample.0, millis).into_iter().map(of).collect()
}

/// As Prometheus's `kahansum.Inc` has it, and `sum_over_time` ends it.
fn neumaier(values: &[f64]) -> f64 {
    let (mut sum, mut lost) = (0.0_f64, 0.0);
    for &value in values {
        let total = sum + value;
        lost = match () {
            () if total.is_infinite() => 0.0,
            () if sum.abs() >= value.abs() => lost + ((sum - total) + value),
            () => lost + ((value - total) + sum),
        };
        sum = total;
    }
    if sum.is_infinite() { sum } else { sum + lost }
}

/// Equal but for the last digits, or both NaN. `size` is what was added up.
fn is_near(a: f64, b: f64, size: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= size * 1e-12
}

/// Equal in all but the last digits of what is added up.
fn assert_same(found: &[FloatRollup], expected: &[FloatRollup], size: f64) {
    assert_eq!(found.len(), expected.len(), "number of windows");
    for (found, expected) in found.iter().zip(expected) {
        let near =
            is_near(found.sum, expected.sum, size) && is_near(found.correction, expected.correction, size);
        let exact = FloatRollup { sum: expected.sum, correction: expected.correction, ..*found };
        assert!(near && exact == *expected, "{found:?} instead of {expected:?}");
    }
}

fn size_of_values(series: &SeriesSamples) -> f64 {
    series.values.iter().filter(|value| value.is_finite()).map(|value| value.abs()).sum()
}

#[test]
fn the_example_of_the_module() {
    let values = [3.0, 5.0, 1.0, 4.0, stale_nan(), 6.0, 7.0, 9.0, stale_nan()];
    let times = [1, 50_000, 100_000, 150_000, 300_000, 300_001, 400_000, 500_000, 700_000];
    let samples: Vec<(i64, f64)> = times.into_iter().zip(values).collect();
    let rollups = SeriesRollups::of(&series(&samples, vec![]), windows(Resolution::FiveMinutes));
    let window = |end, count, sum, min, max, first, last, first_at, last_at, correction, is_stale| {
        FloatRollup { end, count, sum, min, max, first, last, first_at, last_at, correction, is_stale }
    };
    let expected = [
        window(300_000, 4, 13.0, 1.0, 5.0, 3.0, 4.0, 1, 150_000, 5.0, true),
        window(600_000, 3, 22.0, 6.0, 9.0, 6.0, 9.0, 300_001, 500_000, 0.0, false),
    ];
    assert_eq!(rollups.floats.iter().collect::<Vec<_>>(), expected);
    assert_eq!(expected[0].increase(), 6.0);
}

#[test]
fn extremes_are_those_of_prometheus() {
    let of = |values: &[f64]| {
        let samples: Vec<(i64, f64)> = (1..).zip(values.iter().copied()).collect();
        let rollups = SeriesRollups::of(&series(&samples, vec![]), windows(Resolution::OneHour));
        let window = rollups.floats.get(0).unwrap();
        (window.min.to_bits(), window.max.to_bits())
    };
    let nan = |payload: u64| f64::from_bits(0x7ff8_0000_0000_0000 | payload);
    assert_eq!(of(&[nan(1), 2.0, 1.0, nan(2)]), (1f64.to_bits(), 2f64.to_bits()));
    assert_eq!(of(&[nan(1), nan(2)]), (nan(2).to_bits(), nan(2).to_bits()));
    assert_eq!(of(&[-0.0, 0.0]), ((-0f64).to_bits(), (-0f64).to_bits()));
    assert_eq!(of(&[1.0, f64::NEG_INFINITY]), (f64::NEG_INFINITY.to_bits(), 1f64.to_bits()));
}

#[test]
fn a_marker_of_either_kind_makes_stale_within_its_five_minutes() {
    let whole = |at| HistogramSample::new(at, FloatHistogram::default().into());
    let stale = |at| HistogramSample::new(at, NativeHistogram::stale());
    let both = |floats: &[(i64, f64)], histograms| {
        let rollups = SeriesRollups::of(&series(floats, histograms), windows(Resolution::OneHour));
        (rollups.floats.get(0).map(|window| window.is_stale), rollups.histograms.first().map(|w| w.is_stale))
    };
    assert_eq!(both(&[(1, 1.0)], vec![whole(2), stale(3)]), (Some(true), Some(true)));
    assert_eq!(
        both(&[(1, 1.0), (5, stale_nan())], vec![whole(2), stale(3), whole(4)]),
        (Some(true), Some(true))
    );
    assert_eq!(both(&[(1, stale_nan()), (4, 1.0)], vec![whole(2), stale(3)]), (Some(false), Some(true)));
    assert_eq!(both(&[(300_000, 1.0), (300_001, stale_nan())], vec![]), (Some(false), None));
    assert_eq!(both(&[(5, stale_nan())], vec![stale(3)]), (None, None));
}

/// Counter resets inside windows and between them add up to what `rate` takes the samples to have grown.
#[test]
fn increases_over_windows_are_those_over_samples() {
    let values = [10, 20, 5, 7, 1, 3, 3, 2, 8, 0, 4];
    let samples: Vec<(i64, f64)> = (1..).map(|at| at * 100_000).zip(values.map(f64::from)).collect();
    let raw = values.windows(2).map(|pair| if pair[1] < pair[0] { pair[1] } else { pair[1] - pair[0] });
    let floats = SeriesRollups::of(&series(&samples, vec![]), windows(Resolution::FiveMinutes)).floats;
    let rows: Vec<FloatRollup> = floats.iter().collect();
    let borders = rows.windows(2).filter(|pair| pair[1].first < pair[0].last).map(|pair| pair[0].last);
    let corrections: f64 = floats.corrections.iter().sum();
    let increase = rows.last().unwrap().last - rows[0].first + corrections + borders.sum::<f64>();
    assert_eq!(increase, f64::from(raw.sum::<i32>()));
}

fn any_float() -> impl Strategy<Value = f64> {
    prop_oneof![
        6 => (-50i32..50).prop_map(f64::from),
        3 => (-5_000i32..5_000).prop_map(|cents| f64::from(cents) / 100.0),
        2 => Just(stale_nan()),
        1 => prop_oneof![
            Just(f64::NAN), Just(f64::INFINITY), Just(f64::NEG_INFINITY), Just(-0.0), Just(0.0),
            Just(f64::from_bits(0x7ff8_0000_0000_0007)), Just(1e15), Just(-3e-9),
        ],
    ]
}

fn histogram(counts: [u64; 3], sum: f64, sort: u8) -> NativeHistogram {
    if sort == 0 {
        return NativeHistogram::stale();
    }
    let is_custom = sort == 6;
    let positive = Buckets::from_pairs((if is_custom { 0 } else { -1 }..).zip(counts));
    let histogram = IntegerHistogram {
        schema: if is_custom { CUSTOM_BUCKETS } else { i32::from(sort == 5) },
        custom_bounds: if is_custom { [1.0, 2.5].into() } else { [].into() },
        reset_hint: ResetHint::from_wire(i32::from(sort % 4)),
        sum,
        count: counts.iter().sum(),
        positive,
        ..IntegerHistogram::default()
    };
    if sort == 4 { histogram.to_float().into() } else { histogram.into() }
}

prop_compose! {
    /// Samples of both kinds with gaps of up to a day, one kind at a time.
    pub(super) fn any_series(custom: bool)(
        steps in prop::collection::vec(
            (prop_oneof![8 => 1i64..200_000, 2 => 1i64..4_000_000, 1 => 1i64..100_000_000],
             any_float(), 0u8..10, prop::array::uniform3(0u64..6), -20i32..20, 0..if custom { 7u8 } else { 6 }),
            0..120,
        ),
        kinds in 0u8..4,
    ) -> SeriesSamples {
        let (mut at, mut floats, mut histograms) = (-10_000_000, Vec::new(), Vec::new());
        for (step, value, kind, counts, sum, sort) in steps {
            at += step;
            let is_float = kinds == 0 || (kinds > 1 && kind < 5);
            if is_float {
                floats.push((at, value));
            } else {
                histograms.push(HistogramSample::new(at, histogram(counts, f64::from(sum) / 8.0, sort)));
            }
        }
        series(&floats, histograms)
    }
}

/// What the definitions give of the histograms.
fn histograms_by_definition(series: &SeriesSamples, millis: i64) -> Vec<HistogramRollup> {
    let samples: Vec<HistogramSample> =
        series.histograms.iter().filter(|sample| !sample.histogram.is_stale()).cloned().collect();
    let markers = markers(series);
    let of = |(end, group): (i64, Vec<HistogramSample>)| {
        let floats: Vec<_> = group.iter().map(|sample| sample.histogram.to_float()).collect();
        let add = |sum: FloatHistogram, next: &FloatHistogram| Some(sum.add(next).ok()?.0);
        let sum = floats.iter().skip(1).try_fold((*floats[0]).clone(), |sum, next| add(sum, next));
        let mut resets = floats.windows(2).filter(|pair| pair[1].is_reset_after(&pair[0]));
        let first = resets.next().map(|pair| (*pair[0]).clone()).filter(|_| sum.is_some());
        let correction = first.and_then(|first| resets.try_fold(first, |sum, pair| add(sum, &pair[0])));
        let last_at = group.last().unwrap().timestamp;
        HistogramRollup {
            end,
            count: group.len() as u64,
            first_at: group[0].timestamp,
            last_at,
            first: group[0].histogram.clone(),
            last: group.last().unwrap().histogram.clone(),
            correction: correction.map(|sum| FloatHistogram { reset_hint: ResetHint::Unknown, ..sum }.into()),
            sum: sum.map(Into::into),
            is_stale: stale_by_definition(last_at, &markers),
        }
    };
    by_window(&samples, |sample| sample.timestamp, millis).into_iter().map(of).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn windows_have_what_their_definition_says(series in any_series(true)) {
        for resolution in [Resolution::FiveMinutes, Resolution::OneHour, Resolution::OneDay] {
            let found = SeriesRollups::of(&series, windows(resolution));
            let millis = resolution.millis().unwrap();
            let floats: Vec<FloatRollup> = found.floats.iter().collect();
            let expected = floats_by_definition(&series, millis);
            prop_assert_eq!(floats.len(), found.floats.len());
            for (found, expected) in floats.iter().zip(&expected) {
                // NaNs that are computed have whatever bits the processor gives them.
                let same = |a: f64, b: f64| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan());
                prop_assert!(same(found.sum, expected.sum) && same(found.correction, expected.correction));
            }
            assert_same(&floats, &expected, 0.0);
            prop_assert_eq!(found.histograms, histograms_by_definition(&series, millis));
        }
    }

    #[test]
    fn coarser_windows_come_out_of_finer_ones_as_out_of_samples(series in any_series(false)) {
        let size = size_of_values(&series);
        let mut finer = SeriesRollups::of(&series, windows(Resolution::FiveMinutes));
        for resolution in [Resolution::OneHour, Resolution::OneDay] {
            let coarser = finer.coarsened(windows(resolution));
            let expected = SeriesRollups::of(&series, windows(resolution));
            let rows = |rollups: &SeriesRollups| rollups.floats.iter().collect::<Vec<_>>();
            assert_same(&rows(&coarser), &rows(&expected), size);
            prop_assert_eq!(&coarser.histograms, &expected.histograms);
            finer = coarser;
        }
    }

    #[test]
    fn mixed_buckets_stay_mixed_in_coarser_windows(series in any_series(true)) {
        let finer = SeriesRollups::of(&series, windows(Resolution::FiveMinutes));
        let coarser = finer.coarsened(windows(Resolution::OneHour)).histograms;
        prop_assert_eq!(coarser, SeriesRollups::of(&series, windows(Resolution::OneHour)).histograms);
    }
}
