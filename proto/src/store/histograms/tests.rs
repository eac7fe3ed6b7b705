use latewood_model::histogram::CUSTOM_BUCKETS;
use latewood_model::{Labels, SeriesSamples};
use proptest::prelude::*;

use super::*;
use crate::store::SelectBatch;
use crate::store::convert::{batch_of_frame, frame_of_batch};
use crate::store::wire::SelectFrame;

fn buckets<C: BucketCount>(count: impl Strategy<Value = C>) -> impl Strategy<Value = Buckets<C>> {
    let index = prop_oneof![4 => -3..6_i32, 1 => any::<i32>()];
    prop::collection::btree_map(index, count, 0..6).prop_map(Buckets::from_pairs)
}

fn histogram<C: BucketCount>(count: fn() -> BoxedStrategy<C>) -> impl Strategy<Value = NativeHistogram>
where
    Histogram<C>: Into<NativeHistogram>,
{
    let schema = prop_oneof![3 => Just(2), 1 => Just(CUSTOM_BUCKETS)];
    let fields = (schema, prop_oneof![Just(0.0), Just(1e-128)], any::<u64>(), 0..4_i32);
    (fields, count(), count(), buckets(count()), buckets(count())).prop_map(
        |((schema, zero_threshold, sum, hint), count, zero_count, positive, negative)| {
            let custom_bounds = if schema == CUSTOM_BUCKETS { Arc::from([0.1, 2.5]) } else { Arc::default() };
            let reset_hint = ResetHint::from_wire(hint);
            let sum = f64::from_bits(sum);
            Histogram {
                schema,
                zero_threshold,
                custom_bounds,
                reset_hint,
                sum,
                count,
                zero_count,
                positive,
                negative,
            }
            .into()
        },
    )
}

pub(in crate::store) fn native() -> impl Strategy<Value = NativeHistogram> {
    let integers = || prop_oneof![0..50_u64, any::<u64>()].boxed();
    let floats =
        || prop_oneof![(0..50_i32).prop_map(f64::from), any::<u64>().prop_map(f64::from_bits)].boxed();
    prop_oneof![histogram::<u64>(integers), histogram::<f64>(floats), Just(NativeHistogram::stale())]
}

fn run() -> impl Strategy<Value = Vec<HistogramSample>> {
    let started = (native(), prop_oneof![3 => 0..2_i64, 1 => any::<i64>()]);
    prop::collection::btree_map(any::<i64>(), started, 0..8).prop_map(|samples| {
        let sample = |(timestamp, (histogram, start))| HistogramSample { timestamp, histogram, start };
        samples.into_iter().map(sample).collect()
    })
}

/// A frame of a series for each run.
fn frame(runs: impl IntoIterator<Item = Vec<HistogramSample>>) -> SelectFrame {
    let series = runs.into_iter().map(|histograms| {
        let labels = Labels::from_pairs([("__name__", "h")]);
        let (timestamps, values, starts) = Default::default();
        SeriesSamples { labels, timestamps, values, starts, histograms }
    });
    frame_of_batch(SelectBatch { series: series.collect(), ..SelectBatch::default() })
}

proptest! {
    #[test]
    fn histograms_come_back_bit_for_bit(runs in prop::collection::vec(run(), 1..4)) {
        let back = batch_of_frame(frame(runs.clone())).unwrap();
        let back: Vec<_> = back.series.into_iter().map(|one| one.histograms).collect();
        prop_assert_eq!(back, runs);
    }
}

#[test]
fn histograms_of_one_layout_share_it_and_cost_little() {
    let run: Vec<_> = (0..100_u64)
        .map(|at| {
            let positive = Buckets::from_pairs((0..40).map(|bucket| (bucket, 1000 + at * 3)));
            let histogram = Histogram { count: 40 * (1000 + at * 3), positive, ..Histogram::default() };
            HistogramSample::new(at as i64 * 15_000, histogram.into())
        })
        .collect();
    let frame = frame([run.clone()]);
    assert_eq!(frame.layouts.len(), 1);
    assert!(prost::Message::encoded_len(&frame) < 100 * 65);
    let back = &batch_of_frame(frame).unwrap().series[0].histograms;
    let layout = |sample: &HistogramSample| match &sample.histogram {
        NativeHistogram::Integer(histogram) => Arc::clone(histogram.positive.layout()),
        NativeHistogram::Float(_) => panic!("integer"),
    };
    assert!(Arc::ptr_eq(&layout(&back[0]), &layout(&back[99])));
    assert_eq!(*back, run);
}

#[test]
fn columns_that_do_not_fit_are_refused() {
    let histogram = NativeHistogram::from(Histogram {
        count: 3_u64,
        positive: Buckets::from_pairs([(1, 3)]),
        ..Histogram::default()
    });
    let good = frame([vec![HistogramSample::new(5, histogram)]]);
    assert!(batch_of_frame(good.clone()).is_ok());
    let broken = |change: fn(&mut Histograms)| {
        let mut frame = good.clone();
        change(frame.series[0].histograms.as_mut().unwrap());
        batch_of_frame(frame).is_err()
    };
    assert!(broken(|columns| columns.layouts[0] = 1));
    assert!(broken(|columns| columns.times.push(1)));
    assert!(broken(|columns| columns.integers.truncate(2)));
    assert!(broken(|columns| columns.integers.push(0)));
    assert!(broken(|columns| columns.floats.push(0.0)));
    let mut frame = good.clone();
    frame.layouts[0].positive = vec![4, -1];
    assert!(batch_of_frame(frame).is_err());
}
