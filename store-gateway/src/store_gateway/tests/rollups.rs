//! Blocks of windows: what they answer, to whom, and what it costs.

use std::time::Duration;

use latewood_blockstore::block_entry;
use latewood_model::{HistogramSample, NativeHistogram, RollupWindows, histogram::IntegerHistogram};
use latewood_testkit::{Asked, SlowBucket, dependent_rounds};

use super::*;
use crate::memory::tables_bytes;

const FIVE_MINUTES: i64 = 300_000;

impl Rig {
    /// Writes the windows of series to the bucket and commits the block.
    async fn add_rollups(&self, id: u128, resolution: Resolution, all: &[SeriesSamples]) -> Ulid {
        let id = Ulid(id);
        let dir = tempfile::tempdir().unwrap();
        let header = BlockHeader::new(id, TenantId::anonymous(), resolution);
        let mut writer = BlockWriter::create(dir.path(), header, WriterConfig::default()).unwrap();
        let metadata =
            MetricMetadata { metric_type: MetricType::Gauge, help: "h".to_owned(), unit: String::new() };
        for one in all {
            let rollups = SeriesRollups::of(one, RollupWindows::of(resolution).unwrap());
            writer.push_rollups(&rollups, Some(&metadata)).unwrap();
        }
        let meta = writer.finish().unwrap();
        self.publish(dir.path(), block_entry(&meta, 0)).await;
        id
    }

    async fn windows(&self, request: RollupsRequest) -> Result<Vec<SeriesRollups>, StoreError> {
        let batches: Vec<_> = self.gateway.select_rollups(request).await?.try_collect().await?;
        Ok(batches.into_iter().flat_map(|batch| batch.series).collect())
    }
}

fn asking(blocks: &[Ulid], range: TimeRange, columns: RollupColumns) -> RollupsRequest {
    let scope = Scope { start_ms: range.start, end_ms: range.end, ..Rig::scope(1, blocks) };
    RollupsRequest { scope: Some(scope), columns: columns.bits() }
}

fn reading(blocks: &[Ulid], range: TimeRange) -> SelectRequest {
    let scope = Scope { start_ms: range.start, end_ms: range.end, ..Rig::scope(1, blocks) };
    SelectRequest { scope: Some(scope), ..Default::default() }
}

/// A sample a minute from one minute to another, each worth its minute.
fn minutes(name: &str, minutes: std::ops::RangeInclusive<i64>) -> SeriesSamples {
    let samples: Vec<(i64, f64)> = minutes.map(|minute| (minute * 60_000, minute as f64)).collect();
    series(&[("__name__", name)], &samples)
}

fn ends(series: &SeriesRollups) -> Vec<i64> {
    series.floats.ends.iter().map(|end| end / FIVE_MINUTES).collect()
}

#[tokio::test]
async fn windows_of_several_blocks_are_one_series_with_the_columns_that_were_asked_for() {
    let rig = Rig::new(GatewayConfig::default());
    let early =
        rig.add_rollups(1, Resolution::FiveMinutes, &[minutes("a", 1..=10), minutes("b", 1..=5)]).await;
    let late = rig.add_rollups(2, Resolution::FiveMinutes, &[minutes("b", 6..=20)]).await;
    let columns = RollupColumns::SUM | RollupColumns::TIMES;
    let found = rig.windows(asking(&[late, early], TimeRange::ALL, columns)).await.unwrap();
    assert_eq!(found.iter().map(ends).collect::<Vec<_>>(), [vec![1, 2], vec![1, 2, 3, 4]]);
    assert_eq!(found[1].floats.sums, [15.0, 40.0, 65.0, 90.0]);
    assert_eq!(*found[1].floats.first_at, [60_000, 360_000, 660_000, 960_000]);
    assert!(found[1].floats.counts.is_empty() && found[1].floats.lasts.is_empty());
    let inner = TimeRange::new(FIVE_MINUTES + 1, 3 * FIVE_MINUTES);
    let found = rig.windows(asking(&[early, late], inner, RollupColumns::NONE)).await.unwrap();
    assert_eq!(found.iter().map(ends).collect::<Vec<_>>(), [vec![2], vec![2, 3]]);
    assert_eq!((rig.gateway.metrics.selects.get(), rig.gateway.metrics.series.get()), (2, 4));
}

#[tokio::test]
async fn windows_are_refused_where_there_are_none_or_different_ones() {
    let rig = Rig::new(GatewayConfig::default());
    let raw = rig.add(1, &[minutes("a", 1..=10)]).await;
    let fine = rig.add_rollups(2, Resolution::FiveMinutes, &[minutes("a", 1..=10)]).await;
    let coarse = rig.add_rollups(3, Resolution::OneHour, &[minutes("a", 1..=10)]).await;
    let ask = |blocks: &[Ulid]| rig.windows(asking(blocks, TimeRange::ALL, RollupColumns::ALL));
    for blocks in [[fine, raw], [fine, coarse]] {
        let error = ask(&blocks).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains(&blocks[1].to_string()), "{error}");
    }
    assert!(ask(&[]).await.unwrap().is_empty());
    let unknown = RollupsRequest { columns: 1 << 30, ..asking(&[fine], TimeRange::ALL, RollupColumns::ALL) };
    assert_eq!(rig.windows(unknown).await.unwrap_err().kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn readers_of_samples_are_given_the_last_one_of_each_window() {
    let rig = Rig::new(GatewayConfig::default());
    let mut histograms = series(&[("__name__", "h")], &[]);
    let histogram = || NativeHistogram::from(IntegerHistogram::default());
    histograms.histograms =
        (1..=8).map(|minute| HistogramSample::new(minute * 60_000, histogram())).collect();
    // The third window is not over: its last sample is of the 13th minute.
    let all = [minutes("a", 1..=13), histograms];
    let rollup = rig.add_rollups(1, Resolution::FiveMinutes, &all).await;
    let read = |start: i64, end: i64| {
        let request = reading(&[rollup], TimeRange::new(start * 60_000, end * 60_000));
        async { rig.select(request).await.unwrap() }
    };
    let found = read(0, 100).await;
    let thinned = vec![(300_000, 5.0), (600_000, 10.0), (780_000, 13.0)];
    assert_eq!(told(&found), [("a".to_owned(), thinned.clone()), ("h".to_owned(), vec![])]);
    let times: Vec<i64> = found[1].histograms.iter().map(|sample| sample.timestamp / 60_000).collect();
    assert_eq!(times, [5, 8]);
    // Windows that end after the range have samples in it, and those that end in it may have their last before it.
    assert_eq!(told(&read(6, 13).await)[0].1, thinned[1..]);
    assert_eq!(told(&read(13, 13).await), [("a".to_owned(), thinned[2..].to_vec())]);
    assert!(read(14, 100).await.is_empty() && read(11, 12).await.is_empty());
    let raw = rig.add(2, &[minutes("a", 12..=16)]).await;
    let joined = rig.select(reading(&[rollup, raw], TimeRange::ALL)).await.unwrap();
    let minutes: Vec<i64> = joined[0].timestamps.iter().map(|at| at / 60_000).collect();
    assert_eq!(minutes, [5, 10, 12, 13, 14, 15, 16]);
}

#[tokio::test]
async fn labels_metadata_and_statistics_are_those_of_blocks_of_samples() {
    let rig = Rig::new(GatewayConfig::default());
    let all = [minutes("a", 1..=3), minutes("b", 6..=8)];
    let rollup = rig.add_rollups(1, Resolution::FiveMinutes, &all).await;
    // The first window ends after the range.
    let scope = || reading(&[rollup], TimeRange::new(60_000, 200_000)).scope;
    let labels = SelectRequest { scope: scope(), detail: Detail::Labels.into(), ..Default::default() };
    assert_eq!(told(&rig.select(labels).await.unwrap()), [("a".to_owned(), vec![])]);
    let values = LabelValuesRequest { scope: scope(), label: "__name__".to_owned(), limit: 0 };
    assert_eq!(rig.gateway.label_values(values).await.unwrap().values, ["a"]);
    let names = LabelNamesRequest { scope: scope(), limit: 0 };
    assert_eq!(rig.gateway.label_names(names).await.unwrap().values, ["__name__"]);
    let (tenant, view) = ("anonymous".to_owned(), Some(Rig::view(1, &[rollup])));
    let metadata = MetadataRequest { tenant: tenant.clone(), view: view.clone(), ..Default::default() };
    let metrics = rig.gateway.metadata(metadata).await.unwrap().metrics;
    let metrics: Vec<_> = metrics.iter().map(|one| (one.metric.as_str(), one.metric_type)).collect();
    assert_eq!(metrics, [("a", 2), ("b", 2)]);
    let statistics = rig.gateway.statistics(StatisticsRequest { tenant, view, limit: 10 }).await.unwrap();
    assert_eq!((statistics.series, statistics.series_by_metric.len()), (2, 2));
    assert_eq!((statistics.min_time_ms, statistics.max_time_ms), (FIVE_MINUTES, 2 * FIVE_MINUTES));
}

#[tokio::test]
async fn a_window_in_which_anything_was_deleted_is_not_answered() {
    let rig = Rig::new(GatewayConfig::default());
    let block =
        rig.add_rollups(1, Resolution::FiveMinutes, &[minutes("a", 1..=15), minutes("b", 1..=15)]).await;
    let matcher = TombstoneMatcher { name: "__name__".to_owned(), op: "=".to_owned(), value: "a".to_owned() };
    let tombstone = Tombstone {
        id: Ulid(9),
        matchers: vec![matcher],
        range: TimeRange::new(6 * 60_000, 6 * 60_000),
        blocks: [block].into(),
    };
    rig.commit(Change { add_tombstones: vec![tombstone], ..Change::default() }).await;
    let found = rig.windows(asking(&[block], TimeRange::ALL, RollupColumns::COUNT)).await.unwrap();
    assert_eq!(found.iter().map(ends).collect::<Vec<_>>(), [vec![1, 3], vec![1, 2, 3]]);
    let thinned = rig.select(reading(&[block], TimeRange::ALL)).await.unwrap();
    assert_eq!(told(&thinned)[0].1, [(300_000, 5.0), (900_000, 15.0)]);
}

#[tokio::test]
async fn a_replaced_block_of_windows_is_read_on_while_it_is_open_here() {
    let rig = Rig::new(GatewayConfig::default());
    let read = rig.add_rollups(1, Resolution::OneHour, &[minutes("a", 1..=5)]).await;
    let unread = rig.add_rollups(2, Resolution::OneHour, &[minutes("a", 1..=5)]).await;
    let ask = |block: Ulid| rig.windows(asking(&[block], TimeRange::ALL, RollupColumns::ALL));
    assert_eq!(ask(read).await.unwrap().len(), 1);
    rig.commit(Change::replace(vec![], vec![read, unread], vec![])).await;
    let windows = ask(read).await.unwrap();
    assert_eq!((windows.len(), windows[0].floats.counts.as_slice()), (1, [5].as_slice()));
    let thinned = rig.select(reading(&[read], TimeRange::ALL)).await.unwrap();
    assert_eq!(told(&thinned)[0].1, [(300_000, 5.0)]);
    for error in [ask(unread).await.err(), rig.select(reading(&[unread], TimeRange::ALL)).await.err()] {
        assert!(matches!(error, Some(StoreError::StaleView { min_version: 3 })));
    }
}

/// Many series, scraped by several, at times that are not the same.
fn fleet(series_count: i64, minutes: i64) -> Vec<SeriesSamples> {
    let of = |number: i64| {
        let at = |minute: i64| minute * 60_000 + (number % 10) * 6_007 + (minute * 7 + number % 10 * 3) % 5;
        let samples: Vec<(i64, f64)> =
            (1..=minutes).map(|minute| (at(minute), (minute * number) as f64)).collect();
        series(&[("__name__", "m"), ("pod", &format!("pod-{number:05}"))], &samples)
    };
    (0..series_count).map(of).collect()
}

#[tokio::test]
async fn the_memory_of_a_block_of_windows_is_estimated_and_let_go() {
    let config = GatewayConfig { memory_wait_seconds: 0, decode_ahead_blocks: 0, ..Default::default() };
    let rig = Rig::new(config);
    let block = rig.add_rollups(1, Resolution::FiveMinutes, &fleet(600, 600)).await;
    let held = || rig.gateway.metrics.reserved_bytes.get();
    let streamed = |columns: RollupColumns| {
        let opening = rig.gateway.select_rollups(asking(&[block], TimeRange::ALL, columns));
        async {
            let mut batches = opening.await.unwrap();
            let bytes = held();
            assert!(batches.next().await.is_some());
            drop(batches);
            (bytes, held())
        }
    };
    let (all, after) = streamed(RollupColumns::ALL).await;
    let (some, _) = streamed(RollupColumns::SUM).await;
    assert!((1..all).contains(&some) && after == 0, "{some} {all} {after}");
    let catalog = rig.catalogs.tenant(&TenantId::anonymous()).view().await.unwrap();
    let estimate = tables_bytes(&catalog.blocks[&block], &rig.gateway.blocks.config.reader);
    let pinned = rig.gateway.blocks.pinned("anonymous", Some(Rig::view(1, &[block])), Purpose::Labels).await;
    let weight = pinned.unwrap().blocks[0].block.weight() as u64;
    assert!((weight * 2 / 3..weight * 3).contains(&estimate), "{estimate} for {weight}");
}

/// What was asked of blocks.
fn of_blocks(bucket: &SlowBucket) -> Vec<Asked> {
    bucket.take_asked().into_iter().filter(|asked| asked.key.contains("/block=")).collect()
}

#[tokio::test]
async fn windows_cost_few_requests_in_two_rounds_and_none_again() {
    let memory: Bucket = Arc::new(MemoryBucket::new());
    let slow = SlowBucket::new(memory, Clock::system(), Duration::from_millis(20), 1e9);
    let rig = Rig::over(GatewayConfig::default(), Arc::<SlowBucket>::clone(&slow));
    let block = rig.add_rollups(1, Resolution::FiveMinutes, &fleet(200, 600)).await;
    let columns = RollupColumns::COUNT | RollupColumns::SUM | RollupColumns::TIMES;
    let ask = || rig.windows(asking(&[block], TimeRange::ALL, columns));
    of_blocks(&slow);
    let first = ask().await.unwrap();
    let asked = of_blocks(&slow);
    assert_eq!(first.len(), 200);
    assert!(asked.len() <= 8, "{} requests", asked.len());
    assert_eq!(dependent_rounds(&asked), 2);
    let again = ask().await.unwrap();
    assert!(first.iter().zip(&again).all(|(one, other)| one.floats.sums == other.floats.sums));
    assert_eq!(of_blocks(&slow).len(), 0, "pages are kept");
}
