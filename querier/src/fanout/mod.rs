//! Reads over all stores under one pinned catalog view.
//!
//! Invariants: all reads of one attempt use one view; a source that fails is never passed over in
//! silence; whatever a query holds is bounded by a batch of each source.

mod coverage;
mod gather;
mod groups;
mod labels;
mod lane;
mod replicas;
mod source;
mod targets;

use std::sync::Arc;

use futures::StreamExt;
use futures::future::join_all;
use latewood_base::{ErrorKind, Offload};
use latewood_catalog::{Catalogs, View};
use latewood_model::{Matcher, TenantId, TimeRange};
use latewood_proto::store::{
    Detail, SelectBatch, SelectStream, SeriesStream, StoreApi, StoreError, matcher_to_wire, merge_ahead, wire,
};

pub(crate) use coverage::Coverage;
pub(crate) use labels::Listing;
use replicas::Hints;
pub(crate) use replicas::Replicas;
pub(crate) use source::FanoutSource;
use targets::Target;

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
    min_ingesters: usize,
    hints: Hints,
    /// Where long lists are sorted.
    lane: Offload,
}

/// A tenant's view, pinned for one attempt at a query, and what is known of its sources.
#[derive(Clone)]
pub(crate) struct Pinned {
    pub(crate) tenant: TenantId,
    pub(crate) view: Arc<View>,
    /// Known before the view was: what one flushed that had gone by then is in the view.
    ingesters: Arc<[NamedStore]>,
    pub(crate) coverage: Arc<Coverage>,
}

impl Fanout {
    pub(crate) fn new(
        catalogs: Arc<Catalogs>,
        ingesters: Stores,
        gateways: Stores,
        min_ingesters: usize,
    ) -> Self {
        let (hints, lane) = (Hints::default(), Offload::per_core());
        Self { catalogs, ingesters, gateways, min_ingesters, hints, lane }
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
        Ok((outcome?, used.coverage.warnings()))
    }

    async fn pin(
        &self,
        tenant: &TenantId,
        at_least: Option<u64>,
        partial: bool,
    ) -> Result<Pinned, StoreError> {
        let ingesters = self.ingesters.now();
        let catalog = self.catalogs.tenant(tenant);
        let view = match at_least {
            Some(version) => catalog.refresh(version).await,
            None => catalog.view().await,
        };
        Ok(Pinned {
            tenant: tenant.clone(),
            view: view.map_err(|error| StoreError::from_kinded(&error))?,
            ingesters,
            coverage: Arc::new(Coverage::new(partial, at_least.is_some())),
        })
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
        let opened = self
            .ask(pinned, range, |store, view| {
                let request = wire::SelectRequest {
                    scope: Some(scope(pinned, view, matchers, range)),
                    detail: wanted.detail.into(),
                    skip_starts: !wanted.starts,
                    limit: wanted.limit,
                };
                async move { store.select(request).await }
            })
            .await?;
        let streams =
            opened.into_iter().map(|(name, batches)| tolerant(batches, name, Arc::clone(&pinned.coverage)));
        Ok(merge_ahead(streams.collect()))
    }

    /// Asks everybody who must answer, at once; those that failed and may be missing are left out.
    async fn ask<T, Fut>(
        &self,
        pinned: &Pinned,
        range: TimeRange,
        call: impl Fn(Arc<dyn StoreApi>, wire::View) -> Fut,
    ) -> Result<Vec<(String, T)>, StoreError>
    where
        Fut: Future<Output = Result<T, StoreError>>,
    {
        let (ingesters, gateways) = (self.ingesters(pinned)?, self.gateways.now());
        let (targets, unserved) = targets::targets(&pinned.view, range, ingesters, &gateways);
        if unserved > 0 {
            let text = format!("{unserved} blocks are needed and no store-gateway is known");
            let error = StoreError::new(ErrorKind::Unavailable, text);
            pinned.coverage.failed("store-gateways", error)?;
        }
        self.ask_each(pinned, targets, call).await
    }

    /// Asks some stores, at once; those that failed and may be missing are left out.
    async fn ask_each<T, Fut>(
        &self,
        pinned: &Pinned,
        targets: Vec<Target>,
        call: impl Fn(Arc<dyn StoreApi>, wire::View) -> Fut,
    ) -> Result<Vec<(String, T)>, StoreError>
    where
        Fut: Future<Output = Result<T, StoreError>>,
    {
        let calls = targets.into_iter().map(|target| {
            let (name, answer) = (target.name(), call(target.store.api, target.view));
            async move { (name, answer.await) }
        });
        let mut answers = Vec::new();
        for (name, answer) in join_all(calls).await {
            match answer {
                Ok(answer) => answers.push((name, answer)),
                Err(error) => pinned.coverage.failed(&name, error)?,
            }
        }
        Ok(answers)
    }

    /// The ingesters that must answer. Too few of them are a source that is missing.
    fn ingesters<'a>(&self, pinned: &'a Pinned) -> Result<&'a [NamedStore], StoreError> {
        let known = pinned.ingesters.len();
        if known < self.min_ingesters {
            let text = format!("{known} of at least {} are known", self.min_ingesters);
            pinned.coverage.failed("ingesters", StoreError::new(ErrorKind::Unavailable, text))?;
        }
        Ok(&pinned.ingesters)
    }
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

/// A source's series; a failure ends them, and is an error only where the answer may not be partial.
fn tolerant(batches: SelectStream, name: String, coverage: Arc<Coverage>) -> SeriesStream {
    let tolerate = move |batch: Result<SelectBatch, StoreError>| {
        let outcome = match batch {
            Ok(batch) => {
                coverage.saw_version(batch.newest_version);
                Some(Ok(batch.series))
            }
            Err(error) => coverage.failed(&name, error).err().map(Err),
        };
        std::future::ready(outcome)
    };
    // A tolerated failure is the end of its source.
    batches
        .then(tolerate)
        .take_while(|outcome| std::future::ready(outcome.is_some()))
        .filter_map(std::future::ready)
        .boxed()
}

#[cfg(test)]
mod tests;
