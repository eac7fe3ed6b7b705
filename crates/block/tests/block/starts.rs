//! Start timestamps come back, and cost nothing where there are none.

use latewood_base::Offload;
use latewood_block::{ReaderConfig, SelectSpec, WriterConfig, verify};
use latewood_model::{SeriesSamples, StartTimestamps, TimeRange};
use proptest::prelude::*;

use crate::histograms::{latency, with};
use crate::support::{
    FOLDER, assert_same, block_of, bucket_of, expected, files, open, select, series, tiny, write,
};

/// A counter of `samples` scrapes with the start timestamps that `start` gives.
fn counter(name: &str, samples: i64, start: impl Fn(i64) -> i64) -> SeriesSamples {
    let all: Vec<(i64, f64)> = (0..samples).map(|at| (at * 15_000, at as f64)).collect();
    let starts = all.iter().map(|&(at, _)| (at, start(at))).collect();
    SeriesSamples { starts, ..series(&[("__name__", name), ("job", "x")], &all) }
}

/// None, one, one that changes, and another for each sample.
pub fn counters(samples: i64) -> Vec<SeriesSamples> {
    let mut all = vec![
        counter("a_none", samples, |_| 0),
        counter("b_one", samples, |_| -77),
        counter("c_restarted", samples, |at| if at < 300_000 { 0 } else { 299_000 }),
        counter("d_delta", samples, |at| at - 15_000),
        with(&[("__name__", "e_histogram")], latency(3, 40)),
        with(&[("__name__", "f_histogram")], latency(4, 40)),
    ];
    all[4].histograms.iter_mut().for_each(|sample| sample.start = 5);
    all[5].histograms.iter_mut().for_each(|sample| sample.start = sample.timestamp - 15_000);
    all
}

#[tokio::test]
async fn they_come_back_in_any_range() {
    let all = counters(100);
    let ranges = [
        TimeRange::ALL,
        TimeRange::new(290_000, 600_000),
        TimeRange::new(1_700_000_100_000, 1_700_000_200_000),
    ];
    for (config, memory) in [(WriterConfig::default(), 1 << 20), (tiny(), 1 << 20), (tiny(), 0)] {
        let reader = ReaderConfig { scrape_memory: memory, ..ReaderConfig::default() };
        let block = block_of(&all, config, reader).await;
        for range in ranges {
            assert_same(&select(&block, vec![], range).await.unwrap(), &expected(&all, &[], range));
        }
    }
}

#[tokio::test]
async fn who_does_not_want_them_gets_none() {
    use futures::TryStreamExt;

    let all = counters(100);
    let block = block_of(&all, tiny(), ReaderConfig::default()).await;
    let spec = SelectSpec { matchers: vec![], range: TimeRange::ALL, skip_samples: false, skip_starts: true };
    let batches: Vec<Vec<SeriesSamples>> = block.select(spec).try_collect().await.unwrap();
    let mut without = all;
    for one in &mut without {
        one.starts = StartTimestamps::none();
        one.histograms.iter_mut().for_each(|sample| sample.start = 0);
    }
    assert_same(&batches.into_iter().flatten().collect::<Vec<_>>(), &without);
}

#[test]
fn samples_without_any_cost_no_bytes_and_a_constant_one_next_to_none() {
    let bytes = |start: fn(i64) -> i64| {
        let dir = tempfile::tempdir().unwrap();
        let all: Vec<_> = (0..20).map(|n| counter(&format!("m_{n:02}"), 20_000, start)).collect();
        write(dir.path(), &all, WriterConfig::default(), &|_| None);
        files(dir.path()).into_iter().map(|(_, file)| file.len()).sum::<usize>()
    };
    let (none, one, each) = (bytes(|_| 0), bytes(|_| 1_600_000_000_000), bytes(|at| at - 15_000));
    println!("{none} bytes without, {one} with a constant start, {each} with another for each sample");
    assert!(one < none + 4_000 && each < none + 400_000 / 4, "{none} {one} {each}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Whatever the samples and their starts, all come back, and verify finds nothing.
    #[test]
    fn any_starts_come_back(
        runs in prop::collection::vec(
            prop::collection::btree_map(-40i64..40, prop_oneof![2 => Just(0), 2 => 1..3_i64, 1 => any::<i64>()], 0..60), 1..8),
        (start, end) in (-45i64..45, -45i64..45),
    ) {
        let all: Vec<SeriesSamples> = runs.into_iter().enumerate().map(|(n, run)| SeriesSamples {
            starts: run.iter().map(|(&at, &start)| (at, start)).collect(),
            ..series(&[("__name__", "m"), ("n", &n.to_string())], &run.keys().map(|&at| (at, 0.5)).collect::<Vec<_>>())
        }).collect();
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &all, tiny(), &|_| None);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let bucket = bucket_of(&files(dir.path())).await;
            let block = open(&bucket, ReaderConfig::default()).await.unwrap();
            for range in [TimeRange::ALL, TimeRange::new(start, end)] {
                assert_same(&select(&block, vec![], range).await.unwrap(), &expected(&all, &[], range));
            }
            let report = verify(&bucket, FOLDER, &Offload::new(1)).await.unwrap();
            assert!(report.is_whole(), "{report}");
        });
    }
}
