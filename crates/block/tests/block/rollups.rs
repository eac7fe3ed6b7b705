//! Blocks of windows: whatever was pushed comes back bit for bit, in any range, with any columns.

use std::sync::Arc;

use futures::TryStreamExt;
use latewood_base::Offload;
use latewood_block::{
    Block, BlockError, BlockHeader, BlockMeta, BlockWriter, ReaderConfig, RollupColumns, RollupSpec,
    SelectSpec, WriterConfig, verify,
};
use latewood_model::{
    FloatRollup, FloatRollups, HistogramSample, Labels, MatchOp, Matcher, NativeHistogram, Resolution,
    RollupWindows, SeriesRollups, SeriesSamples, TimeRange, stale_nan, storage_order,
};
use proptest::prelude::*;

use crate::histograms::{latency, with};
use crate::select::fleet;
use crate::support::{FOLDER, bucket_of, files, header, matcher, open, series, tiny};

pub fn five_minutes() -> RollupWindows {
    RollupWindows::of(Resolution::FiveMinutes).unwrap()
}

pub fn rollup_header(resolution: Resolution) -> BlockHeader {
    BlockHeader { resolution, ..header() }
}

/// A histogram that is counted anew after 13 scrapes, inside a window of five minutes, and ends.
pub fn restarted_latency() -> Vec<HistogramSample> {
    let mut all = latency(3, 13);
    let later = latency(4, 30).into_iter().map(|mut sample| {
        sample.timestamp += 13 * 15_000;
        sample
    });
    all.extend(later);
    let end = all.last().map_or(0, |last| last.timestamp) + 15_000;
    all.push(HistogramSample::new(end, NativeHistogram::stale()));
    all
}

/// Counters with resets, gauges, jitter, gaps, odd doubles, histograms that change, both kinds in one window.
pub fn samples() -> Vec<SeriesSamples> {
    let mut all: Vec<SeriesSamples> = fleet().into_iter().step_by(5).collect();
    let noise = |n: i64| (n.wrapping_mul(0x9e37_79b9) >> 7) % 10_000;
    let named = |name: &str, value: &dyn Fn(i64) -> f64| {
        let samples: Vec<(i64, f64)> = (0..400).map(|at| (at * 15_000 + 7, value(at))).collect();
        series(&[("__name__", name), ("job", "x")], &samples)
    };
    all.push(named("counter_total", &|at| (at % 70 * 12) as f64));
    all.push(named("flat", &|_| 2.5));
    all.push(named("gauge", &|at| noise(at) as f64 / 100.0));
    all.push(named("ratio", &|at| noise(at) as f64 / 7.0));
    let odd = [f64::NAN, f64::INFINITY, -0.0, 0.0, f64::NEG_INFINITY, 5e-324, stale_nan(), f64::MAX];
    all.push(named("odd", &|at| odd[noise(at) as usize % odd.len()]));
    all.push(named("nothing_but_nan", &|_| f64::from_bits(0xfff8_0000_0000_0123)));
    all.push(named("restarted", &|at| if at % 25 == 24 { stale_nan() } else { (at % 25) as f64 }));
    all.push(with(&[("__name__", "latency")], latency(3, 200)));
    all.push(with(&[("__name__", "latency_restarted")], restarted_latency()));
    let mut mixed = crate::histograms::odd_histograms().remove(2).histograms;
    mixed.retain(|sample| !sample.histogram.is_stale() || sample.timestamp > 0);
    mixed.iter_mut().zip(1..).for_each(|(sample, at)| sample.timestamp = at * 100_001);
    let mut both = named("mixed", &|at| at as f64);
    both.histograms = mixed;
    both.resolve_kinds();
    all.push(both);
    all.sort_by(|a, b| storage_order(&a.labels, &b.labels));
    all
}

pub fn rollups(resolution: Resolution) -> Vec<SeriesRollups> {
    let windows = RollupWindows::of(resolution).unwrap();
    let all = samples();
    let rollups = all.iter().map(|one| SeriesRollups::of(one, windows));
    rollups.filter(|one| !one.is_empty()).collect()
}

pub fn write(
    dir: &std::path::Path,
    header: BlockHeader,
    all: &[SeriesRollups],
    config: WriterConfig,
) -> BlockMeta {
    let mut writer = BlockWriter::create(dir, header, config).unwrap();
    all.iter().for_each(|one| writer.push_rollups(one, None).unwrap());
    writer.finish().unwrap()
}

pub fn files_of(header: BlockHeader, all: &[SeriesRollups]) -> (BlockMeta, Vec<(String, Vec<u8>)>) {
    let dir = tempfile::tempdir().unwrap();
    let meta = write(dir.path(), header, all, tiny());
    (meta, files(dir.path()))
}

pub async fn select(
    block: &Arc<Block>,
    matchers: Vec<Matcher>,
    range: TimeRange,
    columns: RollupColumns,
) -> Result<Vec<SeriesRollups>, BlockError> {
    let spec = RollupSpec { matchers, range, skip_windows: false, columns };
    let batches: Vec<Vec<SeriesRollups>> = block.select_rollups(spec).try_collect().await?;
    Ok(batches.into_iter().flatten().collect())
}

fn cut(all: &[SeriesRollups], range: TimeRange) -> Vec<SeriesRollups> {
    let cut = all.iter().map(|one| SeriesRollups {
        labels: one.labels.clone(),
        floats: one.floats.iter().filter(|window| range.contains(window.end)).collect(),
        histograms: one.histograms.iter().filter(|window| range.contains(window.end)).cloned().collect(),
    });
    cut.filter(|one| !one.is_empty()).collect()
}

pub fn assert_same(found: &[SeriesRollups], expected: &[SeriesRollups]) {
    assert_eq!(found.len(), expected.len(), "number of series");
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found.labels, expected.labels);
        assert!(found.floats.iter().eq(expected.floats.iter()), "{}", found.labels);
        assert_eq!(found.floats.len(), expected.floats.len());
        assert_eq!(found.histograms, expected.histograms, "{}", found.labels);
    }
}

#[test]
fn the_test_data_has_all_sorts_of_windows() {
    let all = rollups(Resolution::FiveMinutes);
    let histograms = || all.iter().flat_map(|one| &one.histograms);
    assert!(histograms().any(|window| window.correction.is_some()));
    assert!(histograms().any(|window| window.sum.is_none()) && histograms().any(|window| window.is_stale));
    let floats = || all.iter().flat_map(|one| one.floats.iter());
    assert!(floats().any(|window| window.correction != 0.0) && floats().any(|window| window.is_stale));
    assert!(all.iter().any(|one| !one.floats.is_empty() && !one.histograms.is_empty()));
}

#[tokio::test]
async fn windows_come_back_in_any_range_and_resolution() {
    for resolution in [Resolution::FiveMinutes, Resolution::OneHour, Resolution::OneDay] {
        let all = rollups(resolution);
        let windowed = BlockHeader { window_ms: Some(86_400_000), ..rollup_header(resolution) };
        for header in [rollup_header(resolution), windowed] {
            let (meta, files) = files_of(header, &all);
            let windows: usize = all.iter().map(|one| one.floats.len() + one.histograms.len()).sum();
            assert_eq!(meta.samples, windows as u64);
            let bucket = bucket_of(&files).await;
            let report = verify(&bucket, FOLDER, &Offload::new(1)).await.unwrap();
            assert!(report.is_whole() && report.samples == windows as u64, "{report}");
            for memory in [1 << 20, 0] {
                let reader =
                    ReaderConfig { scrape_memory: memory, batch_samples: 700, ..ReaderConfig::default() };
                let block = open(&bucket, reader).await.unwrap();
                for range in [
                    TimeRange::ALL,
                    TimeRange::new(600_000, 3_600_000),
                    TimeRange::new(600_001, 899_999),
                    TimeRange::new(1_700_000_400_000, i64::MAX),
                ] {
                    let found = select(&block, vec![], range, RollupColumns::ALL).await.unwrap();
                    assert_same(&found, &cut(&all, range));
                }
                let matchers = vec![matcher(MatchOp::Regex, "__name__", "latency|flat")];
                let found = select(&block, matchers, TimeRange::ALL, RollupColumns::ALL).await.unwrap();
                assert_eq!(found.len(), 2);
            }
        }
    }
}

/// The columns of some floats, in the order of [`RollupColumns`]; those that are not there are empty.
fn columns_of(floats: &FloatRollups) -> [Vec<u64>; 9] {
    let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<u64>>();
    let times = floats.first_at.iter().chain(floats.last_at.iter()).map(|at| *at as u64);
    [
        floats.counts.clone(),
        bits(&floats.sums),
        bits(&floats.mins),
        bits(&floats.maxs),
        bits(&floats.firsts),
        bits(&floats.lasts),
        bits(&floats.corrections),
        times.collect(),
        floats.stale.iter().map(|stale| u64::from(*stale)).collect(),
    ]
}

#[tokio::test]
async fn what_was_not_asked_for_stays_empty_and_the_rest_is_the_same() {
    let all = rollups(Resolution::FiveMinutes);
    let (_, files) = files_of(rollup_header(Resolution::FiveMinutes), &all);
    let block = open(&bucket_of(&files).await, ReaderConfig::default()).await.unwrap();
    let single = [
        RollupColumns::COUNT,
        RollupColumns::SUM,
        RollupColumns::MIN,
        RollupColumns::MAX,
        RollupColumns::FIRST,
        RollupColumns::LAST,
        RollupColumns::CORRECTION,
        RollupColumns::TIMES,
        RollupColumns::STALE,
    ];
    let pairs = (0..9).flat_map(|a| (a..9).map(move |b| (a, b)));
    for (a, b) in pairs {
        let found = select(&block, vec![], TimeRange::ALL, single[a] | single[b]).await.unwrap();
        for (found, expected) in found.iter().zip(&all) {
            assert_eq!(found.floats.ends, expected.floats.ends);
            let mut wanted = columns_of(&expected.floats);
            (0..9).filter(|at| *at != a && *at != b).for_each(|at| wanted[at].clear());
            assert_eq!(columns_of(&found.floats), wanted, "{} {a} {b}", found.labels);
            assert_eq!(found.histograms, expected.histograms);
        }
    }
    let none = select(&block, vec![], TimeRange::ALL, RollupColumns::NONE).await.unwrap();
    assert!(none.iter().zip(&all).all(|(none, one)| none.floats.len() == one.floats.len()));
}

#[tokio::test]
async fn fewer_columns_are_fewer_bytes_and_shared_times_are_shared() {
    let all: Vec<SeriesSamples> = fleet().into_iter().filter(|one| one.timestamps.len() == 60).collect();
    let all: Vec<SeriesRollups> = all.iter().map(|one| SeriesRollups::of(one, five_minutes())).collect();
    let (meta, files) = files_of(rollup_header(Resolution::FiveMinutes), &all);
    // Three sorts of jitter: ends, first and last times of each, less those that are the same.
    assert!(meta.scrapes <= 3 * 3 * 4, "{}", meta.scrapes);
    let block = open(&bucket_of(&files).await, ReaderConfig::default()).await.unwrap();
    let found = select(&block, vec![], TimeRange::ALL, RollupColumns::TIMES).await.unwrap();
    let same = |one: &&SeriesRollups| {
        Arc::ptr_eq(&one.floats.ends, &found[0].floats.ends)
            && Arc::ptr_eq(&one.floats.last_at, &found[0].floats.last_at)
    };
    assert!(found.iter().filter(same).count() > 30);
}

#[tokio::test]
async fn labels_alone_come_without_windows() {
    let all = rollups(Resolution::OneHour);
    let (_, files) = files_of(rollup_header(Resolution::OneHour), &all);
    let block = open(&bucket_of(&files).await, ReaderConfig::default()).await.unwrap();
    let spec = RollupSpec {
        matchers: vec![],
        range: TimeRange::ALL,
        skip_windows: true,
        columns: RollupColumns::ALL,
    };
    let batches: Vec<Vec<SeriesRollups>> = block.select_rollups(spec).try_collect().await.unwrap();
    let labels: Vec<Labels> =
        batches.into_iter().flatten().inspect(|one| assert!(one.is_empty())).map(|one| one.labels).collect();
    assert_eq!(labels, all.iter().map(|one| one.labels.clone()).collect::<Vec<_>>());
}

#[tokio::test]
async fn samples_and_windows_are_not_mistaken_for_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let one = &rollups(Resolution::OneHour)[0];
    let mut raw = BlockWriter::create(&dir.path().join("a"), header(), tiny()).unwrap();
    assert!(raw.push_rollups(one, None).unwrap_err().to_string().contains("takes no windows"));
    let header = rollup_header(Resolution::OneHour);
    let mut writer = BlockWriter::create(&dir.path().join("b"), header.clone(), tiny()).unwrap();
    assert!(writer.push(&samples()[0], None).unwrap_err().to_string().contains("takes no samples"));
    let (_, files) = files_of(header, std::slice::from_ref(one));
    let block = open(&bucket_of(&files).await, ReaderConfig::default()).await.unwrap();
    let spec = SelectSpec { matchers: vec![], range: TimeRange::ALL, skip_samples: false, skip_starts: true };
    let asked: Result<Vec<_>, BlockError> = block.select(spec).try_collect().await;
    assert!(matches!(asked, Err(BlockError::Resolution { wanted: "samples", .. })));
}

#[test]
fn windows_that_no_samples_give_are_refused() {
    let window = SeriesRollups::of(&series(&[("__name__", "m")], &[(1, 1.0), (2, 2.0)]), five_minutes());
    let good = window.floats.get(0).unwrap();
    let lies: [&dyn Fn(&mut FloatRollup); 6] = [
        &|window| window.end += 1,
        &|window| window.first_at = 0,
        &|window| window.last_at = 300_001,
        &|window| window.count = 0,
        &|window| window.count = 1,
        &|window| (window.first_at, window.last_at) = (2, 1),
    ];
    let refused = |window: SeriesRollups| {
        let dir = tempfile::tempdir().unwrap();
        let header = rollup_header(Resolution::FiveMinutes);
        let mut writer = BlockWriter::create(dir.path(), header, tiny()).unwrap();
        matches!(writer.push_rollups(&window, None), Err(BlockError::Order { .. }))
    };
    assert!(!refused(window.clone()));
    for (number, lie) in lies.into_iter().enumerate() {
        let mut bad = good;
        lie(&mut bad);
        assert!(
            refused(SeriesRollups { floats: [bad].into_iter().collect(), ..window.clone() }),
            "lie {number}"
        );
    }
    let mut short = window.clone();
    short.floats.mins.clear();
    assert!(refused(short));
    let twice = SeriesRollups { floats: [good, good].into_iter().collect(), ..window };
    assert!(refused(twice));
}

#[tokio::test]
async fn flipped_bits_and_missing_files_are_noticed() {
    let all = rollups(Resolution::FiveMinutes);
    let (_, files) = files_of(rollup_header(Resolution::FiveMinutes), &all);
    for (at, (name, body)) in files.iter().enumerate() {
        for step in 0..8 {
            let mut damaged = files.clone();
            damaged[at].1[(body.len() - 1) * step / 7] ^= 1 << (step % 7);
            let bucket = bucket_of(&damaged).await;
            if let Ok(block) = open(&bucket, ReaderConfig::default()).await {
                match select(&block, vec![], TimeRange::ALL, RollupColumns::ALL).await {
                    Ok(found) => assert_same(&found, &all),
                    Err(
                        BlockError::Corrupt { .. } | BlockError::Missing { .. } | BlockError::Version { .. },
                    ) => {}
                    Err(other) => panic!("{name}: {other}"),
                }
            }
            let report = verify(&bucket, FOLDER, &Offload::new(1)).await.unwrap();
            assert!(!report.is_whole(), "{name}: verify saw nothing");
        }
    }
}

/// Damage below checksums that were made to match again: an error or other numbers, but no panic.
#[tokio::test]
async fn damage_with_matching_checksums_makes_no_panic() {
    let (_, files) = files_of(rollup_header(Resolution::FiveMinutes), &rollups(Resolution::FiveMinutes));
    for (at, (name, body)) in files.iter().enumerate().filter(|(_, file)| file.0.ends_with(".parquet")) {
        for byte in (0..body.len()).step_by(body.len() / 15 + 1) {
            let mut damaged = files.clone();
            damaged[at].1[byte] ^= 0x55;
            latewood_block::testing::reseal(&mut damaged);
            let bucket = bucket_of(&damaged).await;
            let found = match open(&bucket, ReaderConfig::default()).await {
                Ok(block) => select(&block, vec![], TimeRange::ALL, RollupColumns::ALL).await.map(drop),
                Err(error) => Err(error),
            };
            if let Err(error) = found {
                assert!(matches!(error, BlockError::Corrupt { .. }), "{name} byte {byte}: {error}");
            }
            verify(&bucket, FOLDER, &Offload::new(1)).await.unwrap();
        }
    }
}

fn any_value() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => (-100i32..100).prop_map(|cents| f64::from(cents) / 4.0),
        2 => Just(2.0),
        1 => any::<u64>().prop_map(f64::from_bits),
        1 => Just(stale_nan()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_windows_come_back(
        runs in prop::collection::vec(
            (prop::collection::vec((1i64..400_000, any_value()), 0..80), 0usize..40), 1..6),
        (start, end) in (-1_000_000i64..10_000_000, 0i64..10_000_000),
        days in prop::bool::ANY,
    ) {
        let all: Vec<SeriesRollups> = runs.into_iter().enumerate().map(|(n, (samples, scrapes))| {
            let mut at = -1_500_000;
            let samples: Vec<(i64, f64)> = samples.into_iter().map(|(step, value)| { at += step; (at, value) }).collect();
            let mut histograms = latency(n as u64, scrapes as u64);
            let shift = |sample: HistogramSample| HistogramSample { timestamp: sample.timestamp - 1_700_000_000_000, ..sample };
            histograms = histograms.into_iter().map(shift).collect();
            let mut one = SeriesSamples { histograms, ..series(&[("__name__", "m"), ("n", &n.to_string())], &samples) };
            one.resolve_kinds();
            SeriesRollups::of(&one, five_minutes())
        }).filter(|one| !one.is_empty()).collect();
        let window_ms = days.then_some(1_200_000);
        let header = BlockHeader { window_ms, ..rollup_header(Resolution::FiveMinutes) };
        let (_, files) = files_of(header, &all);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let bucket = bucket_of(&files).await;
            let report = verify(&bucket, FOLDER, &Offload::new(1)).await.unwrap();
            assert!(report.is_whole(), "{report}");
            let block = open(&bucket, ReaderConfig::default()).await.unwrap();
            for range in [TimeRange::ALL, TimeRange::new(start, end)] {
                let found = select(&block, vec![], range, RollupColumns::ALL).await.unwrap();
                assert_same(&found, &cut(&all, range));
            }
        });
    }
}

/// A block in which some files are those of another block, under checksums that match.
async fn report_of(files: &[(String, Vec<u8>)], other: &[(String, Vec<u8>)], folder: &str) -> String {
    let mut mixed = files.to_vec();
    for (name, body) in mixed.iter_mut().filter(|(name, _)| name.starts_with(folder)) {
        let replacement = other.iter().find(|file| file.0 == *name).unwrap_or_else(|| panic!("no {name}"));
        body.clone_from(&replacement.1);
    }
    latewood_block::testing::reseal(&mut mixed);
    verify(&bucket_of(&mixed).await, FOLDER, &Offload::new(1)).await.unwrap().to_string()
}

fn one_series(windows: &[FloatRollup]) -> Vec<SeriesRollups> {
    let labels = Labels::from_pairs([("__name__", "m")]);
    vec![SeriesRollups { labels, floats: windows.iter().copied().collect(), histograms: vec![] }]
}

/// Rows that contradict their spans, each other or the resolution.
#[tokio::test]
async fn rows_that_lie_are_named() {
    let samples: Vec<(i64, f64)> = (1..100).map(|at| (at * 15_000, (at % 7) as f64)).collect();
    let whole: Vec<FloatRollup> =
        SeriesRollups::of(&series(&[("__name__", "m")], &samples), five_minutes()).floats.iter().collect();
    let header = || rollup_header(Resolution::FiveMinutes);
    let (meta, files) = files_of(header(), &one_series(&whole));
    assert!(report_of(&files, &files, "samples/").await.starts_with("whole"));
    type Lie<'a> = (&'a dyn Fn(&mut FloatRollup), &'a str);
    let lies: [Lie<'_>; 5] = [
        (&|window| window.sum += 0.5, "num and den are not those"),
        (&|window| window.min = f64::MIN_POSITIVE, "which columns its span has values in"),
        (&|window| window.is_stale = true, "which columns its span has values in"),
        (&|window| window.max = -5.0, "below the least or above the greatest"),
        (&|window| (window.last_at, window.count) = (window.first_at, 1), "as many samples as it says"),
    ];
    for (number, (lie, said)) in lies.into_iter().enumerate() {
        let mut lying = whole.clone();
        lie(&mut lying[2]);
        let (_, other) = files_of(header(), &one_series(&lying));
        let folder = if number == 4 { "scrapes" } else { "samples/" };
        let report = report_of(&files, &other, folder).await;
        assert!(report.contains(said), "lie {number}: {report}");
    }
    let coarser = BlockMeta { resolution: Resolution::OneHour, ..meta };
    let mut lying = files.clone();
    lying.iter_mut().find(|file| file.0 == BlockMeta::FILE).unwrap().1 = coarser.to_json().unwrap();
    let report = verify(&bucket_of(&lying).await, FOLDER, &Offload::new(1)).await.unwrap().to_string();
    assert!(report.contains("a window ends where none does"), "{report}");
}

/// Histograms of windows that are not there, and windows without histograms.
#[tokio::test]
async fn histograms_that_belong_to_no_window_are_named() {
    // The second series lacks a window that the first one has, so that its scrapes have a gap.
    let windows = |skip: usize| -> Vec<SeriesRollups> {
        let named = |name| with(&[("__name__", name)], latency(1, 100));
        let mut all: Vec<SeriesRollups> =
            ["a", "b"].iter().map(|name| SeriesRollups::of(&named(name), five_minutes())).collect();
        all[1].histograms.remove(skip);
        all
    };
    let header = || rollup_header(Resolution::FiveMinutes);
    let ((_, files), (_, other)) = (files_of(header(), &windows(1)), files_of(header(), &windows(2)));
    assert!(report_of(&files, &files, "hist/").await.starts_with("whole"));
    let report = report_of(&files, &other, "hist/").await;
    assert!(
        report.contains("no window of its series ends there") || report.contains("rows instead of"),
        "{report}"
    );
}
