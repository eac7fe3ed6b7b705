//! A querier over an ingester and a store-gateway that live in memory, and whose catalog others commit to.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use latewood_base::{Clock, ErrorKind, Ids, ManualClock, Rng, Ulid};
use latewood_catalog::{BlockEntry, CatalogConfig, Catalogs, Change, FlushStep, Tombstone, TombstoneMatcher};
use latewood_model::{
    Labels, Resolution, SeriesRollups, SeriesSamples, StartTimestamps, TenantId, TimeRange,
};
use latewood_objstore::{Bucket, MemoryBucket};
use latewood_proto::store::{Leaderless, Ring, SelectStream, StoreApi, StoreError, wire};
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use tower::ServiceExt;

use crate::testing::{FakeStore, stores};
use crate::{Querier, QuerierConfig, QuerierDeps, StatusInfo};

pub(super) type Sample = (Labels, i64, f64);

/// Where the samples are.
#[derive(Default)]
struct Held {
    /// By number; the last one takes writes.
    generations: BTreeMap<u64, Vec<Sample>>,
    /// Generations up to this one are dropped.
    floor: u64,
    /// By id, as they are without what was deleted.
    blocks: BTreeMap<String, Vec<Sample>>,
    version: u64,
    /// The ingester fails.
    is_away: bool,
    /// Whether the ingester is a node of a cluster which leads the shard, or hears nobody do so; none if it stands alone.
    leads: Option<bool>,
    span_calls: u64,
}

/// One that answers for the generations, or for the blocks.
struct Part {
    role: Role,
    held: Arc<Mutex<Held>>,
}

enum Role {
    Ingester,
    Gateway,
}

fn store_of<'a>(samples: impl Iterator<Item = &'a Sample>) -> FakeStore {
    let mut by_series: BTreeMap<Labels, BTreeMap<i64, f64>> = BTreeMap::new();
    for (labels, at, value) in samples {
        let there = by_series.entry(labels.clone()).or_default().entry(*at).or_insert(*value);
        if value.to_bits() > there.to_bits() {
            *there = *value;
        }
    }
    let series = by_series.into_iter().map(|(labels, samples)| SeriesSamples {
        labels,
        timestamps: samples.keys().copied().collect(),
        values: samples.values().copied().collect(),
        starts: StartTimestamps::none(),
        histograms: Vec::new(),
    });
    FakeStore::holding(series.collect())
}

impl Part {
    fn generations(&self, view: &wire::View) -> Result<Vec<Vec<Sample>>, StoreError> {
        let held = self.held.lock();
        if held.is_away {
            return Err(crate::testing::unavailable());
        }
        if held.leads == Some(false) && !view.allow_stale {
            return Err(StoreError::NotLeader { shards: vec![0] });
        }
        let flushed = view.flushed.first().map_or(0, |shard| shard.generation);
        if held.floor > flushed {
            return Err(StoreError::StaleView { min_version: held.version });
        }
        Ok(held.generations.range(flushed + 1..).map(|(_, samples)| samples.clone()).collect())
    }
}

#[async_trait]
impl StoreApi for Part {
    async fn select(&self, request: wire::SelectRequest) -> Result<SelectStream, StoreError> {
        let view = request.scope.as_ref().and_then(|scope| scope.view.clone()).unwrap_or_default();
        let samples = match self.role {
            Role::Ingester => self.generations(&view)?.concat(),
            Role::Gateway => view.blocks.iter().flat_map(|id| self.held.lock().blocks[id].clone()).collect(),
        };
        store_of(samples.iter()).select(request).await
    }

    async fn spans(&self, request: wire::SpansRequest) -> Result<wire::SpansResponse, StoreError> {
        self.held.lock().span_calls += 1;
        let generations = self.generations(&request.view.unwrap_or_default())?;
        let spans = generations.iter().map(|samples| range_of(samples)).filter(|span| !span.is_empty());
        let spans = spans.map(|span| wire::TimeSpan { start_ms: span.start, end_ms: span.end });
        Ok(wire::SpansResponse { spans: spans.collect() })
    }

    async fn label_names(&self, request: wire::LabelNamesRequest) -> Result<wire::LabelStrings, StoreError> {
        FakeStore::default().label_names(request).await
    }

    async fn label_values(
        &self,
        request: wire::LabelValuesRequest,
    ) -> Result<wire::LabelStrings, StoreError> {
        FakeStore::default().label_values(request).await
    }

    async fn metadata(&self, request: wire::MetadataRequest) -> Result<wire::MetadataResponse, StoreError> {
        FakeStore::default().metadata(request).await
    }

    async fn exemplars(
        &self,
        request: wire::ExemplarsRequest,
    ) -> Result<wire::ExemplarsResponse, StoreError> {
        FakeStore::default().exemplars(request).await
    }

    async fn select_rollups(
        &self,
        _: wire::RollupsRequest,
    ) -> Result<SelectStream<SeriesRollups>, StoreError> {
        Err(StoreError::new(ErrorKind::Unsupported, "no rollups"))
    }

    async fn ring(&self, request: wire::RingRequest) -> Result<wire::RingResponse, StoreError> {
        let leads = self.held.lock().leads;
        let Some(leads) = leads else { return FakeStore::default().ring(request).await };
        let left = Leaderless { term: 1, index: 9, silent: Some(Duration::from_secs(3)) };
        Ok(Ring {
            cluster: Ulid(1),
            node: 1,
            members: 3,
            shards: [0].into(),
            led: leads.then_some((0, 2)).into_iter().collect(),
            leaderless: (!leads).then_some((0, left)).into_iter().collect(),
        }
        .to_wire())
    }

    async fn statistics(
        &self,
        request: wire::StatisticsRequest,
    ) -> Result<wire::StatisticsResponse, StoreError> {
        FakeStore::default().statistics(request).await
    }
}

fn range_of(samples: &[Sample]) -> TimeRange {
    let mut range = TimeRange::EMPTY;
    samples.iter().for_each(|sample| range.include(sample.1));
    range
}

/// See the module.
pub(super) struct World {
    held: Arc<Mutex<Held>>,
    /// Those of the querier, and those of others.
    catalogs: [Arc<Catalogs>; 2],
    routes: Router,
    registry: Registry,
    pub(super) hand: ManualClock,
    next_id: u128,
}

impl World {
    pub(super) fn new(config: QuerierConfig, now_ms: i64) -> Self {
        let (clock, hand) = Clock::manual(now_ms);
        let bucket: Bucket = Arc::new(MemoryBucket::new());
        let catalogs = [1, 2].map(|seed| {
            let ids = Ids::new(clock.clone(), Rng::seeded(seed));
            Catalogs::new(Arc::clone(&bucket), clock.clone(), ids, CatalogConfig::default())
        });
        let held = Arc::new(Mutex::new(Held { generations: [(1, Vec::new())].into(), ..Held::default() }));
        let store = |role| stores(vec![Arc::new(Part { role, held: Arc::clone(&held) })]);
        let deps = QuerierDeps {
            catalogs: Arc::clone(&catalogs[0]),
            ingesters: store(Role::Ingester),
            gateways: store(Role::Gateway),
            clock,
            ids: Ids::new(Clock::system(), Rng::seeded(3)),
            offload: latewood_base::Offload::new(1),
            status: StatusInfo::default(),
        };
        let mut registry = Registry::default();
        let routes = Querier::new(config, deps, &mut registry).routes();
        Self { held, catalogs, routes, registry, hand, next_id: 1 }
    }

    pub(super) fn write(&self, samples: impl IntoIterator<Item = Sample>) {
        let mut held = self.held.lock();
        held.generations.last_entry().unwrap().get_mut().extend(samples);
    }

    pub(super) fn set_away(&self, is_away: bool) {
        self.held.lock().is_away = is_away;
    }

    /// The ingester is a node of a cluster from the first query on, and leads the shard or not.
    pub(super) fn set_leads(&self, leads: bool) {
        self.held.lock().leads = Some(leads);
    }

    /// How often the ingester was asked for its spans.
    pub(super) fn span_calls(&self) -> u64 {
        self.held.lock().span_calls
    }

    async fn commit(&self, catalogs: usize, change: Change) {
        let catalog = self.catalogs[catalogs].tenant(&TenantId::anonymous());
        catalog.refresh(0).await.unwrap();
        self.held.lock().version = catalog.commit(change).await.unwrap().version;
    }

    fn new_block(&mut self, samples: Vec<Sample>) -> BlockEntry {
        self.next_id += 1;
        let id = Ulid(self.next_id << 64);
        let entry = BlockEntry::new(id, Resolution::Raw, range_of(&samples));
        self.held.lock().blocks.insert(id.to_string(), samples);
        entry
    }

    /// Flushes what is held; the querier is not told. The generation is forgotten, or served on.
    pub(super) async fn flush(&mut self, forget: bool) {
        let (number, samples) = {
            let mut held = self.held.lock();
            let (number, samples) = held.generations.last_key_value().map(|(n, s)| (*n, s.clone())).unwrap();
            held.generations.insert(number + 1, Vec::new());
            (number, samples)
        };
        let block = (!samples.is_empty()).then(|| self.new_block(samples));
        self.commit(1, Change::flush(block, FlushStep { shard: 0, from: number - 1, to: number })).await;
        if forget {
            self.held.lock().floor = number;
            self.held.lock().generations.retain(|generation, _| *generation > number);
        }
    }

    fn live(&self) -> Vec<Ulid> {
        let view = self.catalogs[0].tenant(&TenantId::anonymous()).known_view();
        view.map(|view| view.blocks.keys().copied().collect()).unwrap_or_default()
    }

    /// Makes one block of two. The querier is told.
    pub(super) async fn compact(&mut self, rng: &Rng) {
        self.refresh().await;
        let live = self.live();
        if live.len() < 2 {
            return;
        }
        let first = rng.below(live.len() as u64 - 1) as usize;
        let remove = vec![live[first], live[first + 1]];
        let samples = remove.iter().flat_map(|id| self.held.lock().blocks[&id.to_string()].clone());
        let merged = samples.collect();
        let add = vec![self.new_block(merged)];
        let view = self.catalogs[0].tenant(&TenantId::anonymous()).known_view().unwrap();
        let applied = remove.iter().flat_map(|id| view.tombstones_of(*id).map(|tombstone| tombstone.id));
        let applied = applied.collect();
        self.commit(0, Change::replace(add, remove, applied)).await;
    }

    /// Puts a day's one series, and the tail beside it, in the place of the oldest block.
    pub(super) async fn deduplicate(&mut self, window: TimeRange, one: Vec<Sample>, tail: Vec<Sample>) {
        self.refresh().await;
        let remove = self.live().into_iter().take(1).collect();
        let (one, tail) = (self.new_block(one), self.new_block(tail));
        let (window, replica_labels) = (Some(window), QuerierConfig::default().replica_labels);
        let add = vec![
            BlockEntry { window, deduplicated: true, replica_labels, ..one },
            BlockEntry { window, tail: true, ..tail },
        ];
        self.commit(0, Change::replace(add, remove, Vec::new())).await;
    }

    /// Lets a block go, as retention does.
    pub(super) async fn expire(&self, rng: &Rng) {
        self.refresh().await;
        let live = self.live();
        if !live.is_empty() {
            let remove = vec![live[rng.below(live.len() as u64) as usize]];
            self.commit(0, Change { remove, ..Change::default() }).await;
        }
    }

    /// Deletes the series with a label of a block.
    pub(super) async fn delete(&mut self, rng: &Rng, (name, value): (&str, &str)) {
        self.refresh().await;
        let live = self.live();
        if live.is_empty() {
            return;
        }
        let block = live[rng.below(live.len() as u64) as usize];
        self.held
            .lock()
            .blocks
            .get_mut(&block.to_string())
            .unwrap()
            .retain(|(labels, ..)| labels.get(name) != Some(value));
        self.next_id += 1;
        let matcher = TombstoneMatcher { name: name.to_owned(), op: "=".to_owned(), value: value.to_owned() };
        let (id, range) = (Ulid(self.next_id << 64), TimeRange::ALL);
        let tombstone = Tombstone { id, matchers: vec![matcher], range, blocks: [block].into() };
        self.commit(0, Change { add_tombstones: vec![tombstone], ..Change::default() }).await;
    }

    /// Brings the querier's catalog up to date.
    pub(super) async fn refresh(&self) {
        self.catalogs[0].tenant(&TenantId::anonymous()).refresh(0).await.unwrap();
    }

    pub(super) async fn send(&self, request: Request) -> String {
        let response = self.routes.clone().oneshot(request).await.unwrap();
        let body = to_bytes(response.into_body(), 100 << 20).await.unwrap();
        String::from_utf8(body.to_vec()).unwrap()
    }

    pub(super) async fn get(&self, uri: &str) -> String {
        self.send(Request::get(uri).body(Body::empty()).unwrap()).await
    }

    /// A metric of the cache.
    pub(super) fn metric(&self, name: &str) -> u64 {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
        let name = format!("latewood_querier_results_cache_{name} ");
        let line = text.lines().find_map(|line| line.strip_prefix(&name));
        line.unwrap_or_else(|| panic!("no {name}")).parse().unwrap()
    }
}
