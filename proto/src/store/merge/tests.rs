use std::collections::BTreeMap;
use std::sync::Arc;

use latewood_base::Kinded;
use latewood_model::{
    Labels, Resolution, RollupWindows, SeriesRollups, StartTimestamps, TimestampMs, preferred_started,
    stale_nan,
};
use proptest::prelude::*;

use super::*;

type SharedTimes = Arc<[TimestampMs]>;

fn series(labels: &[(&str, &str)], samples: &[(i64, f64)]) -> SeriesSamples {
    SeriesSamples {
        labels: Labels::from_pairs(labels.iter().copied()),
        timestamps: samples.iter().map(|sample| sample.0).collect(),
        values: samples.iter().map(|sample| sample.1).collect(),
        starts: StartTimestamps::none(),
        histograms: Vec::new(),
    }
}

fn source(batches: Vec<Vec<SeriesSamples>>) -> SeriesStream {
    stream::iter(batches.into_iter().map(Ok)).boxed()
}

async fn collect(merged: SeriesStream) -> Result<Vec<SeriesSamples>, StoreError> {
    let batches: Vec<_> = merged.collect().await;
    let mut all = Vec::new();
    for batch in batches {
        all.extend(batch?);
    }
    Ok(all)
}

/// Times, bits and start timestamps.
fn started_bits(series: &SeriesSamples) -> Vec<(i64, u64, TimestampMs)> {
    bits(series).into_iter().map(|(at, bits)| (at, bits, series.starts.at(at))).collect()
}

fn bits(series: &SeriesSamples) -> Vec<(i64, u64)> {
    let samples = series.samples();
    samples.map(|sample| (sample.timestamp, sample.value.to_bits())).collect()
}

#[tokio::test]
async fn series_come_in_storage_order_and_ties_are_decided_by_the_rule() {
    let nan = f64::from_bits(0x7ff8_0000_0000_0042);
    let merged = merge_series(
        vec![
            source(vec![
                vec![series(&[("__name__", "a"), ("z", "1")], &[(1, 1.0), (2, stale_nan())])],
                vec![],
                vec![series(&[("__name__", "b"), ("A", "1")], &[(5, 5.0)])],
            ]),
            source(vec![vec![
                series(&[("__name__", "a"), ("z", "1")], &[(2, 2.0), (3, nan)]),
                series(&[("__name__", "b"), ("A", "1")], &[(7, 7.0)]),
                series(&[("__name__", "b"), ("B", "1")], &[(0, 0.0)]),
            ]]),
        ],
        BatchBounds { series: 2, samples: 100 },
    );
    let all = collect(merged).await.unwrap();
    let names: Vec<String> = all.iter().map(|one| one.labels.to_string()).collect();
    assert_eq!(names, [r#"{__name__="a", z="1"}"#, r#"{A="1", __name__="b"}"#, r#"{B="1", __name__="b"}"#]);
    let expected = [(1, 1.0), (2, 2.0), (3, nan)].map(|(at, value)| (at, f64::to_bits(value)));
    assert_eq!(bits(&all[0]), expected);
    assert_eq!(bits(&all[1]), [(5, 5f64.to_bits()), (7, 7f64.to_bits())]);
}

#[tokio::test]
async fn a_source_that_fails_or_is_out_of_order_ends_the_merge() {
    let good = || source(vec![vec![series(&[("a", "1")], &[(1, 1.0)])]]);
    let failing = stream::iter([Err(StoreError::StaleView { min_version: 4 })]).boxed();
    let error = collect(merge_series(vec![good(), failing], BatchBounds::default())).await;
    assert!(matches!(error, Err(StoreError::StaleView { min_version: 4 })));
    let swapped = source(vec![vec![series(&[("b", "1")], &[]), series(&[("a", "1")], &[])]]);
    let error = collect(merge_series(vec![good(), swapped], BatchBounds::default())).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Corrupt);
}

#[tokio::test]
async fn shared_times_are_still_shared_after_a_join() {
    let (early, late): (SharedTimes, SharedTimes) = ([1, 2].into(), [3, 4].into());
    let half = |times: &SharedTimes| {
        let one = |job: &str| SeriesSamples {
            labels: Labels::from_pairs([("job", job)]),
            timestamps: Arc::clone(times),
            values: vec![0.0, 1.0],
            starts: StartTimestamps::none(),
            histograms: Vec::new(),
        };
        source(vec![vec![one("a"), one("b")]])
    };
    let all = collect(merge_series(vec![half(&late), half(&early)], BatchBounds::default()));
    let all = all.await.unwrap();
    assert_eq!(*all[0].timestamps, [1, 2, 3, 4]);
    assert!(Arc::ptr_eq(&all[0].timestamps, &all[1].timestamps));
}

#[tokio::test]
async fn dropping_the_merge_drops_sources_that_work_ahead() {
    let (dropped, was_dropped) = tokio::sync::oneshot::channel::<()>();
    let endless = stream::unfold(dropped, |held| async move {
        std::future::pending::<()>().await;
        Some((Ok(Vec::<SeriesSamples>::new()), held))
    });
    drop(merge_series(vec![work_ahead(endless.boxed())], BatchBounds::default()));
    assert!(was_dropped.await.is_err());
}

proptest! {
    /// However samples are spread over sources, the merge equals a map filled by the tie rule.
    #[test]
    fn any_spread_gives_the_same_series(
        rows in prop::collection::vec((0usize..4, 0u8..5, 0i64..20, 0u8..4, 0i64..3), 0..200),
        bound in 1usize..5,
    ) {
        let value = |code: u8| if code == 0 { stale_nan() } else { f64::from(code) };
        type Map = BTreeMap<(u8, i64), (f64, TimestampMs)>;
        let (mut expected, mut parts) = (Map::new(), vec![Map::new(); 4]);
        for (part, name, at, code, start) in rows {
            for map in [&mut expected, &mut parts[part]] {
                let entry = map.entry((name, at)).or_insert((value(code), start));
                *entry = preferred_started(*entry, (value(code), start));
            }
        }
        let stream_of = |map: &Map| {
            let mut by_name: BTreeMap<u8, (Vec<(i64, f64)>, StartTimestamps)> = BTreeMap::new();
            for (&(name, at), &(value, start)) in map {
                let (samples, starts) = by_name.entry(name).or_default();
                samples.push((at, value));
                starts.push(at, start);
            }
            let one = |(name, (samples, starts)): (u8, (Vec<(i64, f64)>, _))| {
                vec![SeriesSamples { starts, ..series(&[("__name__", &name.to_string())], &samples) }]
            };
            source(by_name.into_iter().map(one).collect())
        };
        let merged = merge_series(
            parts.iter().map(stream_of).collect(),
            BatchBounds { series: bound, samples: 7 },
        );
        let all = futures::executor::block_on(collect(merged)).unwrap();
        let want = futures::executor::block_on(collect(stream_of(&expected))).unwrap();
        let pairs = |all: &[SeriesSamples]| -> Vec<_> {
            all.iter().map(|one| (one.labels.to_string(), started_bits(one))).collect()
        };
        prop_assert_eq!(pairs(&all), pairs(&want));
    }
}

#[tokio::test]
async fn histograms_are_merged_and_beat_floats() {
    use latewood_model::histogram::IntegerHistogram;
    use latewood_model::{HistogramSample, NativeHistogram};

    let histogram =
        |count: u64| NativeHistogram::from(IntegerHistogram { count, ..IntegerHistogram::default() });
    let with = |floats: &[(i64, f64)], histograms: &[(i64, NativeHistogram)]| SeriesSamples {
        histograms: histograms
            .iter()
            .map(|(timestamp, histogram)| HistogramSample::new(*timestamp, histogram.clone()))
            .collect(),
        ..series(&[("__name__", "a")], floats)
    };
    let first = with(&[(1, 1.0), (2, 2.0)], &[(3, histogram(3)), (5, NativeHistogram::stale())]);
    let second = with(&[(3, 3.0), (5, 5.0)], &[(2, histogram(2)), (3, histogram(4))]);
    for (a, b) in [(first.clone(), second.clone()), (second, first)] {
        let merged = merge_series(vec![source(vec![vec![a]]), source(vec![vec![b]])], BatchBounds::default());
        let all = collect(merged).await.unwrap();
        assert_eq!(bits(&all[0]), [(1, 1f64.to_bits()), (5, 5f64.to_bits())]);
        assert_eq!(all[0].histograms, with(&[], &[(2, histogram(2)), (3, histogram(4))]).histograms);
    }
}

#[tokio::test]
async fn series_with_windows_are_merged_by_the_same_way() {
    let rollups = |name: &str, ends: &[i64], value: f64| {
        let one = series(&[("__name__", name)], &ends.iter().map(|&end| (end, value)).collect::<Vec<_>>());
        SeriesRollups::of(&one, RollupWindows::of(Resolution::FiveMinutes).unwrap())
    };
    let source = |all: Vec<SeriesRollups>| stream::iter([Ok::<_, StoreError>(all)]).boxed();
    let merged = merge_series(
        vec![
            source(vec![rollups("a", &[600_000], 1.0), rollups("c", &[0], 1.0)]),
            source(vec![rollups("a", &[300_000, 600_000], 2.0), rollups("b", &[0], 2.0)]),
        ],
        BatchBounds { series: 2, samples: 1_000 },
    );
    let batches: Vec<Result<Vec<SeriesRollups>, StoreError>> = merged.collect().await;
    let told = |one: SeriesRollups| {
        let windows: Vec<_> = one.floats.iter().map(|window| (window.end, window.last)).collect();
        (one.labels.metric_name().unwrap().to_owned(), windows)
    };
    let batches: Vec<Vec<_>> =
        batches.into_iter().map(|batch| batch.unwrap().into_iter().map(told).collect()).collect();
    let first =
        vec![("a".to_owned(), vec![(300_000, 2.0), (600_000, 1.0)]), ("b".to_owned(), vec![(0, 2.0)])];
    assert_eq!(batches, [first, vec![("c".to_owned(), vec![(0, 1.0)])]]);
}
