//! The ingester against a bucket in memory: acknowledged is readable, across restarts and flushes, once.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use latewood_base::{Clock, Ids, ManualClock, Offload, Rng, Shutdown};
use latewood_catalog::{CatalogConfig, Catalogs, View};
use latewood_model::{Labels, Sample, TenantId};
use latewood_objstore::{Bucket, MemoryBucket};
use latewood_proto::store::{StoreApi, StoreError, frame_series, wire};
use prometheus_client::registry::Registry;

use super::{Ingester, IngesterConfig, IngesterDeps};
use crate::BatchBuilder;
use crate::distributor::{ShardPart, ShardWriter};

/// What is readable: values by series and time.
type Data = BTreeMap<String, BTreeMap<i64, u64>>;

struct Node {
    ingester: Ingester,
    catalogs: Arc<Catalogs>,
    hand: ManualClock,
    tenant: TenantId,
}

const START_MS: i64 = 1_700_000_000_000;

impl Node {
    async fn start(dir: &Path, bucket: &Bucket, shards: u32) -> Self {
        let (clock, hand) = Clock::manual(START_MS);
        let rng = Rng::seeded(7);
        let ids = Ids::new(clock.clone(), Rng::system());
        let config = CatalogConfig {
            commit_timeout_ms: 200,
            retry_initial_ms: 1,
            ..CatalogConfig::default()
        };
        let catalogs = Catalogs::new(Arc::clone(bucket), clock.clone(), ids.clone(), config);
        let mut config = IngesterConfig {
            shards: Some(shards),
            ..IngesterConfig::default()
        };
        config.flush.check_interval_ms = 5;
        config.flush.retry_initial_ms = 1;
        config.flush.retry_max_ms = 5;
        let deps = IngesterDeps {
            bucket: Arc::clone(bucket),
            catalogs: Arc::clone(&catalogs),
            clock,
            ids,
            rng,
            data_dir: dir.to_owned(),
            offload: Offload::new(2),
            shutdown: Shutdown::new(),
        };
        let ingester = Ingester::start(config, deps, &mut Registry::default())
            .await
            .unwrap();
        Self {
            ingester,
            catalogs,
            hand,
            tenant: TenantId::anonymous(),
        }
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
                model
                    .entry(labels.to_string())
                    .or_default()
                    .insert(timestamp, value.to_bits());
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
            blocks: Vec::new(),
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
        let request = wire::SelectRequest {
            scope: Some(self.scope(view)),
            ..wire::SelectRequest::default()
        };
        let mut frames = self.ingester.store().select(request).await?;
        let mut data = Data::new();
        while let Some(frame) = frames.next().await {
            for series in frame_series(frame?)? {
                let samples = series
                    .samples()
                    .map(|sample| (sample.timestamp, sample.value.to_bits()));
                let before = data.insert(series.labels.to_string(), samples.collect());
                assert!(before.is_none(), "{} came twice", series.labels);
            }
        }
        Ok(data)
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
