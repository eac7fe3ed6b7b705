//! The bucket, time, and whoever works on the bucket.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::TryStreamExt;
use latewood_base::{Clock, Ids, ManualClock, Offload, Rng};
use latewood_block::{BlockHeader, BlockWriter, WriterConfig};
use latewood_blockstore::{BlockStoreError, Publisher, read_entry};
use latewood_catalog::{CatalogConfig, Catalogs, Change, TenantCatalog, Tombstone, TombstoneMatcher, View};
use latewood_compactor::{
    Compactor, CompactorConfig, CompactorDeps, RetentionConfig, RetentionPolicy, RollupRangesConfig,
};
use latewood_model::{Resolution, SeriesSamples, TenantId, TimeRange, storage_order};
use latewood_objstore::{Bucket, BucketError, MemoryBucket};
use latewood_testkit::{Chances, FaultyBucket, WaveringBucket};
use prometheus_client::registry::Registry;
use tempfile::TempDir;

use crate::world::touches;

pub(super) const HOUR: i64 = 3_600_000;
pub(super) const DAY: i64 = 24 * HOUR;

pub(super) struct World {
    /// As it is: it never fails.
    pub(super) bucket: Bucket,
    pub(super) clock: Clock,
    pub(super) hand: ManualClock,
    pub(super) offload: Offload,
    pub(super) config: CompactorConfig,
    /// Whether only some processes are told to deduplicate.
    is_switched: bool,
    rng: Rng,
    dir: TempDir,
}

impl World {
    /// An empty one, whose windows and retention are short, so that days are what years are elsewhere.
    pub(super) fn new(rng: &Rng) -> Self {
        let (clock, hand) = Clock::manual(100 * DAY);
        let days = |choice: &[u64]| choice[rng.below(choice.len() as u64) as usize] * 86_400;
        // What is deduplicated must have come, as flushes do that take no longer than a window settles.
        let deduplicate = rng.below(3) > 0;
        let config = CompactorConfig {
            block_ranges_seconds: vec![7_200, 21_600, 86_400, 172_800],
            rollup_ranges: RollupRangesConfig {
                resolution_5m_seconds: vec![4 * 86_400],
                resolution_1h_seconds: vec![4 * 86_400],
                resolution_1d_seconds: vec![4 * 86_400, 8 * 86_400],
            },
            settle_seconds: if deduplicate { 16 * 3_600 } else { 3_600 },
            late_delay_seconds: 6 * 3_600,
            deduplicate,
            max_job_blocks: 4 + rng.below(20) as usize,
            deletion_delay_seconds: 2 * 3_600,
            retention: RetentionConfig {
                resolution_raw_seconds: days(&[1, 2, 3]),
                resolution_5m_seconds: days(&[2, 4]),
                resolution_1h_seconds: days(&[0, 6]),
                resolution_1d_seconds: 0,
            },
            ..CompactorConfig::default()
        };
        config.validate().unwrap();
        Self {
            bucket: Arc::new(MemoryBucket::with_clock(clock.clone())),
            clock,
            hand,
            offload: Offload::new(2),
            config,
            is_switched: rng.below(3) == 0,
            rng: rng.clone(),
            dir: tempfile::tempdir().unwrap(),
        }
    }

    pub(super) fn kept_raw(&self) -> i64 {
        self.retention().of(Resolution::Raw).unwrap()
    }

    pub(super) fn retention(&self) -> RetentionPolicy {
        self.config.retention_of(&TenantId::anonymous())
    }

    fn ids(&self) -> Ids {
        Ids::new(self.clock.clone(), Rng::seeded(self.rng.next_u64()))
    }

    fn catalogs(&self, bucket: &Bucket) -> Arc<Catalogs> {
        let config = CatalogConfig { retry_initial_ms: 1, ..CatalogConfig::default() };
        Catalogs::new(Arc::clone(bucket), self.clock.clone(), self.ids(), config)
    }

    fn catalog(&self) -> Arc<TenantCatalog> {
        self.catalogs(&self.bucket).tenant(&TenantId::anonymous())
    }

    pub(super) async fn view(&self) -> Arc<View> {
        self.catalog().view().await.unwrap()
    }

    /// A compactor as a process of its own, before a bucket that takes its time and fails by chance.
    pub(super) fn compactor(&self, chances: Chances, seed: u64) -> Compactor {
        let faulty = FaultyBucket::seeded(Arc::clone(&self.bucket), seed, chances);
        let bucket: Bucket = WaveringBucket::new(faulty, seed);
        let deps = CompactorDeps {
            catalogs: self.catalogs(&bucket),
            bucket,
            clock: self.clock.clone(),
            ids: self.ids(),
            offload: self.offload.clone(),
            scratch_dir: self.dir.path().join(format!("scratch-{}", self.rng.next_u64())),
        };
        // Processes may have been told different things.
        let deduplicate = self.config.deduplicate && (!self.is_switched || self.rng.below(2) == 0);
        let config = CompactorConfig { deduplicate, ..self.config.clone() };
        Compactor::new(&config, deps, &mut Registry::default()).unwrap()
    }

    /// A block as an ingester flushes it; acknowledged when this returns.
    pub(super) async fn flush(&self, series: &[SeriesSamples]) {
        if series.is_empty() {
            return;
        }
        let mut series = series.to_vec();
        series.sort_by(|a, b| storage_order(&a.labels, &b.labels));
        let header = BlockHeader::new(self.ids().next(), TenantId::anonymous(), Resolution::Raw);
        let dir = self.dir.path().join(header.id.to_string());
        let mut writer = BlockWriter::create(&dir, header, WriterConfig::default()).unwrap();
        series.iter().for_each(|one| writer.push(one, None).unwrap());
        let meta = writer.finish().unwrap();
        let (bucket, offload) = (Arc::clone(&self.bucket), self.offload.clone());
        let entry = Publisher { bucket, offload, concurrency: 4 }.publish(&dir, &meta).await.unwrap();
        self.catalog().commit(Change { add: vec![entry], ..Change::default() }).await.unwrap();
    }

    /// Replicas differ by a label more or less from now on, which none of them has.
    pub(super) fn relabel(&mut self) {
        let labels = &mut self.config.replica_labels;
        match labels.len() {
            1 => labels.push("server".to_owned()),
            _ => *labels = vec!["replica".to_owned()],
        }
    }

    /// Loses the catalog, and makes it anew from the blocks that are whole.
    pub(super) async fn lose_catalog(&self) {
        let log: Vec<_> = self.bucket.list("anonymous/catalog", None).try_collect().await.unwrap();
        for object in log {
            self.bucket.delete(&object.key).await.unwrap();
        }
        let (catalog, tenant) = (self.catalog(), TenantId::anonymous());
        let mut entries = Vec::new();
        for (resolution, id, _) in catalog.block_folders().await.unwrap() {
            match read_entry(&self.bucket, &tenant, resolution, id).await {
                Ok(entry) => entries.push(entry),
                Err(BlockStoreError::Bucket(BucketError::NotFound { .. })) => {}
                Err(error) => panic!("{id}: {error}"),
            }
        }
        catalog.rebuild(entries, &BTreeMap::new()).await.unwrap();
    }

    /// Deletes a pod's samples from all blocks of that time that are live when it is committed.
    pub(super) async fn delete(&self, pod: &str, range: TimeRange) {
        let matcher = TombstoneMatcher { name: "pod".to_owned(), op: "=".to_owned(), value: pod.to_owned() };
        let id = self.ids().next();
        let tombstone = |view: &View| Tombstone {
            id,
            matchers: vec![matcher.clone()],
            range,
            blocks: view
                .blocks
                .values()
                .filter(|block| touches(block, range))
                .map(|block| block.id)
                .collect(),
        };
        let made = |view: &View| Some(Change { add_tombstones: vec![tombstone(view)], ..Change::default() });
        self.catalog().commit_with(made).await.unwrap();
    }
}
