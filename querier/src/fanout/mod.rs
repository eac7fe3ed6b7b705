//! Reads over all stores under one pinned catalog view.
//!
//! Invariants: all reads of one attempt use one view; a source that fails is never passed over in
//! silence, nor one that may lack something; a shard is asked of one ingester at a time; whatever a query holds is bounded by a batch of each source.

mod asking;
mod assignment;
mod coverage;
mod fetching;
mod gather;
mod heads;
mod joined;
mod labels;
mod merging;
mod owners;
mod replicas;
mod resume;
mod rings;
mod rollups;
mod share;
mod source;
mod spans;
mod targets;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::future::try_join_all;
use latewood_base::{ErrorKind, Offload, Ulid};
use latewood_catalog::{Catalogs, Usage, View};
use latewood_model::dedup::ReplicaLabels;
use latewood_model::{Matcher, Resolution, RollupColumns, SeriesRollups, TenantId, TimeRange};
use latewood_proto::store::{Detail, SeriesStream, StoreApi, StoreError, matcher_to_wire, merge_ahead, wire};

use asking::Asking;
pub(crate) use coverage::Coverage;
pub(crate) use heads::way_to;
pub(crate) use labels::Listing;
use owners::Owners;
use replicas::Hints;
pub(crate) use replicas::Replicas;
use rings::{Heads, Rings};
use share::Reads;
pub(crate) use source::FanoutSource;
use targets::Target;

use crate::QuerierConfig;
use crate::metrics::Metrics;
use crate::resolutions::{Held, HeldByTenant};
use crate::stores::{NamedStore, Stores};

/// How much is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    /// Of each series.
    pub(crate) detail: Detail,
    /// Whether start timestamps are.
    pub(crate) starts: bool,
    /// How many series at most; 0 is no limit.
    pub(crate) limit: u64,
}

/// Reads over all stores.
pub(crate) struct Fanout {
    catalogs: Arc<Catalogs>,
    ingesters: Stores,
    gateways: Stores,
    rings: Arc<Rings>,
    ring_patience: Duration,
    allow_stale_reads: bool,
    min_ingesters: usize,
    replication_factor: usize,
    metrics: Metrics,
    hints: Hints,
    held: HeldByTenant,
    /// Where long lists are sorted.
    lane: Offload,
}

/// A tenant's view, pinned for one attempt at a query, and what is known of its sources.
#[derive(Clone)]
pub(crate) struct Pinned {
    pub(crate) tenant: TenantId,
    pub(crate) view: Arc<View>,
    /// What the view's blocks hold.
    pub(crate) held: Arc<Held>,
    /// Known before the view was: what one flushed that had gone by then is in the view.
    ingesters: Arc<[NamedStore]>,
    /// What these must answer for, known as early.
    heads: Arc<Heads>,
    pub(crate) coverage: Arc<Coverage>,
}

impl Fanout {
    pub(crate) fn new(
        catalogs: Arc<Catalogs>,
        ingesters: Stores,
        gateways: Stores,
        config: &QuerierConfig,
        metrics: Metrics,
    ) -> Self {
        Self {
            catalogs,
            rings: Rings::new(ingesters.clone()),
            ring_patience: Duration::from_millis(config.ring_patience_ms),
            allow_stale_reads: config.allow_stale_reads,
            ingesters,
            gateways,
            min_ingesters: config.min_ingesters,
            replication_factor: config.store_gateway_replication_factor,
            metrics,
            hints: Hints::default(),
            held: HeldByTenant::new(ReplicaLabels::new(&config.replica_labels)),
            lane: Offload::per_core(),
        }
    }

    /// Runs a read under a pinned view; when a store says that the view is stale, pins a new enough one
    /// and runs it once more. Returns what the answer must say beside it.
    pub(crate) async fn under_view<T, F, Fut>(
        &self,
        tenant: &TenantId,
        partial: bool,
        read: F,
    ) -> Result<(T, Vec<String>), StoreError>
    where
        F: Fn(Pinned) -> Fut,
        Fut: Future<Output = Result<T, StoreError>>,
    {
        let first = self.pin(tenant, None, partial).await?;
        let (outcome, used) = match read(first.clone()).await {
            Err(StoreError::StaleView { min_version }) => {
                let second = self.pin(tenant, Some(min_version), partial).await?;
                (read(second.clone()).await, second)
            }
            outcome => (outcome, first),
        };
        self.learn(&used);
        self.metrics.bucket.observe(used.coverage.bucket());
        Ok((outcome?, used.coverage.warnings()))
    }

    async fn pin(
        &self,
        tenant: &TenantId,
        at_least: Option<u64>,
        partial: bool,
    ) -> Result<Pinned, StoreError> {
        let (ingesters, heads) = (self.ingesters.now(), Arc::new(self.rings.heads().await));
        let catalog = self.catalogs.tenant(tenant);
        let usage = Usage::new();
        let view = match at_least {
            Some(version) => usage.of(catalog.refresh(version)).await,
            None => usage.of(catalog.view()).await,
        };
        let coverage = Coverage::new(partial, at_least.is_some()).with_stale(self.allow_stale_reads);
        let coverage = Arc::new(coverage);
        let (requests, read_bytes) = usage.take();
        coverage.asked_bucket(wire::BucketUsage { requests, read_bytes });
        let view = view.map_err(|error| StoreError::from_kinded(&error))?;
        if view.is_deleted() {
            let text = format!("tenant {tenant} is being deleted, and is not read any more");
            return Err(StoreError::new(ErrorKind::Unprocessable, text));
        }
        let held = self.held.of(&view);
        Ok(Pinned { tenant: tenant.clone(), view, held, ingesters, heads, coverage })
    }

    /// Brings the catalog up to what a source was seen to know, for the queries to come.
    fn learn(&self, pinned: &Pinned) {
        let newest = pinned.coverage.newest_version();
        if newest <= pinned.view.version {
            return;
        }
        let catalog = self.catalogs.tenant(&pinned.tenant);
        tokio::spawn(async move {
            if let Err(error) = catalog.refresh(newest).await {
                tracing::warn!(%error, version = newest, "cannot read the catalog up to a version that a store knows");
            }
        });
    }

    /// The series that match, in storage order, each once.
    pub(crate) async fn select(
        &self,
        pinned: &Pinned,
        matchers: &[Matcher],
        range: TimeRange,
        wanted: Wanted,
    ) -> Result<SeriesStream, StoreError> {
        self.select_of(pinned, matchers, &Reads::of(range), wanted).await
    }

    /// The same of certain blocks, and certain times.
    async fn select_of(
        &self,
        pinned: &Pinned,
        matchers: &[Matcher],
        reads: &Reads<'_>,
        wanted: Wanted,
    ) -> Result<SeriesStream, StoreError> {
        let asking = &self.asking_for(pinned);
        let mut heads = self.heads(pinned, asking).await?;
        let mut opened = Vec::new();
        // The first is what ingesters are asked, too.
        for (range, blocks) in reads.questions(&pinned.view, &pinned.held) {
            let mut targets = std::mem::take(&mut heads);
            targets.extend(serving(pinned, asking, blocks.into_iter())?);
            let request = Arc::new(wire::SelectRequest {
                scope: Some(scope(pinned, wire::View::default(), matchers, range)),
                detail: wanted.detail.into(),
                skip_starts: !wanted.starts,
                limit: wanted.limit,
            });
            opened.push(async move { resume::select(asking, &request, targets).await });
        }
        Ok(merge_ahead(try_join_all(opened).await?.into_iter().flatten().collect()))
    }

    /// The windows of the series that match, in storage order, each once; of one resolution, ending in a range.
    pub(crate) async fn select_rollups(
        &self,
        pinned: &Pinned,
        matchers: &[Matcher],
        ends: TimeRange,
        (resolution, columns): (Resolution, RollupColumns),
    ) -> Result<SeriesStream<SeriesRollups>, StoreError> {
        let scope = Some(scope(pinned, wire::View::default(), matchers, ends));
        let request = Arc::new(wire::RollupsRequest { scope, columns: columns.bits() });
        let asking = self.asking_for(pinned);
        let targets = serving(pinned, &asking, targets::rollups(&pinned.view, resolution, ends))?;
        Ok(merge_ahead(resume::select(&asking, &request, targets).await?))
    }

    /// Asks everybody who must answer, at once; those that failed and may be missing are left out.
    async fn ask<T, Fut>(
        &self,
        pinned: &Pinned,
        range: TimeRange,
        call: impl Fn(Arc<dyn StoreApi>, wire::View) -> Fut,
    ) -> Result<Vec<T>, StoreError>
    where
        Fut: Future<Output = Result<T, StoreError>>,
    {
        let asking = self.asking_for(pinned);
        let heads = self.heads(pinned, &asking).await?;
        self.ask_with(pinned, range, (asking, heads), call).await
    }

    /// The same with all ingesters, whoever leads what.
    async fn ask_everybody<T, Fut>(
        &self,
        pinned: &Pinned,
        range: TimeRange,
        call: impl Fn(Arc<dyn StoreApi>, wire::View) -> Fut,
    ) -> Result<Vec<T>, StoreError>
    where
        Fut: Future<Output = Result<T, StoreError>>,
    {
        let asking = self.asking_for(pinned);
        let ingesters = self.everybody(pinned, &asking)?;
        self.ask_with(pinned, range, (asking, ingesters), call).await
    }

    async fn ask_with<T, Fut>(
        &self,
        pinned: &Pinned,
        range: TimeRange,
        (asking, mut targets): (Asking, Vec<Target>),
        call: impl Fn(Arc<dyn StoreApi>, wire::View) -> Fut,
    ) -> Result<Vec<T>, StoreError>
    where
        Fut: Future<Output = Result<T, StoreError>>,
    {
        targets.extend(serving(pinned, &asking, blocks_of(pinned, range).into_iter())?);
        let answers = asking.ask(targets, call).await?;
        Ok(answers.into_iter().map(|(_, answer)| answer).collect())
    }

    /// Brings the catalog up to a version that is known to exist, for the queries to come.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    pub(crate) async fn learn_version(&self, tenant: &TenantId, version: u64) -> Result<(), StoreError> {
        let learned = self.catalogs.tenant(tenant).at_least(version).await;
        learned.map(drop).map_err(|error| StoreError::from_kinded(&error))
    }

    fn asking_for(&self, pinned: &Pinned) -> Asking {
        self.asking(Arc::clone(&pinned.coverage))
    }

    fn asking(&self, coverage: Arc<Coverage>) -> Asking {
        Asking {
            owners: Arc::new(Owners::new(self.gateways.now(), self.replication_factor)),
            rings: Arc::clone(&self.rings),
            patience: self.ring_patience,
            coverage,
            failovers: self.metrics.failovers.clone(),
            moved_shards: self.metrics.moved_shards.clone(),
            stale_answers: self.metrics.stale_answers.clone(),
        }
    }
}

/// The blocks that must answer for a range; where samples are gone, those of their rollups.
fn blocks_of(pinned: &Pinned, range: TimeRange) -> BTreeSet<Ulid> {
    let gone = pinned.held.gone(range).into_iter();
    let rollups = gone.flat_map(|(gone, resolution)| targets::rollups(&pinned.view, resolution, gone));
    targets::raw(&pinned.view, &[range]).map(|block| block.id).chain(rollups).collect()
}

/// The store-gateways that answer for blocks. Blocks that none answers for are a source that is missing.
fn serving(
    pinned: &Pinned,
    asking: &Asking,
    blocks: impl Iterator<Item = Ulid>,
) -> Result<Vec<Target>, StoreError> {
    let (targets, unserved) = asking.owners.first(pinned.view.version, blocks);
    if unserved > 0 {
        let text = format!("{unserved} blocks are needed and no store-gateway is known");
        let error = StoreError::new(ErrorKind::Unavailable, text);
        pinned.coverage.failed("store-gateways", error)?;
    }
    Ok(targets)
}

/// The scope of a request to one store.
fn scope(pinned: &Pinned, view: wire::View, matchers: &[Matcher], range: TimeRange) -> wire::Scope {
    wire::Scope {
        tenant: pinned.tenant.to_string(),
        view: Some(view),
        matchers: matchers.iter().map(matcher_to_wire).collect(),
        start_ms: range.start,
        end_ms: range.end,
    }
}

#[cfg(test)]
mod ring_tests;
#[cfg(test)]
mod segment_tests;
#[cfg(test)]
mod tests;
