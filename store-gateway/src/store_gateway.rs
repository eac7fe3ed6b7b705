//! [`StoreGateway`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt, stream};
use latewood_base::{ErrorKind, Offload};
use latewood_block::{DecodedPages, RollupSpec, SelectSpec};
use latewood_catalog::Catalogs;
use latewood_model::{Matcher, MetricMetadata, RollupColumns, SeriesRollups, TimeRange};
use latewood_objstore::{Bucket, Usage};
use latewood_proto::store::wire::{
    ExemplarsRequest, ExemplarsResponse, LabelNamesRequest, LabelStrings, LabelValuesRequest,
    MetadataRequest, MetadataResponse, RingRequest, RingResponse, RollupsRequest, Scope, SelectRequest,
    SpansRequest, SpansResponse, StatisticsRequest, StatisticsResponse,
};
use latewood_proto::store::{Detail, SelectStream, StoreApi, StoreError, matchers_from_wire, wire};
use prometheus_client::registry::Registry;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::blocks::{Blocks, OpenBlock, Pinned, Purpose};
use crate::decoded_pages_metrics::DecodedPagesMetrics;
use crate::metrics::Metrics;
use crate::{GatewayConfig, GatewayError, rollups, select, statistics};

/// Answers the Store API from the blocks of the bucket that a request's view names, and from those alone.
pub struct StoreGateway {
    blocks: Blocks,
    places: Arc<Semaphore>,
    metrics: Metrics,
}

/// A request's scope, read.
struct Asked {
    pinned: Pinned,
    matchers: Vec<Matcher>,
    range: TimeRange,
    /// Held until the request is answered; a select's stream goes on without it, because a query holds
    /// several streams and those that wait for a place must not wait for each other.
    _place: OwnedSemaphorePermit,
}

impl StoreGateway {
    /// A store-gateway over a bucket; opens nothing yet. Registers its metrics.
    #[must_use]
    pub fn new(
        config: GatewayConfig,
        bucket: Bucket,
        catalogs: Arc<Catalogs>,
        offload: Offload,
        registry: &mut Registry,
    ) -> Self {
        let metrics = Metrics::new(registry);
        let pages = DecodedPages::new(config.decoded_pages_bytes);
        registry.register_collector(Box::new(DecodedPagesMetrics(pages.clone())));
        let places = config.max_concurrent_requests.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            blocks: Blocks::new(config, bucket, catalogs, offload, pages, metrics.clone()),
            places: Arc::new(Semaphore::new(places)),
            metrics,
        }
    }

    async fn place(&self) -> Result<OwnedSemaphorePermit, StoreError> {
        let place = Arc::clone(&self.places).acquire_owned().await;
        place.map_err(|_| GatewayError::Stopping.into())
    }

    async fn asked(&self, scope: Option<Scope>, purpose: Purpose) -> Result<Asked, StoreError> {
        let scope = scope.ok_or(GatewayError::Lacks("scope"))?;
        let matchers = matchers_from_wire(scope.matchers, self.blocks.offload()).await?;
        let place = self.place().await?;
        Ok(Asked {
            pinned: self.blocks.pinned(&scope.tenant, scope.view, purpose).await?,
            matchers,
            range: TimeRange::new(scope.start_ms, scope.end_ms),
            _place: place,
        })
    }

    /// Asks every block, some at once.
    async fn each<T, Fut>(
        &self,
        blocks: &[OpenBlock],
        call: impl Fn(OpenBlock) -> Fut,
    ) -> Result<Vec<T>, StoreError>
    where
        Fut: Future<Output = Result<T, GatewayError>>,
    {
        let calls = stream::iter(blocks.iter().cloned().map(call));
        let answers = calls.buffered(self.blocks.config.blocks_at_once.max(1));
        Ok(answers.try_collect().await?)
    }
}

/// Sorted, distinct, at most `limit` of them; 0 is no limit.
fn union(lists: Vec<Vec<String>>, limit: u64, newest_version: u64, usage: &Usage) -> LabelStrings {
    let all: BTreeSet<String> = lists.into_iter().flatten().collect();
    let bucket = select::told(usage);
    LabelStrings { values: all.into_iter().take(most(limit)).collect(), newest_version, bucket }
}

/// Of a block's sorted texts those that may be among as many of all blocks.
fn first(mut texts: Vec<String>, limit: u64) -> Vec<String> {
    texts.truncate(most(limit));
    texts
}

fn most(limit: u64) -> usize {
    match usize::try_from(limit) {
        Ok(0) | Err(_) => usize::MAX,
        Ok(limit) => limit,
    }
}

#[async_trait]
impl StoreApi for StoreGateway {
    async fn select(&self, request: SelectRequest) -> Result<SelectStream, StoreError> {
        let skip_samples = request.detail() == Detail::Labels;
        let purpose = if skip_samples { Purpose::Labels } else { Purpose::Samples };
        let usage = Usage::new();
        let asked = usage.of(self.asked(request.scope, purpose)).await?;
        self.metrics.selects.inc();
        let spec = SelectSpec {
            matchers: asked.matchers,
            range: asked.range,
            skip_samples,
            skip_starts: request.skip_starts,
        };
        let ahead = self.blocks.config.decode_ahead_blocks;
        let of_block = |open, side_by_side| select::samples_of(open, spec.clone(), side_by_side);
        let series = select::merged(asked.pinned.blocks, ahead, &usage, of_block);
        let version = asked.pinned.newest_version;
        Ok(select::batches(series, most(request.limit), version, self.metrics.clone(), usage))
    }

    async fn select_rollups(
        &self,
        request: RollupsRequest,
    ) -> Result<SelectStream<SeriesRollups>, StoreError> {
        let columns =
            RollupColumns::from_bits(request.columns).ok_or(GatewayError::Columns(request.columns))?;
        let usage = Usage::new();
        let asked = usage.of(self.asked(request.scope, Purpose::Windows(columns))).await?;
        let Some(windows) = rollups::common_windows(&asked.pinned.blocks)? else {
            return Ok(stream::empty().boxed());
        };
        self.metrics.selects.inc();
        let (matchers, range) = (asked.matchers, asked.range);
        let spec = RollupSpec { matchers, range, skip_windows: false, columns };
        let ahead = self.blocks.config.decode_ahead_blocks;
        let of_block = |open, side_by_side| rollups::windows_of(open, windows, spec.clone(), side_by_side);
        let series = select::merged(asked.pinned.blocks, ahead, &usage, of_block);
        let version = asked.pinned.newest_version;
        Ok(select::batches(series, usize::MAX, version, self.metrics.clone(), usage))
    }

    async fn label_names(&self, request: LabelNamesRequest) -> Result<LabelStrings, StoreError> {
        let usage = Usage::new();
        let asked = usage.of(self.asked(request.scope, Purpose::Labels)).await?;
        let (matchers, range) = (&asked.matchers, asked.range);
        let names = self.each(&asked.pinned.blocks, move |open| async move {
            let names = open.block.label_names(matchers, open.rows_of(range)).await;
            names.map(|names| first(names, request.limit)).map_err(|error| open.failed(error))
        });
        let names = usage.of(names).await?;
        Ok(union(names, request.limit, asked.pinned.newest_version, &usage))
    }

    async fn label_values(&self, request: LabelValuesRequest) -> Result<LabelStrings, StoreError> {
        let usage = Usage::new();
        let asked = usage.of(self.asked(request.scope, Purpose::Labels)).await?;
        let (matchers, range, label) = (&asked.matchers, asked.range, request.label.as_str());
        let values = self.each(&asked.pinned.blocks, move |open| async move {
            let values = open.block.label_values(label, matchers, open.rows_of(range)).await;
            values.map(|values| first(values, request.limit)).map_err(|error| open.failed(error))
        });
        let values = usage.of(values).await?;
        Ok(union(values, request.limit, asked.pinned.newest_version, &usage))
    }

    async fn metadata(&self, request: MetadataRequest) -> Result<MetadataResponse, StoreError> {
        let _place = self.place().await?;
        let usage = Usage::new();
        let pinned = usage.of(self.blocks.pinned(&request.tenant, request.view, Purpose::Labels)).await?;
        let metric = (!request.metric.is_empty()).then_some(request.metric.as_str());
        let lists = self.each(&pinned.blocks, move |open| async move {
            let list = open.block.metadata(metric).await;
            list.map_err(|error| open.failed(error))
        });
        let mut by_metric: BTreeMap<String, BTreeSet<MetricMetadata>> = BTreeMap::new();
        for (metric, metadata) in usage.of(lists).await?.into_iter().flatten() {
            by_metric.entry(metric).or_default().insert(metadata);
        }
        let metrics = by_metric.into_iter().take(most(request.limit));
        let rows = metrics.flat_map(|(metric, all)| all.into_iter().map(move |one| (metric.clone(), one)));
        let rows = rows.map(|(metric, one)| wire::MetricMetadata {
            metric,
            metric_type: one.metric_type as i32,
            help: one.help,
            unit: one.unit,
        });
        Ok(MetadataResponse { metrics: rows.collect(), bucket: select::told(&usage) })
    }

    /// Blocks do not give exemplars yet: `docs/gaps.md`.
    async fn exemplars(&self, _: ExemplarsRequest) -> Result<ExemplarsResponse, StoreError> {
        Ok(ExemplarsResponse::default())
    }

    async fn spans(&self, _: SpansRequest) -> Result<SpansResponse, StoreError> {
        let text = "a store-gateway has nothing beside blocks: the catalog says what times these have";
        Err(StoreError::new(ErrorKind::Unsupported, text))
    }

    async fn ring(&self, _: RingRequest) -> Result<RingResponse, StoreError> {
        Err(StoreError::new(ErrorKind::Unsupported, "a store-gateway leads no shards: ingesters do"))
    }

    async fn statistics(&self, request: StatisticsRequest) -> Result<StatisticsResponse, StoreError> {
        let _place = self.place().await?;
        let pinned = self.blocks.pinned(&request.tenant, request.view, Purpose::Labels).await?;
        let limit = usize::try_from(request.limit).unwrap_or(usize::MAX);
        let parts = self.each(&pinned.blocks, move |open| async move {
            let part = open.block.statistics(limit).await;
            part.map_err(|error| open.failed(error))
        });
        Ok(statistics::of_blocks(&parts.await?, limit))
    }
}

#[cfg(test)]
mod tests;
