//! Stores and views for tests.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use futures::{StreamExt, stream};
use latewood_base::{Clock, ErrorKind, Ids, Rng, Ulid};
use latewood_catalog::{BlockEntry, CatalogConfig, Catalogs, View};
use latewood_model::{
    Labels, Matcher, Resolution, SeriesRollups, SeriesSamples, StartTimestamps, TenantId, TimeRange,
    storage_order,
};
use latewood_objstore::MemoryBucket;
use latewood_proto::store::{
    Detail, JoinRuns, SelectBatch, SelectStream, StoreApi, StoreError, StoredSeries, matcher_from_wire, wire,
};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::stores::{NamedStore, Stores};

/// A catalog's entry of a block.
pub(crate) fn block(id: u128, start: i64, end: i64, resolution: Resolution) -> Arc<BlockEntry> {
    Arc::new(BlockEntry::new(Ulid(id), resolution, TimeRange::new(start, end)))
}

/// A view of these blocks and flushed generations.
pub(crate) fn view_of(version: u64, blocks: Vec<Arc<BlockEntry>>, flushed: &[(u32, u64)]) -> View {
    View {
        version,
        blocks: blocks.into_iter().map(|block| (block.id, block)).collect(),
        flushed: flushed.iter().copied().collect(),
        ..View::empty(TenantId::anonymous())
    }
}

/// Catalogs over an empty bucket.
pub(crate) fn catalogs() -> Arc<Catalogs> {
    let (clock, _) = Clock::manual(1_700_000_000_000);
    let ids = Ids::new(clock.clone(), Rng::seeded(1));
    Catalogs::new(Arc::new(MemoryBucket::new()), clock, ids, CatalogConfig::default())
}

/// Stores that are known, by their places as names.
pub(crate) fn stores(stores: Vec<Arc<dyn StoreApi>>) -> Stores {
    let named = stores.into_iter().enumerate();
    Stores::new(
        named
            .map(|(index, api)| NamedStore { name: index.to_string().into(), api, deletion: None })
            .collect(),
    )
}

/// A series of samples.
pub(crate) fn series(labels: &[(&str, &str)], samples: &[(i64, f64)]) -> SeriesSamples {
    SeriesSamples {
        labels: Labels::from_pairs(labels.iter().copied()),
        timestamps: samples.iter().map(|sample| sample.0).collect(),
        values: samples.iter().map(|sample| sample.1).collect(),
        starts: StartTimestamps::none(),
        histograms: Vec::new(),
    }
}

/// A store in memory that does as it is told.
#[derive(Default)]
pub(crate) struct FakeStore {
    pub(crate) series: Vec<SeriesSamples>,
    /// What it answers with only where the view names the block.
    pub(crate) blocks: BTreeMap<String, Vec<SeriesSamples>>,
    pub(crate) metadata: Vec<wire::MetricMetadata>,
    pub(crate) exemplars: Vec<wire::SeriesExemplars>,
    /// What the next calls fail with, one after another.
    pub(crate) failures: Mutex<Vec<StoreError>>,
    /// What selects fail with after their series.
    pub(crate) late_failure: Option<StoreError>,
    /// Selects never end; dropped with the stream.
    pub(crate) endless: Mutex<Option<oneshot::Sender<()>>>,
    /// The catalog version that batches tell.
    pub(crate) newest_version: u64,
    pub(crate) calls: AtomicUsize,
    /// The views that were asked for.
    pub(crate) views: Mutex<Vec<wire::View>>,
}

impl FakeStore {
    pub(crate) fn holding(mut series: Vec<SeriesSamples>) -> Self {
        series.sort_by(|a, b| storage_order(&a.labels, &b.labels));
        Self { series, ..Self::default() }
    }

    pub(crate) fn failing(failures: impl IntoIterator<Item = StoreError>) -> Self {
        Self { failures: Mutex::new(failures.into_iter().collect()), ..Self::default() }
    }

    pub(crate) fn shared(self) -> Arc<dyn StoreApi> {
        Arc::new(self)
    }

    fn called(&self, view: Option<wire::View>) -> Result<(), StoreError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        self.views.lock().extend(view);
        let mut failures = self.failures.lock();
        if failures.is_empty() {
            return Ok(());
        }
        Err(failures.remove(0))
    }

    fn matching(&self, scope: &wire::Scope) -> Result<Vec<SeriesSamples>, StoreError> {
        let matchers: Result<Vec<Matcher>, _> = scope.matchers.iter().map(matcher_from_wire).collect();
        let matchers = matchers?;
        let range = TimeRange::new(scope.start_ms, scope.end_ms);
        let fits = |series: &&SeriesSamples| {
            let value = |name: &str| series.labels.get(name).unwrap_or("");
            matchers.iter().all(|matcher| matcher.matches(value(matcher.name())))
                && series.timestamps.iter().any(|&at| range.contains(at))
        };
        let cut = |series: &SeriesSamples| {
            let kept: Vec<_> = series.samples().filter(|sample| range.contains(sample.timestamp)).collect();
            SeriesSamples {
                labels: series.labels.clone(),
                timestamps: kept.iter().map(|sample| sample.timestamp).collect(),
                values: kept.iter().map(|sample| sample.value).collect(),
                starts: StartTimestamps::none(),
                histograms: Vec::new(),
            }
        };
        let named = scope.view.iter().flat_map(|view| &view.blocks).filter_map(|id| self.blocks.get(id));
        let mut found: Vec<_> = named.flatten().chain(&self.series).filter(fits).map(cut).collect();
        found.sort_by(|a, b| storage_order(&a.labels, &b.labels));
        let mut joiner = <SeriesSamples as StoredSeries>::Joiner::default();
        let each = found.chunk_by(|a, b| a.labels == b.labels);
        Ok(each.filter_map(|runs| joiner.join(runs.to_vec())).collect())
    }

    fn strings(&self, mut values: Vec<String>, limit: u64) -> wire::LabelStrings {
        values.sort();
        values.dedup();
        if limit > 0 {
            values.truncate(usize::try_from(limit).unwrap());
        }
        wire::LabelStrings { values, newest_version: self.newest_version, bucket: None }
    }
}

#[async_trait]
impl StoreApi for FakeStore {
    async fn select(&self, request: wire::SelectRequest) -> Result<SelectStream, StoreError> {
        let detail = request.detail();
        let scope = request.scope.unwrap_or_default();
        self.called(scope.view.clone())?;
        let mut batches = Vec::new();
        for mut series in self.matching(&scope)? {
            let kept = match detail {
                Detail::Samples => series.values.len(),
                Detail::Newest => 1,
                Detail::Labels => 0,
            };
            let first = series.values.len() - kept;
            series.timestamps = series.timestamps[first..].into();
            series.values.drain(..first);
            let (newest_version, bucket) =
                (self.newest_version, Some(wire::BucketUsage { requests: 2, read_bytes: 100 }));
            batches.push(Ok(SelectBatch { series: vec![series], newest_version, bucket }));
            if request.limit > 0 && batches.len() as u64 >= request.limit {
                break;
            }
        }
        batches.extend(self.late_failure.clone().map(Err));
        let batches = stream::iter(batches);
        match self.endless.lock().take() {
            Some(held) => {
                let never = stream::once(async move {
                    std::future::pending::<()>().await;
                    drop(held);
                    Ok(SelectBatch::default())
                });
                Ok(batches.chain(never).boxed())
            }
            None => Ok(batches.boxed()),
        }
    }

    async fn label_names(&self, request: wire::LabelNamesRequest) -> Result<wire::LabelStrings, StoreError> {
        let scope = request.scope.unwrap_or_default();
        self.called(scope.view.clone())?;
        let all = self.matching(&scope)?;
        let names = all.iter().flat_map(|series| series.labels.iter());
        let names = names.map(|(name, _)| name.to_owned()).collect();
        Ok(self.strings(names, request.limit))
    }

    async fn label_values(
        &self,
        request: wire::LabelValuesRequest,
    ) -> Result<wire::LabelStrings, StoreError> {
        let scope = request.scope.unwrap_or_default();
        self.called(scope.view.clone())?;
        let all = self.matching(&scope)?;
        let values = all.iter().filter_map(|series| series.labels.get(&request.label));
        let values = values.map(str::to_owned).collect();
        Ok(self.strings(values, request.limit))
    }

    async fn metadata(&self, request: wire::MetadataRequest) -> Result<wire::MetadataResponse, StoreError> {
        self.called(request.view)?;
        let all = self.metadata.iter();
        let wanted = all.filter(|one| request.metric.is_empty() || one.metric == request.metric);
        Ok(wire::MetadataResponse { metrics: wanted.cloned().collect(), bucket: None })
    }

    async fn exemplars(
        &self,
        request: wire::ExemplarsRequest,
    ) -> Result<wire::ExemplarsResponse, StoreError> {
        self.called(request.view)?;
        Ok(wire::ExemplarsResponse { series: self.exemplars.clone() })
    }

    async fn select_rollups(
        &self,
        _: wire::RollupsRequest,
    ) -> Result<SelectStream<SeriesRollups>, StoreError> {
        Err(StoreError::new(ErrorKind::Unsupported, "no rollups"))
    }

    async fn spans(&self, _: wire::SpansRequest) -> Result<wire::SpansResponse, StoreError> {
        Ok(wire::SpansResponse { spans: vec![wire::TimeSpan { start_ms: i64::MIN, end_ms: i64::MAX }] })
    }

    async fn ring(&self, _: wire::RingRequest) -> Result<wire::RingResponse, StoreError> {
        Err(StoreError::new(ErrorKind::Unsupported, "no rings"))
    }

    async fn statistics(
        &self,
        request: wire::StatisticsRequest,
    ) -> Result<wire::StatisticsResponse, StoreError> {
        self.called(request.view)?;
        let mut by_metric: BTreeMap<&str, u64> = BTreeMap::new();
        for series in &self.series {
            *by_metric.entry(series.labels.metric_name().unwrap_or("")).or_default() += 1;
        }
        let counts = by_metric.into_iter().map(|(name, value)| wire::Count { name: name.to_owned(), value });
        Ok(wire::StatisticsResponse {
            series: self.series.len() as u64,
            series_by_metric: counts.collect(),
            ..Default::default()
        })
    }
}

/// An error of a store that does not answer.
pub(crate) fn unavailable() -> StoreError {
    StoreError::new(ErrorKind::Unavailable, "connection refused")
}
