use std::path::Path;

use latewood_base::{Clock, ErrorKind, Ids, Kinded, Rng, Ulid};
use latewood_block::{BlockHeader, BlockWriter, WriterConfig};
use latewood_catalog::{BlockEntry, CatalogConfig, Change, Tombstone, TombstoneMatcher};
use latewood_model::{Labels, MetricType, Resolution, SeriesSamples, StartTimestamps, TenantId};
use latewood_objstore::MemoryBucket;
use latewood_proto::store::Detail;

use super::*;

mod rollups;

struct Rig {
    gateway: StoreGateway,
    bucket: Bucket,
    catalogs: Arc<Catalogs>,
}

fn series(labels: &[(&str, &str)], samples: &[(i64, f64)]) -> SeriesSamples {
    SeriesSamples {
        labels: Labels::from_pairs(labels.iter().copied()),
        timestamps: samples.iter().map(|sample| sample.0).collect(),
        values: samples.iter().map(|sample| sample.1).collect(),
        starts: StartTimestamps::none(),
        histograms: Vec::new(),
    }
}

/// A writer's files below a folder, by path.
fn files(root: &Path, dir: &Path, out: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(root, &path, out);
        } else {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            out.push((name, std::fs::read(&path).unwrap()));
        }
    }
}

impl Rig {
    fn new(config: GatewayConfig) -> Self {
        Self::over(config, Arc::new(MemoryBucket::new()))
    }

    fn over(config: GatewayConfig, bucket: Bucket) -> Self {
        let (clock, _) = Clock::manual(1_700_000_000_000);
        let ids = Ids::new(clock.clone(), Rng::seeded(1));
        let catalogs = Catalogs::new(Arc::clone(&bucket), clock, ids, CatalogConfig::default());
        let gateway = StoreGateway::new(
            config,
            Arc::clone(&bucket),
            Arc::clone(&catalogs),
            Offload::new(2),
            &mut Registry::default(),
        );
        Self { gateway, bucket, catalogs }
    }

    /// Writes a block to the bucket and commits it.
    async fn add(&self, id: u128, all: &[SeriesSamples]) -> Ulid {
        let (id, tenant) = (Ulid(id), TenantId::anonymous());
        let dir = tempfile::tempdir().unwrap();
        let header = BlockHeader::new(id, tenant.clone(), Resolution::Raw);
        let mut writer = BlockWriter::create(dir.path(), header, WriterConfig::default()).unwrap();
        let metadata =
            MetricMetadata { metric_type: MetricType::Gauge, help: "h".to_owned(), unit: String::new() };
        for one in all {
            writer.push(one, Some(&metadata)).unwrap();
        }
        let meta = writer.finish().unwrap();
        let mut entry = BlockEntry::new(id, Resolution::Raw, meta.range);
        (entry.series, entry.samples) = (meta.series.max(10), meta.samples.max(10));
        self.publish(dir.path(), entry).await;
        id
    }

    /// Puts a written block into the bucket and commits it.
    async fn publish(&self, dir: &Path, entry: BlockEntry) {
        let mut found = Vec::new();
        files(dir, dir, &mut found);
        for (name, bytes) in found {
            let key = format!("{}/{name}", entry.folder(&TenantId::anonymous()));
            self.bucket.put(&key, bytes.into()).await.unwrap();
        }
        self.commit(Change { add: vec![entry], ..Change::default() }).await;
    }

    async fn commit(&self, change: Change) {
        let catalog = self.catalogs.tenant(&TenantId::anonymous());
        catalog.commit(change).await.unwrap();
    }

    fn scope(version: u64, blocks: &[Ulid]) -> Scope {
        Scope {
            tenant: "anonymous".to_owned(),
            view: Some(Self::view(version, blocks)),
            matchers: vec![],
            start_ms: 0,
            end_ms: 1_000_000,
        }
    }

    fn view(version: u64, blocks: &[Ulid]) -> wire::View {
        wire::View { version, blocks: blocks.iter().map(Ulid::to_string).collect(), ..wire::View::default() }
    }

    async fn select(&self, request: SelectRequest) -> Result<Vec<SeriesSamples>, StoreError> {
        let batches: Vec<_> = self.gateway.select(request).await?.try_collect().await?;
        Ok(batches.into_iter().flat_map(|batch| batch.series).collect())
    }

    async fn read(&self, version: u64, blocks: &[Ulid]) -> Result<Vec<SeriesSamples>, StoreError> {
        self.select(SelectRequest { scope: Some(Self::scope(version, blocks)), ..Default::default() }).await
    }
}

fn told(series: &[SeriesSamples]) -> Vec<(String, Vec<(i64, f64)>)> {
    let samples = |one: &SeriesSamples| one.samples().map(|s| (s.timestamp, s.value)).collect();
    series.iter().map(|one| (one.labels.metric_name().unwrap_or("").to_owned(), samples(one))).collect()
}

#[tokio::test]
async fn blocks_are_merged_by_the_tie_rule_and_only_those_asked_for_are_read() {
    let rig = Rig::new(GatewayConfig::default());
    let up = [("__name__", "up")];
    let first = rig
        .add(1, &[series(&[("__name__", "down")], &[(1000, 1.0)]), series(&up, &[(1000, 1.0), (2000, 2.0)])])
        .await;
    let second = rig.add(2, &[series(&up, &[(2000, 5.0), (3000, 3.0)])]).await;
    let third = rig.add(3, &[series(&[("__name__", "other")], &[(1000, 1.0)])]).await;
    let all = rig.read(3, &[second, first]).await.unwrap();
    let down = ("down".to_owned(), vec![(1000, 1.0)]);
    let joined = ("up".to_owned(), vec![(1000, 1.0), (2000, 5.0), (3000, 3.0)]);
    assert_eq!(told(&all), [down, joined]);
    let limited = SelectRequest {
        scope: Some(Rig::scope(3, &[first, second, third])),
        detail: Detail::Labels.into(),
        limit: 2,
        skip_starts: true,
    };
    let names = rig.select(limited).await.unwrap();
    assert_eq!(told(&names), [("down".to_owned(), vec![]), ("other".to_owned(), vec![])]);
}

#[tokio::test]
async fn labels_metadata_and_statistics_are_united() {
    let rig = Rig::new(GatewayConfig::default());
    let first = rig.add(1, &[series(&[("__name__", "a"), ("job", "x")], &[(1000, 1.0)])]).await;
    let second = rig.add(2, &[series(&[("__name__", "b"), ("pod", "y")], &[(9000, 1.0)])]).await;
    let scope = || Some(Rig::scope(2, &[first, second]));
    let names = LabelNamesRequest { scope: scope(), limit: 0 };
    let names = rig.gateway.label_names(names).await.unwrap();
    assert_eq!(
        (names.values, names.newest_version),
        (vec!["__name__".into(), "job".into(), "pod".into()], 2)
    );
    let values = LabelValuesRequest { scope: scope(), label: "__name__".to_owned(), limit: 1 };
    assert_eq!(rig.gateway.label_values(values).await.unwrap().values, ["a"]);
    let metadata = MetadataRequest {
        tenant: "anonymous".to_owned(),
        view: Some(Rig::view(2, &[first, second])),
        ..Default::default()
    };
    let metrics = rig.gateway.metadata(metadata).await.unwrap().metrics;
    let metrics: Vec<_> = metrics.iter().map(|one| (one.metric.as_str(), one.metric_type)).collect();
    assert_eq!(metrics, [("a", 2), ("b", 2)]);
    let statistics = StatisticsRequest {
        tenant: "anonymous".to_owned(),
        view: Some(Rig::view(2, &[first, second])),
        limit: 10,
    };
    let statistics = rig.gateway.statistics(statistics).await.unwrap();
    assert_eq!((statistics.min_time_ms, statistics.max_time_ms), (1000, 9000));
    assert_eq!(statistics.series_by_metric.len(), 2);
}

#[tokio::test]
async fn a_block_that_is_missing_fails_the_request_by_name() {
    let rig = Rig::new(GatewayConfig::default());
    let there = rig.add(1, &[series(&[("__name__", "up")], &[(1000, 1.0)])]).await;
    let gone = Ulid(2);
    let entry = BlockEntry::new(gone, Resolution::Raw, TimeRange::new(0, 10));
    rig.commit(Change { add: vec![entry], ..Change::default() }).await;
    let error = rig.read(2, &[there, gone]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "a bucket that is behind looks like this too");
    assert!(error.to_string().contains(&gone.to_string()), "{error}");
    let never = rig.read(2, &[Ulid(3)]).await.unwrap_err();
    assert_eq!(never.kind(), ErrorKind::NotFound);
    let mut scope = Rig::scope(2, &[]);
    scope.view.as_mut().unwrap().blocks.push("x".to_owned());
    let request = SelectRequest { scope: Some(scope), ..Default::default() };
    assert_eq!(rig.select(request).await.unwrap_err().kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn a_replaced_block_is_a_stale_view_unless_it_is_open_here() {
    let rig = Rig::new(GatewayConfig::default());
    let up = || series(&[("__name__", "up")], &[(1000, 1.0)]);
    let (read, unread) = (rig.add(1, &[up()]).await, rig.add(2, &[up()]).await);
    rig.read(2, &[read]).await.unwrap();
    rig.commit(Change::replace(vec![], vec![read, unread], vec![])).await;
    assert_eq!(rig.read(2, &[read]).await.unwrap().len(), 1);
    let error = rig.read(2, &[unread]).await.unwrap_err();
    assert!(matches!(error, StoreError::StaleView { min_version: 3 }), "{error}");
}

#[tokio::test]
async fn what_was_deleted_is_left_out() {
    let rig = Rig::new(GatewayConfig::default());
    let all = [
        series(&[("__name__", "down")], &[(1000, 1.0)]),
        series(&[("__name__", "up")], &[(1000, 1.0), (2000, 2.0)]),
    ];
    let block = rig.add(1, &all).await;
    let matcher =
        TombstoneMatcher { name: "__name__".to_owned(), op: "=~".to_owned(), value: "up|down".to_owned() };
    let tombstone = Tombstone {
        id: Ulid(9),
        matchers: vec![matcher],
        range: TimeRange::new(0, 1500),
        blocks: [block].into(),
    };
    rig.commit(Change { add_tombstones: vec![tombstone], ..Change::default() }).await;
    let left = rig.read(2, &[block]).await.unwrap();
    assert_eq!(told(&left), [("up".to_owned(), vec![(2000, 2.0)])]);
}

#[tokio::test]
async fn blocks_beyond_the_budget_are_closed_and_opened_again() {
    let config = GatewayConfig { open_blocks_bytes: 1, ..Default::default() };
    let rig = Rig::new(config);
    let up = |at: i64| series(&[("__name__", "up")], &[(at, 1.0)]);
    let (first, second) = (rig.add(1, &[up(1000)]).await, rig.add(2, &[up(2000)]).await);
    for _ in 0..2 {
        assert_eq!(rig.read(2, &[first, second]).await.unwrap()[0].values.len(), 2);
    }
    assert!(rig.gateway.metrics.opened.get() >= 3);
    assert_eq!(rig.gateway.metrics.open_blocks.get(), 1);
}

#[tokio::test]
async fn a_select_over_more_than_it_may_hold_is_refused_before_anything_is_opened() {
    let rig = Rig::new(GatewayConfig::default());
    let entry =
        BlockEntry { series: 10_000_000, ..BlockEntry::new(Ulid(1), Resolution::Raw, TimeRange::new(0, 10)) };
    rig.commit(Change { add: vec![entry], ..Change::default() }).await;
    let error = rig.read(1, &[Ulid(1)]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unprocessable);
    let text = error.to_string();
    assert!(text.contains("store_gateway.max_estimated_memory_consumption_per_request"), "{text}");
    assert_eq!((rig.gateway.metrics.opened.get(), rig.gateway.metrics.too_large.get()), (0, 1));
}

#[tokio::test]
async fn memory_is_held_until_the_stream_ends() {
    // Read by whoever asks: what a task reads ahead it lets go by itself.
    let config = GatewayConfig { memory_wait_seconds: 0, decode_ahead_blocks: 0, ..Default::default() };
    let rig = Rig::new(config);
    let block = rig.add(1, &[series(&[("__name__", "up")], &[(1000, 1.0)])]).await;
    let request = || SelectRequest { scope: Some(Rig::scope(1, &[block])), ..Default::default() };
    let held = || rig.gateway.metrics.reserved_bytes.get();
    let mut batches = rig.gateway.select(request()).await.unwrap();
    let first = held();
    assert!(first > 0);
    assert!(batches.next().await.is_some());
    assert_eq!(held(), first);
    let second = rig.gateway.select(request()).await.unwrap();
    assert!((first + 1..2 * first).contains(&held()), "the tables are shared, the batches are not");
    drop((batches, second));
    assert_eq!(held(), 0);
}
