//! The ingester against a bucket in memory: acknowledged is readable, across restarts and flushes, once.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use futures::StreamExt;
use latewood_base::{Clock, ErrorKind, Ids, Kinded, ManualClock, Offload, Rng, Shutdown};
use latewood_block::{Block, ReaderConfig, SelectSpec};
use latewood_catalog::{CatalogConfig, Catalogs, Change, View};
use latewood_model::{Labels, Sample, TenantId, TimeRange};
use latewood_objstore::{Bucket, MemoryBucket};
use latewood_proto::store::{StoreError, wire};
use latewood_testkit::{Chances, Fault, FaultyBucket, Gate, Operation, Rule};
use prometheus_client::registry::Registry;
use tower::ServiceExt;

use super::{Ingester, IngesterConfig, IngesterDeps, StartError};
use crate::BatchBuilder;
use crate::distributor::{ShardPart, ShardWriter};
use crate::ring::RingService;

mod cluster;
mod deletion;
mod disk;
mod failures;
mod journals;
mod limits;
mod rings;
mod spans;

use failures::{catalog_commits, copy, to_local_blocks, try_copy};

/// What is readable: values by series and time.
type Data = BTreeMap<String, BTreeMap<i64, u64>>;

struct Node {
    ingester: Ingester,
    registry: Registry,
    catalogs: Arc<Catalogs>,
    hand: ManualClock,
    tenant: TenantId,
}

const START_MS: i64 = 1_700_000_000_000;

impl Node {
    async fn start(dir: &Path, bucket: &Bucket, shards: u32) -> Self {
        Self::start_with(dir, bucket, shards, |_| {}).await
    }

    async fn start_with(
        dir: &Path,
        bucket: &Bucket,
        shards: u32,
        change: impl FnOnce(&mut IngesterConfig),
    ) -> Self {
        Self::try_start_with(dir, bucket, shards, change).await.unwrap()
    }

    async fn try_start_with(
        dir: &Path,
        bucket: &Bucket,
        shards: u32,
        change: impl FnOnce(&mut IngesterConfig),
    ) -> Result<Self, StartError> {
        Self::try_start_in(None, dir, bucket, shards, change).await
    }

    /// With what answers other nodes, if it is to join them.
    async fn try_start_in(
        ring: Option<Arc<RingService>>,
        dir: &Path,
        bucket: &Bucket,
        shards: u32,
        change: impl FnOnce(&mut IngesterConfig),
    ) -> Result<Self, StartError> {
        let (clock, hand) = Clock::manual(START_MS);
        // Nodes of a cluster draw their numbers.
        let rng = if ring.is_some() { Rng::system() } else { Rng::seeded(7) };
        let ids = Ids::new(clock.clone(), Rng::system());
        let config =
            CatalogConfig { commit_timeout_ms: 200, retry_initial_ms: 1, ..CatalogConfig::default() };
        let catalogs = Catalogs::new(Arc::clone(bucket), clock.clone(), ids.clone(), config);
        let mut config = IngesterConfig { shards: Some(shards), ..IngesterConfig::default() };
        config.flush.check_interval_ms = 5;
        config.flush.retry_initial_ms = 1;
        config.flush.retry_max_ms = 5;
        change(&mut config);
        let deps = IngesterDeps {
            bucket: Arc::clone(bucket),
            catalogs: Arc::clone(&catalogs),
            clock,
            ids,
            rng,
            data_dir: dir.to_owned(),
            offload: Offload::new(2),
            dialer: latewood_proto::Dialer::plain(),
            shutdown: Shutdown::new(),
        };
        let mut registry = Registry::default();
        let ingester = Ingester::start(config, deps, ring, &mut registry).await?;
        Ok(Self { ingester, registry, catalogs, hand, tenant: TenantId::anonymous() })
    }

    /// Writes one sample to each of `series` series, spread over the shards by number.
    async fn write(&self, series: u32, step: i64, model: &mut Data) {
        let shards = self.ingester.shards();
        for (number, shard) in shards.iter().enumerate() {
            let mut builder = BatchBuilder::new(self.tenant.clone(), &[]);
            for n in (0..series).filter(|n| *n as usize % shards.len() == number) {
                let labels = Labels::from_pairs([("__name__", "up"), ("n", &n.to_string())]);
                let value = f64::from(n) + step as f64 / 1000.0;
                let timestamp = START_MS + step * 15_000;
                builder.push(&labels, &[Sample { timestamp, value }]);
                model.entry(labels.to_string()).or_default().insert(timestamp, value.to_bits());
            }
            let part = ShardPart::whole(Arc::new(builder.build()), number as u32);
            shard.write(part).await.unwrap();
        }
    }

    async fn view(&self) -> Arc<View> {
        self.catalogs.tenant(&self.tenant).refresh(0).await.unwrap()
    }

    fn scope(&self, view: Option<&View>) -> wire::Scope {
        let view = view.map(|view| wire::View {
            version: view.version,
            flushed: view
                .flushed
                .iter()
                .map(|(&shard, &generation)| wire::FlushedShard { shard, generation })
                .collect(),
            ..wire::View::default()
        });
        wire::Scope {
            tenant: self.tenant.to_string(),
            view,
            matchers: Vec::new(),
            start_ms: i64::MIN,
            end_ms: i64::MAX,
        }
    }

    /// What the ingester answers under a view; each series must come once.
    async fn read(&self, view: Option<&View>) -> Result<Data, StoreError> {
        let request = wire::SelectRequest { scope: Some(self.scope(view)), ..wire::SelectRequest::default() };
        let mut batches = self.ingester.store().select(request).await?;
        let mut data = Data::new();
        while let Some(batch) = batches.next().await {
            for series in batch?.series {
                let samples = series.samples().map(|sample| (sample.timestamp, sample.value.to_bits()));
                let before = data.insert(series.labels.to_string(), samples.collect());
                assert!(before.is_none(), "{} came twice", series.labels);
            }
        }
        self.check_spans(view, &data).await;
        Ok(data)
    }

    /// Waits until flushed generations have lingered long enough and are dropped.
    async fn outlive_lingering(&self) {
        for shard in self.ingester.shards() {
            let mut changes = shard.head().changes();
            while shard.head().closed().iter().any(|closed| closed.flushed) {
                self.hand.advance(Duration::from_secs(61));
                // A generation that began to linger only now is not due yet, and changes nothing.
                let _ = tokio::time::timeout(Duration::from_millis(500), changes.changed()).await;
            }
        }
    }

    async fn flush(&self) {
        for shard in self.ingester.shards() {
            shard.flush(true).await.unwrap();
        }
    }
}

fn memory() -> Bucket {
    Arc::new(MemoryBucket::new())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_is_there_after_a_restart() {
    let (dir, bucket, mut model) = (tempfile::tempdir().unwrap(), memory(), Data::new());
    for round in 0..3 {
        // Another number of shards does not lose any.
        let node = Node::start(dir.path(), &bucket, if round == 0 { 2 } else { 3 }).await;
        assert_eq!(node.ingester.shards().len(), 2);
        assert_eq!(node.read(None).await.unwrap(), model);
        for step in 0..5 {
            node.write(50, round * 10 + step, &mut model).await;
        }
        assert_eq!(node.read(None).await.unwrap(), model);
        node.ingester.stop().await;
    }
}

/// What the blocks of a view hold.
async fn read_blocks(bucket: &Bucket, view: &View) -> Data {
    let mut data = Data::new();
    for entry in view.blocks.values() {
        let folder = entry.folder(&view.tenant);
        let block = Block::open(Arc::clone(bucket), &folder, Offload::new(1), ReaderConfig::default());
        let mut series = block.await.unwrap().select(SelectSpec {
            matchers: Vec::new(),
            range: TimeRange::ALL,
            skip_samples: false,
            skip_starts: false,
        });
        while let Some(batch) = series.next().await {
            for series in batch.unwrap() {
                add(
                    &mut data,
                    &series.labels.to_string(),
                    series.samples().map(|s| (s.timestamp, s.value.to_bits())),
                );
            }
        }
    }
    data
}

/// Adds samples, none of which may be there already.
fn add(data: &mut Data, series: &str, samples: impl Iterator<Item = (i64, u64)>) {
    for (at, bits) in samples {
        let before = data.entry(series.to_owned()).or_default().insert(at, bits);
        assert!(before.is_none(), "{series} at {at} is visible twice");
    }
}

impl Node {
    /// Under the newest view, ingester and blocks together show each sample of the model exactly once.
    async fn check(&self, bucket: &Bucket, model: &Data) {
        let view = self.view().await;
        let mut all = read_blocks(bucket, &view).await;
        for (series, samples) in self.read(Some(&view)).await.unwrap() {
            add(&mut all, &series, samples.into_iter());
        }
        assert_eq!(&all, model);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flush_moves_data_from_head_to_blocks_under_pinned_views() {
    let (dir, bucket, mut model) = (tempfile::tempdir().unwrap(), memory(), Data::new());
    let node = Node::start(dir.path(), &bucket, 2).await;
    node.write(40, 0, &mut model).await;
    node.write(40, 1, &mut model).await;
    let before = node.view().await;
    node.flush().await;
    let flushed_model = model.clone();
    let after = node.view().await;
    assert_eq!((after.blocks.len(), after.flushed.len()), (2, 2));
    node.write(40, 2, &mut model).await;
    // A query of the older view finds all here, from the local blocks; one of the newer view the rest.
    assert_eq!(node.read(Some(&before)).await.unwrap(), model);
    assert_eq!(read_blocks(&bucket, &after).await, flushed_model);
    node.check(&bucket, &model).await;
    // Late data for times that are flushed goes to the next generation.
    node.write(40, 1, &mut model).await;
    assert_eq!(node.read(Some(&before)).await.unwrap(), model);
    // When it has lingered, the older view is told to pin a newer one, and the disk is free.
    node.outlive_lingering().await;
    let stale = node.read(Some(&before)).await;
    assert!(matches!(stale, Err(StoreError::StaleView { min_version }) if min_version == after.version));
    assert_eq!(node.read(Some(&after)).await.unwrap().len(), 40);
    node.ingester.stop().await;
    // The journal was purged: a restart replays the open generation alone.
    let node = Node::start(dir.path(), &bucket, 2).await;
    let open: u64 = node.ingester.shards().iter().map(|shard| shard.head().open().samples()).sum();
    assert_eq!(open, 80);
    let stale = node.read(None).await;
    assert!(matches!(stale, Err(StoreError::StaleView { .. })), "{stale:?}");
    assert_eq!(node.read(Some(&after)).await.unwrap().len(), 40);
    node.ingester.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn age_freezes_a_generation() {
    let (dir, bucket, mut model) = (tempfile::tempdir().unwrap(), memory(), Data::new());
    let node = Node::start(dir.path(), &bucket, 1).await;
    node.write(10, 0, &mut model).await;
    let mut changes = node.ingester.shards()[0].head().changes();
    node.hand.advance(Duration::from_secs(7200));
    while node.view().await.blocks.is_empty() {
        changes.changed().await;
    }
    node.check(&bucket, &model).await;
    node.ingester.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_and_reads_go_on_while_generations_are_flushed() {
    let (dir, bucket) = (tempfile::tempdir().unwrap(), memory());
    let node = Arc::new(Node::start(dir.path(), &bucket, 2).await);
    let writer = Arc::clone(&node);
    let writing = tokio::spawn(async move {
        let mut model = Data::new();
        for step in 0..60 {
            writer.write(20, step, &mut model).await;
        }
        model
    });
    let mut seen = 0;
    while !writing.is_finished() {
        node.flush().await;
        let view = node.view().await;
        let mut all = read_blocks(&bucket, &view).await;
        for (series, samples) in node.read(Some(&view)).await.unwrap() {
            add(&mut all, &series, samples.into_iter());
        }
        let samples = all.values().map(BTreeMap::len).sum::<usize>();
        assert!(samples >= seen, "what was seen stays");
        seen = samples;
    }
    node.check(&bucket, &writing.await.unwrap()).await;
    node.ingester.stop().await;
}

/// Through the routes: remote write in, flush, and what is read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_flush_route_waits_and_metrics_show_the_head() {
    let (dir, bucket, mut model) = (tempfile::tempdir().unwrap(), memory(), Data::new());
    let node = Node::start(dir.path(), &bucket, 2).await;
    node.write(10, 0, &mut model).await;
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &node.registry).unwrap();
    assert!(text.contains("latewood_ingester_head_series 10\n"), "{text}");
    let post = |path: &str| {
        let request = Request::post(path).body(Body::empty()).unwrap();
        node.ingester.routes().oneshot(request)
    };
    let status =
        |response: Result<axum::response::Response, std::convert::Infallible>| response.unwrap().status();
    assert_eq!(status(post("/api/v1/admin/flush?wait=maybe").await), 400);
    assert_eq!(status(post("/api/v1/admin/flush?wait=true").await), 204);
    assert_eq!(node.view().await.blocks.len(), 2);
    node.check(&bucket, &model).await;
    node.ingester.stop().await;
}
