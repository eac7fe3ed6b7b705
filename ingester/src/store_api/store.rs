//! The Store API of an ingester.

use std::sync::Arc;

use async_trait::async_trait;
use latewood_base::{ErrorKind, Kinded, Offload};
use latewood_catalog::Catalogs;
use latewood_model::{Exemplar, Labels, SeriesRollups, TenantId, TimeRange};
use latewood_proto::store::wire::{
    self, ExemplarsRequest, ExemplarsResponse, LabelNamesRequest, LabelStrings, LabelValuesRequest,
    MetadataRequest, MetadataResponse, RingRequest, RingResponse, RollupsRequest, SelectRequest,
    SpansRequest, SpansResponse, StatisticsRequest, StatisticsResponse,
};
use latewood_proto::store::{SelectStream, StoreApi, StoreError};

use super::readers::ShardReaders;
use super::scope::{PinnedView, Scope, matchers};
use super::select::Wanted;
use super::{labels, select, statistics};
use crate::deletion::DeletedVersions;
use crate::exemplars::ExemplarStore;
use crate::metadata::MetadataStore;

/// What the store is made of.
#[derive(Clone, Debug)]
pub struct StoreParts {
    /// The shards of this node.
    pub shards: Arc<dyn ShardReaders>,
    /// Which views are from before a deletion.
    pub(crate) versions: Arc<DeletedVersions>,
    /// The catalogs, to tell views that are too old.
    pub catalogs: Arc<Catalogs>,
    /// Whether the journal was begun by this process.
    pub begun_now: bool,
    /// Exemplars of all tenants.
    pub exemplars: Arc<ExemplarStore>,
    /// Metadata of all tenants.
    pub metadata: Arc<MetadataStore>,
    /// Where heads are read.
    pub offload: Offload,
}

/// Answers queriers from heads and unflushed local blocks.
#[derive(Clone, Debug)]
pub struct IngesterStore(Arc<Inner>);

pub(super) type Inner = StoreParts;

impl IngesterStore {
    /// A store over these parts.
    #[must_use]
    pub fn new(parts: StoreParts) -> Self {
        Self(Arc::new(parts))
    }
}

pub(super) fn store_error(error: &impl Kinded) -> StoreError {
    StoreError::from_kinded(error)
}

#[async_trait]
impl StoreApi for IngesterStore {
    async fn select(&self, request: SelectRequest) -> Result<SelectStream, StoreError> {
        let wanted = Wanted { detail: request.detail(), skip_starts: request.skip_starts };
        let limit = request.limit;
        let scope = Scope::new(request.scope, &self.0.offload).await?;
        let reads = self.0.reads(&scope.view).await?;
        Ok(select::batches(reads, &scope, wanted, limit, &self.0.offload))
    }

    async fn label_names(&self, request: LabelNamesRequest) -> Result<LabelStrings, StoreError> {
        let scope = Scope::new(request.scope, &self.0.offload).await?;
        let reads = self.0.reads(&scope.view).await?;
        labels::strings(reads, scope, None, request.limit, &self.0.offload).await
    }

    async fn label_values(&self, request: LabelValuesRequest) -> Result<LabelStrings, StoreError> {
        let scope = Scope::new(request.scope, &self.0.offload).await?;
        let reads = self.0.reads(&scope.view).await?;
        labels::strings(reads, scope, Some(request.label), request.limit, &self.0.offload).await
    }

    async fn metadata(&self, request: MetadataRequest) -> Result<MetadataResponse, StoreError> {
        let tenant = tenant(&request.tenant)?;
        let metric = (!request.metric.is_empty()).then_some(request.metric.as_str());
        let limit = usize::try_from(request.limit).unwrap_or(usize::MAX);
        let found = self.0.metadata.query(&tenant, metric, limit).into_iter();
        let metrics = found.map(|(metric, metadata)| wire::MetricMetadata {
            metric,
            metric_type: i32::from(metadata.metric_type as u8),
            help: metadata.help,
            unit: metadata.unit,
        });
        Ok(MetadataResponse { metrics: metrics.collect(), bucket: None })
    }

    async fn exemplars(&self, request: ExemplarsRequest) -> Result<ExemplarsResponse, StoreError> {
        let tenant = tenant(&request.tenant)?;
        let mut selectors = Vec::new();
        for selector in request.selectors {
            selectors.push(matchers(selector.matchers, &self.0.offload).await?);
        }
        let store = Arc::clone(&self.0.exemplars);
        let range = TimeRange::new(request.start_ms, request.end_ms);
        let work = move || store.query(&tenant, &selectors, range);
        let found = self.0.offload.run(work).await.map_err(|error| store_error(&error))?;
        Ok(ExemplarsResponse { series: found.into_iter().map(series_exemplars).collect() })
    }

    async fn statistics(&self, request: StatisticsRequest) -> Result<StatisticsResponse, StoreError> {
        let view = PinnedView::new(&request.tenant, request.view)?;
        let reads = self.0.reads(&view).await?;
        statistics::statistics(reads, request.limit, &self.0.offload).await
    }

    async fn select_rollups(&self, _: RollupsRequest) -> Result<SelectStream<SeriesRollups>, StoreError> {
        Err(StoreError::new(ErrorKind::Unsupported, "an ingester has no rollups: store-gateways have"))
    }

    async fn spans(&self, request: SpansRequest) -> Result<SpansResponse, StoreError> {
        let view = PinnedView::new(&request.tenant, request.view)?;
        Ok(self.0.reads(&view).await?.spans())
    }

    async fn ring(&self, _: RingRequest) -> Result<RingResponse, StoreError> {
        Ok(self.0.shards.ring().to_wire())
    }
}

fn tenant(text: &str) -> Result<TenantId, StoreError> {
    TenantId::new(text).map_err(|error| StoreError::new(ErrorKind::Invalid, error))
}

fn series_exemplars((labels, exemplars): (Labels, Vec<Exemplar>)) -> wire::SeriesExemplars {
    let exemplars = exemplars.into_iter().map(|exemplar| wire::Exemplar {
        labels: wire_labels(&exemplar.labels),
        value: exemplar.value,
        timestamp_ms: exemplar.timestamp,
    });
    wire::SeriesExemplars { labels: wire_labels(&labels), exemplars: exemplars.collect() }
}

fn wire_labels(labels: &Labels) -> Vec<wire::Label> {
    let label = |(name, value): (&str, &str)| wire::Label { name: name.to_owned(), value: value.to_owned() };
    labels.iter().map(label).collect()
}
