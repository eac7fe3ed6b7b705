//! A tenant's blocks in a bucket in memory, and what they answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::TryStreamExt;
use latewood_base::{Clock, Ids, ManualClock, Offload, Rng};
use latewood_block::{
    Block, BlockHeader, BlockWriter, ReaderConfig, RollupColumns, RollupSpec, SelectSpec, WriterConfig,
};
use latewood_blockstore::{Masks, Publisher};
use latewood_catalog::{
    BlockEntry, CatalogConfig, Catalogs, Change, TenantCatalog, Tombstone, TombstoneMatcher, View,
};
use latewood_compactor::{Compactor, CompactorConfig, CompactorDeps};
use latewood_model::rollup::SeriesRollups;
use latewood_model::{
    HistogramSample, Labels, Resolution, SeriesSamples, StartTimestamps, TenantId, TimeRange, TimestampMs,
    preferred_histogram, preferred_started, resolve_kinds, storage_order,
};
use latewood_objstore::{Bucket, MemoryBucket};
use latewood_testkit::FaultyBucket;
use prometheus_client::registry::Registry;
use tempfile::TempDir;

pub const HOUR: i64 = 3_600_000;

/// The samples of each series, by its labels as text.
pub type Answers = BTreeMap<String, OfSeries>;

/// Floats with their bits and start timestamps by time, and histograms.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OfSeries {
    labels: Labels,
    pub floats: BTreeMap<TimestampMs, (u64, TimestampMs)>,
    histograms: Vec<HistogramSample>,
}

pub struct World {
    pub bucket: Arc<FaultyBucket>,
    pub hand: ManualClock,
    pub clock: Clock,
    pub config: CompactorConfig,
    dir: TempDir,
    seed: u64,
}

impl World {
    /// Of a bucket without blocks, at so many hours.
    pub fn new(seed: u64, hours: i64) -> Self {
        let (clock, hand) = Clock::manual(hours * HOUR);
        let memory: Bucket = Arc::new(MemoryBucket::with_clock(clock.clone()));
        let config = CompactorConfig { settle_seconds: 3_600, ..CompactorConfig::default() };
        Self {
            bucket: FaultyBucket::new(memory),
            hand,
            clock,
            config,
            dir: tempfile::tempdir().unwrap(),
            seed,
        }
    }

    /// The catalogs as another process would have them: nothing is known yet.
    pub fn catalogs(&self) -> Arc<Catalogs> {
        let config = CatalogConfig { commit_timeout_ms: 50, retry_initial_ms: 1, ..CatalogConfig::default() };
        let ids = Ids::new(self.clock.clone(), Rng::system());
        Catalogs::new(self.shared_bucket(), self.clock.clone(), ids, config)
    }

    pub fn catalog(&self) -> Arc<TenantCatalog> {
        self.catalogs().tenant(&TenantId::anonymous())
    }

    pub async fn view(&self) -> Arc<View> {
        self.catalog().view().await.unwrap()
    }

    /// A compactor as another process would have it.
    pub fn compactor(&self) -> Compactor {
        let deps = CompactorDeps {
            bucket: self.shared_bucket(),
            catalogs: self.catalogs(),
            clock: self.clock.clone(),
            ids: Ids::new(self.clock.clone(), Rng::system()),
            offload: Offload::new(2),
            scratch_dir: self.dir.path().join(format!("scratch-{}", Rng::system().next_u64())),
        };
        Compactor::new(&self.config, deps, &mut Registry::default()).unwrap()
    }

    /// A block as an ingester flushes it.
    pub async fn flush(&mut self, mut series: Vec<SeriesSamples>) -> BlockEntry {
        series.sort_by(|a, b| storage_order(&a.labels, &b.labels));
        self.seed += 1;
        let id = Ids::new(self.clock.clone(), Rng::seeded(self.seed)).next();
        let header = BlockHeader::new(id, TenantId::anonymous(), Resolution::Raw);
        let dir = self.dir.path().join(header.id.to_string());
        let mut writer = BlockWriter::create(&dir, header, WriterConfig::default()).unwrap();
        series.iter().for_each(|one| writer.push(one, None).unwrap());
        let meta = writer.finish().unwrap();
        let publisher = Publisher { bucket: self.shared_bucket(), offload: Offload::new(2), concurrency: 4 };
        let entry = publisher.publish(&dir, &meta).await.unwrap();
        let change = Change { add: vec![entry.clone()], ..Change::default() };
        self.catalog().commit(change).await.unwrap();
        entry
    }

    /// Deletes what fits a matcher from the blocks that are live and have any of these times.
    pub async fn delete(&mut self, name: &str, value: &str, range: TimeRange) {
        self.seed += 1;
        let view = self.view().await;
        let bound = view.blocks.values().filter(|block| touches(block, range));
        let tombstone = Tombstone {
            id: Ids::new(self.clock.clone(), Rng::seeded(self.seed)).next(),
            matchers: vec![TombstoneMatcher {
                name: name.to_owned(),
                op: "=".to_owned(),
                value: value.to_owned(),
            }],
            range,
            blocks: bound.map(|block| block.id).collect(),
        };
        let change = Change { add_tombstones: vec![tombstone], ..Change::default() };
        self.catalog().commit(change).await.unwrap();
    }

    /// All samples that a query of everything sees, decided by the tie rule one by one.
    pub async fn answers(&self) -> Answers {
        let view = self.view().await;
        self.stored(&view, |block| !block.tail).await
    }

    /// All samples of some raw blocks, less what is deleted, decided by the tie rule one by one.
    pub async fn stored(&self, view: &View, is_one: impl Fn(&BlockEntry) -> bool) -> Answers {
        let mut answers = Answers::new();
        let raw = view.blocks.values().filter(|block| block.resolution == Resolution::Raw);
        for entry in raw.filter(|block| is_one(block)) {
            self.left_of(view, entry).await.iter().for_each(|series| tell(&mut answers, series));
        }
        settle(&mut answers);
        answers
    }

    /// The samples of a raw block, less what is deleted.
    pub async fn left_of(&self, view: &View, entry: &BlockEntry) -> Vec<SeriesSamples> {
        let masks = Masks::of(view, entry.id).unwrap();
        self.read(entry).await.into_iter().filter_map(|series| masks.apply(series)).collect()
    }

    /// The windows of all rollup blocks of a resolution.
    pub async fn rollups(&self, resolution: Resolution) -> Vec<SeriesRollups> {
        let view = self.view().await;
        let mut rollups = Vec::new();
        for entry in view.blocks.values().filter(|block| block.resolution == resolution) {
            let spec = RollupSpec {
                matchers: Vec::new(),
                range: TimeRange::ALL,
                skip_windows: false,
                columns: RollupColumns::ALL,
            };
            let block = self.open(entry).await;
            let batches: Vec<Vec<SeriesRollups>> = block.select_rollups(spec).try_collect().await.unwrap();
            rollups.extend(batches.into_iter().flatten());
        }
        rollups
    }

    async fn open(&self, entry: &BlockEntry) -> Arc<Block> {
        let folder = entry.folder(&TenantId::anonymous());
        let (bucket, offload) = (self.shared_bucket(), Offload::new(2));
        Block::open(bucket, &folder, offload, ReaderConfig::default()).await.unwrap()
    }

    pub async fn read(&self, entry: &BlockEntry) -> Vec<SeriesSamples> {
        let all = SelectSpec {
            matchers: Vec::new(),
            range: TimeRange::ALL,
            skip_samples: false,
            skip_starts: false,
        };
        let batches: Vec<Vec<SeriesSamples>> =
            self.open(entry).await.select(all).try_collect().await.unwrap();
        batches.into_iter().flatten().collect()
    }

    fn shared_bucket(&self) -> Bucket {
        Arc::clone(&self.bucket) as Bucket
    }
}

/// Whether a deletion of a range binds a block. A row of a rollup has times before its own.
pub fn touches(block: &BlockEntry, range: TimeRange) -> bool {
    let window = block.resolution.millis().unwrap_or(0);
    block.range.overlaps(TimeRange::new(range.start, range.end.saturating_add(window)))
}

/// One series with a sample a minute, so many and from so many milliseconds on.
pub fn minutely(name: &str, from: TimestampMs, samples: i64) -> Vec<SeriesSamples> {
    let times = (0..samples).map(|at| from + at * 60_000);
    vec![SeriesSamples {
        labels: Labels::from_pairs([("__name__", name)]),
        timestamps: times.clone().collect(),
        values: times.map(|at| at as f64 / 3.0).collect(),
        starts: StartTimestamps::none(),
        histograms: Vec::new(),
    }]
}

/// The series as it would be read, without start timestamps.
pub fn series_of(of_series: &OfSeries) -> SeriesSamples {
    SeriesSamples { starts: StartTimestamps::none(), ..series_within(of_series, TimeRange::ALL) }
}

/// The samples of a range.
pub fn series_within(of_series: &OfSeries, range: TimeRange) -> SeriesSamples {
    let floats = of_series.floats.iter().filter(|(at, _)| range.contains(**at));
    let mut starts = StartTimestamps::none();
    floats.clone().for_each(|(at, (_, start))| starts.push(*at, *start));
    let histograms = of_series.histograms.iter().filter(|sample| range.contains(sample.timestamp));
    SeriesSamples {
        labels: of_series.labels.clone(),
        timestamps: floats.clone().map(|(at, _)| *at).collect(),
        values: floats.map(|(_, (bits, _))| f64::from_bits(*bits)).collect(),
        starts,
        histograms: histograms.cloned().collect(),
    }
}

/// Adds a series to what is answered.
pub fn tell(answers: &mut Answers, series: &SeriesSamples) {
    let known = answers.entry(series.labels.to_string()).or_default();
    known.labels = series.labels.clone();
    add(known, series);
}

/// Decides between floats and histograms of one time, when all is told.
pub fn settle(answers: &mut Answers) {
    answers.values_mut().for_each(resolve);
}

fn add(OfSeries { floats, histograms, .. }: &mut OfSeries, series: &SeriesSamples) {
    for sample in series.samples() {
        let start = series.starts.at(sample.timestamp);
        let stands = floats.get(&sample.timestamp).map_or((sample.value, start), |(bits, other)| {
            preferred_started((f64::from_bits(*bits), *other), (sample.value, start))
        });
        floats.insert(sample.timestamp, (stands.0.to_bits(), stands.1));
    }
    for sample in &series.histograms {
        // What it says of resets is about its predecessor in its own run.
        let sample = HistogramSample { histogram: sample.histogram.clone().without_hint(), ..sample.clone() };
        match histograms.binary_search_by_key(&sample.timestamp, |known| known.timestamp) {
            Ok(at) => histograms[at] = preferred_histogram(histograms[at].clone(), sample),
            Err(at) => histograms.insert(at, sample),
        }
    }
}

fn resolve(OfSeries { floats, histograms, .. }: &mut OfSeries) {
    let mut times: Vec<TimestampMs> = floats.keys().copied().collect();
    let mut values: Vec<f64> = floats.values().map(|(bits, _)| f64::from_bits(*bits)).collect();
    resolve_kinds(&mut times, &mut values, histograms);
    floats.retain(|time, _| times.binary_search(time).is_ok());
}
