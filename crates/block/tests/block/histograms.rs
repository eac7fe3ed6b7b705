//! Native histograms come back bit for bit, whatever their buckets do.

use std::sync::Arc;

use latewood_base::Offload;
use latewood_block::{ReaderConfig, WriterConfig, verify};
use latewood_model::histogram::{
    BucketCount, Buckets, CUSTOM_BUCKETS, FloatHistogram, Histogram, IntegerHistogram, ResetHint,
};
use latewood_model::{HistogramSample, NativeHistogram, SeriesSamples, TimeRange, stale_nan};
use proptest::prelude::*;

use crate::support::{
    FOLDER, assert_same, block_of, bucket_of, expected, files, open, select, series, tiny, write,
};

fn at(timestamp: i64, histogram: impl Into<NativeHistogram>) -> HistogramSample {
    HistogramSample::new(timestamp, histogram.into())
}

pub fn with(labels: &[(&str, &str)], histograms: Vec<HistogramSample>) -> SeriesSamples {
    SeriesSamples { histograms, ..series(labels, &[]) }
}

fn noise(n: u64) -> u64 {
    n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33
}

/// A latency histogram of 46 buckets and some 60 observations a scrape; the reset hint is unknown only at
/// first.
pub fn latency(seed: u64, scrapes: u64) -> Vec<HistogramSample> {
    let mut counts: Vec<u64> = (0..46).map(|bucket| 50 * (24 - u64::abs_diff(bucket, 23))).collect();
    let mut sum = 0.0;
    let histogram = |scrape: u64| {
        for (bucket, count) in (0..).zip(&mut counts) {
            let busy = 24 - u64::abs_diff(bucket, 23);
            *count += noise(seed * 7919 + scrape * 64 + bucket) % (busy / 4 + 1);
            sum += *count as f64 * 0.001_37;
        }
        let histogram = IntegerHistogram {
            schema: 3,
            zero_threshold: 2f64.powi(-128),
            reset_hint: if scrape == 0 { ResetHint::Unknown } else { ResetHint::NoReset },
            sum,
            count: counts.iter().sum::<u64>() + 3,
            zero_count: 3,
            positive: Buckets::from_pairs((-30..).zip(counts.iter().copied())),
            ..IntegerHistogram::default()
        };
        at(1_700_000_000_000 + scrape as i64 * 15_000, histogram)
    };
    (0..scrapes).map(histogram).collect()
}

/// One of each sort.
pub fn odd_histograms() -> Vec<SeriesSamples> {
    let integer = IntegerHistogram {
        schema: -4,
        zero_threshold: 1e-128,
        reset_hint: ResetHint::Reset,
        sum: f64::from_bits(0x7ff8_0000_0000_0001),
        count: u64::MAX,
        zero_count: 1 << 63,
        positive: Buckets::from_pairs([(i32::MIN, 1), (-1, 2), (i32::MAX, 3)]),
        negative: Buckets::from_pairs([(-1, 9), (0, u64::MAX)]),
        ..IntegerHistogram::default()
    };
    let float = FloatHistogram {
        schema: CUSTOM_BUCKETS,
        custom_bounds: [-1.0, 0.1, 2.5].into(),
        reset_hint: ResetHint::Gauge,
        sum: -0.0,
        count: 0.1 + 0.2,
        positive: Buckets::from_pairs([(0, 5e-324), (1, f64::NAN), (3, f64::INFINITY)]),
        ..FloatHistogram::default()
    };
    let whole = FloatHistogram { sum: 7.0, count: 2.0, zero_count: 2.0, ..FloatHistogram::default() };
    let stale_count = FloatHistogram { count: stale_nan(), ..FloatHistogram::default() };
    let both = SeriesSamples {
        histograms: vec![at(2, whole.clone()), at(3, NativeHistogram::stale()), at(5, whole.clone())],
        ..series(&[("__name__", "both")], &[(1, 1.0), (4, stale_nan()), (6, 0.5)])
    };
    let mixed = vec![
        at(i64::MIN, integer.clone()),
        at(-1, NativeHistogram::stale()),
        at(0, float),
        at(1, stale_count),
        at(2, IntegerHistogram::default()),
        at(3, whole),
        at(i64::MAX, integer),
    ];
    vec![with(&[], mixed.clone()), both, with(&[("__name__", "mixed")], mixed)]
}

#[tokio::test]
async fn histograms_of_every_sort_come_back_beside_floats() {
    let mut all = odd_histograms();
    all.push(with(&[("__name__", "slow")], latency(1, 50)));
    all.push(series(&[("__name__", "up")], &[(1, 1.0), (2, 0.0)]));
    let ranges = [
        TimeRange::ALL,
        TimeRange::new(2, 5),
        TimeRange::new(1_700_000_100_000, 1_700_000_200_000),
        TimeRange::new(7, 8),
    ];
    for (config, memory) in [(WriterConfig::default(), 1 << 20), (tiny(), 1 << 20), (tiny(), 0)] {
        let reader = ReaderConfig { scrape_memory: memory, ..ReaderConfig::default() };
        let block = block_of(&all, config, reader).await;
        assert_eq!((block.meta().histograms, block.meta().samples), (3 + 7 + 7 + 50, 5));
        for range in ranges {
            assert_same(&select(&block, vec![], range).await.unwrap(), &expected(&all, &[], range));
        }
    }
}

#[tokio::test]
async fn a_whole_block_verifies_and_wrong_rows_are_named() {
    let all = [with(&[("__name__", "h")], latency(3, 40)), odd_histograms().remove(1)];
    let all: Vec<SeriesSamples> = all.into_iter().rev().collect();
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &all, tiny(), &|_| None);
    let whole = files(dir.path());
    let report = verify(&bucket_of(&whole).await, FOLDER, &Offload::new(1)).await.unwrap();
    assert!(report.is_whole() && report.histograms == 43 && report.samples == 3, "{report}");
    for (at, (name, body)) in whole.iter().enumerate().filter(|(_, (name, _))| name.starts_with("hist/")) {
        for step in 0..16 {
            let mut damaged = whole.clone();
            damaged[at].1[(body.len() - 1) * step / 15] ^= 0x10;
            let bucket = bucket_of(&damaged).await;
            if let Ok(block) = open(&bucket, ReaderConfig::default()).await
                && let Ok(found) = select(&block, vec![], TimeRange::ALL).await
            {
                assert_same(&found, &all);
            }
            let report = verify(&bucket, FOLDER, &Offload::new(1)).await.unwrap();
            assert!(report.problems.iter().any(|problem| problem.file == *name), "{report}");
        }
    }
}

/// The aim is 23 bytes a histogram of 46 buckets, times and all.
#[tokio::test]
async fn a_histogram_of_46_buckets_takes_few_bytes() {
    let name = |number: u64| format!("host-{number:02}");
    let all: Vec<SeriesSamples> = (0..20)
        .map(|number| with(&[("__name__", "latency"), ("instance", &name(number))], latency(number, 480)))
        .collect();
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &all, WriterConfig::default(), &|_| None);
    let bucket = bucket_of(&files(dir.path())).await;
    println!("{}", latewood_block::inspect(&bucket, FOLDER).await.unwrap());
    let block = open(&bucket, ReaderConfig::default()).await.unwrap();
    let bytes = block.meta().bytes() as f64 / block.meta().histograms as f64;
    println!("{bytes:.1} bytes a histogram");
    assert!(bytes < 28.0, "{bytes}");
    assert_same(&select(&block, vec![], TimeRange::ALL).await.unwrap(), &all);
}

#[test]
fn histograms_out_of_order_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let header = crate::support::header();
    let mut writer =
        latewood_block::BlockWriter::create(dir.path(), header, WriterConfig::default()).unwrap();
    let twice =
        with(&[("__name__", "h")], vec![at(1, NativeHistogram::stale()), at(1, NativeHistogram::stale())]);
    assert!(writer.push(&twice, None).unwrap_err().to_string().contains("ascend"));
}

fn buckets<C: BucketCount>(count: impl Strategy<Value = C>) -> impl Strategy<Value = Buckets<C>> {
    let index = prop_oneof![8 => -5..20_i32, 1 => any::<i32>()];
    prop::collection::btree_map(index, count, 0..8).prop_map(Buckets::from_pairs)
}

fn histogram<C: BucketCount>(count: fn() -> BoxedStrategy<C>) -> impl Strategy<Value = Histogram<C>> {
    let schema = prop_oneof![3 => Just(2), 1 => Just(CUSTOM_BUCKETS)];
    let fields = (schema, prop_oneof![3 => Just(1e-128), 1 => Just(0.0)], any::<f64>(), 1..4_i32);
    (fields, count(), count(), buckets(count()), buckets(count())).prop_map(
        |((schema, zero_threshold, sum, hint), count, zero_count, positive, negative)| Histogram {
            schema,
            zero_threshold,
            custom_bounds: if schema == CUSTOM_BUCKETS { Arc::from([0.1, 2.5]) } else { Arc::default() },
            reset_hint: ResetHint::from_wire(hint),
            sum,
            count,
            zero_count,
            positive,
            negative,
        },
    )
}

fn native() -> impl Strategy<Value = NativeHistogram> {
    let integers = || prop_oneof![4 => 0..50_u64, 1 => any::<u64>()].boxed();
    let floats =
        || prop_oneof![(0..50_i32).prop_map(f64::from), any::<u64>().prop_map(f64::from_bits)].boxed();
    prop_oneof![
        3 => histogram::<u64>(integers).prop_map(NativeHistogram::from),
        2 => histogram::<f64>(floats).prop_map(NativeHistogram::from),
        1 => Just(NativeHistogram::stale()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_histograms_come_back(
        runs in prop::collection::vec(prop::collection::btree_map(0..60i64, native(), 1..30), 1..6),
        floats in prop::collection::btree_set(100..140i64, 0..10),
        (start, end) in (0i64..60, 0i64..140),
    ) {
        let all: Vec<SeriesSamples> = runs.into_iter().enumerate().map(|(n, run)| SeriesSamples {
            histograms: run.into_iter().map(|(timestamp, histogram)| at(timestamp, histogram)).collect(),
            ..series(&[("__name__", "h"), ("n", &n.to_string())], &floats.iter().map(|&at| (at, 1.5)).collect::<Vec<_>>())
        }).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let block = block_of(&all, tiny(), ReaderConfig::default()).await;
            for range in [TimeRange::ALL, TimeRange::new(start, end)] {
                assert_same(&select(&block, vec![], range).await.unwrap(), &expected(&all, &[], range));
            }
        });
    }
}
