//! A store's series, going on from the next owners of its blocks, or from who leads its shards now, where it fails.
//!
//! Blocks never change, so that all their owners have the same series in the same order: what was answered already
//! is left out by its labels, and no sample comes twice. Who leads a shard now has all that was acknowledged when the query
//! began, as the one before had: what came since may be in the series that are still to come, and not in others.

use std::sync::Arc;

use futures::future::BoxFuture;
use futures::{StreamExt, stream};
use latewood_model::{Labels, SeriesRollups, SeriesSamples, storage_order};
use latewood_proto::store::{
    SelectStream, SeriesStream, StoreApi, StoreError, StoredSeries, merge_ahead, wire,
};

use super::Coverage;
use super::asking::Asking;
use super::targets::Target;

/// What is asked for, less the view.
pub(crate) trait Request: Send + Sync + 'static {
    /// What comes.
    type Series: StoredSeries;

    /// Asks a store for series under its view.
    fn select(
        &self,
        store: Arc<dyn StoreApi>,
        view: wire::View,
    ) -> BoxFuture<'static, Result<SelectStream<Self::Series>, StoreError>>;
}

impl Request for wire::SelectRequest {
    type Series = SeriesSamples;

    fn select(
        &self,
        store: Arc<dyn StoreApi>,
        view: wire::View,
    ) -> BoxFuture<'static, Result<SelectStream, StoreError>> {
        let scope = self.scope.clone().map(|scope| wire::Scope { view: Some(view), ..scope });
        let request = Self { scope, ..*self };
        Box::pin(async move { store.select(request).await })
    }
}

impl Request for wire::RollupsRequest {
    type Series = SeriesRollups;

    fn select(
        &self,
        store: Arc<dyn StoreApi>,
        view: wire::View,
    ) -> BoxFuture<'static, Result<SelectStream<SeriesRollups>, StoreError>> {
        let scope = self.scope.clone().map(|scope| wire::Scope { view: Some(view), ..scope });
        let request = Self { scope, ..*self };
        Box::pin(async move { store.select_rollups(request).await })
    }
}

/// Asks stores for their series, each going on from those who stand in for it where it fails.
pub(crate) async fn select<R: Request>(
    asking: &Asking,
    request: &Arc<R>,
    targets: Vec<Target>,
) -> Result<Vec<SeriesStream<R::Series>>, StoreError> {
    let opened = asking.ask(targets, |store, view| request.select(store, view)).await?;
    let streams = opened.into_iter().map(|(target, batches)| resumed(asking, request, target, batches));
    Ok(streams.collect())
}

/// A store's series. A failure that nobody stands in for ends them, and is an error only where the answer may not be
/// partial.
fn resumed<R: Request>(
    asking: &Asking,
    request: &Arc<R>,
    target: Target,
    batches: SelectStream<R::Series>,
) -> SeriesStream<R::Series> {
    let reading = Reading {
        series: observed(batches, Arc::clone(&asking.coverage)),
        asking: asking.clone(),
        request: Arc::clone(request),
        target: Some(target),
        last: None,
    };
    let step = |reading: Option<Reading<R>>| async move {
        let mut reading = reading?;
        match reading.next_batch().await {
            Ok(batch) => batch.map(|batch| (Ok(batch), Some(reading))),
            Err(error) => Some((Err(error), None)),
        }
    };
    stream::unfold(Some(reading), step).boxed()
}

/// The series of batches; takes note of what else they tell.
fn observed<S: StoredSeries>(batches: SelectStream<S>, coverage: Arc<Coverage>) -> SeriesStream<S> {
    let series = batches.map(move |batch| {
        let batch = batch?;
        coverage.saw_version(batch.newest_version);
        batch.bucket.into_iter().for_each(|usage| coverage.asked_bucket(usage));
        Ok(batch.series)
    });
    series.boxed()
}

struct Reading<R: Request> {
    asking: Asking,
    request: Arc<R>,
    series: SeriesStream<R::Series>,
    /// Whose series they are; none once others stand in, who look after themselves.
    target: Option<Target>,
    /// The last series that was answered; none once the series of those who stand in are past it.
    last: Option<Labels>,
}

impl<R: Request> Reading<R> {
    async fn next_batch(&mut self) -> Result<Option<Vec<R::Series>>, StoreError> {
        loop {
            let next = async { self.series.next().await.transpose() };
            let next = match &self.target {
                Some(target) => self.asking.unless_replaced(target, next).await,
                None => next.await,
            };
            match next {
                Ok(None) => return Ok(None),
                Ok(Some(batch)) => {
                    let batch = self.take(batch);
                    if !batch.is_empty() {
                        return Ok(Some(batch));
                    }
                }
                Err(error) => {
                    let Some(failed) = self.target.take() else { return Err(error) };
                    self.series = self.instead(&failed, error).await?;
                }
            }
        }
    }

    /// The series of a batch that were not answered yet.
    fn take(&mut self, mut batch: Vec<R::Series>) -> Vec<R::Series> {
        if self.target.is_some() {
            self.last = batch.last().map(|series| series.labels().clone()).or(self.last.take());
        } else if let Some(last) = &self.last {
            let is_new = |series: &R::Series| storage_order(series.labels(), last).is_gt();
            let known = batch.iter().position(is_new).unwrap_or(batch.len());
            batch.drain(..known);
            if !batch.is_empty() {
                self.last = None;
            }
        }
        batch
    }

    /// The series of those who stand in, from the first on; none where the answer may lack them.
    async fn instead(
        &mut self,
        failed: &Target,
        error: StoreError,
    ) -> Result<SeriesStream<R::Series>, StoreError> {
        let next = self.asking.instead(failed, error).await?;
        Ok(merge_ahead(select(&self.asking, &self.request, next).await?))
    }
}
